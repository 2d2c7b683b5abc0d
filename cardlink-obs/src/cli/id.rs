//! `id`: under which name a card, an agent id or a device appears.

use super::{CliError, flags::ConfigArgs, out};
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
    /// What the names are wanted of, told by its number when there are several; `-` reads values from standard input, one a line (others on this host see the command line).
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
    if args.values.iter().any(|value| value.trim().is_empty()) {
        return Err(CliError::Usage(String::from(
            "an empty value has no name: give an identity, an agent id or a serial number",
        )));
    }
    // The value itself is not repeated: what is printed may be kept.
    let several = args.values.len() > 1 || args.values.iter().any(|value| value == "-");
    let mut number = 0;
    let mut next = |value: &str| {
        number += 1;
        out::line(told(&names, value, several.then_some(number), args.json))
    };
    for value in &args.values {
        if value == "-" {
            for line in io::stdin().lock().lines() {
                let line = line?;
                if !line.trim().is_empty() {
                    next(line.trim())?;
                }
            }
        } else {
            next(value)?;
        }
    }
    Ok(0)
}

/// The names of one value; `number`: which one it is, where there are several.
fn told(names: &Names, value: &str, number: Option<usize>, as_json: bool) -> String {
    let bytes = || value.as_bytes().to_vec();
    let identity = names.identity(&PskIdentity::new(bytes()));
    let agent = names.agent(&AgentId::new(bytes()));
    let serial = names.serial(&SerialNumber::new(bytes()));
    if as_json {
        let mut object = json!({"psk_identity": identity, "agent_id": agent, "serial_number": serial});
        if let (Some(number), Some(fields)) = (number, object.as_object_mut()) {
            fields.insert("value".into(), json!(number));
        }
        return object.to_string();
    }
    let heading = number.map_or_else(String::new, |number| format!("value {number}\n"));
    format!(
        "{heading}{identity}  as a PSK identity\n{agent}  as an agent id (X-Admin-From)\n{serial}  as a serial number"
    )
}

#[cfg(test)]
mod tests {
    use super::{Names, told};

    #[test]
    fn several_values_are_told_apart_and_not_repeated() {
        let names = Names::with_new_key(false).expect("random bytes");
        assert_eq!(told(&names, "card-1", None, false).lines().count(), 3);
        let second = told(&names, "card-1", Some(2), false);
        assert!(second.starts_with("value 2\npsk-") && !second.contains("card-1"), "{second}");
        let json: serde_json::Value = serde_json::from_str(&told(&names, "card-1", Some(2), true)).expect("JSON");
        assert_eq!(json["value"], 2);
    }
}
