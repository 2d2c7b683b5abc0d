//! The page in the OpenMetrics format, read by the parser of the Prometheus project and by Prometheus itself.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::Agent,
    http::{Answer, get},
    peers::{self, Server},
    place::{self, Place},
    prometheus::{Prometheus, Scraping},
    wait::{self, PATIENCE},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a parser that is not ours reads from a page.
fn parsed(format: &str, page: &Answer) -> Result<Vec<Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/openmetrics.py");
    let mut command = Command::new(place::python()?);
    command.args([script, format]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parser = command.spawn()?;
    parser.stdin.take().context("its input")?.write_all(&page.body)?;
    let output = parser.wait_with_output()?;
    ensure!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// All series and their values, but those of the agent itself and of processes, which move between two requests.
fn series(families: &[Value]) -> BTreeMap<String, String> {
    let samples = families.iter().filter_map(|family| family["samples"].as_array()).flatten();
    samples
        .map(|one| (format!("{}{}", one[0].as_str().unwrap_or_default(), one[1]), one[2].to_string()))
        .filter(|(name, _)| {
            !["cardlink_obs_", "cardlink_process_", "cardlink_uptime"].iter().any(|own| name.starts_with(own))
        })
        .collect()
}

#[test]
fn both_formats_say_the_same() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 3")?;
    peers::card(&place, server.port, "--fault wrong-key")?;
    agent.settled(4)?;
    let at = agent.address();
    let open = get(at, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n")?;
    ensure!(open.head.contains(&format!("content-type: {OPEN}")), "{}", open.head);
    ensure!(open.head.contains("vary: accept, accept-encoding"), "{}", open.head);
    let classic = get(at, "/metrics", "Accept: */*\r\n")?;
    ensure!(classic.head.contains("content-type: text/plain; version=0.0.4"), "{}", classic.head);
    let packed = get(at, "/metrics", &format!("Accept: {OPEN}\r\nAccept-Encoding: gzip\r\n"))?;
    ensure!(packed.head.contains("content-encoding: gzip") && packed.head.contains(OPEN), "{}", packed.head);

    let families = parsed("openmetrics", &open)?;
    let (said, wanted) = (series(&families), series(&parsed("classic", &classic)?));
    let differ = said.iter().filter(|(name, value)| wanted.get(*name) != Some(value));
    let differ: Vec<String> = differ.map(|(name, value)| format!("{name} {value} {:?}", wanted.get(name))).collect();
    ensure!(
        differ.is_empty() && said.len() == wanted.len() && said.len() > 50,
        "{} and {}: {differ:#?}",
        said.len(),
        wanted.len()
    );
    ensure!(said.keys().any(|name| name.contains("tls_handshakes_total") && name.contains("wrong_key")), "{said:?}");
    let family = |name: &str| {
        let found = families.iter().find(|family| family["name"] == name);
        found.with_context(|| format!("no family {name}"))
    };
    for (name, kind, unit) in [
        ("cardlink_tls_handshakes", "counter", ""),
        ("cardlink_tls_handshake_duration_seconds", "histogram", "seconds"),
        ("cardlink_process_cpu_seconds", "counter", "seconds"),
        ("cardlink_process_memory_bytes", "gauge", "bytes"),
        ("cardlink_obs_ring_bytes", "gauge", "bytes"),
        ("cardlink_build", "info", ""),
    ] {
        let family = family(name)?;
        ensure!(family["kind"] == kind && family["unit"] == unit, "{name}: {} {}", family["kind"], family["unit"]);
    }
    agent.stop()?;
    Ok(())
}

/// Prometheus asks for OpenMetrics by itself; only that format tells it units.
#[test]
fn prometheus_reads_it() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 2")?;
    agent.settled(2)?;
    let prometheus = Prometheus::start(&place, &Scraping { agents: vec![agent.address()], ..Scraping::default() })?;
    let handshakes = "cardlink_tls_handshakes_total{result=\"success\"} == 2";
    wait::until("a scrape", PATIENCE, || Ok((!prometheus.query(handshakes)?.is_empty()).then_some(())))?;
    ensure!(!prometheus.query("up{job=\"cardlink-obs\"} == 1")?.is_empty());
    ensure!(!prometheus.query("cardlink_build_info == 1")?.is_empty(), "an info has the same series in both formats");
    let unit = prometheus.metadata("cardlink_tls_handshake_duration_seconds")?;
    ensure!(unit["unit"] == "seconds" && unit["type"] == "histogram", "{unit}");
    agent.stop()?;
    Ok(())
}
