//! The agent's log at a real collector: what it has there is what stands on standard error.

use anyhow::Context as _;
use cardlink_e2e::{
    Result,
    agent::Agent,
    collector::{Collector, Line, Span},
    peers::{self, Server},
    place::Place,
    wait::{self, PATIENCE},
};
use serde_json::Value;

const FAILED: usize = 3;

/// A line of standard error, in JSON, as the collector should have it.
fn as_sent(line: &str) -> Result<Option<Line>> {
    let Ok(told) = serde_json::from_str::<Value>(line) else { return Ok(None) };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if !text(&told["target"]).starts_with("cardlink_obs") {
        return Ok(None);
    }
    let mut sent = Line { severity: text(&told["level"]), ..Line::default() };
    for (name, value) in told["fields"].as_object().context("a line without fields")? {
        match &**name {
            "message" => sent.body = text(value),
            "trace_id" => sent.trace = text(value),
            "span_id" => sent.span = text(value),
            _ => drop(sent.attributes.insert(name.clone(), text(value))),
        }
    }
    sent.attributes.insert(String::from("cardlink.component"), text(&told["target"]));
    Ok(Some(sent))
}

fn lines_of_failures(protocol: &str) -> Result {
    let place = Place::new()?;
    let collector = Collector::start()?;
    let port = if protocol == "grpc" { collector.grpc } else { collector.http };
    let mut server = Server::lab(&place, "")?;
    let words = format!(
        "--pid {} --log-format json --otlp-protocol {protocol} --otlp-signals traces,logs --otlp-endpoint http://127.0.0.1:{port}",
        server.pid()
    );
    let mut agent = Agent::run(&place, &words)?;
    peers::card(&place, server.port, &format!("--sessions {FAILED} --fault wrong-key"))?;
    let failures = |lines: &[Line]| lines.iter().filter(|line| line.body == "handshake failed").count();
    wait::until("the failures", PATIENCE, || Ok((failures(&collector.logs()) == FAILED).then_some(())))?;
    agent.stop()?;
    server.stop()?;

    let mut said = Vec::new();
    for line in agent.program.err() {
        said.extend(as_sent(&line)?);
    }
    // The last line comes when the sender has gone.
    let told = collector.logs();
    assert!(told.len() + 1 >= said.len(), "{told:#?} of {said:#?}");
    assert_eq!(told, said[..told.len()]);
    let spans = collector.spans();
    for line in told.iter().filter(|line| line.body == "handshake failed") {
        assert_eq!(line.attributes["reason"], "wrong_key");
        let about = spans.iter().find(|span| span.id == line.span && span.trace == line.trace);
        assert!(about.is_some_and(Span::failed), "the span of {line:?}");
    }
    Ok(())
}

#[test]
fn by_grpc() -> Result {
    lines_of_failures("grpc")
}

#[test]
fn by_http() -> Result {
    lines_of_failures("http")
}
