//! What is said over the socket: one JSON object a line.

use crate::sink::text::Filter;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest line that the agent reads.
pub(super) const LONGEST_REQUEST: usize = 1 << 14;

/// The first line, by the agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// Version of the protocol.
    pub protocol: u32,
    /// Version of the agent.
    pub version: String,
    pub pid: u32,
    /// Where its metrics page is.
    pub url: String,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// The metrics page, and what the checks say.
    Status,
    /// What the checks say.
    Health,
    /// The levels of the log; with `set` they are changed first.
    LogLevel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<String>,
    },
    /// What happens from now on, until one of the two goes away.
    Trace(Show),
}

/// What is shown of what happens, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Show {
    /// As `trace --json` has it, else as text.
    pub json: bool,
    pub failed: bool,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    pub all: bool,
    /// The time zone of who reads it, by its IANA name; else the agent's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl Show {
    pub fn of(filter: &Filter, json: bool, zone: Option<String>) -> Self {
        Self {
            json,
            failed: filter.failed,
            slower: filter.slower.map(|limit| limit.as_secs_f64()),
            connection: filter.connection,
            peer: filter.peer.clone(),
            all: filter.all,
            zone,
        }
    }

    /// An error when a number in it is none that can be.
    pub(super) fn filter(&self) -> Result<Filter, String> {
        let slower = self.slower.map(Duration::try_from_secs_f64).transpose();
        Ok(Filter {
            failed: self.failed,
            slower: slower.map_err(|error| format!("`slower` must be seconds: {error}"))?,
            connection: self.connection,
            peer: self.peer.clone(),
            all: self.all,
        })
    }
}

/// Reads a request.
pub(super) fn request(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| format!("this is no request: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Request, Show, request};
    use crate::sink::text::Filter;
    use std::time::Duration;

    #[test]
    fn requests_as_they_are_documented() {
        let read = |text: &str| request(text.as_bytes());
        assert_eq!(read(r#"{"request":"status"}"#), Ok(Request::Status));
        assert_eq!(read(r#"{"request":"log_level"}"#), Ok(Request::LogLevel { set: None }));
        let set = Request::LogLevel { set: Some(String::from("capture=debug")) };
        assert_eq!(read(r#"{"request":"log_level","set":"capture=debug"}"#), Ok(set));
        assert_eq!(read(r#"{"request":"trace"}"#), Ok(Request::Trace(Show::default())));
        let show = Show { json: true, slower: Some(0.5), ..Show::default() };
        assert_eq!(read(r#"{"request":"trace","json":true,"slower":0.5}"#), Ok(Request::Trace(show)));
        for wrong in ["", "status", "{}", r#"{"request":"stop"}"#, r#"{"request":"trace","conn":3}"#, "[1]", "\u{0}"] {
            let error = read(wrong).expect_err("a refusal");
            assert!(error.starts_with("this is no request: "), "{error}");
        }
    }

    #[test]
    fn a_filter_arrives_as_it_was() {
        let filter = Filter {
            failed: true,
            slower: Some(Duration::from_millis(250)),
            connection: Some(7),
            peer: Some(String::from("10.0.")),
            all: true,
        };
        let line = serde_json::to_vec(&Request::Trace(Show::of(&filter, true, None))).expect("JSON");
        let Ok(Request::Trace(show)) = request(&line) else { panic!("{}", String::from_utf8_lossy(&line)) };
        assert_eq!(format!("{:?}", show.filter().expect("a filter")), format!("{filter:?}"));
        assert!(Show { slower: Some(-1.0), ..Show::default() }.filter().is_err());
    }
}
