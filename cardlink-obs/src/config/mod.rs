//! The configuration: one table of settings, one typed value made of it, from flags, variables, a file and defaults.
//!
//! Precedence: flags, then `CARDLINK_OBS_*`, then the file, then the defaults. The selectors (`watch`) are taken as a whole
//! from the highest of these that has any of them: they narrow each other.

pub mod checks;
mod edit;
mod error;
mod file;
pub mod kind;
pub mod nearest;
pub mod settings;
#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
mod typed;

pub use checks::{CheckConfig, What};
pub use edit::{EditError, commented, set, shown};
pub use error::{ConfigError, Fault, Place};
pub use kind::duration;
pub use settings::{SECTIONS, SETTINGS, Section, Setting};
pub use typed::{
    Alerts, Config, Control, Health, Identities, Kernel, LibraryProbes, Limits, Log, LogFormat, Metrics, Record,
    Sessions, Watch,
};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where the file is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/cardlink-obs/config.toml";

/// Variables that begin like settings and are none.
const OTHER_VARIABLES: [&str; 3] = ["CARDLINK_OBS_CONFIG", "CARDLINK_OBS_WRITE_DOCS", "CARDLINK_OBS_BIN"];

/// What is looked at, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Flags that were given, by key.
    pub flags: Vec<(&'static str, Vec<String>)>,
    /// A command is watched: selectors from elsewhere do not count.
    pub own_target: bool,
    pub file: FileChoice,
}

/// Which file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FileChoice {
    /// The default one, if it is there.
    #[default]
    Default,
    /// This one; it must be there.
    Named(PathBuf),
    None,
}

/// A configuration with the origin of each value.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// By key: the value in its one form, and where it comes from.
    pub values: BTreeMap<&'static str, (Value, Place)>,
    /// Where each check comes from, also those that are not enabled.
    pub checks: BTreeMap<String, (CheckConfig, Place)>,
    /// Where the aliases come from.
    pub names: Place,
    /// The file that was read.
    pub path: Option<PathBuf>,
    /// Variables that begin with `CARDLINK_OBS_` and mean nothing.
    pub strange: Vec<String>,
}

impl Loaded {
    /// Reads everything. Deterministic but for the file: the environment is passed in.
    pub fn new(inputs: &Inputs, environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let path = match &inputs.file {
            FileChoice::Named(path) => Some(path.clone()),
            FileChoice::Default => Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.exists()),
            FileChoice::None => None,
        };
        let file = path.as_deref().map(file::read).transpose()?.unwrap_or_default();
        Self::from_file(inputs, environment, path, file)
    }

    /// The same with the text of a file that is not written yet.
    pub fn of_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = file::parse(path, text)?;
        Self::from_file(&Inputs::default(), std::iter::empty(), Some(path.to_path_buf()), file)
    }

    fn from_file(
        inputs: &Inputs,
        environment: impl Iterator<Item = (OsString, OsString)>,
        path: Option<PathBuf>,
        file: file::File,
    ) -> Result<Self, ConfigError> {
        let mut values = defaults();
        let at = path.clone().unwrap_or_default();
        let layer = file.values.into_iter().map(|(key, (value, line))| {
            let place = Place::File { path: at.clone(), line };
            (key, value, place)
        });
        lay(&mut values, layer.collect());
        let (variables, strange) = variables(environment)?;
        lay(&mut values, variables);
        if inputs.own_target {
            forget_selectors(&mut values);
        }
        lay(&mut values, flags(&inputs.flags)?);
        let mut checks: BTreeMap<String, (CheckConfig, Place)> =
            checks::built_in().map(|check| (check.name.clone(), (check, Place::Default))).collect();
        for (name, (check, line)) in file.checks {
            checks.insert(name, (check, Place::File { path: at.clone(), line }));
        }
        let mut config = typed(&values)?;
        config.health.checks =
            checks.values().filter(|(check, _)| check.common.enabled).map(|(check, _)| check.clone()).collect();
        config.names = file.names;
        let names = file.names_at.map_or(Place::Default, |line| Place::File { path: at, line });
        together(&config, &values)?;
        Ok(Self { config, values, checks, names, path, strange })
    }

    /// Keys whose values differ, with those of checks.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let mut changed: Vec<String> = SETTINGS
            .iter()
            .map(|setting| setting.key)
            .filter(|key| self.values.get(key).map(|(value, _)| value) != other.values.get(key).map(|(value, _)| value))
            .map(str::to_owned)
            .collect();
        if self.config.names != other.config.names {
            changed.push(String::from("names"));
        }
        let of = |loaded: &Self, name: &str| loaded.checks.get(name).map(|(check, _)| check.clone());
        let names: std::collections::BTreeSet<&String> = self.checks.keys().chain(other.checks.keys()).collect();
        changed.extend(
            names
                .into_iter()
                .filter(|name| of(self, name) != of(other, name))
                .map(|name| format!("health.checks.{name}")),
        );
        changed
    }
}

