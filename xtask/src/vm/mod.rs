//! `cargo xtask vm`: runs a job on Debian's stock kernels, under QEMU.
//!
//! The guest's root is the host's own, read-only, with a writable layer in memory over it: programs built here run there
//! under the same paths.

mod guest;
mod initramfs;
mod kernel;
mod usb;

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::packages::{self, Group};
use crate::programs::{Programs, e2e_tests};
use crate::project::{at_once, root, step, target_dir};
use guest::{End, Guest, Job};
use kernel::{Kernel, Series};

/// `cargo xtask vm`
#[derive(Debug, Args)]
pub struct Options {
    /// The kernel to boot.
    #[arg(long, value_enum, default_value_t = Which::All)]
    kernel: Which,
    /// Seconds that a guest may take.
    #[arg(long, default_value_t = 900, value_name = "SECONDS")]
    timeout: u64,
    /// A command to run in the guest, in this checkout (default: the scenarios, by tests/vm/job.sh). With `CARDLINK_LAB_DIR` a
    /// modem and a card reader are plugged in, with the lab's programs behind them.
    #[arg(last = true)]
    job: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    #[value(name = "6.1")]
    V6_1,
    #[value(name = "6.12")]
    V6_12,
    All,
}

impl Which {
    fn series(self) -> &'static [Series] {
        match self {
            Self::V6_1 => &[Series::V6_1],
            Self::V6_12 => &[Series::V6_12],
            Self::All => &Series::ALL,
        }
    }
}

/// Runs the job on each kernel; the exit code is the first that is not 0.
pub fn run(options: &Options) -> Result<ExitCode> {
    packages::ensure(&[Group::Vm])?;
    let dir = target_dir().join("vm");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let job = if options.job.is_empty() {
        scenarios()?
    } else {
        Job { words: options.job.clone(), env: Vec::new(), lab: env::var_os("CARDLINK_LAB_DIR").map(PathBuf::from) }
    };

    // Those of another call would take the time of these.
    let lock = File::create(dir.join("lock")).context("cannot create the lock of the guests")?;
    lock.lock().context("cannot wait for another guest to end")?;

    let series = options.kernel.series();
    let kernels = series.iter().map(|&series| Kernel::fetch(series, &dir.join("kernels")));
    let kernels = kernels.collect::<Result<Vec<_>>>()?;
    let codes = at_once(&kernels, |kernel| run_on(kernel, &job, Duration::from_secs(options.timeout)));
    let codes = codes.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(ExitCode::from(codes.into_iter().find(|&code| code != 0).unwrap_or(0)))
}

/// The default job: the end-to-end tests, with the programs that they run.
fn scenarios() -> Result<Job> {
    let programs = Programs::build()?.with_peers()?;
    let mut words = vec![root().join("tests/vm/job.sh").to_string_lossy().into_owned()];
    words.extend(e2e_tests()?.iter().map(|test| test.to_string_lossy().into_owned()));
    Ok(Job { words, env: programs.env(), lab: Some(programs.lab) })
}

fn run_on(kernel: &Kernel, job: &Job, limit: Duration) -> Result<u8> {
    step(format!("Linux {kernel}: {}", job.words.join(" ")));
    let dir = target_dir().join("vm").join(kernel.series.name());
    let guest = Guest::prepare(kernel, dir, job, limit)?;
    let start = Instant::now();
    let end = guest.boot()?;
    let seconds = start.elapsed().as_secs_f32();
    let code = match end {
        End::Exited(0) => {
            println!("Linux {kernel}: passed in {seconds:.0} s");
            return Ok(0);
        }
        End::Exited(code) => {
            println!("Linux {kernel}: FAILED with exit code {code} after {seconds:.0} s");
            return Ok(code);
        }
        End::NoExitCode => "the guest stopped without an exit code",
        End::TimedOut => "the guest did not end in time",
    };
    println!("{}", guest.console());
    println!("Linux {kernel}: FAILED, {code}, after {seconds:.0} s; its console is above");
    Ok(1)
}
