//! The file as a person reads it: the commented default, and changes that leave comments alone.

use super::{
    ConfigError, Loaded, SECTIONS, SETTINGS,
    checks::{CheckKind, KINDS},
    error::told,
    kind::Kind,
    nearest::nearest,
    settings::{self, Setting},
};
use serde_json::Value;
use std::{fmt::Write as _, path::Path};
use toml_edit::{Array, DocumentMut, Item, Table};

/// Why a value is not set.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("there is no setting `{key}`{hint}", hint = .hint.as_ref().map(|near| format!(": did you mean `{near}`?")).unwrap_or_default())]
    Unknown { key: String, hint: Option<String> },
    #[error("`{key}`: {message}")]
    Value { key: String, message: String },
    #[error("{0}")]
    Invalid(#[from] ConfigError),
}

/// The text of the file with these values set; refused when the file would not be valid then.
pub fn set(path: &Path, text: &str, pairs: &[(&str, &str)]) -> Result<String, EditError> {
    // What is wrong already is told by its line, not by that of the new value.
    Loaded::of_text(path, text)?;
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| EditError::Value {
        key: path.display().to_string(),
        message: error.message().to_owned(),
    })?;
    for (key, text) in pairs {
        let kind = kind_of(&document, key, pairs)?;
        let wrong = |message| EditError::Value { key: (*key).to_owned(), message };
        let given = Some(*text).filter(|_| !settings::is_secret(key));
        let value = kind.parse(text).map_err(|message| wrong(format!("{message}{}", told(given))))?;
        put(&mut document, key, &value).map_err(wrong)?;
    }
    let text = document.to_string();
    Loaded::of_text(path, &text)?;
    Ok(text)
}

/// The kind of a setting, or of an option of a check that is there or is being made.
fn kind_of(document: &DocumentMut, key: &str, pairs: &[(&str, &str)]) -> Result<Kind, EditError> {
    if let Some(setting) = settings::find(key) {
        return Ok(setting.kind);
    }
    if key.strip_prefix("names.").is_some_and(|name| !name.is_empty()) {
        return Ok(Kind::Text);
    }
    let unknown = |hint: Option<String>| EditError::Unknown { key: key.to_owned(), hint };
    let Some((name, option)) = key.strip_prefix("health.checks.").and_then(|rest| rest.split_once('.')) else {
        let known = SETTINGS.iter().filter(|setting| !setting.hidden).map(|setting| setting.key);
        return Err(unknown(nearest(key, known).map(str::to_owned)));
    };
    if option == "kind" {
        return Ok(Kind::Text);
    }
    let said = pairs.iter().find(|(key, _)| *key == format!("health.checks.{name}.kind")).map(|(_, kind)| *kind);
    let there = || document.get("health")?.get("checks")?.get(name)?.get("kind")?.as_str();
    let kind = said.or_else(there).unwrap_or(name);
    let Some(kind) = CheckKind::find(kind) else {
        let message = format!("its kind is not known: set `health.checks.{name}.kind`, too");
        return Err(EditError::Value { key: format!("health.checks.{name}"), message });
    };
    let found = kind.all_options().find(|known| known.name == option);
    let near = || nearest(option, kind.all_options().map(|known| known.name));
    found.map(|known| known.kind).ok_or_else(|| unknown(near().map(|near| format!("health.checks.{name}.{near}"))))
}

