//! What a setting may be: how its text (a flag, a variable) and its TOML are read, and what they become.

use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tracing_subscriber::EnvFilter;

/// The kinds of values. Whatever comes in leaves as one form of JSON, which the typed configuration is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Switch,
    /// A whole number within bounds.
    Number(u64, u64),
    /// A number of KiB that is a power of two.
    RingSize,
    /// `500ms`, `3s`, `2m`, `1h`, or a number of seconds; at least and at most these many milliseconds.
    Time(u64, u64),
    /// A share: `10%`.
    Percent,
    /// An address with a port.
    Address,
    /// The same, or nothing.
    OptionalAddress,
    /// `HOST:PORT`, where the host may be a name.
    HostPort,
    /// `http://…` or `https://…`.
    Url,
    /// The path of a URL.
    UrlPath,
    Text,
    /// A file, or nothing.
    File,
    /// One of these words, with their meanings.
    Choice(&'static [(&'static str, &'static str)]),
    /// Levels of the log.
    Levels,
    List(Element),
    /// A share from 0 to 1.
    Share,
    /// One of these, or nothing.
    Maybe(&'static Kind),
}

/// The elements of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Number(u64, u64),
    Text,
    Regex,
    /// One of these words, with their meanings; a flag may hold several, separated by commas.
    Choice(&'static [(&'static str, &'static str)]),
    /// `NAME=VALUE`.
    Pair,
}

pub const ANY_TIME: Kind = Kind::Time(0, u64::MAX);

impl Kind {
    /// What it is called in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number(..) | Self::RingSize => "number",
            Self::Time(..) => "time",
            Self::Percent => "percentage",
            Self::Address | Self::OptionalAddress | Self::HostPort => "address",
            Self::Url => "URL",
            Self::UrlPath => "path of a URL",
            Self::Text => "text",
            Self::File => "file",
            Self::Choice(_) => "word",
            Self::Levels => "levels",
            Self::List(Element::Number(..)) => "list of numbers",
            Self::Share => "share of 1",
            Self::Maybe(kind) => kind.as_str(),
            Self::List(Element::Choice(_)) => "list of words",
            Self::List(Element::Text | Element::Pair) => "list of texts",
            Self::List(Element::Regex) => "list of regular expressions",
        }
    }

    /// Reads the text of a flag or a variable; the elements of a list are separated by commas.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Maybe(_) if text.is_empty() => Ok(Value::Null),
            Self::Maybe(kind) => kind.parse(text),
            Self::Share => {
                let number = text.trim().parse::<f64>().map_err(|_| String::from("must be a share from 0 to 1"))?;
                self.accept(Value::from(number))
            }
            Self::Switch => match text {
                "true" | "1" | "yes" | "on" => Ok(Value::Bool(true)),
                "false" | "0" | "no" | "off" | "" => Ok(Value::Bool(false)),
                _ => Err(String::from("must be true or false")),
            },
            Self::Number(..) | Self::RingSize => {
                let number = text.trim().parse::<u64>().map_err(|_| String::from("must be a whole number"))?;
                self.accept(Value::from(number))
            }
            Self::List(_) if text.is_empty() => Ok(Value::Array(Vec::new())),
            Self::List(element) => {
                // A regular expression may hold commas: a variable has one.
                let parts: Vec<&str> =
                    if element == Element::Regex { vec![text] } else { text.split(',').map(str::trim).collect() };
                parts.into_iter().map(|part| element.parse(part)).collect::<Result<_, _>>().map(Value::Array)
            }
            _ => self.accept(Value::from(text)),
        }
    }

    /// Checks a value that TOML (or [`Kind::parse`]) gave, and brings it into the one form.
    pub fn accept(self, value: Value) -> Result<Value, String> {
        let wrong = |what: &str| Err(format!("must be {what}"));
        match (self, &value) {
            (Self::Maybe(_), Value::String(text)) if text.is_empty() => Ok(Value::Null),
            (Self::Maybe(kind), _) => kind.accept(value),
            (Self::Share, Value::Number(share)) if share.as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)) => {
                Ok(value)
            }
            (Self::Share, _) => wrong("a share from 0 to 1"),
            (Self::Switch, Value::Bool(_)) => Ok(value),
            (Self::Switch, _) => wrong("true or false"),
            (Self::Number(least, most), _) => number(&value, least, most),
            (Self::RingSize, _) => match value.as_u64() {
                Some(size) if size.is_power_of_two() && (4..=1 << 20).contains(&size) => Ok(value),
                _ => wrong("a power of two from 4 to 1048576"),
            },
            (Self::Time(least, most), _) => time(&value, least, most),
            (Self::Percent, Value::String(text)) => percent(text).map(|_| value),
            (Self::Percent, Value::Number(number)) => {
                let text = format!("{number}%");
                percent(&text).map(|_| Value::from(text))
            }
            (Self::List(element), Value::Array(items)) => {
                items.iter().map(|item| element.accept(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::List(_), _) => wrong("a list: [ … ]"),
            (_, Value::String(text)) => self.text(text),
            (Self::Percent, _) => wrong("a percentage: \"10%\""),
            _ => wrong("a text in quotes"),
        }
    }

    fn text(self, text: &str) -> Result<Value, String> {
        let wrong = |what: &str| Err(format!("must be {what}"));
        match self {
            Self::OptionalAddress | Self::File if text.is_empty() => return Ok(Value::Null),
            Self::Address | Self::OptionalAddress if text.parse::<SocketAddr>().is_err() => {
                return wrong("an address with a port: 127.0.0.1:9464 or [::1]:9464");
            }
            Self::HostPort => {
                let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
                if port.is_none_or(|port| port.parse::<u16>().is_err()) {
                    return wrong("HOST:PORT");
                }
            }
            Self::Url if !text.starts_with("http://") && !text.starts_with("https://") => {
                return Err(String::from("must begin with http:// or https://"));
            }
            Self::UrlPath if !text.starts_with('/') || text.contains(['{', '}', '*', '?', '#', ' ']) => {
                return wrong("a path that begins with / and has no pattern in it");
            }
            Self::UrlPath if text.starts_with("/health") => {
                return wrong("another path: /health is that of the checks");
            }
            Self::Choice(words) if !words.iter().any(|(word, _)| *word == text) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                return Err(format!("must be one of {}", words.join(", ")));
            }
            Self::Levels => levels(text)?,
            _ => {}
        }
        Ok(Value::from(text))
    }
}

