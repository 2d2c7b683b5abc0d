//! `status`: what a running agent has seen so far, at a glance.

use super::{
    CliError,
    health::style,
    out,
    remote::{AgentArgs, Fetched, HealthAnswer, total},
    socket::SocketArgs,
};
use crate::{
    client::exposition::{self, Sample},
    control::{Client, Request},
    health::Status,
    sink::metrics::table::{self, Metric},
    words::{ProbeCounts, counted, whole},
};
use anstyle::Style;
use clap::Args;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    socket: SocketArgs,
}

pub fn status(args: &StatusArgs) -> Result<i32, CliError> {
    let seen = match args.socket.client(&args.agent)? {
        Some(client) => Seen::by_socket(client)?,
        None => Seen::by_http(&args.agent)?,
    };
    if args.json {
        out::line(seen.summary.json(&seen))?;
    } else {
        out::print(|out| seen.summary.print(out, &seen))?;
    }
    Ok(0)
}

/// What an agent told, and where it was found.
struct Seen {
    summary: Summary,
    health: Option<HealthAnswer>,
    /// Where its metrics are.
    url: String,
    /// Its control socket, when it was asked there.
    socket: Option<String>,
}

impl Seen {
    fn by_http(agent: &AgentArgs) -> Result<Self, CliError> {
        let remote = agent.remote()?;
        let page = remote.page()?;
        // The page says most; health may be switched off, or be somewhere else.
        let health = remote.health().ok();
        Ok(Self { summary: Summary::of(&page), health, url: remote.metrics.to_string(), socket: None })
    }

    fn by_socket(mut client: Client) -> Result<Self, CliError> {
        let mut answer = client.ask(&Request::Status)?;
        let socket = client.path().display().to_string();
        let text = answer.get("metrics").and_then(Value::as_str).unwrap_or_default();
        let families = exposition::parse(text).map_err(|error| {
            CliError::NoAgent(format!("what the agent at {socket} tells is no metrics page: {error}"))
        })?;
        let page = Fetched { text: String::new(), families, content_type: String::new(), took: Duration::ZERO };
        let health = answer.get_mut("health").map(Value::take).map(HealthAnswer::of);
        Ok(Self { summary: Summary::of(&page), health, url: client.url().to_owned(), socket: Some(socket) })
    }
}

/// How often something was what: `wrong_key: 2`.
type Counts = BTreeMap<String, f64>;

struct Summary {
    version: String,
    kernel: String,
    targets: BTreeMap<String, Target>,
    at: Counts,
    program_waits: f64,
    incomplete: f64,
    lost: f64,
    seen: f64,
    cpu: f64,
    memory: f64,
    probes: Counts,
}

#[derive(Default)]
struct Target {
    processes: f64,
    memory: f64,
    open: f64,
    succeeded: f64,
    failures: Counts,
    mean_seconds: Option<f64>,
    sessions: Counts,
    sessions_active: f64,
    apdus: f64,
    apdu_results: Counts,
    findings: Counts,
}

impl Summary {
    fn of(page: &Fetched) -> Self {
        let fate = |name: &str| {
            let events = page.of(&table::OWN_EVENTS);
            total(events.filter(|sample| sample.label("fate") == name).map(|sample| sample.value))
        };
        let built = |label: &str| {
            page.of(&table::BUILD_INFO).next().map(|sample| sample.label(label).to_owned()).unwrap_or_default()
        };
        let mut probes = Counts::new();
        for sample in page.of(&table::OWN_PROBE_STATUS) {
            *probes.entry(sample.label("status").to_owned()).or_default() += 1.0;
        }
        let rss = page.of(&table::OWN_MEMORY).find(|sample| sample.label("type") == "rss");
        let waits = page.of(&table::PROGRAM_WAIT).filter(|sample| sample.name.ends_with("_count"));
        let mut at = Counts::new();
        for sample in page.of(&table::AT_COMMANDS) {
            count(&mut at, sample.label("result"), sample.value);
        }
        Self {
            version: built("version"),
            kernel: built("kernel"),
            targets: targets(page),
            at,
            program_waits: total(waits.map(|sample| sample.value)),
            incomplete: page.sum(&table::OWN_INCOMPLETE),
            lost: fate("ring_full") + fate("table_full"),
            seen: fate("seen"),
            cpu: page.sum(&table::OWN_CPU),
            memory: rss.map_or(0.0, |sample| sample.value),
            probes,
        }
    }