fn put(document: &mut DocumentMut, key: &str, value: &Value) -> Result<(), String> {
    // What is named may have dots in it.
    let mut parts: Vec<&str> = match key.strip_prefix("names.") {
        Some(name) => vec!["names", name],
        None => key.split('.').collect(),
    };
    let Some(leaf) = parts.pop() else { return Ok(()) };
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for part in parts {
        let item = table.entry(part).or_insert_with(|| {
            let mut new = Table::new();
            new.set_implicit(part == "checks");
            Item::Table(new)
        });
        table = item.as_table_like_mut().ok_or_else(|| format!("stands in `{part}`, which is no table"))?;
    }
    let mut new = toml(value);
    match table.get_mut(leaf).and_then(Item::as_value_mut) {
        Some(old) => {
            // The comment behind a value is its decor.
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        None => {
            table.insert(leaf, Item::Value(new));
        }
    }
    Ok(())
}

/// A value as TOML.
pub fn toml(value: &Value) -> toml_edit::Value {
    match value {
        Value::Bool(switch) => (*switch).into(),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| number.as_f64().unwrap_or_default().into(), toml_edit::Value::from)
        }
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(toml).collect::<Array>().into(),
        Value::Null | Value::Object(_) => "".into(),
    }
}

const HEAD: &str = "\
# Configuration of cardlink-obs. Lines that begin with #name = … show the defaults.
#
# Flags come before variables (CARDLINK_OBS_SECTION_NAME), variables before this file. After a change:
# `cardlink-obs config check`, then send SIGHUP (settings marked live) or start the agent again.
";

const CHECKS: &str = "
# Checks. These run by themselves, under their own names: change an option of one here, or take it away with
# `enabled = false`. Others are added under a name of your choice, with their kind.
";

const NAMES: &str = "
[names]
# Aliases of cards and devices, shown in place of their names: by the name that is shown without one (`cardlink-obs id -`
# tells it), or by the identity or serial number itself. (live)

#\"psk-0123456789ab\" = \"card in rack 7\"
";

/// The default file: every setting with what it means.
pub fn commented() -> String {
    let mut text = String::from(HEAD);
    for section in SECTIONS {
        let _ = write!(text, "\n[{}]\n", section.name);
        comment(&mut text, section.about);
        for setting in settings::of(section.name).filter(|setting| !setting.hidden) {
            text.push('\n');
            comment(&mut text, &meaning(setting));
            let value = setting.kind.parse(setting.default).unwrap_or(Value::Null);
            let _ = writeln!(text, "#{} = {}", setting.name(), shown(&value));
        }
        if section.name == "health" {
            checks(&mut text);
        }
    }
    text.push_str(NAMES);
    text
}

fn checks(text: &mut String) {
    text.push_str(CHECKS);
    for kind in KINDS {
        let name = if kind.built_in { kind.name.to_owned() } else { format!("my-{}", kind.name) };
        text.push('\n');
        comment(text, kind.about);
        let _ = writeln!(text, "#[health.checks.{name}]");
        if !kind.built_in {
            let _ = writeln!(text, "#kind = \"{}\"", kind.name);
        }
        for option in kind.options {
            let value = option.default.and_then(|default| option.kind.parse(default).ok());
            let value = value.unwrap_or_else(|| example(option.name));
            let _ = writeln!(text, "#{} = {}   # {}", option.name, shown(&value), option.help);
        }
    }
}

/// A value for what has no default.
fn example(option: &str) -> Value {
    Value::from(match option {
        "url" => "http://127.0.0.1:8080/",
        "psk_file" => "/etc/cardlink-obs/check.psk",
        "path" => "/dev/ttyUSB0",
        "engine" => "postgresql",
        "identity" => "health-check",
        "command" => return Value::from(vec!["/usr/local/bin/check"]),
        _ => "127.0.0.1:8443",
    })
}

/// With its choices, and what a change takes.
fn meaning(setting: &Setting) -> String {
    let mut text = setting.help.to_owned();
    if let Kind::Choice(words) = setting.kind {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let _ = write!(text, " One of {}.", words.join(", "));
    }
    if setting.live {
        text.push_str(" (live)");
    }
    text
}

pub fn shown(value: &Value) -> String {
    toml(value).to_string().trim().to_owned()
}

fn comment(text: &mut String, words: &str) {
    let mut line = String::from("#");
    for word in words.split_whitespace() {
        if line.chars().count() + word.chars().count() > 110 {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}
