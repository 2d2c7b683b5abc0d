//! A program that makes system calls and says how long they took.

use cardlink_lab::bench::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(&Options::parse()))
}
