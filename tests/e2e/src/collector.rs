//! A real collector of OTLP (rotel), and what it says that it received.

use crate::{
    Result,
    peers::free_port,
    place,
    program::Program,
    wait::{self, PATIENCE},
};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

/// A running collector.
pub struct Collector {
    pub program: Program,
    pub grpc: u16,
    pub http: u16,
}

/// Attributes as text, however they are typed.
pub type Attributes = BTreeMap<String, String>;

/// A span as the collector prints it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    pub trace: String,
    pub parent: String,
    pub id: String,
    pub name: String,
    pub kind: String,
    /// Nanoseconds of the epoch.
    pub start: u64,
    pub end: u64,
    pub status: String,
    pub attributes: Attributes,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    pub name: String,
    pub at: u64,
    pub attributes: Attributes,
}

/// A line of a log as the collector prints it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    pub severity: String,
    pub body: String,
    pub trace: String,
    pub span: String,
    pub attributes: Attributes,
}

impl Span {
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    pub fn failed(&self) -> bool {
        self.status == "STATUS_CODE_ERROR"
    }
}

impl Event {
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl Collector {
    /// On two free ports.
    pub fn start() -> Result<Self> {
        Self::on(free_port()?, free_port()?)
    }

    /// On these ports.
    pub fn on(grpc: u16, http: u16) -> Result<Self> {
        let mut command = Command::new(place::collector()?);
        command.args(["start", "--exporter", "blackhole", "--batch-timeout", "50ms"]);
        command.args([
            "--debug-log",
            "traces",
            "--debug-log",
            "metrics",
            "--debug-log",
            "logs",
            "--debug-log-verbosity",
            "detailed",
        ]);
        command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
        command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
        let mut program = Program::start(&mut command)?;
        wait::until("a collector that listens", PATIENCE, || {
            anyhow::ensure!(program.ended()?.is_none(), "the collector ended:{}", program.said());
            Ok([grpc, http].into_iter().all(listens).then_some(()))
        })?;
        Ok(Self { program, grpc, http })
    }

    /// Ends it as an accident does.
    pub fn kill(&mut self) -> Result {
        self.program.stop(Signal::SIGKILL).map(|_| ())
    }

    /// All spans that it has received.
    pub fn spans(&self) -> Vec<Span> {
        spans(&self.program.out())
    }

    /// All lines of logs that it has received.
    pub fn logs(&self) -> Vec<Line> {
        logs(&self.program.out())
    }

    /// The last values of all series, as `name{label="value"}`.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        metrics(&self.program.out())
    }

    /// Waits for spans that are as wanted.
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&[Span]) -> bool) -> Result<Vec<Span>> {
        let mut seen = String::new();
        let found = wait::until(what, PATIENCE, || {
            let spans = self.spans();
            seen = spans.iter().fold(String::new(), |names, span| names + " " + &span.name);
            Ok(wanted(&spans).then_some(spans))
        });
        anyhow::Context::with_context(found, || format!("the collector has:{seen}"))
    }
}

/// Spans of this name.
pub fn count(spans: &[Span], name: &str) -> usize {
    spans.iter().filter(|span| span.name == name).count()
}

fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// `     -> name: Str(value)`.
fn attribute(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim().strip_prefix("-> ")?.split_once(": ")?;
    let inner = value.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    Some((name.to_owned(), inner.unwrap_or(value).to_owned()))
}

fn spans(lines: &[String]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut in_span = false;
    for line in lines {
        if line.starts_with("Span #") {
            spans.push(Span::default());
            in_span = true;
            continue;
        }
        if line.starts_with("Resource") || line.starts_with("Scope") || line.starts_with("Metric") {
            in_span = false;
        }
        let Some(span) = spans.last_mut().filter(|_| in_span) else { continue };
        if line.starts_with("SpanEvent #") {
            span.events.push(Event::default());
            continue;
        }
        if let Some((name, value)) = attribute(line) {
            match (span.events.last_mut(), name.as_str()) {
                (Some(event), "Name") => event.name = value,
                (Some(event), "Timestamp") => event.at = value.parse().unwrap_or(0),
                (Some(_), "DroppedAttributesCount") => {}
                (Some(event), _) => drop(event.attributes.insert(name, value)),
                (None, _) => drop(span.attributes.insert(name, value)),
            }
            continue;
        }
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.trim().to_owned();
        match field.trim() {
            "Trace ID" => span.trace = value,
            "Parent ID" => span.parent = value,
            "ID" => span.id = value,
            "Name" => span.name = value,
            "Kind" => span.kind = value,
            "Start time" => span.start = value.parse().unwrap_or(0),
            "End time" => span.end = value.parse().unwrap_or(0),
            "Status code" => span.status = value,
            _ => {}
        }
    }
    spans
}

fn logs(lines: &[String]) -> Vec<Line> {
    let mut logs: Vec<Line> = Vec::new();
    let mut in_log = false;
    for line in lines {
        if line.starts_with("LogRecord #") {
            logs.push(Line::default());
            in_log = true;
            continue;
        }
        if line.starts_with("Resource") || line.starts_with("Scope") || line.starts_with("Span") {
            in_log = false;
        }
        let Some(log) = logs.last_mut().filter(|_| in_log) else { continue };
        if let Some((name, value)) = attribute(line) {
            log.attributes.insert(name, value);
            continue;
        }
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match field.trim() {
            "SeverityText" => value.clone_into(&mut log.severity),
            "Body" => value.trim_start_matches("Str(").trim_end_matches(')').clone_into(&mut log.body),
            "Trace ID" => value.clone_into(&mut log.trace),
            "Span ID" => value.clone_into(&mut log.span),
            _ => {}
        }
    }
    logs
}

/// A value, with what Prometheus has at the end of the series' name for it.
fn value(line: &str) -> Option<(&'static str, f64)> {
    let (field, value) = line.split_once(": ")?;
    let suffix = match field.trim() {
        "Value" => "",
        "Count" => "_count",
        "Sum" => "_sum",
        _ => return None,
    };
    Some((suffix, value.trim().parse().ok()?))
}

fn metrics(lines: &[String]) -> BTreeMap<String, f64> {
    let (mut values, mut name, mut labels) = (BTreeMap::new(), String::new(), Vec::new());
    let mut in_points = false;
    for line in lines {
        if let Some(rest) = line.trim().strip_prefix("-> Name: ") {
            rest.clone_into(&mut name);
            in_points = false;
        }
        if line.contains("DataPoints #") {
            labels.clear();
            in_points = true;
        } else if let Some((suffix, value)) = value(line).filter(|_| in_points) {
            values.insert(format!("{name}{suffix}{{{}}}", labels.join(",")), value);
        } else if let Some((label, value)) = attribute(line).filter(|_| in_points) {
            labels.push(format!("{label}={value:?}"));
        }
    }
    values
}
