//! Command-line options that the programs share.

use crate::wire::{Calls, Plan, Wait};
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// How bytes are moved: shared by server and card.
#[derive(Debug, Clone, Args)]
pub struct Io {
    /// Write in pieces of this many bytes.
    #[arg(long, value_name = "BYTES")]
    pub tear: Option<usize>,
    /// Time between the pieces, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub tear_delay: u64,
    /// The system calls to use.
    #[arg(long, value_enum, default_value_t = Calls::Rw)]
    pub calls: Calls,
    /// How to wait for bytes.
    #[arg(long, value_enum, default_value_t = Wait::Read)]
    pub wait: Wait,
    /// Tell every read and write in the truth.
    #[arg(long)]
    pub truth_calls: bool,
}

impl Io {
    pub fn plan(&self) -> Plan {
        Plan {
            calls: self.calls,
            wait: self.wait,
            tear: self.tear,
            tear_delay: Duration::from_micros(self.tear_delay),
            keep_calls: self.truth_calls,
            ..Plan::default()
        }
    }
}

/// The exit code of a program; what went wrong is said in one line.
pub fn end(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A number of milliseconds.
pub fn millis(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
