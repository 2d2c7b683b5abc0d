//! `doctor`: what can be seen here, and of whom.

use super::{CliError, SelectorArgs};
use clap::Args;

#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    selectors: SelectorArgs,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub fn doctor(args: DoctorArgs) -> Result<i32, CliError> {
    let _ = (args.selectors, args.json);
    Err(CliError::Usage(String::from("not here yet")))
}
