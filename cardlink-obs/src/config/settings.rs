//! Every setting, once: the file, the variables, the flags, the documentation and the typed configuration follow it.

use super::kind::{ANY_TIME, Element, Kind};

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// `section.name`.
    pub key: &'static str,
    pub kind: Kind,
    /// As a flag would say it.
    pub default: &'static str,
    /// One sentence or two.
    pub help: &'static str,
    /// Without its dashes.
    pub flag: Option<&'static str>,
    pub value_name: &'static str,
    /// A reload is enough.
    pub live: bool,
    /// For developers: not in the documentation.
    pub hidden: bool,
    /// Its value is not shown.
    pub secret: bool,
    variable: Option<&'static str>,
}

/// A table of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    pub name: &'static str,
    /// Over its flags in `--help`.
    pub heading: &'static str,
    /// What it is about.
    pub about: &'static str,
}

impl Setting {
    const fn flag(mut self, flag: &'static str, value_name: &'static str) -> Self {
        self.flag = Some(flag);
        self.value_name = value_name;
        self
    }

    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn variable_is(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        let made = || format!("{PREFIX}{}", self.key.replace('.', "_").to_uppercase());
        self.variable.map_or_else(made, str::to_owned)
    }

    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// What the variables begin with.
pub const PREFIX: &str = "CARDLINK_OBS_";

const fn setting(key: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        kind,
        default,
        help,
        flag: None,
        value_name: "",
        live: false,
        hidden: false,
        secret: false,
        variable: None,
    }
}

const TEXTS: Kind = Kind::List(Element::Text);

/// How log lines look.
pub const LOG_FORMATS: &[(&str, &str)] = &[
    ("text", "For people"),
    ("json", "One object a line: timestamp (ISO 8601), level, target (the component), fields with the message"),
];

/// When TLS libraries are probed.
const LIBRARY_PROBES: &[(&str, &str)] = &[
    ("off", "Never"),
    ("auto", "On targets with a connection that cannot be read from the wire, from the first such connection on"),
    ("on", "On every target, from the start"),
];

const TEST_PROBES: &[(&str, &str)] = &[
    ("off", "Never"),
    ("auto", "Python programs with pytest in their command line, and what they start"),
    ("on", "All Python programs"),
];

const SQLITE_PROBES: &[(&str, &str)] = &[
    ("off", "Never"),
    ("auto", "Targets that have its library, but those that go on to take more than 50,000 steps in a second"),
    ("on", "Programs that it is linked into, too, and whatever it costs"),
];

/// How a collector is spoken to.
const PROTOCOLS: &[(&str, &str)] = &[("grpc", "gRPC"), ("http", "HTTP with protobuf")];

/// What is sent.
const SIGNALS: &[(&str, &str)] = &[("traces", "Traces"), ("metrics", "Metrics"), ("logs", "Logs")];

pub const SECTIONS: &[Section] = &[
    Section {
        name: "watch",
        heading: "Who is watched",
        about: "Who is watched: or within a list, and across lists. Selectors on the command line replace all of these.",
    },
    Section { name: "metrics", heading: "Metrics", about: "The metrics page, for Prometheus." },
    Section {
        name: "health",
        heading: "Health",
        about: "The health of the agent and of what it watches, at /health, /health/live and /health/ready.",
    },
    Section { name: "log", heading: "Log", about: "The agent's own log, on standard error or in a file." },
    Section { name: "limits", heading: "Limits", about: "Limits of handshakes and AT commands." },
    Section {
        name: "sessions",
        heading: "Inside the sessions",
        about: "What is inside the connections: keys to read them, and limits of sessions.",
    },
    Section {
        name: "databases",
        heading: "Databases",
        about: "Where databases are expected, so that one that cannot be reached is told as one. Their own ports, and where one was spoken to before, are known.",
    },
    Section {
        name: "tracing",
        heading: "Traces and metrics by OTLP",
        about: "Where traces and metrics are sent by OTLP. The standard variables of OpenTelemetry (OTEL_…) go before this file, and after flags.",
    },
    Section {
        name: "control",
        heading: "Control socket",
        about: "Where `status`, `health`, `trace` and `log level` find the running agent: a unix-domain socket that root and the group `cardlink-obs` may use (the agent's own group where there is none of that name).",
    },
    Section { name: "record", heading: "Recording", about: "A recording of the events, for `cardlink-obs replay`." },
    Section { name: "identities", heading: "Identities", about: "How PSK identities are named." },
    Section {
        name: "alerts",
        heading: "Limits of the alerts",
        about: "Limits that `cardlink-obs alerts export` writes into the rules for Prometheus. The running agent does not need them.",
    },
    Section { name: "kernel", heading: "Kernel side", about: "How the kernel side is set up." },
];

