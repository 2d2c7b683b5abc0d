//! The lab's PSK-TLS server.

use cardlink_lab::server::{Options, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    cardlink_lab::cli::end(run(Options::parse()))
}
