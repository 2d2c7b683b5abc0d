//! What belongs to the installed program: completions and manual pages.

use super::{CliError, command, out};
use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn completions(args: &CompletionsArgs) -> Result<i32, CliError> {
    // Into memory first: the generator does not bear that nobody reads.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "cardlink-obs", &mut script);
    out::text(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where to; it is made when it is not there.
    folder: PathBuf,
}

pub fn man(args: &ManArgs) -> Result<i32, CliError> {
    let folder = &args.folder;
    let failed = |error| CliError::File { what: folder.display().to_string(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(command(), folder).map_err(failed)?;
    Ok(0)
}
