//! `id`: under which name a card, an agent id or a device appears.

use super::{CliError, flags::ConfigArgs};
use crate::{
    observation::{AgentId, PskIdentity, SerialNumber},
    sink::names::Names,
};
use clap::Args;
use serde_json::json;
use std::{
    fs,
    io::{self, BufRead as _},
};

#[derive(Debug, Args)]
pub struct IdArgs {
    /// What the name is wanted of; `-` reads values from standard input, one a line (others on this host see the command line).
    #[arg(required = true)]
    values: Vec<String>,
    /// One JSON object a value.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn id(args: &IdArgs) -> Result<i32, CliError> {
    let config = args.config.load()?.config;
    let Some(path) = &config.identities.hash_key else {
        return Err(CliError::Usage(String::from(
            "`identities.hash_key` names no file: each run has a key of its own then, and no name is known before",
        )));
    };
    let failed = |error| CliError::File { what: format!("the hashing key {}", path.display()), error };
    // One that is made now would be nobody's.
    fs::metadata(path).map_err(failed)?;
    let names = Names::with_key_file(path, false).map_err(failed)?;
    for value in &args.values {
        if value == "-" {
            for line in io::stdin().lock().lines() {
                tell(&names, line?.trim(), args.json);
            }
        } else {
            tell(&names, value, args.json);
        }
    }
    Ok(0)
}

fn tell(names: &Names, value: &str, as_json: bool) {
    let bytes = || value.as_bytes().to_vec();
    let identity = names.identity(&PskIdentity::new(bytes()));
    let agent = names.agent(&AgentId::new(bytes()));
    let serial = names.serial(&SerialNumber::new(bytes()));
    if as_json {
        println!("{}", json!({"psk_identity": identity, "agent_id": agent, "serial_number": serial}));
    } else {
        println!("{identity}  as a PSK identity\n{agent}  as an agent id (X-Admin-From)\n{serial}  as a serial number");
    }
}
