//! What the checks say together, as JSON.

use super::{Status, Verdict};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The last result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    pub took: Duration,
    pub at: Timestamp,
}

/// A check with its last result, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub kind: &'static str,
    pub own: bool,
    pub outcome: Option<Outcome>,
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub rows: Vec<Row>,
    /// The agent's loop comes round.
    pub alive: bool,
    pub uptime: Duration,
}

impl Report {
    pub(super) fn new(rows: Vec<Row>, alive: bool, uptime: Duration) -> Self {
        Self { rows, alive, uptime }
    }

    /// The worst of all; a check that has no result yet makes it degraded.
    pub fn status(&self) -> Status {
        if !self.alive {
            return Status::Unhealthy;
        }
        self.rows.iter().map(Row::status).max().unwrap_or(Status::Healthy)
    }

    /// Every check has a result, and those of the agent itself are not unhealthy.
    pub fn ready(&self) -> bool {
        self.alive
            && self.rows.iter().all(|row| row.outcome.is_some() && !(row.own && row.status() == Status::Unhealthy))
    }

    /// `details`: with the checks.
    pub fn json(&self, status: Status, details: bool) -> Value {
        let mut object = Map::new();
        object.insert("status".into(), json!(status.as_str()));
        if details {
            object.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
            object.insert("uptime_seconds".into(), json!(self.uptime.as_secs_f64()));
            let checks: Map<String, Value> = self.rows.iter().map(|row| (row.name.clone(), row.json())).collect();
            object.insert("checks".into(), Value::Object(checks));
        }
        Value::Object(object)
    }
}

impl Row {
    fn status(&self) -> Status {
        self.outcome.as_ref().map_or(Status::Degraded, |outcome| outcome.verdict.status)
    }

    fn json(&self) -> Value {
        match &self.outcome {
            Some(outcome) => json!({
                "kind": self.kind,
                "status": outcome.verdict.status.as_str(),
                "message": outcome.verdict.message,
                "duration_seconds": outcome.took.as_secs_f64(),
                "checked_at": outcome.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            }),
            None => json!({
                "kind": self.kind,
                "status": self.status().as_str(),
                "message": "not looked at yet",
                "duration_seconds": Value::Null,
                "checked_at": Value::Null,
            }),
        }
    }
}
