//! Traces and metrics at a real collector, and collectors that are none.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::{self, Agent},
    collector::{Collector, Span, count},
    page::Page,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    wait::{self, PATIENCE},
};
use cardlink_lab::truth::ConnectionRecord;
use nix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// `test --otlp`: a real export, and what became of it.
#[test]
fn an_export_that_is_tried_out() -> Result {
    let place = Place::without_agent()?;
    let mut collector = Collector::start()?;
    let (grpc, http) = (collector.grpc, collector.http);
    let tried = |port: u16, words: &str| -> Result<(Option<i32>, String)> {
        let mut command = agent::command(&place)?;
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://user:secret@127.0.0.1:{port}"));
        command.env("OTEL_EXPORTER_OTLP_TIMEOUT", "3000").args(["test", "--otlp"]).args(words.split_whitespace());
        if port == http {
            command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        }
        let mut program = Program::start(&mut command)?;
        let status = program.wait()?;
        Ok((status.code(), program.out().join("\n") + &program.err().join("\n")))
    };
    for port in [grpc, http] {
        let (code, said) = tried(port, "")?;
        ensure!(code == Some(0) && said.contains("took traces in") && said.contains("took metrics in"), "{said}");
        ensure!(said.starts_with("✓ otlp") && !said.contains("secret"), "{said}");
    }
    collector.until("the spans", |spans| count(spans, "run test") == 2)?;
    wait::until("the metric", PATIENCE, || {
        let metrics = collector.metrics();
        Ok(metrics.keys().any(|name| name.contains("cardlink_build_info")).then_some(()))
    })?;
    collector.kill()?;
    let (code, said) = tried(grpc, "--json")?;
    let told: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(code == Some(1) && told["otlp"]["works"] == false, "{said}");
    ensure!(told["otlp"]["message"].as_str().is_some_and(|text| text.contains("did not take traces")), "{said}");
    let output = agent::output(&place, "test --otlp")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(1) && said.contains("no collector is configured"), "{said}");
    Ok(())
}

/// How far a time in a trace may be from the truth, nanoseconds.
const NEAR: u64 = 1_000_000;

/// Nanoseconds of the epoch at boot.
fn boot() -> Result<u64> {
    let nanos = |clock| -> Result<u64> { Ok(u64::try_from(Duration::from(clock_gettime(clock)?).as_nanos())?) };
    Ok(nanos(ClockId::CLOCK_REALTIME)? - nanos(ClockId::CLOCK_BOOTTIME)?)
}

#[track_caller]
fn near(what: &str, told: u64, truth: u64) {
    let apart = told.abs_diff(truth);
    assert!(apart <= NEAR, "{what}: {told} instead of {truth}, {} µs apart", apart / 1000);
}

/// Spans of each trace.
fn by_trace(spans: &[Span]) -> BTreeMap<String, Vec<Span>> {
    let mut traces: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(span.trace.clone()).or_default().push(span.clone());
    }
    traces
}

/// The trace whose root is of this connection's peer.
fn of_connection<'a>(
    traces: &'a BTreeMap<String, Vec<Span>>,
    root: &str,
    truth: &ConnectionRecord,
) -> Result<&'a [Span]> {
    let port = truth.peer.rsplit(':').next().unwrap_or_default();
    let of_it = |spans: &&Vec<Span>| {
        spans.iter().any(|span| span.name == root && span.parent.is_empty() && span.attribute("client.port") == port)
    };
    let mut found = traces.values().filter(of_it);
    let one = found.next().with_context(|| format!("no {root} of connection {}", truth.conn))?;
    ensure!(found.next().is_none(), "two traces of connection {}", truth.conn);
    Ok(one)
}

