//! Sessions that were recorded replay to the same, without a key and with ciphertext and a key.

use crate::recordings::{replayed_page, same};
use cardlink_e2e::{
    Result,
    admin::{AdminOptions, AdminServer, Suite},
    agent::{self, Agent, Tracer},
    conversation::{self, Conversations},
    peers::{self, Server},
    place::Place,
    trace::{self, text},
};
use serde_json::Value;
use std::{fmt::Write as _, path::Path};

const SECONDS_APART: &str = "--resume-window 2s";

/// Servers with cards of every habit that shows in a recording, and how many connections they make.
struct Load {
    servers: Vec<Server>,
    cards: Vec<(usize, &'static str)>,
    connections: u64,
}

impl Load {
    fn start(place: &Place) -> Result<Self> {
        let lab = |words: &str| Server::lab(place, &format!("--exchanges 2 --workers 8 {words}"));
        let gnutls = AdminOptions { suite: Suite::Gcm, exchanges: 2, chunked: true, ..AdminOptions::default() };
        let servers = vec![
            lab("--ciphers PSK:ECDHEPSK")?,
            lab("--ciphers PSK-NULL-SHA256:@SECLEVEL=0 --tear 50")?,
            lab("--deviate wrong-content-type,204-with-body --framing chunked --no-tickets")?,
            AdminServer::Gnutls.start(place, &gnutls)?,
        ];
        let null = "--sessions 6 --ciphers PSK-NULL-SHA256:@SECLEVEL=0";
        let cards = vec![
            (0, "--sessions 12 --parallel 4 --fault none,wrong-key,unknown-identity,http"),
            (0, "--sessions 4 --resume"),
            (0, "--sessions 4 --tear 7 --max-fragment 512"),
            (0, "--sessions 4 --ciphers ECDHE-PSK-AES128-CBC-SHA256"),
            (0, "--sessions 2 --fault drop-mid-script --resume"),
            (0, "--sessions 2 --deviate truncated-response"),
            (1, null),
            (1, "--sessions 2 --ciphers PSK-NULL-SHA256:@SECLEVEL=0 --deviate contradicting-script-status"),
            (2, "--sessions 4 --resume --framing chunked --deviate no-admin-protocol"),
            (3, "--sessions 6 --parallel 6 --ciphers PSK-AES128-GCM-SHA256"),
        ];
        Ok(Self { servers, cards, connections: 12 + 4 + 4 + 4 + 4 + 2 + 6 + 2 + 4 + 6 })
    }

    fn watch(&self) -> String {
        self.servers.iter().fold(String::from(SECONDS_APART), |mut words, server| {
            let _ = write!(words, " --pid {}", server.pid());
            words
        })
    }

