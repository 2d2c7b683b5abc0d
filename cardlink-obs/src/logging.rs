//! The agent's own log: `tracing`, as text for people or as JSON for collectors, on standard error.
//!
//! The BPF programs' diagnostics (`--bpf-log`) come through the `log` facade and end up here too.

use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line: timestamp (ISO 8601), level, target (the component), fields with the message.
    Json,
}

/// Starts logging. `levels` is a level, or levels per component: `info,cardlink_obs::capture=debug`.
pub fn start(format: LogFormat, levels: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(levels).map_err(|error| format!("--log-level {levels}: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let result = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).with_target(false).compact().try_init(),
    };
    result.map_err(|error| error.to_string())
}
