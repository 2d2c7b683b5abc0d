//! Where traces, metrics and the log go by OTLP: flags, and the standard variables for what no flag says.

use crate::sink::spans::Sampling;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::{fmt, path::PathBuf, time::Duration};

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    #[error("{of}: {reason}")]
    Setting { of: String, reason: String },
    #[error("{path}: {reason}", path = .path.display())]
    File { path: PathBuf, reason: String },
    #[error("cannot send by OTLP: {0}")]
    System(#[from] std::io::Error),
}

impl OtlpError {
    pub fn setting(of: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Setting { of: of.into(), reason: reason.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    Grpc,
    /// HTTP with protobuf.
    Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Signal {
    Traces,
    Metrics,
    /// The agent's own log; only when it is asked for.
    Logs,
}

impl Signal {
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// Its part of the names of variables.
    const fn variable(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }
}

/// What flags say; what they do not say is `None`.
#[derive(Clone, Default)]
pub struct Flags {
    pub endpoint: Option<String>,
    pub protocol: Option<Protocol>,
    pub headers: Vec<(String, String)>,
    pub gzip: bool,
    pub timeout: Option<Duration>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Empty for traces and metrics.
    pub signals: Vec<Signal>,
    pub metrics_every: Option<Duration>,
    pub queue: Option<usize>,
    pub ratio: Option<f64>,
    pub slower: Option<Duration>,
}

/// Files of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that are trusted, instead of the system's.
    pub ca: Option<PathBuf>,
    /// What the agent shows of itself: certificate and key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Where one signal goes.
#[derive(Clone, PartialEq)]
pub struct Endpoint {
    /// With the path, for HTTP.
    pub url: Uri,
    pub protocol: Protocol,
    /// They may hold credentials: they are never shown.
    pub headers: HeaderMap,
    pub gzip: bool,
    pub timeout: Duration,
    pub tls: TlsFiles,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("protocol", &self.protocol)
            .field("headers", &headers)
            .finish_non_exhaustive()
    }
}

/// Everything, decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub traces: Option<Endpoint>,
    pub metrics: Option<Endpoint>,
    pub logs: Option<Endpoint>,
    pub sampling: Sampling,
    /// Spans and events that wait at most.
    pub queue: usize,
    /// So long spans wait for others to go with them.
    pub linger: Duration,
    pub metrics_every: Duration,
    /// What the user says of the agent: `service.name`, …
    pub resource: Vec<(String, String)>,
}

const TIMEOUT: Duration = Duration::from_secs(10);
const LINGER: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_mins(1);
const QUEUE: usize = 32_768;
const SERVICE: &str = "cardlink-obs";
/// The registered port of OTLP over HTTP.
const HTTP_PORT: u16 = 4318;

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    /// `None` when nobody asked for it. `environment` looks a variable up.
    pub fn resolve(flags: &Flags, environment: Environment<'_>) -> Result<Option<Self>, OtlpError> {
        let variables = Variables(environment);
        if variables.is("OTEL_SDK_DISABLED", "true") && flags.endpoint.is_none() {
            return Ok(None);
        }
        let sampling = sampling(flags, &variables)?;
        let of = |signal| if wants(signal, flags, &variables) { endpoint(signal, flags, &variables) } else { Ok(None) };
        let (traces, metrics, logs) = (of(Signal::Traces)?, of(Signal::Metrics)?, of(Signal::Logs)?);
        // A sampler that is always off wants no traces at all.
        let traces = traces.filter(|_| sampling.is_some());
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            traces,
            metrics,
            logs,
            sampling: sampling.unwrap_or_default(),
            queue: match flags.queue {
                Some(queue) => queue,
                None => variables.number("OTEL_BSP_MAX_QUEUE_SIZE")?.unwrap_or(QUEUE),
            },
            linger: variables.millis("OTEL_BSP_SCHEDULE_DELAY")?.unwrap_or(LINGER),
            metrics_every: match flags.metrics_every {
                Some(every) => every,
                None => variables.millis("OTEL_METRIC_EXPORT_INTERVAL")?.unwrap_or(METRICS_EVERY),
            }
            .max(Duration::from_millis(100)),
            resource: resource(&variables)?,
        }))
    }
}

