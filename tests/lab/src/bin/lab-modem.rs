//! The lab's modem.

use cardlink_lab::modem::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(Options::parse()))
}
