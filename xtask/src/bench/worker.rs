//! The bench program of the lab: it does what it is told in lines, and answers each with a number.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Command};

use anyhow::{Context, Result};

use super::Bench;
use super::running::Running;

pub struct Worker {
    running: Running,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub fn start(bench: &Bench) -> Result<Self> {
        Self::with(&mut Command::new(bench.programs.lab.join("lab-bench")))
    }

    /// Another program that does the same.
    pub fn with(command: &mut Command) -> Result<Self> {
        let (mut running, output) = Running::start_talking(command)?;
        let input = running.child.stdin.take().context("the program has no input")?;
        Ok(Self { running, input, output })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Nanoseconds of CPU time of one call.
    pub fn measure(&mut self, kind: &str, count: u32) -> Result<f64> {
        self.ask(&format!("{kind} {count}"))
    }

    /// What it answers to a line.
    pub fn ask(&mut self, words: &str) -> Result<f64> {
        writeln!(self.input, "{words}").context("the program is gone")?;
        let mut line = String::new();
        self.output.read_line(&mut line).context("the program is gone")?;
        line.trim()
            .parse()
            .with_context(|| format!("the program says `{}`: {}", line.trim(), self.running.said().trim()))
    }
}
