//! What the same figures would cost a Python server that measures itself: metrics and spans in process.

use std::process::Command;

use anyhow::{Context, Result};

use super::Bench;
use super::report::Report;
use crate::project::capture;
use crate::tools;

/// The libraries that such servers use.
const PACKAGES: &[&str] = &["prometheus_client==0.26.0", "opentelemetry-sdk==1.45.2"];
const IMPORTS: &str = "import prometheus_client, opentelemetry.sdk.trace";
const SCRIPT: &str = include_str!("instrumented.py");

/// CPU time for each APDU: three records of `prometheus_client` (a command, an answer, a duration) and a span.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let python = tools::python_environment(&bench.dir.join("venv"), PACKAGES, IMPORTS)?;
    let rounds = bench.sizes.rounds.to_string();
    let said = capture(Command::new(&python).args(["-c", SCRIPT, &rounds]))?;
    for line in said.lines() {
        let (name, values) = line.split_once(':').context("the Python program says something else")?;
        let values: Result<Vec<f64>, _> = values.split_whitespace().map(str::parse).collect();
        let values = values.with_context(|| format!("these are no figures: {line}"))?;
        report.figure(format!("a Python server's own {name}, per APDU"), "µs", values.into_iter().collect());
    }
    Ok(())
}