struct Variables<'a>(Environment<'a>);

impl Variables<'_> {
    /// An empty one is as good as none.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// The variable of the signal, else the general one; with its name.
    fn of(&self, signal: Signal, what: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.variable());
        let general = format!("OTEL_EXPORTER_OTLP_{what}");
        [own, general].into_iter().find_map(|name| Some((self.get(&name)?, name))).map(|(value, name)| (name, value))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, OtlpError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| OtlpError::setting(name, format!("{value} is not a number")))
    }

    fn millis(&self, name: &str) -> Result<Option<Duration>, OtlpError> {
        Ok(self.number(name)?.map(|number| Duration::from_millis(number as u64)))
    }
}

/// Whether a signal is to be sent at all: the log only for who asks for it.
fn wants(signal: Signal, flags: &Flags, variables: &Variables<'_>) -> bool {
    let exporter = variables.get(&format!("OTEL_{}_EXPORTER", signal.variable()));
    let named = exporter.map(|exporter| exporter.split(',').any(|one| one.trim() == "otlp"));
    if !flags.signals.is_empty() {
        return flags.signals.contains(&signal) && (named != Some(false) || flags.endpoint.is_some());
    }
    match (signal, named) {
        (Signal::Logs, named) => named == Some(true),
        // `prometheus`, too, is not for here.
        (_, Some(false)) => flags.endpoint.is_some(),
        _ => true,
    }
}

fn endpoint(signal: Signal, flags: &Flags, variables: &Variables<'_>) -> Result<Option<Endpoint>, OtlpError> {
    let given = match &flags.endpoint {
        Some(endpoint) => Some((String::from("--otlp-endpoint"), endpoint.clone())),
        None => variables.of(signal, "ENDPOINT"),
    };
    let Some((name, text)) = given else { return Ok(None) };
    let whole = name.contains(signal.variable());
    let url = url(&name, &text)?;
    let protocol = protocol(signal, flags, variables, &url)?;
    let url = if protocol == Protocol::Http && !whole { with_path(&name, &url, signal)? } else { url };
    let mut headers = HeaderMap::new();
    if let Some((name, text)) = variables.of(signal, "HEADERS") {
        for (key, value) in pairs(&name, &text)? {
            header(&name, &key, &value, &mut headers)?;
        }
    }
    for (key, value) in &flags.headers {
        header("--otlp-header", key, value, &mut headers)?;
    }
    let file = |flag: &Option<PathBuf>, what| {
        flag.clone().or_else(|| variables.of(signal, what).map(|(_, path)| PathBuf::from(path)))
    };
    let own = match (file(&flags.certificate, "CLIENT_CERTIFICATE"), file(&flags.key, "CLIENT_KEY")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            let reason = "one is of no use without the other";
            return Err(OtlpError::setting("--otlp-cert and --otlp-key", reason));
        }
    };
    let tls = TlsFiles { ca: file(&flags.ca, "CERTIFICATE"), own };
    Ok(Some(Endpoint {
        url,
        protocol,
        headers,
        gzip: flags.gzip || compressed(signal, variables)?,
        timeout: match flags.timeout {
            Some(timeout) => timeout,
            None => timeout(signal, variables)?,
        }
        .max(Duration::from_millis(1)),
        tls,
    }))
}

fn url(name: &str, text: &str) -> Result<Uri, OtlpError> {
    let wrong = |reason: String| OtlpError::setting(name, reason);
    let url: Uri = text.parse().map_err(|_| wrong(format!("{text} is not a URL, like http://127.0.0.1:4317")))?;
    match url.scheme_str() {
        Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(url),
        _ => Err(wrong(format!("{text} must begin with http:// or https://, like http://127.0.0.1:4317"))),
    }
}

fn protocol(signal: Signal, flags: &Flags, variables: &Variables<'_>, url: &Uri) -> Result<Protocol, OtlpError> {
    if let Some(protocol) = flags.protocol {
        return Ok(protocol);
    }
    if let Some((name, value)) = variables.of(signal, "PROTOCOL") {
        return match &*value {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::Http),
            _ => Err(OtlpError::setting(name, format!("{value} is not known here: use grpc or http/protobuf"))),
        };
    }
    let by_http = url.port_u16() == Some(HTTP_PORT) || !matches!(url.path(), "" | "/");
    Ok(if by_http { Protocol::Http } else { Protocol::Grpc })
}

