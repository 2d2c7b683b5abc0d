//! The health checks: which kinds there are, what each takes, and the entries of a configuration.

use super::{
    kind::{Element, Kind},
    typed::{ratio, seconds},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The longest time-out of a check, milliseconds.
const MOST: u64 = 5000;

/// An option of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOption {
    pub name: &'static str,
    pub kind: Kind,
    /// `None`: it must be given.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

/// A kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckKind {
    pub name: &'static str,
    /// Runs without being asked for, under its own name.
    pub built_in: bool,
    pub about: &'static str,
    pub options: &'static [CheckOption],
}

const fn option(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> CheckOption {
    CheckOption { name, kind, default: Some(default), help }
}

const fn needed(name: &'static str, kind: Kind, help: &'static str) -> CheckOption {
    CheckOption { name, kind, default: None, help }
}

/// What every check takes.
pub const COMMON: &[CheckOption] = &[
    option("enabled", Kind::Switch, "true", "`false` takes a built-in check away."),
    option("interval", Kind::Time(100, u64::MAX), "15s", "Between two runs; a result is kept for so long."),
    option("timeout", Kind::Time(10, MOST), "2s", "A run that takes longer is a failure; at most 5 s."),
];

const SLOW: CheckOption =
    option("degraded_after", Kind::Time(0, MOST), "1s", "An answer that takes longer makes it degraded.");

const PROTOCOLS: &[(&str, &str)] =
    &[("grpc", "a TCP connection is enough"), ("http", "an empty export is sent to `/v1/traces`")];
const ENGINES: &[(&str, &str)] = &[
    ("postgresql", "asks for TLS, as every client does, and takes either answer"),
    ("mysql", "MySQL or MariaDB: reads the greeting"),
    ("sqlite", "reads the header of the file"),
];

pub const KINDS: &[CheckKind] = &[
    CheckKind {
        name: "process",
        built_in: true,
        about: "The targets are alive: degraded until one has come, unhealthy when all have gone.",
        options: &[],
    },
    CheckKind {
        name: "server",
        built_in: true,
        about: "The watched servers, seen from outside: they listen, and recent handshakes succeed. Nothing is sent.",
        options: &[
            option("port", Kind::List(Element::Number(1, 65535)), "", "Ports that the targets must listen on."),
            option("window", Kind::Time(1000, 86_400_000), "5m", "How far back handshakes count."),
            option("least", Kind::Number(1, 1 << 32), "5", "Fewer handshakes than this say nothing."),
            option("degraded_failures", Kind::Percent, "10%", "Failed handshakes from which it is degraded."),
            option("unhealthy_failures", Kind::Percent, "50%", "Failed handshakes from which it is unhealthy."),
        ],
    },
    CheckKind {
        name: "metrics",
        built_in: true,
        about: "The metrics page is rendered, and the certificate that it is served with is valid.",
        options: &[
            option(
                "oldest",
                Kind::Time(1000, u64::MAX),
                "30s",
                "A page older than this makes it unhealthy; one that nobody asks for may be ten seconds old.",
            ),
            option("certificate_days", Kind::Number(0, 3650), "14", "Days of validity below which it is degraded."),
        ],
    },
    CheckKind {
        name: "probes",
        built_in: true,
        about: "The probes are attached: degraded when one of them does not work, unhealthy when none does.",
        options: &[],
    },
    CheckKind {
        name: "ledger",
        built_in: true,
        about: "Every kernel event has a fate: degraded when events were lost since the last run, unhealthy when some are unaccounted for.",
        options: &[],
    },
    CheckKind {
        name: "disk",
        built_in: true,
        about: "Space on a file system.",
        options: &[
            option("path", Kind::Text, "/", "A file or folder on it."),
            option("degraded_free", Kind::Percent, "10%", "Free space below which it is degraded."),
            option("unhealthy_free", Kind::Percent, "3%", "Free space below which it is unhealthy."),
        ],
    },
    CheckKind {
        name: "memory",
        built_in: true,
        about: "Memory of the host that programs could still have (`MemAvailable`).",
        options: &[
            option("degraded_available", Kind::Percent, "10%", "Available memory below which it is degraded."),
            option("unhealthy_available", Kind::Percent, "3%", "Available memory below which it is unhealthy."),
        ],
    },
    CheckKind {
        name: "tcp",
        built_in: false,
        about: "Somebody accepts a TCP connection.",
        options: &[needed("address", Kind::HostPort, "`HOST:PORT`."), SLOW],
    },
    CheckKind {
        name: "tls-psk",
        built_in: false,
        about: "A PSK-TLS server completes a handshake (TLS 1.2, plain PSK suites), with a key of its own.",
        options: &[
            needed("address", Kind::HostPort, "`HOST:PORT`."),
            needed("identity", Kind::Text, "PSK identity of the check."),
            needed("psk_file", Kind::Text, "A key file that has its key. Others must not be able to read it."),
            SLOW,
        ],
    },
    CheckKind {
        name: "http",
        built_in: false,
        about: "An HTTP server answers. Redirects are not followed.",
        options: &[
            needed("url", Kind::Url, "`http://…` or `https://…`."),
            option("status", Kind::List(Element::Number(100, 599)), "200", "Good status codes."),
            option("contains", Kind::Text, "", "What the body must contain."),
            option("ca_file", Kind::File, "", "Certificates to trust (PEM) instead of the system's."),
            SLOW,
        ],
    },
    CheckKind {
        name: "command",
        built_in: false,
        about: "A command ends with 0 (healthy), 1 (degraded) or anything else (unhealthy), as monitoring plug-ins do. Its first line is the message.",
        options: &[needed("command", Kind::List(Element::Text), "The program and its arguments; no shell.")],
    },
    CheckKind {
        name: "serial",
        built_in: false,
        about: "A serial port is there, and free or in the hands of a watched program. It is not opened unless asked.",
        options: &[
            needed("path", Kind::Text, "The device."),
            option("open", Kind::Switch, "false", "Open it when nobody has it. This may reset a modem."),
        ],
    },
    CheckKind {
        name: "adb",
        built_in: false,
        about: "The adb server answers. It is never started.",
        options: &[
            option("address", Kind::HostPort, "127.0.0.1:5037", "`HOST:PORT` of the server."),
            option("device", Kind::Text, "", "Serial number of a device that must be ready."),
        ],
    },
    CheckKind {
        name: "pcscd",
        built_in: false,
        about: "The PC/SC daemon takes connections. Where systemd starts it on demand, this does.",
        options: &[option("path", Kind::Text, "/run/pcscd/pcscd.comm", "Its socket.")],
    },
    CheckKind {
        name: "database",
        built_in: false,
        about: "A database greets; nobody logs in.",
        options: &[
            needed("engine", Kind::Choice(ENGINES), "Which one."),
            needed("address", Kind::Text, "`HOST:PORT`, the path of a unix socket, or of the SQLite file."),
            SLOW,
        ],
    },
    CheckKind {
        name: "otlp",
        built_in: false,
        about: "An OpenTelemetry collector can be reached.",
        options: &[
            option("endpoint", Kind::Url, "http://127.0.0.1:4317", "Its address."),
            option("protocol", Kind::Choice(PROTOCOLS), "grpc", "What it speaks there."),
            option("ca_file", Kind::File, "", "Certificates to trust (PEM) instead of the system's."),
        ],
    },
];

/// A check that is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckConfig {
    pub name: String,
    pub kind: &'static CheckKind,
    pub common: Common,
    pub what: What,
    /// All values, as they were given or by default.
    pub values: BTreeMap<&'static str, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Common {
    pub enabled: bool,
    #[serde(deserialize_with = "seconds")]
    pub interval: Duration,
    #[serde(deserialize_with = "seconds")]
    pub timeout: Duration,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "options")]