    fn json(&self, seen: &Seen) -> Value {
        let health = seen.health.as_ref();
        let targets: Map<String, Value> =
            self.targets.iter().map(|(name, target)| (name.clone(), target.json())).collect();
        json!({
            "agent": {
                "url": seen.url,
                "socket": seen.socket,
                "version": self.version,
                "kernel": self.kernel,
                "health": health.map(|answer| answer.json.get("status").cloned()),
                "uptime_seconds": health.and_then(|answer| answer.json.get("uptime_seconds").cloned()),
                "events": self.seen,
                "events_lost": self.lost,
                "incomplete": self.incomplete,
                "cpu_seconds": self.cpu,
                "memory_bytes": self.memory,
                "probes": self.probes,
            },
            "targets": targets,
            "at_commands": self.at,
            "program_waits": self.program_waits,
        })
    }

    fn print(&self, out: &mut impl Write, seen: &Seen) -> io::Result<()> {
        let health = seen.health.as_ref();
        let place = seen.socket.as_ref().unwrap_or(&seen.url);
        let status = health.and_then(|answer| answer.status);
        let (colour, mark) = style(status);
        let bold = Style::new().bold();
        let mut facts = vec![format!("{colour}{mark} {}{colour:#}", status.map_or("health unknown", Status::as_str))];
        let uptime = health.and_then(|answer| answer.json.get("uptime_seconds")?.as_f64());
        facts.extend(uptime.map(|seconds| format!("up {}", time(seconds))));
        writeln!(out, "{bold}cardlink-obs {}{bold:#} at {place} · {}", self.version, facts.join(" · "))?;
        if self.targets.is_empty() {
            line(out, "Targets", "none has come yet")?;
        }
        for (name, target) in &self.targets {
            writeln!(out)?;
            target.print(out, name)?;
        }
        if !self.at.is_empty() {
            writeln!(out)?;
            let mut text = listed(&self.at);
            if self.program_waits > 0.0 {
                let waits = counted(whole(self.program_waits), "wait", "waits");
                text = format!("{text} · {waits} after a complete answer");
            }
            line(out, "AT", &text)?;
        }
        writeln!(out)?;
        let lost = match (self.lost, self.incomplete) {
            (0.0, 0.0) => String::from("nothing lost"),
            (lost, incomplete) => format!("{lost} lost, {incomplete} incomplete"),
        };
        line(
            out,
            "Agent",
            &format!(
                "{}, {lost} · CPU {:.1} s · {} MiB",
                counted(whole(self.seen), "event", "events"),
                self.cpu,
                mib(self.memory)
            ),
        )?;
        let mut probes = ProbeCounts::default();
        for (verdict, count) in &self.probes {
            (0..whole(*count)).for_each(|_| probes.add(verdict));
        }
        line(out, "Probes", &probes.sentence())
    }
}

