//! The configuration file: TOML, read against the table of settings.

use super::{
    checks::{CheckConfig, CheckKind, KINDS},
    error::{ConfigError, Fault, Place},
    kind::Kind,
    nearest::nearest,
    settings::{self, SECTIONS, SETTINGS},
};
use nix::libc;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use toml_edit::{Document, Item, TableLike};

/// What a file says.
#[derive(Debug, Default)]
pub struct File {
    /// By key, with the line.
    pub values: BTreeMap<&'static str, (Value, usize)>,
    /// By name, with the line of the table.
    pub checks: BTreeMap<String, (CheckConfig, usize)>,
    /// Aliases of `[names]`, and the line of the first.
    pub names: BTreeMap<String, String>,
    pub names_at: Option<usize>,
}

/// No configuration is as long.
const MOST_BYTES: u64 = 1 << 20;
/// Letters of an alias, at most.
const LONGEST_ALIAS: usize = 64;

/// Reads the file at `path`.
pub fn read(path: &Path) -> Result<File, ConfigError> {
    let text = read_text(path)?;
    parse(path, &text)
}

/// Its text; a file that anybody may change is refused, because it can name commands and keys.
pub fn read_text(path: &Path) -> Result<String, ConfigError> {
    let io = |error: io::Error| ConfigError::Read { path: path.to_path_buf(), error };
    let metadata = fs::metadata(path).map_err(io)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o002 != 0 {
        return Err(ConfigError::Writable(path.to_path_buf()));
    }
    // Nothing that waits for a writer.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 >= MOST_BYTES {
        return Err(io(io::Error::other("it is too long to be a configuration")));
    }
    Ok(text)
}

/// Reads the text of a file; all that is wrong is told at once.
pub fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    let lines = Lines { path: path.to_path_buf(), text };
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.number(span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        ConfigError::Faults(vec![Fault::new(lines.place(line), None, message)])
    })?;
    let mut reader = Reader { lines, file: File::default(), faults: Vec::new() };
    reader.document(document.as_table());
    if reader.faults.is_empty() { Ok(reader.file) } else { Err(ConfigError::Faults(reader.faults)) }
}

struct Lines<'a> {
    path: PathBuf,
    text: &'a str,
}