/// A base URL with the path of the signal; one that has a signal's path already is forgiven.
fn with_path(name: &str, url: &Uri, signal: Signal) -> Result<Uri, OtlpError> {
    let mut base = url.path().trim_end_matches('/');
    for path in Signal::ALL.map(Signal::path) {
        base = base.strip_suffix(path).unwrap_or(base);
    }
    let mut parts = url.clone().into_parts();
    let path = format!("{base}{}", signal.path());
    parts.path_and_query = Some(path.parse().map_err(|_| OtlpError::setting(name, format!("{url} has an odd path")))?);
    Uri::from_parts(parts).map_err(|_| OtlpError::setting(name, format!("{url} is not a URL")))
}

fn header(name: &str, key: &str, value: &str, headers: &mut HeaderMap) -> Result<(), OtlpError> {
    // What is wrong with a value is not shown: it may be a credential.
    let wrong = || OtlpError::setting(name, format!("{key} is no header, or its value has odd characters"));
    let key_name = HeaderName::try_from(key.to_ascii_lowercase()).map_err(|_| wrong())?;
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
    value.set_sensitive(true);
    headers.insert(key_name, value);
    Ok(())
}

fn compressed(signal: Signal, variables: &Variables<'_>) -> Result<bool, OtlpError> {
    match variables.of(signal, "COMPRESSION") {
        None => Ok(false),
        Some((_, value)) if value == "gzip" => Ok(true),
        Some((_, value)) if value == "none" => Ok(false),
        Some((name, value)) => Err(OtlpError::setting(name, format!("{value} is not known here: use gzip or none"))),
    }
}

fn timeout(signal: Signal, variables: &Variables<'_>) -> Result<Duration, OtlpError> {
    let Some((name, _)) = variables.of(signal, "TIMEOUT") else { return Ok(TIMEOUT) };
    Ok(variables.millis(&name)?.unwrap_or(TIMEOUT))
}

/// `None`: no traces.
fn sampling(flags: &Flags, variables: &Variables<'_>) -> Result<Option<Sampling>, OtlpError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    let mut sampling = Sampling { slower: flags.slower, ..Sampling::default() };
    if let Some(ratio) = flags.ratio {
        sampling.ratio = ratio;
        return Ok(Some(sampling));
    }
    let Some(sampler) = variables.get(NAME) else { return Ok(Some(sampling)) };
    sampling.follows_parent = sampler.starts_with("parentbased_");
    match &*sampler {
        "always_on" | "parentbased_always_on" => {}
        "always_off" => return Ok(None),
        "parentbased_always_off" => sampling.ratio = 0.0,
        "traceidratio" | "parentbased_traceidratio" => {
            const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
            if let Some(text) = variables.get(ARGUMENT) {
                sampling.ratio = ratio(&text).map_err(|reason| OtlpError::setting(ARGUMENT, reason))?;
            }
        }
        other => {
            let reason =
                format!("{other} is not known here: use always_on, always_off, traceidratio, or parentbased_…");
            return Err(OtlpError::setting(NAME, reason));
        }
    }
    Ok(Some(sampling))
}

/// A share, from 0 to 1.
pub fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("{text} is not a share from 0 to 1")),
    }
}

fn resource(variables: &Variables<'_>) -> Result<Vec<(String, String)>, OtlpError> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut resource = match variables.get(NAME) {
        Some(text) => pairs(NAME, &text)?,
        None => Vec::new(),
    };
    let named = resource.iter().any(|(key, _)| key == "service.name");
    let name = variables.get("OTEL_SERVICE_NAME").or_else(|| (!named).then(|| SERVICE.to_owned()));
    if let Some(name) = name {
        resource.retain(|(key, _)| key != "service.name");
        resource.insert(0, (String::from("service.name"), name));
    }
    Ok(resource)
}

/// `key=value,key2=value2`, values percent-encoded (W3C Baggage §3.2).
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, OtlpError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| OtlpError::setting(name, "pairs are wanted, like key=value,key2=value2"))?;
            Ok((key.trim().to_owned(), decoded(value.trim())))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
