//! `cargo xtask COMMAND`: see `cargo xtask --help`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{ebpf, fuzz, packages, vm};

/// Developer commands of cardlink-obs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Rebuild the BPF object, or check that the committed one matches its sources.
    BuildEbpf(ebpf::Options),
    /// Install the Debian packages and tools that the other commands use (they also do it themselves).
    Setup(packages::Options),
    /// Run the fuzz targets for a while.
    Fuzz(fuzz::Options),
    /// Run a job on Debian's stock kernels, in emulated machines.
    Vm(vm::Options),
}

fn main() -> ExitCode {
    if let Some(code) = ebpf::rustc::run_if_wrapper() {
        return code;
    }
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::BuildEbpf(options) => ebpf::run(&options)?,
        Command::Setup(options) => packages::run(&options)?,
        Command::Fuzz(options) => fuzz::run(&options)?,
        Command::Vm(options) => return vm::run(&options),
    }
    Ok(ExitCode::SUCCESS)
}