impl Element {
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Number(..) => {
                let number = text.parse::<u64>().map_err(|_| String::from("must be a whole number"))?;
                self.accept(&Value::from(number))
            }
            _ => self.accept(&Value::from(text)),
        }
    }

    fn accept(self, value: &Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Number(least, most), _) => number(value, least, most),
            // As a variable of a shell that is not set gives it: it would be in, or match, everything.
            (Self::Text | Self::Regex, Value::String(text)) if text.trim().is_empty() => {
                Err(String::from("must not be empty: leave it out instead"))
            }
            (Self::Text, Value::String(_)) => Ok(value.clone()),
            (Self::Choice(words), Value::String(_)) => Kind::Choice(words).accept(value.clone()),
            (Self::Pair, Value::String(text)) if text.split_once('=').is_some_and(|(name, _)| !name.is_empty()) => {
                Ok(value.clone())
            }
            (Self::Pair, _) => Err(String::from("must be NAME=VALUE")),
            (Self::Regex, Value::String(text)) => match regex::Regex::new(text) {
                Ok(_) => Ok(value.clone()),
                Err(error) => {
                    let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                    Err(format!("`{text}` is no regular expression: {last}"))
                }
            },
            _ => Err(String::from("must be a list of texts in quotes")),
        }
    }
}

