//! `config`: the configuration, written, shown, changed and checked.

use super::{CliError, flags::ConfigArgs, out};
use crate::config::{self, DEFAULT_PATH, Loaded, Place, SETTINGS, commented};
use anstyle::Style;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the default configuration, in which every setting is explained; print it with `-`.
    Init {
        /// Where to; `/etc/cardlink-obs/config.toml` when it is not said.
        file: Option<PathBuf>,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Show every value and where it comes from.
    Show {
        /// Only this setting, or those of this section.
        key: Option<String>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// Leave out what is at its default.
        #[arg(long)]
        changed: bool,
    },
    /// Change values in the file; its comments stay. What would be invalid is refused.
    Set {
        /// A setting, and its value; elements of a list are separated by commas.
        #[arg(value_names = ["KEY", "VALUE"], num_args = 2.., required = true, allow_hyphen_values = true)]
        pairs: Vec<String>,
    },
    /// Say whether the configuration is valid, and whether the files that it names can be used.
    Check,
}

pub fn config(args: &ConfigCommand) -> Result<i32, CliError> {
    match &args.what {
        What::Init { file, force } => init(file.as_deref().or(args.config.config.as_deref()), *force),
        What::Show { key, json, changed } => show(&args.config, key.as_deref(), *json, *changed),
        What::Set { pairs } => set(args.config.config.as_deref(), pairs),
        What::Check => check(&args.config),
    }
}

/// Stands for a secret.
const SECRET: &str = "***";

/// A new file is its owner's: it may come to hold credentials.
const NEW: u32 = 0o600;

fn init(file: Option<&Path>, force: bool) -> Result<i32, CliError> {
    let path = file.unwrap_or(Path::new(DEFAULT_PATH));
    if path == Path::new("-") {
        out::text(&commented())?;
        return Ok(0);
    }
    if path.exists() && !force {
        let path = path.display();
        return Err(CliError::Usage(format!("{path} is there already: `--force` replaces it")));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    replace(path, &commented(), NEW)?;
    out::line(format_args!("wrote {}", path.display()))?;
    Ok(0)
}

fn failed(path: &Path, error: io::Error) -> CliError {
    CliError::File { what: path.display().to_string(), error }
}

/// A new file in its place, whole or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), CliError> {
    // Through a link, so that it stays one.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let owner = fs::metadata(path).ok();
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        if let Some(old) = &owner {
            use std::os::unix::fs::MetadataExt as _;
            // Whoever may write it without owning it keeps it from its owner otherwise.
            let _ = std::os::unix::fs::chown(&new, Some(old.uid()), Some(old.gid()));
        }
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(path, error)
    })
}

fn set(file: Option<&Path>, pairs: &[String]) -> Result<i32, CliError> {
    let path = file.unwrap_or(Path::new(DEFAULT_PATH));
    if !pairs.len().is_multiple_of(2) {
        return Err(CliError::Usage(String::from("a KEY and a VALUE are wanted, or several pairs of them")));
    }
    let pairs: Vec<(&str, &str)> =
        pairs.chunks(2).filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str()))).collect();
    let (text, mode) = if path.exists() {
        let mode = fs::metadata(path).map_err(|error| failed(path, error))?.permissions().mode() & 0o777;
        (fs::read_to_string(path).map_err(|error| failed(path, error))?, mode)
    } else {
        (String::new(), NEW)
    };
    let text = config::set(path, &text, &pairs)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    }
    replace(path, &text, mode)?;
    for (key, value) in pairs {
        let value = if config::settings::is_secret(key) { SECRET } else { value };
        out::line(format_args!("{key} = {value}"))?;
    }
    Ok(0)
}