pub enum What {
    Process {},
    Server(Server),
    Metrics {
        #[serde(deserialize_with = "seconds")]
        oldest: Duration,
        certificate_days: i64,
    },
    Probes {},
    Ledger {},
    Disk {
        path: PathBuf,
        #[serde(deserialize_with = "ratio")]
        degraded_free: f64,
        #[serde(deserialize_with = "ratio")]
        unhealthy_free: f64,
    },
    Memory {
        #[serde(deserialize_with = "ratio")]
        degraded_available: f64,
        #[serde(deserialize_with = "ratio")]
        unhealthy_available: f64,
    },
    Tcp {
        address: String,
        #[serde(deserialize_with = "seconds")]
        degraded_after: Duration,
    },
    TlsPsk {
        address: String,
        identity: String,
        psk_file: PathBuf,
        #[serde(deserialize_with = "seconds")]
        degraded_after: Duration,
    },
    Http(Http),
    Command {
        command: Vec<String>,
    },
    Serial {
        path: PathBuf,
        open: bool,
    },
    Adb {
        address: String,
        device: String,
    },
    Pcscd {
        path: PathBuf,
    },
    Database {
        engine: Engine,
        address: String,
        #[serde(deserialize_with = "seconds")]
        degraded_after: Duration,
    },
    Otlp {
        endpoint: String,
        protocol: Protocol,
        ca_file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    pub port: Vec<u16>,
    #[serde(deserialize_with = "seconds")]
    pub window: Duration,
    pub least: u64,
    #[serde(deserialize_with = "ratio")]
    pub degraded_failures: f64,
    #[serde(deserialize_with = "ratio")]
    pub unhealthy_failures: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Http {
    pub url: String,
    pub status: Vec<u16>,
    pub contains: String,
    pub ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "seconds")]
    pub degraded_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Postgresql,
    Mysql,
    Sqlite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Grpc,
    Http,
}

