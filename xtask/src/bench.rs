//! `cargo xtask bench`: what the agent costs the programs that it watches.
//!
//! The measuring is done by a program of the lab, `lab-bench`; it finds the agent, the lab and the peers as the end-to-end
//! tests do.

use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::programs::Programs;
use crate::project::run as run_command;

/// `cargo xtask bench`
#[derive(Debug, Args)]
pub struct Options {
    /// Arguments for the bench program.
    #[arg(last = true)]
    args: Vec<String>,
}

pub fn run(options: &Options) -> Result<()> {
    let programs = Programs::build()?.with_peers()?;
    let bench = programs.lab.join("lab-bench");
    ensure!(bench.is_file(), "the lab has no program `lab-bench` yet: there is nothing to measure with");
    run_command(Command::new(bench).envs(programs.env()).args(&options.args))
}
