//! The lab's phone.

use cardlink_lab::phone::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(Options::parse()))
}
