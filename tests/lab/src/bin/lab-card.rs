//! The lab's card.

use cardlink_lab::card::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(Options::parse()))
}