/// A bare word is a level: taken for the name of a component, `inof` would silence the log.
fn levels(text: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').map(str::trim).filter(|part| !part.contains(['=', ':', '[']));
    if let Some(word) = bare.into_iter().find(|part| !LEVELS.contains(&part.to_lowercase().as_str())) {
        return Err(format!("must be a level ({}), or levels per component: `{word}` is none", LEVELS.join(", ")));
    }
    EnvFilter::try_new(text).map_err(|error| format!("must be a level, or levels per component ({error})"))?;
    Ok(())
}

fn number(value: &Value, least: u64, most: u64) -> Result<Value, String> {
    match value.as_u64() {
        Some(number) if (least..=most).contains(&number) => Ok(value.clone()),
        _ if most == u64::MAX => Err(format!("must be a whole number from {least}")),
        _ => Err(format!("must be a whole number from {least} to {most}")),
    }
}

fn time(value: &Value, least: u64, most: u64) -> Result<Value, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => format!("{number}s"),
        _ => return Err(String::from("must be a time: \"500ms\", \"3s\", \"2m\"")),
    };
    let time = duration(&text)?;
    let in_bounds = time >= Duration::from_millis(least) && (most == u64::MAX || time <= Duration::from_millis(most));
    if in_bounds {
        return Ok(Value::from(text));
    }
    let bounds = if most == u64::MAX { String::new() } else { format!(" and at most {}", shown(most)) };
    Err(format!("must be at least {}{bounds}", shown(least)))
}

fn shown(millis: u64) -> String {
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// `500ms`, `3s`, `2m`, `1h`, or a number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| String::from("must be a time: 500ms, 3s, 2m, 1h"))?;
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(String::from("the unit of a time must be us, ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * scale).map_err(|_| String::from("that time is too long"))
}

/// `10%` as a share of 1.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim().parse::<f64>();
    match number {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number / 100.0),
        _ => Err(String::from("must be a percentage from 0% to 100%")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ANY_TIME, Element, Kind, duration, percent};
    use serde_json::{Value, json};
    use std::time::Duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("soon").is_err());
        assert!(duration("3 days").is_err());
        assert_eq!(ANY_TIME.accept(json!(30)), Ok(json!("30s")));
        assert!(Kind::Time(0, 5000).accept(json!("6s")).is_err_and(|error| error.contains("at most 5s")));
    }

    #[test]
    fn text_and_toml_become_the_same() {
        let cases = [
            (Kind::Switch, "true", json!(true)),
            (Kind::Number(1, 9), "7", json!(7)),
            (Kind::RingSize, "64", json!(64)),
            (Kind::List(Element::Number(1, 65535)), "1, 2", json!([1, 2])),
            (Kind::List(Element::Text), "a,b", json!(["a", "b"])),
            (Kind::List(Element::Regex), "a{1,2}", json!(["a{1,2}"])),
            (Kind::Address, "[::1]:80", json!("[::1]:80")),
            (Kind::File, "", Value::Null),
        ];
        for (kind, text, value) in cases {
            assert_eq!(kind.parse(text), Ok(value.clone()), "{kind:?}");
            let toml = if value.is_null() { json!("") } else { value.clone() };
            assert_eq!(kind.accept(toml), Ok(value), "{kind:?}");
        }
    }

    #[test]
    fn what_is_wrong_says_what_is_right() {
        let cases = [
            (Kind::Switch, json!("yes"), "true or false"),
            (Kind::Number(1, 5), json!(6), "from 1 to 5"),
            (Kind::RingSize, json!(5), "power of two"),
            (Kind::Address, json!("localhost"), "127.0.0.1:9464"),
            (Kind::HostPort, json!("localhost"), "HOST:PORT"),
            (Kind::Url, json!("ftp://x"), "http://"),
            (Kind::UrlPath, json!("metrics"), "begins with /"),
            (Kind::UrlPath, json!("/health"), "another path"),
            (Kind::Choice(&[("a", ""), ("b", "")]), json!("c"), "one of a, b"),
            (Kind::Levels, json!("loud"), "level"),
            (Kind::List(Element::Regex), json!(["("]), "no regular expression"),
            (Kind::List(Element::Text), json!("a"), "a list"),
            (Kind::Percent, json!("200%"), "0% to 100%"),
            (Kind::Text, json!(3), "in quotes"),
        ];
        for (kind, value, wanted) in cases {
            let error = kind.accept(value).expect_err("a refusal");
            assert!(error.contains(wanted), "{kind:?}: {error}");
        }
        assert_eq!(percent("10%"), Ok(0.1));
    }
}