impl Lines<'_> {
    fn number(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
    }

    fn place(&self, line: usize) -> Place {
        Place::File { path: self.path.clone(), line }
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    file: File,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn document(&mut self, root: &dyn TableLike) {
        for (section, item) in root.iter() {
            let line = self.line(root, section, item);
            if section == "names" {
                match item.as_table_like() {
                    Some(table) => self.names(table),
                    None => self.fault(line, section, String::from("must be a table: [names]")),
                }
                continue;
            }
            let known = SECTIONS.iter().any(|known| known.name == section);
            match item.as_table_like() {
                Some(table) if known => self.section(section, table),
                Some(table) => {
                    // What stands in it may say better what was meant.
                    let first = table.iter().next().map(|(name, _)| format!("{section}.{name}"));
                    let hint = nearest(section, SECTIONS.iter().map(|known| known.name).chain(["names"]))
                        .or_else(|| nearest(&first?, SETTINGS.iter().map(|known| known.key)));
                    self.unknown(line, section, hint);
                }
                None if known => self.fault(line, section, format!("must be a table: [{section}]")),
                None => {
                    let leaf = format!(".{section}");
                    let same = SETTINGS.iter().map(|known| known.key).find(|key| key.ends_with(&leaf));
                    let hint = same.or_else(|| nearest(section, SETTINGS.iter().map(|known| known.key)));
                    self.unknown(line, section, hint);
                }
            }
        }
    }

    /// What is named may be an identity: it is in no message.
    fn names(&mut self, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let line = self.line(table, name, item);
            let alias = item.as_str().map(str::trim).filter(|alias| {
                !alias.is_empty() && alias.chars().count() <= LONGEST_ALIAS && !alias.chars().any(char::is_control)
            });
            match alias {
                Some(alias) if !name.is_empty() => {
                    self.file.names.insert(name.to_owned(), alias.to_owned());
                    self.file.names_at.get_or_insert(line);
                }
                _ => self.fault(line, "names", format!("must hold names with texts of 1 to {LONGEST_ALIAS} letters")),
            }
        }
    }

    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let line = self.line(table, name, item);
            let key = format!("{section}.{name}");
            if key == "health.checks" {
                match item.as_table_like() {
                    Some(checks) => self.checks(checks),
                    None => self.fault(line, &key, String::from("must be tables: [health.checks.NAME]")),
                }
                continue;
            }
            let Some(setting) = settings::find(&key) else {
                let others = SETTINGS.iter().filter(|known| !known.hidden).map(|known| known.key);
                self.unknown(line, &key, nearest(&key, others.chain(["health.checks"])));
                continue;
            };
            match json(item).map_or_else(|| Err(String::from("must be a value")), |value| setting.kind.accept(value)) {
                Ok(value) => {
                    self.file.values.insert(setting.key, (value, line));
                }
                Err(message) => self.value(line, &key, &message, item, setting.secret),
            }
        }
    }

    fn checks(&mut self, checks: &dyn TableLike) {
        for (name, item) in checks.iter() {
            let line = self.line(checks, name, item);
            let key = format!("health.checks.{name}");
            let Some(table) = item.as_table_like() else {
                self.fault(line, &key, format!("must be a table: [{key}]"));
                continue;
            };
            if let Some(check) = self.check(name, &key, line, table) {
                self.file.checks.insert(name.to_owned(), (check, line));
            }
        }
    }

    fn check(&mut self, name: &str, key: &str, line: usize, table: &dyn TableLike) -> Option<CheckConfig> {
        let kinds = || KINDS.iter().map(|kind| kind.name);
        let said = match table.get("kind") {
            Some(item) => {
                let Some(said) = item.as_str() else {
                    self.fault(line, &format!("{key}.kind"), String::from("must be a text in quotes"));
                    return None;
                };
                said
            }
            None => name,
        };
        let Some(kind) = CheckKind::find(said) else {
            let hint = nearest(said, kinds()).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            let all = kinds().collect::<Vec<_>>().join(", ");
            let message = match table.get("kind") {
                Some(_) => format!("there is no check of the kind `{said}`{hint} (there are {all})"),
                None => format!("needs a `kind`{hint} (one of {all})"),
            };
            self.fault(line, key, message);
            return None;
        };
        let before = self.faults.len();
        let mut given = BTreeMap::new();
        for (option, item) in table.iter().filter(|(option, _)| *option != "kind") {
            let line = self.line(table, option, item);
            let full = format!("{key}.{option}");
            let Some(known) = kind.all_options().find(|known| known.name == option) else {
                let options: Vec<&str> = kind.all_options().map(|known| known.name).chain(["kind"]).collect();
                let hint = nearest(option, options.iter().copied()).map(|near| format!("{key}.{near}"));
                self.unknown(line, &full, hint.as_deref());
                continue;
            };
            match json(item).map_or_else(|| Err(String::from("must be a value")), |value| known.kind.accept(value)) {
                Ok(value) => {
                    given.insert(known.name, value);
                }
                // An address may have a password in it.
                Err(message) => self.value(line, &full, &message, item, matches!(known.kind, Kind::Url | Kind::Text)),
            }
        }
        if self.faults.len() > before {
            return None;
        }
        match kind.make(name, given) {
            Ok(check) => Some(check),
            Err(missing) => {
                self.fault(line, key, format!("a check of the kind `{}` needs {}", kind.name, quoted(&missing)));
                None
            }
        }
    }

    fn line(&self, table: &dyn TableLike, name: &str, item: &Item) -> usize {
        let span = table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span());
        span.map_or(1, |span| self.lines.number(span.start))
    }

    /// A value that is not taken.
    fn value(&mut self, line: usize, key: &str, message: &str, item: &Item, secret: bool) {
        let given = item.as_value().filter(|_| !secret).map(|value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string().trim().to_owned(),
        });
        self.faults.push(Fault::of_value(self.lines.place(line), Some(key), message, given.as_deref()));
    }

    fn fault(&mut self, line: usize, key: &str, message: String) {
        self.faults.push(Fault::new(self.lines.place(line), Some(key), message));
    }

    fn unknown(&mut self, line: usize, key: &str, hint: Option<&str>) {
        let hint = hint.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        self.faults.push(Fault::new(self.lines.place(line), None, format!("there is no setting `{key}`{hint}")));
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// A TOML value as JSON; tables are none.
fn json(item: &Item) -> Option<Value> {
    value(item.as_value()?)
}

fn value(value_of: &toml_edit::Value) -> Option<Value> {
    Some(match value_of {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(switch) => Value::from(*switch.value()),
        toml_edit::Value::Datetime(time) => Value::from(time.to_string()),
        toml_edit::Value::Array(items) => Value::Array(items.iter().map(value).collect::<Option<_>>()?),
        toml_edit::Value::InlineTable(_) => Value::Object(Map::new()),
    })
}
