//! Alerts and recording rules for Prometheus, as tables. `alerts/` in the repository holds what they become with the default
//! limits; `docs/alerts.md` has a runbook for each.

mod names;
mod rules;
mod write;

pub use names::{NAMES, Renamed};
pub use rules::ALERTS;
pub use write::{alerts, names};

use crate::config::Alerts;
use std::time::Duration;

/// An alert.
#[derive(Debug, Clone, Copy)]
pub struct Alert {
    pub name: &'static str,
    pub severity: Severity,
    /// How long it must hold before it fires.
    pub hold: &'static str,
    /// In PromQL, with `@WINDOW` and other limits by the names of their settings.
    pub expr: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// What it means, and when it fires.
    pub meaning: &'static str,
    /// What usually is behind it.
    pub causes: &'static str,
    /// What to do, step by step.
    pub steps: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Critical,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Alert {
    /// What Prometheus evaluates, with these limits.
    pub fn promql(&self, limits: &Alerts) -> String {
        let databases = limits.databases.join("|").replace('\\', "\\\\").replace('"', "\\\"");
        let job = limits.job.replace('\\', "\\\\").replace('"', "\\\"");
        [
            // The longer names first: one begins with another.
            ("@DATABASES", databases),
            ("@JOB", job),
            ("@WINDOW_SECONDS", limits.window.as_secs_f64().to_string()),
            ("@WINDOW", time(limits.window)),
            ("@LEAST", limits.least.to_string()),
            ("@APDU_ERRORS", limits.apdu_errors.to_string()),
            ("@APDU_TIME", limits.apdu_time.as_secs_f64().to_string()),
            ("@SESSION_TIMEOUTS", limits.session_timeouts.to_string()),
            ("@SESSION_TIME", limits.session_time.as_secs_f64().to_string()),
            ("@HANDSHAKE_FAILURES", limits.handshake_failures.to_string()),
            ("@DATABASE_FAILURES", limits.database_failures.to_string()),
            ("@EVENTS_LOST", limits.events_lost.to_string()),
        ]
        .into_iter()
        .fold(self.expr.to_owned(), |expr, (name, value)| expr.replace(name, &value))
    }

    /// The heading of its runbook, as a link names it.
    pub fn anchor(&self) -> String {
        self.name.to_lowercase()
    }
}

/// A time as Prometheus writes it.
fn time(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}