    fn run(&self, place: &Place) -> Result {
        for (server, words) in &self.cards {
            let port = self.servers.get(*server).map_or(0, |server| server.port);
            peers::card(place, port, words)?;
        }
        Ok(())
    }
}

/// What is the same whoever watched: what was said, and how handshakes and connections ended. Times are not.
fn seen(told: &[Value]) -> (Conversations, Vec<String>) {
    let mut ends: Vec<String> = told
        .iter()
        .filter_map(|value| {
            let what = match text(value, "type") {
                "handshake" => {
                    let failure = &value["failure"];
                    format!(
                        "{} {} {} {} {}",
                        text(value, "result"),
                        text(failure, "reason"),
                        text(failure, "advice"),
                        text(value, "identity"),
                        value["resumed"]
                    )
                }
                "connection_closed" => {
                    format!("{} {} {}", text(value, "outcome"), value["bytes_read"], value["bytes_written"])
                }
                "session" => format!("{} {}", text(value, "agent"), value["findings"]),
                "session_opened" => format!("{} {}", text(value, "agent"), value["resumes"]),
                "finding" => text(value, "detail").to_owned(),
                "script" => format!("{} {} {}", text(value, "dialect"), text(value, "kind"), value["script_status"]),
                "exchange" => format!("{} {} {}", text(value, "uri"), value["request_body"], value["response_body"]),
                _ => return None,
            };
            Some(format!("{} {} {what}", text(value, "peer"), text(value, "type")))
        })
        .collect();
    ends.sort_unstable();
    (conversation::told(told), ends)
}

/// One run with this way of recording, a live trace beside it, and its replay.
fn replays(record: &str, replay: impl Fn(&Place) -> String) -> Result<(Place, Vec<Value>)> {
    let place = Place::new()?;
    let load = Load::start(&place)?;
    let watch = format!("{} {}", place.with_keys(), load.watch());
    let mut agent = Agent::recording(&place, &format!("{watch} {record}"))?;
    let mut tracer = Tracer::hashed(&place, &watch)?;
    load.run(&place)?;
    // Sessions whose card does not come back are told after their window.
    let page = agent.until("the end of every session", |page| {
        page.closed() >= load.connections
            && page.active() == 0
            && page.count("cardlink_sessions_active", &[]) == 0
            && page.count("cardlink_sessions_total", &[]) > 0
    })?;
    assert_eq!(page.closed(), load.connections, "{:?}", page.connections());
    let page = agent.settled(load.connections)?;
    tracer.until("connection_closed", usize::try_from(load.connections)?)?;
    agent.stop()?;
    tracer.stop()?;
    let file = place.path("recording");
    let words = replay(&place);
    let again = replayed(&place, &file, &format!("--json --all {SECONDS_APART} {words}"))?;
    let (live, told) = (seen(&tracer.told()?), seen(&again));
    // There is something of every kind in it.
    let ways: Vec<&str> = live.0.values().flat_map(|one| &one.ways).map(String::as_str).collect();
    for way in ["key_file", "null_suite", "none forward_secrecy"] {
        assert!(ways.contains(&way), "{ways:?}");
    }
    conversation::same(&live.0, &told.0)?;
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    assert!(live.1 == told.1, "only live: {:#?}\nonly replayed: {:#?}", only(&live.1, &told.1), only(&told.1, &live.1));
    assert!(page.count("cardlink_sessions_total", &[("status", "completed")]) >= 20);
    assert!(page.count("cardlink_findings_total", &[]) > 10);
    same(&page, &replayed_page(&place, &file, &format!("{SECONDS_APART} {words}"))?);
    Ok((place, again))
}

fn replayed(place: &Place, file: &Path, words: &str) -> Result<Vec<Value>> {
    let output = agent::output(place, &format!("replay {words} {}", file.display()))?;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    trace::parse(&lines)
}

/// What was read is in the recording, masked: no key is needed any more.
#[test]
fn without_a_key() -> Result {
    replays("", |_| String::new()).map(|_| ())
}

/// The key opens the recording as it opened the wire; without it what anybody can read is told all the same.
#[test]
fn ciphertext_and_a_key() -> Result {
    let (place, with_key) = replays("--record-ciphertext", Place::with_keys)?;
    let without = replayed(&place, &place.path("recording"), &format!("--json --all {SECONDS_APART}"))?;
    let (with_key, without) = (conversation::told(&with_key), conversation::told(&without));
    let mut sealed = 0;
    for (key, one) in &with_key {
        let other = without.get(key).cloned().unwrap_or_default();
        if one.ways == ["key_file"] {
            assert_eq!((other.ways, other.sessions.len()), (vec!["none no_key_file".to_owned()], 0), "{key:?}");
            sealed += 1;
        } else {
            assert_eq!(one.apdus, other.apdus, "{key:?}");
        }
    }
    assert!(sealed >= 20, "{sealed}");
    Ok(())
}

/// Ciphertext that was recorded where nobody had the key is all there for who has it: of full handshakes and resumed ones.
#[test]
fn ciphertext_and_a_key_that_comes_later() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--exchanges 12")?;
    let words = format!("{SECONDS_APART} --record-ciphertext --pid {}", server.pid());
    let mut agent = Agent::recording(&place, &words)?;
    peers::card(&place, server.port, "--sessions 6 --parallel 3")?;
    peers::card(&place, server.port, "--sessions 4 --resume")?;
    let page = agent.settled(10)?;
    assert_eq!(page.count("cardlink_sessions_total", &[]), 0);
    agent.stop()?;
    let file = place.path("recording");
    let page = replayed_page(&place, &file, &format!("{SECONDS_APART} {}", place.with_keys()))?;
    assert_eq!(page.count("cardlink_sessions_total", &[("status", "completed")]), 10);
    let told = replayed(&place, &file, &format!("--json --all {SECONDS_APART} {}", place.with_keys()))?;
    let ways: Vec<_> = conversation::told(&told).into_values().flat_map(|one| one.ways).collect();
    assert_eq!(ways, ["key_file"; 10]);
    Ok(())
}

/// A key that comes later does not open what was recorded without ciphertext, and the agent says so.
#[test]
fn a_key_without_ciphertext() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", server.pid()))?;
    peers::card(&place, server.port, "--sessions 2")?;
    agent.settled(2)?;
    agent.stop()?;
    let file = place.path("recording");
    let told = replayed(&place, &file, &format!("--json --all {}", place.with_keys()))?;
    let ways: Vec<_> = conversation::told(&told).into_values().flat_map(|one| one.ways).collect();
    assert_eq!(ways, ["none no_key_file"; 2]);
    Ok(())
}

/// A recording of the format before.
#[test]
fn a_recording_of_version_1() -> Result {
    let place = Place::without_agent()?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cardlink-obs/tests/recordings/first-light.rec");
    let told = agent::replayed(&place, &file)?;
    assert!(trace::of(&told, "handshake").count() > 0);
    assert_eq!(trace::of(&told, "session").count(), 0);
    assert!(replayed_page(&place, &file, "")?.closed() > 0);
    Ok(())
}