fn targets(page: &Fetched) -> BTreeMap<String, Target> {
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    let mut each = |metric: &Metric, put: &mut dyn FnMut(&mut Target, &Sample)| {
        for sample in page.of(metric) {
            put(targets.entry(sample.label("target").to_owned()).or_default(), sample);
        }
    };
    each(&table::TARGET_PROCESSES, &mut |target, sample| target.processes += sample.value);
    each(&table::PROCESS_MEMORY, &mut |target, sample| {
        if sample.label("type") == "rss" {
            target.memory += sample.value;
        }
    });
    each(&table::TLS_CONNECTIONS_ACTIVE, &mut |target, sample| target.open += sample.value);
    each(&table::TLS_HANDSHAKES, &mut |target, sample| match sample.label("result") {
        "success" => target.succeeded += sample.value,
        _ => count(&mut target.failures, sample.label("failure_reason"), sample.value),
    });
    let (mut sums, mut counts) = (Counts::new(), Counts::new());
    each(&table::TLS_HANDSHAKE_DURATION, &mut |_, sample| {
        let into = match sample.name.rsplit('_').next() {
            Some("sum") => &mut sums,
            Some("count") => &mut counts,
            _ => return,
        };
        if sample.label("result") == "success" {
            count(into, sample.label("target"), sample.value);
        }
    });
    each(&table::SESSIONS, &mut |target, sample| count(&mut target.sessions, sample.label("status"), sample.value));
    each(&table::SESSIONS_ACTIVE, &mut |target, sample| target.sessions_active += sample.value);
    each(&table::APDU_COMMANDS, &mut |target, sample| target.apdus += sample.value);
    each(&table::APDU_RESPONSES, &mut |target, sample| {
        count(&mut target.apdu_results, sample.label("status_category"), sample.value);
    });
    each(&table::FINDINGS, &mut |target, sample| count(&mut target.findings, sample.label("finding"), sample.value));
    for (name, target) in &mut targets {
        let (sum, count) = (sums.get(name), counts.get(name));
        target.mean_seconds = sum.zip(count).map(|(sum, count)| sum / count).filter(|mean| mean.is_finite());
    }
    targets
}

/// What did not happen is not listed.
fn count(counts: &mut Counts, what: &str, value: f64) {
    if value > 0.0 {
        *counts.entry(what.to_owned()).or_default() += value;
    }
}

impl Target {
    fn json(&self) -> Value {
        json!({
            "processes": self.processes,
            "memory_bytes": self.memory,
            "connections_open": self.open,
            "handshakes": {
                "succeeded": self.succeeded,
                "failed": self.failures,
                "mean_seconds": self.mean_seconds,
            },
            "sessions": {"active": self.sessions_active, "ended": self.sessions},
            "apdus": {"commands": self.apdus, "results": self.apdu_results},
            "findings": self.findings,
        })
    }

    fn print(&self, out: &mut impl Write, name: &str) -> io::Result<()> {
        let bold = Style::new().bold();
        let processes = counted(whole(self.processes), "process", "processes");
        let open = counted(whole(self.open), "connection", "connections");
        let memory = if self.memory > 0.0 { format!(" · {} MiB", mib(self.memory)) } else { String::new() };
        writeln!(out, "{bold}{name}{bold:#} · {processes}{memory} · {open} open")?;
        let failed = total(self.failures.values().copied());
        let all = counted(whole(self.succeeded + failed), "handshake", "handshakes");
        let mean = self.mean_seconds.map(|mean| format!(", {} each", time(mean))).unwrap_or_default();
        let why = if failed > 0.0 { format!(" ({})", listed(&self.failures)) } else { String::new() };
        line(out, "TLS", &format!("{all} · {} ok{mean} · {failed} failed{why}", self.succeeded))?;
        if !self.sessions.is_empty() || self.sessions_active > 0.0 {
            let ended = if self.sessions.is_empty() { String::from("none ended") } else { listed(&self.sessions) };
            line(out, "Sessions", &format!("{ended} · {} active", self.sessions_active))?;
        }
        if self.apdus > 0.0 {
            line(out, "APDUs", &format!("{} · {}", self.apdus, listed(&self.apdu_results)))?;
        }
        if !self.findings.is_empty() {
            line(out, "Findings", &listed(&self.findings))?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, what: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {what:9} {text}")
}

/// `3 wrong_key, 1 timeout`, the most frequent first.
fn listed(counts: &Counts) -> String {
    let mut counts: Vec<(&String, &f64)> = counts.iter().collect();
    counts.sort_by(|a, b| b.1.total_cmp(a.1));
    counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn mib(bytes: f64) -> i64 {
    (bytes / f64::from(1 << 20)).round() as i64
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.1} ms", s * 1000.0),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}
