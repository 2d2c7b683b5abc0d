//! `cargo xtask COMMAND`: see `cargo xtask --help`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{bench, ci, deb, demo, ebpf, fuzz, packages, service, test, vm};

/// Developer commands of cardlink-obs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the agent at work, on the lab's server, card and modem.
    Demo(demo::Options),
    /// The demo's modem program.
    #[command(hide = true)]
    ModemTool(demo::modem_tool::Options),
    /// Run all tests, with what they need installed and built first.
    Test(test::Options),
    /// Measure what the agent costs.
    Bench(bench::Options),
    /// Rebuild the BPF object, or check that the committed one matches its sources.
    BuildEbpf(ebpf::Options),
    /// Install the Debian packages and tools that the other commands use (they also do it themselves).
    Setup(packages::Options),
    /// Run the fuzz targets for a while.
    Fuzz(fuzz::Options),
    /// Build a Debian package of the agent.
    Deb(deb::Options),
    /// Everything that must hold before a change lands.
    Ci(ci::Options),
    /// Run a job on Debian's stock kernels, in emulated machines.
    Vm(vm::Options),
    /// Install the Debian package in an emulated machine under systemd, and use its service.
    Service(service::Options),
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
        Command::Demo(options) => demo::run(&options)?,
        Command::ModemTool(options) => demo::modem_tool::run(&options)?,
        Command::Test(options) => test::run(&options)?,
        Command::Bench(options) => bench::run(&options)?,
        Command::Service(options) => service::run(&options)?,
        Command::Deb(options) => deb::run(&options)?,
        Command::Ci(options) => ci::run(&options)?,
        Command::Vm(options) => return vm::run(&options),
    }
    Ok(ExitCode::SUCCESS)
}