type Values = BTreeMap<&'static str, (Value, Place)>;

fn defaults() -> Values {
    SETTINGS
        .iter()
        .map(|setting| {
            let value = setting.kind.parse(setting.default).unwrap_or(Value::Null);
            (setting.key, (value, Place::Default))
        })
        .collect()
}

/// Puts a layer over what is there.
fn lay(values: &mut Values, layer: Vec<(&'static str, Value, Place)>) {
    if layer.iter().any(|(key, ..)| key.starts_with("watch.")) {
        forget_selectors(values);
    }
    for (key, value, place) in layer {
        values.insert(key, (value, place));
    }
}

fn forget_selectors(values: &mut Values) {
    for (_, (value, place)) in values.iter_mut().filter(|(key, _)| key.starts_with("watch.")) {
        *value = Value::Array(Vec::new());
        *place = Place::Default;
    }
}

type Layer = Vec<(&'static str, Value, Place)>;

fn variables(environment: impl Iterator<Item = (OsString, OsString)>) -> Result<(Layer, Vec<String>), ConfigError> {
    let (mut layer, mut strange, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (name, text) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(settings::PREFIX)) else { continue };
        let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) else {
            if !OTHER_VARIABLES.contains(&name) {
                strange.push(name.to_owned());
            }
            continue;
        };
        let place = Place::Variable(name.to_owned());
        let value = text.to_str().map_or_else(|| Err(String::from("must be text")), |text| setting.kind.parse(text));
        match value {
            Ok(value) => layer.push((setting.key, value, place)),
            Err(message) => {
                let given = text.to_str().filter(|_| !setting.secret);
                faults.push(Fault::of_value(place, None, &message, given));
            }
        }
    }
    if faults.is_empty() { Ok((layer, strange)) } else { Err(ConfigError::Faults(faults)) }
}

fn flags(given: &[(&'static str, Vec<String>)]) -> Result<Layer, ConfigError> {
    let mut layer = Vec::new();
    for (key, texts) in given {
        let Some(setting) = settings::find(key) else { continue };
        let place = Place::Flag(setting.flag.unwrap_or_default());
        let value = match setting.kind {
            kind::Kind::List(element) => {
                let several = matches!(element, kind::Element::Choice(_));
                let words = texts.iter().flat_map(|text| {
                    let parts: Vec<&str> = if several { text.split(',').collect() } else { vec![text.as_str()] };
                    parts
                });
                words.map(|text| element.parse(text.trim())).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            kind => kind.parse(texts.last().map_or("", String::as_str)),
        };
        match value {
            Ok(value) => layer.push((setting.key, value, place)),
            Err(message) => {
                let given = texts.last().map(String::as_str).filter(|_| !setting.secret);
                return Err(ConfigError::Faults(vec![Fault::of_value(place, None, &message, given)]));
            }
        }
    }
    Ok(layer)
}

fn typed(values: &Values) -> Result<Config, ConfigError> {
    let mut root = Map::new();
    for setting in SETTINGS {
        let value = values.get(setting.key).map_or(Value::Null, |(value, _)| value.clone());
        let section = root.entry(setting.section()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(section) = section {
            section.insert(setting.name().to_owned(), value);
        }
    }
    Config::deserialize(Value::Object(root))
        .map_err(|error| ConfigError::Faults(vec![Fault::new(Place::Default, None, error.to_string())]))
}

/// What single values cannot say: settings that need each other.
fn together(config: &Config, values: &Values) -> Result<(), ConfigError> {
    let mut faults = Vec::new();
    let mut fault = |key: &'static str, message: &str| {
        let place = values.get(key).map_or(Place::Default, |(_, place)| place.clone());
        faults.push(Fault::new(place, Some(key), message));
    };
    let metrics = &config.metrics;
    match (metrics.username.is_empty(), metrics.password_file.is_some()) {
        (false, false) => fault("metrics.username", "needs a `metrics.password_file`"),
        (true, true) => fault("metrics.password_file", "needs a `metrics.username`"),
        _ => {}
    }
    match (&metrics.tls_certificate, &metrics.tls_key) {
        (Some(_), None) => fault("metrics.tls_certificate", "needs a `metrics.tls_key`"),
        (None, Some(_)) => fault("metrics.tls_key", "needs a `metrics.tls_certificate`"),
        _ => {}
    }
    if config.record.ciphertext && config.record.file.is_none() {
        fault("record.ciphertext", "needs a `record.file`");
    }
    if config.health.listen.is_some_and(|listen| listen == metrics.listen && listen.port() != 0) {
        fault("health.listen", "is that of the metrics already: leave it out");
    }
    if faults.is_empty() { Ok(()) } else { Err(ConfigError::Faults(faults)) }
}
