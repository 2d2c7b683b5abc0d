//! The lab's card for a virtual reader.

use cardlink_lab::reader::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(&Options::parse()))
}
