//! `compare`: two recordings side by side.

use super::{
    CliError,
    flags::{self, Flags, Offer},
    out,
    replay::Player,
};
use crate::{
    compare::{self, Comparison, FLOOR, Series},
    config::{Config, FileChoice},
    sink::{Sink as _, recording::Recording},
};
use clap::Args;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// The settings that `compare` takes: those that decide what is told.
#[derive(Debug, Clone)]
pub struct Compared;

impl Offer for Compared {
    const SECTIONS: &'static [&'static str] = &["limits", "sessions"];
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The recording of the run before.
    before: PathBuf,
    /// The recording of the run after.
    after: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    /// Also what did not change, what is unclear, and errors that are in both.
    #[arg(long)]
    all: bool,
    /// The least change of a median that is told: 0.05 for 5 %.
    #[arg(long, value_name = "SHARE", default_value_t = FLOOR, value_parser = share)]
    floor: f64,
    /// Exit with 1 when something got slower by more than this factor: 1.2 for 20 %.
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    fail_above: Option<f64>,
    /// Exit with 1 when there is an error that was not there before.
    #[arg(long)]
    fail_on_new_errors: bool,
    #[command(flatten)]
    flags: Flags<Compared>,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| String::from("not a number"))
}

fn share(text: &str) -> Result<f64, String> {
    number(text).and_then(|share| {
        if (0.0..=10.0).contains(&share) { Ok(share) } else { Err(String::from("a share is 0.05 for 5 %, 10 at most")) }
    })
}

fn factor(text: &str) -> Result<f64, String> {
    number(text).and_then(|factor| {
        if factor >= 1.0 { Ok(factor) } else { Err(String::from("a factor is 1 or more: 1.2 for 20 % slower")) }
    })
}

pub fn compare(args: &CompareArgs) -> Result<i32, CliError> {
    let loaded = flags::load(&args.flags.inputs(FileChoice::None, &[]))?;
    let (before, after) = (read(&args.before, &loaded.config)?, read(&args.after, &loaded.config)?);
    let comparison = Comparison::of(before, after, args.floor);
    if args.json {
        out::line(compare::json(&comparison))?;
    } else {
        out::print(|out| compare::print(out, &comparison, args.all))?;
    }
    let slower = args.fail_above.is_some_and(|limit| comparison.worst().is_some_and(|worst| worst > limit));
    let errors = args.fail_on_new_errors && comparison.new_errors().next().is_some();
    Ok(i32::from(slower || errors))
}

fn read(path: &Path, config: &Config) -> Result<Series, CliError> {
    let mut series = Series::default();
    let mut recording = Recording::open(path)?;
    Player::new(&recording.header, config)?.play(&mut recording, &mut |observations| {
        for observation in observations.drain(..) {
            series.take(&observation);
        }
        ControlFlow::Continue(())
    })?;
    Ok(series)
}
