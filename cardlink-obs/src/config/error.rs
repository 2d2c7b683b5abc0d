//! What can be wrong with a configuration: each fault says where, and what would be right.

use std::{fmt, io, path::PathBuf};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    pub message: String,
}

impl Fault {
    pub fn new(place: Place, key: Option<&str>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { place, message: key.map_or_else(|| message.clone(), |key| format!("`{key}` {message}")) }
    }
}

impl Fault {
    /// A value that is not taken, with what was given, unless that may be a secret.
    pub fn of_value(place: Place, key: Option<&str>, message: &str, given: Option<&str>) -> Self {
        let key = key.map(|key| format!("`{key}`: ")).unwrap_or_default();
        Self { place, message: format!("{key}{message}{}", told(given)) }
    }
}

/// `(it is …)`; of a long value the beginning.
pub(super) fn told(given: Option<&str>) -> String {
    const MOST: usize = 40;
    // An address with a user name in it may have a password.
    let Some(given) = given.filter(|given| !given.contains('@')) else { return String::new() };
    let short: String = given.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let more = if given.chars().count() > MOST { "…" } else { "" };
    format!(" (it is `{short}{more}`)")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    Read { path: PathBuf, error: io::Error },
    Writable(PathBuf),
    Faults(Vec<Fault>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => {
                write!(f, "the configuration {} cannot be read: {error}", path.display())
            }
            Self::Writable(path) => {
                let path = path.display();
                write!(f, "the configuration {path} can be changed by anybody: type `chmod o-w {path}` and start again")
            }
            Self::Faults(faults) => {
                for (at, fault) in faults.iter().enumerate() {
                    if at > 0 {
                        f.write_str("\n")?;
                    }
                    write!(f, "{fault}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::{Fault, Place};

    #[test]
    fn a_value_is_told_unless_it_may_be_a_secret() {
        let fault = |given| Fault::of_value(Place::Default, Some("limits.at_timeout"), "must be a time", given).message;
        assert_eq!(fault(Some("3 days")), "`limits.at_timeout`: must be a time (it is `3 days`)");
        assert_eq!(fault(None), "`limits.at_timeout`: must be a time");
        assert_eq!(fault(Some("ftp://me:secret@host")), "`limits.at_timeout`: must be a time");
        let long = fault(Some(&"x".repeat(500)));
        assert!(long.len() < 100 && long.ends_with("…`)"), "{long}");
    }
}