/// One session against what the server says happened.
fn as_lived(spans: &[Span], truth: &ConnectionRecord, boot: u64) -> Result {
    let root = spans.iter().find(|span| span.name == "session").context("no root")?;
    for span in spans.iter().filter(|span| span.id != root.id) {
        assert_eq!(span.parent, root.id, "{} is not under the session", span.name);
        assert!(span.start + NEAR >= root.start && span.end <= root.end + NEAR, "{} is not within", span.name);
    }
    let handshake = truth.handshake.as_ref().context("no handshake in the truth")?;
    let told = spans.iter().find(|span| span.name == "tls.handshake").context("no handshake")?;
    near("handshake start", told.start, boot + handshake.start_ns);
    near("handshake end", told.end, boot + handshake.end_ns);
    near("session start", root.start, boot + handshake.start_ns);
    assert_eq!(told.attribute("tls.cipher"), handshake.suite.as_deref().unwrap_or_default());
    assert_eq!(told.attribute("tls.protocol.version"), "1.2");
    assert!(told.events.iter().all(|event| event.name == "tls.flight"));
    assert!(told.events.iter().all(|event| told.start <= event.at && event.at <= told.end), "{:?}", told.events);
    assert!(told.events.len() >= 3, "{:?}", told.events);
    assert!(root.end <= boot + truth.closed_ns + NEAR);
    let exchanges: Vec<_> = spans.iter().filter(|span| span.kind == "SPAN_KIND_SERVER").collect();
    let scripts: Vec<_> = spans.iter().filter(|span| span.name == "script").collect();
    let asked = truth.session.exchanges as usize;
    assert_eq!((exchanges.len(), scripts.len()), (asked + 1, asked));
    assert!(exchanges.iter().all(|span| span.name.starts_with("POST /lab")), "{exchanges:?}");
    let status = |code| exchanges.iter().filter(|span| span.attribute("http.response.status_code") == code).count();
    assert_eq!((status("200"), status("204")), (asked, 1));
    let events = scripts.iter().flat_map(|script| &script.events);
    let apdus: Vec<_> = events
        .map(|apdu| [apdu.attribute("cardlink.apdu.header"), apdu.attribute("cardlink.apdu.status_word")])
        .collect();
    let lived: Vec<_> = truth.session.apdus.iter().map(|apdu| [&*apdu.header, &*apdu.status_word]).collect();
    assert_eq!(apdus, lived);
    assert!(!root.failed());
    assert_eq!(root.attribute("cardlink.session.status"), "completed");
    let shown = format!("{spans:?}");
    assert!(!shown.contains(IDENTITY), "the identity is in the trace");
    Ok(())
}

/// Good sessions and bad ones: each is one trace, as it was lived.
fn traces_of_sessions(endpoint: impl FnOnce(&Collector) -> String) -> Result {
    const SESSIONS: usize = 5;
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let mut server = Server::lab(&place, "")?;
    let words = format!("--pid {} {} --log-format json {}", server.pid(), place.with_keys(), endpoint(&collector));
    let mut agent = Agent::run(&place, &words)?;
    let boot = boot()?;
    peers::card(&place, server.port, &format!("--sessions {SESSIONS} --apdu-time 3 --think 5"))?;
    peers::card(&place, server.port, "--sessions 2 --fault wrong-key,unknown-identity")?;
    let spans = collector.until("all traces", |spans| {
        count(spans, "session") == SESSIONS && count(spans, "tls.handshake") == SESSIONS + 2
    })?;
    server.stop()?;
    let traces = by_trace(&spans);
    assert_eq!(traces.len(), SESSIONS + 2);
    for truth in peers::connections(&place, "server")? {
        let handshake = truth.handshake.as_ref().context("no handshake in the truth")?;
        if handshake.result == "ok" {
            as_lived(of_connection(&traces, "session", &truth)?, &truth, boot)?;
            continue;
        }
        let [span] = of_connection(&traces, "tls.handshake", &truth)? else { panic!("more than a handshake") };
        assert!(span.failed());
        assert_eq!(span.attribute("error.type"), handshake.result);
        near("failed handshake", span.start, boot + handshake.start_ns);
        // The line in the log names the same span.
        let line = agent.program.line("the failure", |line| {
            let value: Value = serde_json::from_str(line).ok()?;
            (value["fields"]["span_id"] == *span.id).then_some(value)
        })?;
        assert_eq!(line["fields"]["trace_id"], *span.trace);
        assert_eq!(line["fields"]["reason"], *handshake.result);
    }
    agent.until("the count of what was sent", |page| page.span_fates().get("sent") == Some(&(spans.len() as u64)))?;
    agent.stop().map(|_| ())
}

