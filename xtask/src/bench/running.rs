//! A program that runs in the background.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A program in a process group of its own, with what it says on standard error; it ends with this value.
#[derive(Debug)]
pub struct Running {
    name: String,
    pub child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Standard output goes nowhere unless the command says so.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::start_as_it_is(command, name)
    }

    /// With its standard output in a pipe.
    pub fn start_talking(command: &mut Command) -> Result<(Self, BufReader<ChildStdout>)> {
        let name = command.get_program().display().to_string();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Self::start_as_it_is(command, name)?;
        let out = running.child.stdout.take().context("the program has no output")?;
        Ok((running, BufReader::new(out)))
    }

    pub fn start_as_it_is(command: &mut Command, name: String) -> Result<Self> {
        command.process_group(0).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let said = Arc::new(Mutex::new(String::new()));
        let listener = child.stderr.take().map(|stderr| {
            let said = Arc::clone(&said);
            thread::spawn(move || listen(stderr, &said))
        });
        Ok(Self { name, child, said, listener })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `ready` finds what it looks for; an error when the program ends before, or takes too long.
    pub fn wait_until<T>(&mut self, limit: Duration, mut ready: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = ready(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().context("cannot wait for a program")? {
                bail!("{} ended at once ({status}): {}", self.name, self.said().trim());
            }
            if start.elapsed() > limit {
                bail!("{} is not ready after {limit:?}: {}", self.name, self.said().trim());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(mut self, signal: Signal) -> Result<(ExitStatus, String)> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal)
            .with_context(|| format!("cannot stop {}", self.name))?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a program")? {
                break status;
            }
            if start.elapsed() > Duration::from_secs(20) {
                bail!("{} does not end", self.name);
            }
            thread::sleep(Duration::from_millis(1));
        };
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        Ok((status, self.said()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stderr: impl Read, said: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        // Enough to find what is looked for; a program that does not stop talking is not kept whole.
        if said.len() < 1 << 20 {
            said.push_str(&line);
            said.push('\n');
        }
    }
}