impl CheckKind {
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Its own options and those that every check takes.
    pub fn all_options(&self) -> impl Iterator<Item = &'static CheckOption> + '_ {
        COMMON.iter().chain(self.options)
    }

    /// A check of this kind. `given` was accepted before; what is missing and has no default is the error.
    pub fn make(
        &'static self,
        name: &str,
        mut given: BTreeMap<&'static str, Value>,
    ) -> Result<CheckConfig, Vec<&'static str>> {
        let mut missing = Vec::new();
        for option in self.all_options() {
            if given.contains_key(option.name) {
                continue;
            }
            match option.default.map(|default| option.kind.parse(default)) {
                Some(Ok(value)) => {
                    given.insert(option.name, value);
                }
                _ => missing.push(option.name),
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        let options: Map<String, Value> =
            given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let entry = serde_json::json!({"kind": self.name, "options": options});
        match (Common::deserialize(&Value::Object(options)), What::deserialize(&entry)) {
            (Ok(common), Ok(what)) => {
                Ok(CheckConfig { name: name.to_owned(), kind: self, common, what, values: given })
            }
            _ => Err(Vec::new()),
        }
    }
}

/// The checks that run when nothing is said of them.
pub fn built_in() -> impl Iterator<Item = CheckConfig> {
    KINDS.iter().filter(|kind| kind.built_in).filter_map(|kind| kind.make(kind.name, BTreeMap::new()).ok())
}

#[cfg(test)]
mod tests {
    use super::{KINDS, built_in};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn every_kind_can_be_made_of_its_table() {
        for kind in KINDS {
            let mut given = BTreeMap::new();
            for option in kind.options.iter().filter(|option| option.default.is_none()) {
                let sample = match option.name {
                    "address" => json!("localhost:1"),
                    "url" => json!("http://localhost/"),
                    "command" => json!(["true"]),
                    "engine" => json!("mysql"),
                    _ => json!("x"),
                };
                given.insert(option.name, option.kind.accept(sample).expect(option.name));
            }
            let missing = kind.make(kind.name, BTreeMap::new()).err().unwrap_or_default();
            assert_eq!(missing.len(), given.len(), "{}", kind.name);
            let check = kind.make("mine", given).unwrap_or_else(|missing| panic!("{}: {missing:?}", kind.name));
            assert!(check.common.enabled && check.name == "mine");
        }
        assert_eq!(built_in().count(), 7);
    }
}