#[test]
fn traces_by_grpc() -> Result {
    traces_of_sessions(|collector| format!("--otlp-endpoint http://127.0.0.1:{} --otlp-gzip", collector.grpc))
}

#[test]
fn traces_by_http() -> Result {
    traces_of_sessions(|collector| format!("--otlp-protocol http --otlp-endpoint http://127.0.0.1:{}", collector.http))
}

/// The link drops in the middle of a script, and the card comes back.
#[test]
fn a_resumed_session_is_one_trace() -> Result {
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let server = Server::lab(&place, "--exchanges 3 --model inline")?;
    let words =
        format!("--pid {} {} --otlp-endpoint http://127.0.0.1:{}", server.pid(), place.with_keys(), collector.grpc);
    let mut agent = Agent::run(&place, &words)?;
    peers::card(&place, server.port, "--fault drop-mid-script --drop-at 2")?;
    let spans = collector.until("the session", |spans| count(spans, "session") == 1)?;
    assert_eq!(count(&spans, "tls.handshake"), 2);
    assert_eq!(by_trace(&spans).len(), 1, "{spans:?}");
    let root = spans.iter().find(|span| span.name == "session").context("no root")?;
    assert_eq!(root.attribute("cardlink.session.connections"), "2");
    assert!(spans.iter().all(|span| span.id == root.id || span.parent == root.id));
    agent.stop().map(|_| ())
}

/// Both pages of the same recording, once nothing moves any more.
#[test]
fn metrics_are_those_of_the_page() -> Result {
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let server = Server::lab(&place, "")?;
    let mut command = agent::command(&place)?;
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collector.grpc));
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").env("OTEL_METRIC_EXPORT_INTERVAL", "500");
    command.args(["run", "--listen", "127.0.0.1:0", "--sample-every", "0", "--pid", &server.pid().to_string()]);
    command.args(place.with_keys().split_whitespace());
    let mut agent = Agent::started(&mut command)?;
    peers::card(&place, server.port, "--sessions 6 --fault none,wrong-key,http")?;
    let page = agent.settled(6)?;
    let decided = decided(&page);
    assert!(decided.len() > 100, "{}", decided.len());
    let mut last = BTreeMap::new();
    let arrived = wait::until("the same values", PATIENCE, || {
        last = collector.metrics();
        Ok(decided.iter().all(|(series, value)| last.get(series) == Some(value)).then_some(()))
    });
    arrived.with_context(|| {
        let differ = decided.iter().filter(|(series, value)| last.get(*series) != Some(value));
        differ
            .map(|(series, value)| (series.clone(), *value, last.get(series)))
            .fold(String::new(), |text, differs| format!("{text}\n{differs:?}"))
    })?;
    collector.kill()
}

/// Every series that this test decides, but for buckets.
fn decided(page: &Page) -> BTreeMap<String, f64> {
    let groups = ["cardlink_tls_", "cardlink_session", "cardlink_apdu_", "cardlink_scp81_", "cardlink_findings_"];
    let samples = page.samples.iter().filter(|sample| {
        groups.iter().any(|group| sample.name.starts_with(group)) && !sample.name.ends_with("_bucket")
    });
    samples
        .map(|sample| {
            let labels = sample.labels.iter().filter(|(_, value)| !value.is_empty());
            let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
            (format!("{}{{{}}}", sample.name, labels.join(",")), sample.value)
        })
        .collect()
}

