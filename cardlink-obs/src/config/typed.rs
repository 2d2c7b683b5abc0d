//! The configuration as the program uses it.

use super::{
    checks::CheckConfig,
    kind::{duration, percent},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

/// Every setting, with its type. The fields are the keys of the table in `settings.rs`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub watch: Watch,
    pub metrics: Metrics,
    pub health: Health,
    pub log: Log,
    pub limits: Limits,
    pub sessions: Sessions,
    pub databases: Databases,
    pub tracing: Tracing,
    pub control: Control,
    pub record: Record,
    pub identities: Identities,
    /// Aliases, by name or by what is named.
    #[serde(skip)]
    pub names: BTreeMap<String, String>,
    pub alerts: Alerts,
    pub kernel: Kernel,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    pub pid: Vec<u32>,
    pub port: Vec<u16>,
    pub comm: Vec<String>,
    pub exe: Vec<PathBuf>,
    pub cmdline: Vec<String>,
    pub unit: Vec<String>,
    pub cgroup: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub enabled: bool,
    pub listen: SocketAddr,
    pub path: String,
    #[serde(deserialize_with = "seconds")]
    pub sample_every: Duration,
    pub username: String,
    pub password_file: Option<PathBuf>,
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    pub enabled: bool,
    pub listen: Option<SocketAddr>,
    /// Built-in and configured ones; those that are not enabled are left out.
    #[serde(skip)]
    pub checks: Vec<CheckConfig>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
    pub file: Option<PathBuf>,
    pub max_mib: u64,
    pub keep: u64,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(deserialize_with = "seconds")]
    pub handshake_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub at_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    pub psk_file: Option<PathBuf>,
    #[serde(deserialize_with = "seconds")]
    pub card_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub server_timeout: Duration,
    #[serde(deserialize_with = "seconds")]
    pub card_idle: Duration,
    #[serde(deserialize_with = "seconds")]
    pub resume_window: Duration,
    #[serde(deserialize_with = "seconds")]
    pub trigger_window: Duration,
}

/// Ports at which databases are expected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Databases {
    pub postgresql_port: Vec<u16>,
    pub mysql_port: Vec<u16>,
}

/// What is said here; the standard variables of OpenTelemetry say the rest.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    pub otlp_endpoint: Option<String>,
    pub otlp_protocol: Option<String>,
    pub otlp_signals: Vec<String>,
    pub otlp_headers: Vec<String>,
    pub otlp_gzip: bool,
    #[serde(deserialize_with = "maybe_seconds")]
    pub otlp_timeout: Option<Duration>,
    pub otlp_ca: Option<PathBuf>,
    pub otlp_certificate: Option<PathBuf>,
    pub otlp_key: Option<PathBuf>,
    #[serde(deserialize_with = "maybe_seconds")]
    pub otlp_metrics_every: Option<Duration>,
    pub otlp_queue: Option<usize>,
    pub trace_ratio: Option<f64>,
    #[serde(deserialize_with = "maybe_seconds")]
    pub trace_slower: Option<Duration>,
}

/// Headers may hold credentials.
impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("otlp_endpoint", &self.otlp_endpoint).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// A path, `auto` or `none`.
    pub socket: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub file: Option<PathBuf>,
    pub ciphertext: bool,
    pub max_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    pub hash_key: Option<PathBuf>,
}

/// Limits of the rules for Prometheus.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    #[serde(deserialize_with = "seconds")]
    pub window: Duration,
    pub least: u64,
    #[serde(deserialize_with = "ratio")]
    pub apdu_errors: f64,
    pub session_timeouts: u64,
    #[serde(deserialize_with = "ratio")]
    pub handshake_failures: f64,
    #[serde(deserialize_with = "seconds")]
    pub apdu_time: Duration,
    #[serde(deserialize_with = "seconds")]
    pub session_time: Duration,
    pub events_lost: u64,
    pub databases: Vec<String>,
    pub database_failures: u64,
    pub job: String,
    pub runbooks: String,
    pub names_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    pub ring_kib: u32,
    pub bpf_log: u8,
    pub probe_cost: bool,
    pub library_probes: LibraryProbes,
    pub functions: Vec<String>,
    pub test_probes: LibraryProbes,
    pub sqlite_probes: LibraryProbes,
    pub bpf_object: Option<PathBuf>,
}

/// When TLS libraries, SQLite, or programs that run tests, are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LibraryProbes {
    Off,
    Auto,
    On,
}

pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn maybe_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| duration(&text).map_err(D::Error::custom)).transpose()
}

pub(super) fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    percent(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