pub const SETTINGS: &[Setting] = &[
    setting("watch.pid", Kind::List(Element::Number(1, (1 << 31) - 1)), "", "A running process.").flag("pid", "PID"),
    setting("watch.port", Kind::List(Element::Number(1, 65535)), "", "Whoever listens on this TCP port.")
        .flag("port", "PORT"),
    setting("watch.comm", TEXTS, "", "Processes of this name (`ps -o comm`), running or started later.")
        .flag("comm", "NAME"),
    setting("watch.exe", TEXTS, "", "Processes of this executable: a full path, or a file name.").flag("exe", "PATH"),
    setting("watch.cmdline", Kind::List(Element::Regex), "", "Processes whose command line matches.")
        .flag("cmdline", "REGEX"),
    setting("watch.unit", TEXTS, "", "Processes of this systemd unit.").flag("unit", "UNIT"),
    setting("watch.cgroup", TEXTS, "", "Processes in this control group, or below it.").flag("cgroup", "PATH"),
    setting("metrics.enabled", Kind::Switch, "true", "Whether the page is served; 503 when it is not.").live(),
    setting("metrics.listen", Kind::Address, "127.0.0.1:9464", "Where Prometheus scrapes.").flag("listen", "ADDRESS"),
    setting("metrics.path", Kind::UrlPath, "/metrics", "The path of the page."),
    setting("metrics.sample_every", ANY_TIME, "15s", "Between two readings of the processes' figures; 0 for none.")
        .flag("sample-every", "TIME")
        .live(),
    setting("metrics.username", Kind::Text, "", "With a password file: who may read the page (HTTP Basic).").live(),
    setting(
        "metrics.password_file",
        Kind::File,
        "",
        "A file whose first line is the password. Others must not be able to read it.",
    )
    .live(),
    setting(
        "metrics.tls_certificate",
        Kind::File,
        "",
        "Certificate chain (PEM) to serve HTTPS with. A file that changes is read again.",
    ),
    setting("metrics.tls_key", Kind::File, "", "The key of the certificate (PEM)."),
    setting("health.enabled", Kind::Switch, "true", "Whether checks run; /health answers 503 when they do not.").live(),
    setting(
        "health.listen",
        Kind::OptionalAddress,
        "",
        "An address of its own for the health paths, in plain HTTP without a password; they stay on `metrics.listen`, too.",
    ),
    setting("log.format", Kind::Choice(LOG_FORMATS), "text", "How log lines look.").flag("log-format", "FORMAT"),
    setting(
        "log.level",
        Kind::Levels,
        "info",
        "A level, or levels per component: `info,cardlink_obs::capture=debug`.",
    )
    .flag("log-level", "LEVELS")
    .live(),
    setting(
        "log.file",
        Kind::File,
        "",
        "Log to this file instead of standard error. A new one is readable for its owner only; a reload opens it anew.",
    )
    .flag("log-file", "FILE"),
    setting(
        "log.max_mib",
        Kind::Number(0, 1 << 40),
        "64",
        "Begin a new log file when this one has so many MiB; the old one becomes FILE.1, that one FILE.2. 0 for no limit.",
    )
    .flag("log-max-mib", "MIB"),
    setting("log.keep", Kind::Number(0, 1000), "3", "So many old log files are kept.").flag("log-keep", "N"),
    setting(
        "limits.handshake_timeout",
        ANY_TIME,
        "60s",
        "A handshake in which nothing moves for so long has timed out.",
    )
    .flag("handshake-timeout", "TIME")
    .live(),
    setting(
        "limits.at_timeout",
        ANY_TIME,
        "180s",
        "An AT command without a final result code after so long has timed out.",
    )
    .flag("at-timeout", "TIME")
    .live(),
    setting(
        "sessions.psk_file",
        Kind::File,
        "",
        "Keys to read TLS-PSK connections with: lines of `identity:hexkey`, or a map of identity to hex in YAML, TOML or JSON. The file must not be readable by others.",
    )
    .flag("psk-file", "FILE")
    .variable_is("CARDLINK_OBS_PSK_FILE")
    .live(),
    setting("sessions.card_timeout", ANY_TIME, "300s", "A card that owes a request for so long has timed out.")
        .flag("card-timeout", "TIME")
        .live(),
    setting("sessions.server_timeout", ANY_TIME, "60s", "A server that owes a response for so long has timed out.")
        .flag("server-timeout", "TIME")
        .live(),
    setting("sessions.card_idle", ANY_TIME, "30s", "A card that takes so long for an answer is told as idle.")
        .flag("card-idle", "TIME")
        .live(),
    setting(
        "sessions.resume_window",
        ANY_TIME,
        "30s",
        "A session whose link dropped waits so long for its card to resume it.",
    )
    .flag("resume-window", "TIME")
    .live(),
    setting(
        "sessions.trigger_window",
        ANY_TIME,
        "60s",
        "A session that begins so soon after a trigger SMS was started by it; `0s` when none is looked for.",
    )
    .flag("trigger-window", "TIME")
    .live(),
    setting(
        "databases.postgresql_port",
        Kind::List(Element::Number(1, 65535)),
        "",
        "PostgreSQL is expected at this TCP port, besides 5432.",
    )
    .flag("postgresql-port", "PORT")
    .live(),
    setting(
        "databases.mysql_port",
        Kind::List(Element::Number(1, 65535)),
        "",
        "MySQL or MariaDB is expected at this TCP port, besides 3306.",
    )
    .flag("mysql-port", "PORT")
    .live(),
    setting(
        "tracing.otlp_endpoint",
        Kind::Maybe(&Kind::Url),
        "",
        "Send traces and metrics to this collector: `http://127.0.0.1:4317`, `https://collector:4318`.",
    )
    .flag("otlp-endpoint", "URL"),
    setting(
        "tracing.otlp_protocol",
        Kind::Maybe(&Kind::Choice(PROTOCOLS)),
        "",
        "How: by default `http` when the port is 4318 or there is a path, else `grpc`.",
    )
    .flag("otlp-protocol", "PROTOCOL"),
    setting("tracing.otlp_signals", Kind::List(Element::Choice(SIGNALS)), "", "What is sent, of `traces`, `metrics` and `logs` (the agent's own): by default the first two.")
        .flag("otlp-signals", "SIGNALS"),
    setting(
        "tracing.otlp_headers",
        Kind::List(Element::Pair),
        "",
        "A header of every message, NAME=VALUE. Everybody on this host can read flags: keep credentials in the file, or in `OTEL_EXPORTER_OTLP_HEADERS`.",
    )
    .flag("otlp-header", "HEADER")
    .secret(),
    setting("tracing.otlp_gzip", Kind::Switch, "false", "Compress messages.").flag("otlp-gzip", ""),
    setting(
        "tracing.otlp_timeout",
        Kind::Maybe(&ANY_TIME),
        "",
        "How long the collector may take for an answer (default 10s).",
    )
    .flag("otlp-timeout", "TIME"),
    setting(
        "tracing.otlp_ca",
        Kind::File,
        "",
        "Certificates of authorities that are trusted, PEM, instead of the system's.",
    )
    .flag("otlp-ca", "FILE"),
    setting(
        "tracing.otlp_certificate",
        Kind::File,
        "",
        "The agent's own certificate, PEM, for a collector that asks for one.",
    )
    .flag("otlp-cert", "FILE"),
    setting("tracing.otlp_key", Kind::File, "", "The key of the agent's certificate, PEM.").flag("otlp-key", "FILE"),
    setting("tracing.otlp_metrics_every", Kind::Maybe(&ANY_TIME), "", "How often metrics are sent (default 60s).")
        .flag("otlp-metrics-every", "TIME"),
    setting(
        "tracing.otlp_queue",
        Kind::Maybe(&Kind::Number(0, 1 << 24)),
        "",
        "So many spans and events wait at most while the collector is not there (default 32768).",
    )
    .flag("otlp-queue", "N"),
    setting(
        "tracing.trace_ratio",
        Kind::Maybe(&Kind::Share),
        "",
        "Send this share of the traces, from 0 to 1 (default 1), and all that failed.",
    )
    .flag("trace-ratio", "SHARE"),
    setting(
        "tracing.trace_slower",
        Kind::Maybe(&ANY_TIME),
        "",
        "Send all traces that took at least so long, whatever the share.",
    )
    .flag("trace-slower", "TIME"),
    setting(
        "control.socket",
        Kind::Text,
        "auto",
        "A path; `auto` for `/run/cardlink-obs/control.sock`, or, when not root, `cardlink-obs/control.sock` in `XDG_RUNTIME_DIR`; `none` for none.",
    )
    .flag("control", "SOCKET"),
    setting("record.file", Kind::File, "", "Keep the events in a file, for `cardlink-obs replay`.")
        .flag("record", "FILE"),
    setting(
        "record.ciphertext",
        Kind::Switch,
        "false",
        "Keep the records as they are on the wire, to be read by `replay --psk-file`, instead of what was read of them.",
    )
    .flag("record-ciphertext", ""),
    setting(
        "record.max_mib",
        Kind::Number(0, 1 << 40),
        "256",
        "Begin a new file when this one has so many MiB; the old one becomes FILE.1. 0 for no limit.",
    )
    .flag("record-max-mib", "MIB"),
    setting(
        "identities.hash_key",
        Kind::File,
        "/var/lib/cardlink-obs/hash.key",
        "The key for hashes of identities, made when it is not there.",
    )
    .variable_is("CARDLINK_OBS_HASH_KEY"),
    setting(
        "alerts.window",
        Kind::Time(60_000, 86_400_000),
        "10m",
        "How far back rates and shares are taken; several times the scrape interval.",
    )
    .flag("window", "TIME"),
    setting(
        "alerts.least",
        Kind::Number(1, 1 << 32),
        "5",
        "Fewer APDUs, handshakes or sessions in the window than this say nothing.",
    )
    .flag("least", "N"),
    setting("alerts.apdu_errors", Kind::Percent, "20%", "HighAPDUErrorRate: errors among the R-APDUs.")
        .flag("apdu-errors", "PERCENT"),
    setting("alerts.session_timeouts", Kind::Number(1, 1 << 32), "3", "SessionTimeoutSpike: sessions that timed out.")
        .flag("session-timeouts", "N"),
    setting("alerts.handshake_failures", Kind::Percent, "20%", "TLSHandshakeFailures: failures among the handshakes.")
        .flag("handshake-failures", "PERCENT"),
    setting("alerts.apdu_time", ANY_TIME, "5s", "HighAPDULatency: what 95 % of the APDUs must stay below.")
        .flag("apdu-time", "TIME"),
    setting("alerts.session_time", ANY_TIME, "5m", "LongSessionDuration: what 95 % of the sessions must stay below.")
        .flag("session-time", "TIME"),
    setting("alerts.events_lost", Kind::Number(0, 1 << 40), "0", "EventsLost: more events than this.")
        .flag("events-lost", "N"),
    setting(
        "alerts.databases",
        Kind::List(Element::Regex),
        ".*(database|postgres|mysql|mariadb|sqlite).*",
        "DatabaseConnectionFailure: names of the health checks of databases.",
    )
    .flag("databases", "REGEX"),
    setting(
        "alerts.database_failures",
        Kind::Number(1, 1 << 32),
        "3",
        "DatabaseConnectionFailure: connections that failed for one reason.",
    )
    .flag("database-failures", "N"),
    setting("alerts.job", Kind::Text, "cardlink-obs", "AgentDown: the name of the job that scrapes the agents.")
        .flag("job", "NAME"),
    setting(
        "alerts.runbooks",
        Kind::Text,
        "file:///usr/share/doc/cardlink-obs/docs/alerts.md",
        "Where the runbooks are, for the links in the alerts.",
    )
    .flag("runbooks", "URL"),
    setting(
        "alerts.names_prefix",
        Kind::Text,
        "cardlink_",
        "What the names of the recording rules (`--names`) begin with.",
    )
    .flag("names-prefix", "PREFIX"),
    setting(
        "kernel.ring_kib",
        Kind::RingSize,
        "4096",
        "Size of the ring buffer in KiB: a power of two, at least 4.",
    )
    .flag("ring-kib", "KIB"),
    setting(
        "kernel.bpf_log",
        Kind::Number(0, 5),
        "0",
        "Let the BPF programs tell about themselves, at this level (1 error to 5 trace).",
    )
    .flag("bpf-log", "LEVEL"),
    setting(
        "kernel.probe_cost",
        Kind::Switch,
        "false",
        "Let the kernel measure what each hook costs, all system calls together (`cardlink_obs_probe_cost_seconds_total`).",
    )
    .flag("probe-cost", ""),
    setting(
        "kernel.library_probes",
        Kind::Choice(LIBRARY_PROBES),
        "off",
        "Take plaintext from the TLS libraries of targets (OpenSSL, GnuTLS, mbedTLS, wolfSSL).",
    )
    .flag("library-probes", "WHEN"),
    setting(
        "kernel.test_probes",
        Kind::Choice(TEST_PROBES),
        "auto",
        "Follow the tests of programs that run pytest, one by one.",
    )
    .flag("test-probes", "WHEN"),
    setting(
        "kernel.sqlite_probes",
        Kind::Choice(SQLITE_PROBES),
        "auto",
        "Follow what targets ask SQLite.",
    )
    .flag("sqlite-probes", "WHEN"),
    setting(
        "kernel.functions",
        TEXTS,
        "",
        "Functions of targets whose calls become spans: `FUNCTION` of the program, `FILE:FUNCTION` of a library.",
    )
    .flag("function", "FUNCTION"),
    setting("kernel.bpf_object", Kind::File, "", "Load this BPF object instead of the built-in one.")
        .flag("bpf-object", "FILE")
        .variable_is("CARDLINK_OBS_BPF_OBJECT")
        .hidden(),
];

/// The setting of this key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether the value of this key is for nobody's eyes.
pub fn is_secret(key: &str) -> bool {
    find(key).is_some_and(|setting| setting.secret)
}

/// Those of a section, in the order of the table.
pub fn of(section: &str) -> impl Iterator<Item = &'static Setting> + '_ {
    SETTINGS.iter().filter(move |setting| setting.section() == section)
}