/// What the agent was started in, what it starts, and what that does are one trace.
#[test]
fn a_command_is_told_whose_it_is() -> Result {
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let server = Server::lab(&place, "")?;
    let mut command = agent::command(&place)?;
    command.env("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    command.args(["run", "--listen", "127.0.0.1:0", "--otlp-endpoint"]);
    command.arg(format!("http://127.0.0.1:{}", collector.grpc)).args(place.with_keys().split_whitespace());
    command.arg("--").arg(place::program("lab-card")?);
    command.args(["--connect", &format!("127.0.0.1:{}", server.port), "--identity", IDENTITY, "--key", KEY]);
    command.args(["--sessions", "2"]);
    let mut agent = Agent::started(&mut command)?;
    agent.program.success()?;
    let spans =
        collector.until("the run", |spans| count(spans, "run lab-card") == 1 && count(spans, "session") == 2)?;
    let run = spans.iter().find(|span| span.name == "run lab-card").context("no run")?;
    assert_eq!(run.parent, "00f067aa0ba902b7");
    assert_eq!(run.attribute("process.exit.code"), "0");
    assert!(spans.iter().all(|span| span.trace == "4bf92f3577b34da6a3ce929d0e0e4736"), "{spans:?}");
    for session in spans.iter().filter(|span| span.name == "session") {
        assert_eq!(session.parent, run.id);
        assert!(run.start <= session.start && session.end <= run.end);
    }
    Ok(())
}

/// Only what failed, when the share is 0.
#[test]
fn what_failed_is_kept() -> Result {
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let server = Server::lab(&place, "")?;
    let words = format!(
        "--pid {} {} --otlp-endpoint http://127.0.0.1:{} --trace-ratio 0",
        server.pid(),
        place.with_keys(),
        collector.grpc
    );
    let mut agent = Agent::run(&place, &words)?;
    peers::card(&place, server.port, "--sessions 12 --fault none,none,wrong-key")?;
    let spans = collector.until("four failures", |spans| spans.len() >= 4)?;
    agent.settled(12)?;
    let page = agent.until("what was sent", |page| page.span_fates().get("sent").is_some_and(|sent| *sent >= 4))?;
    let fate = |fate| page.count("cardlink_obs_otlp_spans_total", &[("fate", fate)]);
    assert_eq!((fate("sent"), collector.spans().len()), (4, 4));
    assert!(fate("sampled_out") >= 8 * 4, "{}", fate("sampled_out"));
    assert!(spans.iter().all(|span| span.name == "tls.handshake" && span.failed()));
    Ok(())
}

/// A recording that is read again gives the same traces, with the same ids.
#[test]
fn a_replay_gives_the_same_ids() -> Result {
    let place = Place::new()?;
    let mut live = Collector::start()?;
    let server = Server::lab(&place, "")?;
    let words = format!("--pid {} {} --otlp-endpoint http://127.0.0.1:{}", server.pid(), place.with_keys(), live.grpc);
    let mut agent = Agent::recording(&place, &words)?;
    peers::card(&place, server.port, "--sessions 4 --fault none,wrong-key")?;
    let spans = live.until("all traces", |spans| count(spans, "session") == 2 && count(spans, "tls.handshake") == 4)?;
    agent.stop()?;
    let mut later = Collector::start()?;
    let mut command = agent::command(&place)?;
    command.arg("replay").arg(place.path("recording"));
    command.args(["--otlp-endpoint", &format!("http://127.0.0.1:{}", later.grpc)]);
    Program::start(&mut command)?.success()?;
    let again = later.until("the same traces", |again| again.len() == spans.len())?;
    let ids = |spans: &[Span]| {
        let mut ids: Vec<_> =
            spans.iter().map(|span| [span.trace.clone(), span.id.clone(), span.parent.clone()]).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&spans), ids(&again));
    Ok(())
}
