//! Rules in the YAML of Prometheus.

use super::{ALERTS, NAMES};
use crate::config::Alerts;
use std::fmt::Write as _;

/// The file of the alerts.
pub fn alerts(limits: &Alerts) -> String {
    let mut text = String::from(
        "# Made by `cardlink-obs alerts export`: its flags are the limits.\ngroups:\n  - name: cardlink-obs\n    rules:\n",
    );
    for alert in ALERTS {
        let _ = writeln!(text, "      - alert: {}", alert.name);
        let _ = writeln!(text, "        expr: |-");
        for line in alert.promql(limits).lines() {
            let _ = writeln!(text, "          {}", line.trim_end());
        }
        let _ = writeln!(text, "        for: {}", alert.hold);
        let _ = writeln!(text, "        labels:\n          severity: {}", alert.severity.as_str());
        let _ = writeln!(text, "        annotations:");
        let runbook = format!("{}#{}", limits.runbooks, alert.anchor());
        for (name, value) in [("summary", alert.summary), ("description", alert.description), ("runbook_url", &runbook)]
        {
            let _ = writeln!(text, "          {name}: {}", quoted(value));
        }
    }
    text
}

/// The file of the recording rules.
pub fn names(limits: &Alerts) -> String {
    let mut text = String::from(
        "# Made by `cardlink-obs alerts export --names`.\ngroups:\n  - name: cardlink-obs-names\n    rules:\n",
    );
    for (name, of) in NAMES.iter().flat_map(super::Renamed::series) {
        let _ = writeln!(text, "      - record: {}{name}\n        expr: {of}", limits.names_prefix);
    }
    text
}

/// A text in YAML, in single quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
