//! `cargo xtask ci`: what must hold before a change lands, in phases.

use std::env;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use crate::ebpf;
use crate::packages::{self, Group};
use crate::project::{capture, cargo, root, run as run_command};

/// `cargo xtask ci`
#[derive(Debug, Args)]
pub struct Options {
    /// How long each fuzz target runs at most.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    fuzz_seconds: u32,
    /// How many inputs each fuzz target tries at most.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    fuzz_inputs: u32,
}

pub fn run(options: &Options) -> Result<()> {
    // Clippy compiles the lab, and that needs OpenSSL.
    packages::ensure(&[Group::Lab])?;
    let (seconds, inputs) = (options.fuzz_seconds.to_string(), options.fuzz_inputs.to_string());
    let times = [
        phase("format", cargo().args(["fmt", "--all", "--check"]))?,
        phase("format of the BPF programs", &mut format_apart("cardlink-obs-ebpf"))?,
        phase("format of the fuzz targets", &mut format_apart("tests/fuzz"))?,
        phase("lint", cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?,
        phase("BPF object", xtask()?.args(["build-ebpf", "--check"]))?,
        phase("fuzz", xtask()?.args(["fuzz", "--seed", "1", "--seconds", &seconds, "--inputs", &inputs]))?,
        phase("stock kernels", with_rebuilt_object(&mut xtask()?).arg("vm"))?,
        phase("package under systemd", with_rebuilt_object(&mut xtask()?).arg("service"))?,
    ];
    println!("\nPassed so far: {}.", times.join(", "));
    // Last, so that the output ends with the test runner's own summary.
    phase("test", with_rebuilt_object(&mut xtask()?).arg("test"))?;
    Ok(())
}

/// Runs a part of CI; returns its name with the time that it took.
fn phase(name: &str, command: &mut Command) -> Result<String> {
    println!("\n===== {name} ({} free) =====", free_space());
    let start = Instant::now();
    run_command(command.current_dir(root()))
        .with_context(|| format!("CI failed in the phase `{name}`, with {} free", free_space()))?;
    Ok(format!("{name} {} s", start.elapsed().as_secs()))
}

/// What is left on the disk that the checkout is on: a full one shows itself in the strangest places.
fn free_space() -> String {
    let df = capture(Command::new("df").args(["-h", "--output=avail", "."]).current_dir(root()));
    df.ok().and_then(|text| text.lines().nth(1).map(|line| line.trim().to_owned())).unwrap_or_else(|| String::from("?"))
}

/// Checks a crate that is not in the workspace.
fn format_apart(crate_dir: &str) -> Command {
    let mut command = cargo();
    command.args(["fmt", "--check", "--manifest-path", &format!("{crate_dir}/Cargo.toml")]);
    command
}

/// This program again.
fn xtask() -> Result<Command> {
    Ok(Command::new(env::current_exe().context("cannot name this program")?))
}

/// What is tested is the object that was built from the sources here.
fn with_rebuilt_object(command: &mut Command) -> &mut Command {
    command.env("CARDLINK_OBS_BPF_OBJECT", ebpf::rebuilt_path())
}
