//! `cargo xtask service`: the Debian package in a guest where systemd is the first process.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::packages::{self, Group, Package};
use crate::programs::Programs;
use crate::project::{capture, root, run as run_command, step, target_dir};

/// `cargo xtask service`
#[derive(Debug, Args)]
pub struct Options {
    /// The kernel to boot.
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// Seconds that the guest may take.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

pub fn run(options: &Options) -> Result<()> {
    packages::ensure(&[Group::Vm])?;
    packages::ensure_packages(&[Package::new("systemd", "the first process of the guest")])?;
    let programs = Programs::build()?;
    let xtask = env::current_exe().context("cannot name this program")?;
    let out = target_dir().join("vm").join("deb");
    let mut deb = Command::new(&xtask);
    let said = capture(deb.arg("deb").arg("--binary").arg(&programs.agent).arg("--out").arg(&out))?;
    let package = said.lines().last().unwrap_or_default().trim();
    ensure!(Path::new(package).is_file(), "no package was made: {said}");
    step(format!("{package} under systemd"));
    let job = root().join("tests/vm/service.sh");
    let mut vm = Command::new(&xtask);
    vm.args(["vm", "--kernel", &options.kernel, "--timeout", &options.timeout.to_string(), "--"]).arg(job);
    run_command(vm.env("CARDLINK_OBS_DEB", package).env("CARDLINK_SERVICE_LAB", &programs.lab))
}
