//! `cargo xtask bench`: what the agent costs the programs that it watches, and what it needs itself.
//!
//! Everything that is compared is measured in turns, round by round, so that the noise of the machine hits all alike;
//! ratios are taken within a round. `docs/performance.md` has figures and says how to read them.

mod calls;
mod devices;
mod handshakes;
mod instrumented;
mod lab;
mod own;
mod page;
mod queries;
mod replay;
mod report;
mod running;
mod stats;
mod system;
mod tracing;
mod turns;
mod watcher;
mod worker;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::packages::{self, Group};
use crate::programs::Programs;
use crate::project::{is_root, step, target_dir};
use report::Report;

/// `cargo xtask bench`
#[derive(Debug, Args)]
pub struct Options {
    /// A smoke run: everything once or twice. Its figures mean little.
    #[arg(long)]
    quick: bool,
    /// Rounds of everything that is compared (default: 9, quick: 2).
    #[arg(long)]
    rounds: Option<usize>,
    /// Measure only this (default: everything).
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Write all figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail when an aim is missed.
    #[arg(long)]
    check: bool,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// CPU of the server per handshake, bare and watched by the agent and by other tools.
    Handshakes,
    /// What a system call costs more.
    Calls,
    /// What an AT command, and an APDU through pcscd, takes longer.
    Devices,
    /// What a statement of a database, and a test, takes longer.
    Queries,
    /// CPU, memory and ring use of the agent.
    Own,
    /// Events per second of `cardlink-obs replay`.
    Replay,
    /// The page with thousands of series and many scrapers; a flood of names that are all different.
    Page,
    /// The cost of traces, on against off.
    Tracing,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    rounds: usize,
    /// Connections of one lap, and laps of one measurement: the one that was disturbed least counts.
    connections: u32,
    laps: usize,
    /// Calls of one measurement.
    calls: u32,
    /// Connections that are recorded for the replay.
    recorded: u32,
    /// Time for each of the agent's states.
    load: Duration,
    idle: Duration,
    /// After the last event, until the agent's drain timer has slowed down.
    calm: Duration,
    /// Scrapes of each scraper.
    scrapes: u32,
    /// Names of the flood.
    flood: u32,
}

/// What every measurement needs.
struct Bench {
    programs: Programs,
    dir: PathBuf,
    sizes: Sizes,
}

pub fn run(options: &Options) -> Result<()> {
    ensure!(is_root(), "the agent loads BPF programs: run this as root");
    packages::ensure(&[Group::Bench])?;
    let programs = Programs::build()?;
    let dir = target_dir().join("bench");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let bench = Bench { programs, dir, sizes: sizes(options) };
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);

    let mut report = Report::new(options.quick, bench.sizes.rounds);
    if wanted(Part::Handshakes) {
        step(format!("Handshakes: {} rounds, in turns", bench.sizes.rounds));
        handshakes::measure(&bench, &mut report)?;
    }
    if wanted(Part::Calls) {
        step(format!("System calls: {} rounds, in turns", bench.sizes.rounds));
        calls::measure(&bench, &mut report)?;
    }
    if wanted(Part::Devices) {
        step(format!("Commands to devices: {} rounds, in turns", bench.sizes.rounds));
        devices::measure(&bench, &mut report)?;
    }
    if wanted(Part::Queries) {
        step(format!("Statements and tests: {} rounds, in turns", bench.sizes.rounds));
        queries::measure(&bench, &mut report)?;
    }
    if wanted(Part::Own) {
        step("The agent itself: under load, at 100 sessions a second, idle");
        own::measure(&bench, &mut report)?;
    }
    if wanted(Part::Replay) {
        step("Replay: recording a run, and reading it again");
        replay::measure(&bench, &mut report)?;
    }
    if wanted(Part::Page) {
        step("The page: thousands of series, many scrapers, a flood of names");
        page::measure(&bench, &mut report)?;
    }
    if wanted(Part::Tracing) {
        step(format!("Traces: {} rounds, in turns", bench.sizes.rounds));
        tracing::measure(&bench, &mut report)?;
    }
    print!("\n{report}");
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&report.json()).context("the figures cannot be written as JSON")?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    ensure!(!options.check || report.missed() == 0, "{} of the aims are missed", report.missed());
    Ok(())
}

fn sizes(options: &Options) -> Sizes {
    let full = Sizes {
        rounds: 9,
        connections: 600,
        laps: 8,
        calls: 1_000_000,
        recorded: 40_000,
        load: Duration::from_secs(15),
        idle: Duration::from_secs(30),
        calm: Duration::from_secs(12),
        scrapes: 100,
        flood: 100_000,
    };
    let quick = Sizes {
        rounds: 2,
        connections: 100,
        laps: 2,
        calls: 100_000,
        recorded: 1000,
        load: Duration::from_secs(3),
        idle: Duration::from_secs(2),
        calm: Duration::from_secs(1),
        scrapes: 20,
        flood: 6000,
    };
    let sizes = if options.quick { quick } else { full };
    Sizes { rounds: options.rounds.unwrap_or(sizes.rounds).max(1), ..sizes }
}
