//! `cargo xtask fuzz`: runs every fuzz target of `tests/fuzz` for a while.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::packages::{self, Group};
use crate::project::{at_once, root, run as run_command, show, step, target_dir};
use crate::tools;

/// `cargo xtask fuzz`
#[derive(Debug, Args)]
pub struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Begin the search the same way each time, and from the seeds alone.
    #[arg(long)]
    seed: Option<u32>,
    /// Try no more inputs than this: with `--seed`, a fast machine and a slow one try the same.
    #[arg(long)]
    inputs: Option<u32>,
    /// The targets to run (default: all).
    targets: Vec<String>,
}

pub fn run(options: &Options) -> Result<()> {
    packages::ensure(&[Group::Fuzz])?;
    let cargo_fuzz = tools::cargo_fuzz()?;
    let known = targets()?;
    let wanted = if options.targets.is_empty() { &known } else { &options.targets };
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; there are: {}", known.join(", "));
    }

    step("Building the fuzz targets");
    run_command(&mut command(&cargo_fuzz, "build"))?;
    step(format!("Fuzzing {} targets for {} s each", wanted.len(), options.seconds));
    let failed = at_once(wanted, |target| match run_target(&cargo_fuzz, target, options) {
        Ok(runs) => {
            println!("    {target}: {runs} inputs, no failure");
            None
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            Some(target.as_str())
        }
    });
    let failed: Vec<&str> = failed.into_iter().flatten().collect();
    if !failed.is_empty() {
        bail!("fuzzing found failures in: {} (the inputs are under tests/fuzz/artifacts)", failed.join(", "));
    }
    println!("Fuzzed {} targets for {} s each: no failure.", wanted.len(), options.seconds);
    Ok(())
}

/// Runs one target; returns how many inputs it tried.
fn run_target(cargo_fuzz: &Path, target: &str, options: &Options) -> Result<String> {
    // What the fuzzer finds goes into the first folder, so that the seeds in the checkout stay as they are.
    let found = target_dir().join("fuzz").join("corpus").join(target);
    if options.seed.is_some() && found.exists() {
        fs::remove_dir_all(&found).with_context(|| format!("cannot remove {}", found.display()))?;
    }
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    let seeds = fuzz_dir().join("corpus").join(target);
    ensure!(seeds.is_dir(), "{target} has no seeds in {}", seeds.display());
    let mut fuzz = command(cargo_fuzz, "run");
    fuzz.arg(target).arg(found).arg(seeds);
    fuzz.args(["--", &format!("-max_total_time={}", options.seconds), "-timeout=10", "-print_final_stats=1"]);
    fuzz.args(options.seed.map(|seed| format!("-seed={seed}")));
    fuzz.args(options.inputs.map(|inputs| format!("-runs={inputs}")));
    let output = fuzz.output().with_context(|| format!("cannot start `{}`", show(&fuzz)))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // The beginning is the fuzzer's progress; what matters is what the target said, and how to see it again.
        let lines: Vec<&str> = told.lines().skip_while(|line| !is_failure(line)).collect();
        eprintln!("{}", if lines.is_empty() { told.into_owned() } else { lines.join("\n") });
        bail!("{target} failed ({})", output.status);
    }
    let runs = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(runs.unwrap_or("?").trim().to_owned())
}

/// Whether a line of the fuzzer begins what it says about a failure.
fn is_failure(line: &str) -> bool {
    line.contains("panicked at") || line.contains("ERROR: libFuzzer")
}

fn command(cargo_fuzz: &Path, action: &str) -> Command {
    let mut command = Command::new(cargo_fuzz);
    tools::without_build_settings(&mut command);
    // The instrumentation is unstable; the variable lets the stable compiler do it.
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(root()).arg(action);
    command.arg("--fuzz-dir").arg(fuzz_dir()).args(["--sanitizer", "none", "--target-dir"]);
    command.arg(target_dir().join("fuzz"));
    command
}

fn fuzz_dir() -> PathBuf {
    root().join("tests").join("fuzz")
}

fn targets() -> Result<Vec<String>> {
    let dir = fuzz_dir().join("targets");
    let entries = dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))?;
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    Ok(names)
}
