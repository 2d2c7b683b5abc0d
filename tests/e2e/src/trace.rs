//! Observations as `trace --json` and `replay --json` print them.

use crate::Result;
use anyhow::Context as _;
use serde_json::Value;

/// Reads JSON lines; what a watched command says goes to the same output.
pub fn parse(lines: &[String]) -> Result<Vec<Value>> {
    lines
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
        .collect()
}

/// Those of one type.
pub fn of<'a>(all: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    all.iter().filter(move |value| value["type"] == kind)
}

pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
}

/// Seconds.
pub fn seconds(value: &Value, field: &str) -> f64 {
    value[field].as_f64().unwrap_or(f64::NAN)
}