fn check(args: &ConfigArgs) -> Result<i32, CliError> {
    let loaded = args.load()?;
    let mut wrong = Vec::new();
    if let Some(path) = &loaded.config.sessions.psk_file {
        match crate::keys::load(path, crate::keys::AT_START) {
            Ok(keys) => crate::keys::slips(path, &keys).try_for_each(out::line)?,
            Err(error) => wrong.push(error.to_string()),
        }
    }
    wrong.extend(crate::server::faults(&loaded.config));
    for sentence in &wrong {
        out::line(sentence)?;
    }
    for name in &loaded.strange {
        out::line(format_args!("the variable {name} is no setting"))?;
    }
    if !wrong.is_empty() {
        return Ok(78);
    }
    match &loaded.path {
        Some(path) => out::line(format_args!("{} is valid", path.display()))?,
        None => out::line("there is no file: the defaults are valid")?,
    }
    Ok(0)
}

fn show(args: &ConfigArgs, key: Option<&str>, as_json: bool, changed: bool) -> Result<i32, CliError> {
    let loaded = args.load()?;
    let rows: Vec<Row> = rows(&loaded)
        .into_iter()
        .filter(|row| !changed || row.place != Place::Default)
        .filter(|row| key.is_none_or(|key| row.key == key || row.key.starts_with(&format!("{key}."))))
        .collect();
    if rows.is_empty()
        && let Some(key) = key
        && !changed
    {
        return Err(CliError::Usage(format!("there is no setting `{key}`: `cardlink-obs config show` lists all")));
    }
    if as_json {
        let object: Map<String, Value> = rows
            .into_iter()
            .map(|row| (row.key, json!({"value": row.value, "source": row.place.to_string()})))
            .collect();
        out::line(Value::Object(object))?;
        return Ok(0);
    }
    let width = rows.iter().map(|row| row.key.len() + row.text().chars().count() + 3).filter(|width| *width < 60).max();
    let dim = Style::new().dimmed();
    out::print(|out| {
        rows.iter().try_for_each(|row| {
            let line = format!("{} = {}", row.key, row.text());
            writeln!(out, "{line:width$}  {dim}# {}{dim:#}", row.place, width = width.unwrap_or(0))
        })
    })?;
    Ok(0)
}

struct Row {
    key: String,
    value: Value,
    place: Place,
}

impl Row {
    fn text(&self) -> String {
        config::shown(&self.value)
    }
}

fn rows(loaded: &Loaded) -> Vec<Row> {
    let settings = SETTINGS.iter().filter_map(|setting| {
        let (value, place) = loaded.values.get(setting.key)?;
        // A hidden one is shown when somebody has set it.
        (!setting.hidden || *place != Place::Default).then(|| Row {
            key: setting.key.to_owned(),
            value: if setting.secret && *value != Value::Null { Value::from(SECRET) } else { value.clone() },
            place: place.clone(),
        })
    });
    let checks = loaded.checks.iter().flat_map(|(name, (check, place))| {
        let kind = (check.kind.name != name).then(|| ("kind", Value::from(check.kind.name)));
        let values = check.values.iter().map(|(option, value)| (*option, masked(value)));
        kind.into_iter().chain(values).map(move |(option, value)| Row {
            key: format!("health.checks.{name}.{option}"),
            value,
            place: place.clone(),
        })
    });
    // What is named may be an identity: only how many there are.
    let names = (!loaded.config.names.is_empty()).then(|| Row {
        key: String::from("names"),
        value: Value::from(format!("{} aliases", loaded.config.names.len())),
        place: loaded.names.clone(),
    });
    settings.chain(checks).chain(names).collect()
}

/// A URL without the password in it.
fn masked(value: &Value) -> Value {
    let hidden = value.as_str().and_then(|text| {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://***@{host}{}", rest.get(authority.len()..)?))
    });
    hidden.map_or_else(|| value.clone(), Value::from)
}

#[cfg(test)]
mod tests {
    use super::masked;
    use serde_json::json;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        assert_eq!(masked(&json!("http://me:secret@host:1/a@b")), json!("http://***@host:1/a@b"));
        assert_eq!(masked(&json!("http://host/a@b")), json!("http://host/a@b"));
        assert_eq!(masked(&json!(3)), json!(3));
    }
}
