//! `cargo xtask test`: every test, with all that they need installed and built first.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::programs::{E2E, Programs, e2e_tests};
use crate::project::{capture, cargo, is_root, root, run as run_command, step, which};

/// `cargo xtask test`
#[derive(Debug, Args)]
pub struct Options {
    /// Leave out the end-to-end tests, which load BPF programs and so need root.
    #[arg(long)]
    no_root: bool,
    /// Arguments for the test runner, for example the name of a test.
    #[arg(last = true)]
    args: Vec<String>,
}

/// How the end-to-end tests get the rights that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Root,
    Sudo,
    None,
}

pub fn run(options: &Options) -> Result<()> {
    if options.no_root {
        step("Testing without the end-to-end tests: they need root");
        return run_command(test_command().args(["--exclude", E2E]).args(&options.args));
    }
    let programs = Programs::build()?.with_peers()?;
    match rights() {
        Rights::Root => {
            step("Testing");
            doc_tests()?;
            run_command(test_command().envs(programs.env()).args(&options.args))
        }
        Rights::Sudo => {
            step("Testing");
            doc_tests()?;
            run_command(test_command().args(["--exclude", E2E]).args(&options.args))?;
            step("Testing end to end, through sudo");
            let tests = e2e_tests()?;
            tests.iter().try_for_each(|test| run_command(sudo(test, &programs).args(&options.args)))
        }
        Rights::None => {
            step("Testing without the end-to-end tests: they need root, and sudo asks for a password");
            doc_tests()?;
            run_command(test_command().args(["--exclude", E2E]).args(&options.args))?;
            bail!("the end-to-end tests ({E2E}) were not run; run as root, or say --no-root to leave them out")
        }
    }
}

fn rights() -> Rights {
    if is_root() {
        Rights::Root
    } else if capture(Command::new("sudo").args(["-n", "true"])).is_ok() {
        Rights::Sudo
    } else {
        Rights::None
    }
}

/// The test runner: nextest where it is installed, else cargo's own.
fn test_command() -> Command {
    let mut command = cargo();
    command.current_dir(root());
    if which("cargo-nextest").is_some() {
        command.args(["nextest", "run"])
    } else {
        command.arg("test")
    };
    command.arg("--workspace");
    command
}

/// nextest does not run the examples in the documentation.
fn doc_tests() -> Result<()> {
    if which("cargo-nextest").is_none() {
        return Ok(());
    }
    run_command(cargo().current_dir(root()).args(["test", "--quiet", "--workspace", "--doc"]))
}

fn sudo(test: &PathBuf, programs: &Programs) -> Command {
    let mut command = Command::new("sudo");
    command.current_dir(root().join("tests/e2e")).args(["-n", "env"]);
    for (name, value) in programs.env() {
        let mut assignment = std::ffi::OsString::from(format!("{name}="));
        assignment.push(value);
        command.arg(assignment);
    }
    command.arg(test);
    command
}
