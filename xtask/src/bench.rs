//! `cargo xtask bench`: what the agent costs the programs that it watches.

use std::process::Command;

use anyhow::Result;
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
    run_command(Command::new(programs.lab.join("lab-bench")).envs(programs.env()).args(&options.args))
}
