//! Times against the truth, and whose they were.

use cardlink_e2e::{
    Result,
    agent::Tracer,
    peers::{self, Server},
    place::Place,
    trace::{seconds, text},
};
use cardlink_lab::truth::ConnectionRecord;
use serde_json::Value;
use std::collections::HashMap;

/// Handshakes as told, each with the truth of the same connection.
fn observed(place: &Place, server: &str, card: &str, sessions: usize) -> Result<Vec<(Value, ConnectionRecord)>> {
    let mut server = Server::lab(place, server)?;
    let mut tracer = Tracer::start(place, &format!("--pid {}", server.pid()))?;
    peers::card(place, server.port, &format!("--sessions {sessions} {card}"))?;
    let handshakes = tracer.until("handshake", sessions)?;
    server.stop()?;
    let truth = peers::connections(place, "server")?;
    let mut truth: HashMap<String, ConnectionRecord> =
        truth.into_iter().map(|record| (record.peer.clone(), record)).collect();
    let pairs: Vec<_> = handshakes
        .into_iter()
        .filter_map(|handshake| truth.remove(text(&handshake, "peer")).map(|record| (handshake, record)))
        .collect();
    assert_eq!(pairs.len(), sessions, "each handshake has a truth");
    Ok(pairs)
}

/// Seconds.
fn true_duration(record: &ConnectionRecord) -> f64 {
    record.handshake.as_ref().map_or(0.0, |real| real.end_ns.saturating_sub(real.start_ns) as f64 / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn errors_are_small(pairs: &[(Value, ConnectionRecord)]) {
    let past_allowance: Vec<f64> = pairs
        .iter()
        .map(|(seen, record)| {
            let real = true_duration(record);
            (seconds(seen, "duration") - real).abs() - 0.02 * real
        })
        .collect();
    let errors = median(past_allowance);
    let length = median(pairs.iter().map(|(_, record)| true_duration(record)).collect());
    println!("handshakes of {:.0} µs: median error past 2 % is {:.1} µs", length * 1e6, errors * 1e6);
    assert!(errors < 50e-6, "the median error is {:.1} µs past 2 %", errors * 1e6);
}

#[test]
fn durations_of_short_handshakes() -> Result {
    let place = Place::new()?;
    errors_are_small(&observed(&place, "--workers 2", "--parallel 2", 400)?);
    Ok(())
}

#[test]
fn durations_of_tls_1_3() -> Result {
    let place = Place::new()?;
    let versions = "--min-version 1.3 --max-version 1.3";
    errors_are_small(&observed(&place, &format!("--workers 2 {versions}"), versions, 200)?);
    Ok(())
}

/// Seconds in each phase: of the server, of its peer, and not ready.
fn phases(pairs: &[(Value, ConnectionRecord)]) -> [f64; 3] {
    for (handshake, _) in pairs {
        let all = ["local_compute", "peer_wait", "not_ready"].map(|phase| seconds(&handshake["phases"], phase));
        let sum: f64 = all.iter().sum();
        assert!((sum - seconds(handshake, "duration")).abs() < 2e-6, "the phases add up: {handshake}");
    }
    ["local_compute", "peer_wait", "not_ready"]
        .map(|phase| median(pairs.iter().map(|(seen, _)| seconds(&seen["phases"], phase)).collect()))
}

const FIFTY: std::ops::Range<f64> = 0.048..0.070;
const LITTLE: std::ops::Range<f64> = 0.0..0.015;

#[test]
fn a_server_that_computes() -> Result {
    let place = Place::new()?;
    let pairs = observed(&place, "--compute 50", "", 10)?;
    let [local, peer, not_ready] = phases(&pairs);
    assert!(
        FIFTY.contains(&local) && LITTLE.contains(&peer) && LITTLE.contains(&not_ready),
        "{local} {peer} {not_ready}"
    );
    errors_are_small(&pairs);
    Ok(())
}

#[test]
fn a_server_that_waits_for_its_peer() -> Result {
    let place = Place::new()?;
    for wait in ["read", "poll"] {
        let pairs = observed(&place, &format!("--wait {wait}"), "--think 50", 10)?;
        let [local, peer, not_ready] = phases(&pairs);
        assert!(
            FIFTY.contains(&peer) && LITTLE.contains(&local) && LITTLE.contains(&not_ready),
            "{wait}: {local} {peer} {not_ready}"
        );
    }
    Ok(())
}

#[test]
fn a_server_that_is_not_ready() -> Result {
    let place = Place::new()?;
    let [local, peer, not_ready] = phases(&observed(&place, "--not-ready 50", "", 10)?);
    assert!(
        FIFTY.contains(&not_ready) && LITTLE.contains(&local) && LITTLE.contains(&peer),
        "{local} {peer} {not_ready}"
    );
    Ok(())
}
