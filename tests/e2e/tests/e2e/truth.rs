//! Connection by connection against what the lab's programs say happened.

use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::Tracer,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    trace::text,
};
use cardlink_lab::truth::{ConnectionRecord, Outcome};
use serde_json::Value;
use std::{collections::HashMap, process::Command};

/// What the truth has and the observation has not, field by field.
fn differences(truth: &ConnectionRecord, handshake: Option<&Value>, closed: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, truth: &str, seen: &str| {
        if truth != seen {
            wrong.push(format!("{what}: {seen:?} instead of {truth:?}"));
        }
    };
    let outcome = match truth.outcome {
        Outcome::Handshake => "handshake",
        Outcome::NoClientHello => "no_client_hello",
        Outcome::NotTls => "not_tls",
    };
    compare("outcome", outcome, text(closed, "outcome"));
    compare("bytes read", &truth.bytes_read.to_string(), &closed["bytes_read"].to_string());
    compare("bytes written", &truth.bytes_written.to_string(), &closed["bytes_written"].to_string());
    match (&truth.handshake, handshake) {
        (None, None) => {}
        (None, Some(_)) => compare("handshake", "none", "one"),
        (Some(_), None) => compare("handshake", "one", "none"),
        (Some(real), Some(seen)) => {
            let reason = seen["failure"]["reason"].as_str().unwrap_or("ok");
            // The server may find its peer gone while it still has an answer to write.
            compare("result", &real.result, reason);
            compare("resumed", &real.resumed.to_string(), &seen["resumed"].to_string());
            if real.result == "ok" {
                compare("suite", real.suite.as_deref().unwrap_or(""), text(seen, "cipher_suite"));
                let version = real.version.as_deref().unwrap_or("").replace("TLSv", "TLS ");
                compare("version", &version, text(seen, "version"));
                compare("identity", real.identity.as_deref().unwrap_or(""), text(seen, "identity"));
            }
        }
    }
    wrong
}

/// Compares every connection of the truth with the one that was told for the same two addresses.
fn compare(truth: &[ConnectionRecord], told: &[Value]) {
    let key = |value: &Value| (text(value, "local").to_owned(), text(value, "peer").to_owned());
    let mut closed: HashMap<_, Vec<&Value>> = HashMap::new();
    let mut handshakes: HashMap<_, Vec<&Value>> = HashMap::new();
    for value in told {
        match text(value, "type") {
            "connection_closed" => closed.entry(key(value)).or_default().push(value),
            "handshake" => handshakes.entry(key(value)).or_default().push(value),
            _ => {}
        }
    }
    let mut wrong = Vec::new();
    for record in truth {
        let key = (record.local.clone(), record.peer.clone());
        let shakes = handshakes.remove(&key).unwrap_or_default();
        let who = format!("{} {} ({})", record.program, record.conn, record.fault);
        match (closed.remove(&key).as_deref(), shakes.as_slice()) {
            (Some([closed]), [] | [_]) => {
                let found = differences(record, shakes.first().copied(), closed);
                wrong.extend(found.into_iter().map(|difference| format!("{who}: {difference}")));
            }
            (ends, shakes) => {
                let ends = ends.map_or(0, <[_]>::len);
                wrong.push(format!("{who}: closed {ends} times, {} handshakes", shakes.len()));
            }
        }
    }
    wrong.extend(closed.keys().map(|key| format!("{key:?} is not in the truth")));
    assert!(wrong.is_empty(), "{} of {} connections:\n{}", wrong.len(), truth.len(), wrong.join("\n"));
}

const SOME_FAULTS: &str = "none,wrong-key,close-after-server-hello,none,unknown-identity,reset-mid-handshake,http,\
                           no-shared-cipher,close-after-connect,old-version,garbage,none";
const FAULTS: usize = 12;

/// Reads and writes of all kinds, torn and coalesced, seen at the server.
#[test]
fn servers_of_every_habit() -> Result {
    let place = Place::new()?;
    let habits = [
        "--calls rw --read-mode exact",
        "--calls recv --read-mode ahead --wait poll",
        "--calls vec --read-mode ahead",
        "--calls msg --read-mode exact --wait poll",
        "--read-mode one --tear 1",
        "--calls msg --read-mode ahead --tear 7 --tear-delay 50",
        "--model fork",
        "--model inline --ciphers PSK-NULL-SHA256:PSK-AES128-CBC-SHA256:@SECLEVEL=0",
    ];
    let servers = habits.iter().map(|habit| Server::lab(&place, habit)).collect::<Result<Vec<_>>>()?;
    let pids = servers.iter().fold(String::new(), |words, server| format!("{words} --pid {}", server.pid()));
    let mut tracer = Tracer::start(&place, &pids)?;
    for server in &servers {
        peers::card(&place, server.port, &format!("--sessions {FAULTS} --parallel 2 --fault {SOME_FAULTS}"))?;
    }
    finish(&place, &mut tracer, servers, habits.len() * FAULTS)
}

/// The card writes in pieces, holds records back, resumes, asks for small fragments and uses NULL suites.
#[test]
fn cards_of_every_habit() -> Result {
    let place = Place::new()?;
    let old = Server::lab(&place, "--ciphers ALL:PSK-NULL-SHA256:@SECLEVEL=0 --no-tickets")?;
    let both = Server::lab(&place, "--max-version 1.3 --ciphers PSK:DHEPSK:ECDHEPSK --identity-hint hint")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {} --pid {}", old.pid(), both.pid()))?;
    let cards = [
        (old.port, "--tear 1"),
        (old.port, "--tear 3 --tear-delay 100 --calls msg"),
        (old.port, "--resume"),
        (old.port, "--ciphers PSK-NULL-SHA256:@SECLEVEL=0"),
        (old.port, "--ciphers PSK-AES256-CBC-SHA384 --no-encrypt-then-mac --no-extended-master-secret"),
        (old.port, "--max-fragment 512"),
        (both.port, "--min-version 1.3 --max-version 1.3"),
        (both.port, "--min-version 1.3 --max-version 1.3 --resume --fault coalesce"),
        (both.port, "--min-version 1.3 --max-version 1.3 --tear 1"),
        (both.port, "--ciphers DHE-PSK-AES128-CBC-SHA256"),
        (both.port, "--ciphers ECDHE-PSK-AES128-CBC-SHA256 --calls vec"),
        (both.port, "--resume --fault coalesce"),
    ];
    let sessions = 4 * cards.len();
    for (port, habit) in cards {
        peers::card(&place, port, &format!("--sessions 4 {habit}"))?;
    }
    finish(&place, &mut tracer, vec![old, both], sessions)
}

/// The same, watched at the card's end; it starts after the agent.
#[test]
fn the_cards_own_view() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--handshake-timeout 500")?;
    // A name of its own: other tests may run cards.
    let name = format!("card-{}", std::process::id());
    let card = place.path(&name);
    std::os::unix::fs::symlink(place::program("lab-card")?, &card)?;
    let mut tracer = Tracer::waiting(&place, &format!("--comm {name}"))?;
    let mut command = Command::new(card);
    command.args(["--connect", &format!("127.0.0.1:{}", server.port), "--identity", IDENTITY, "--key", KEY]);
    command.arg("--truth").arg(place.path("card")).args(["--sessions", "24", "--fault", SOME_FAULTS]);
    Program::start(&mut command)?.success()?;
    tracer.until("connection_closed", 24)?;
    tracer.stop()?;
    compare(&peers::connections(&place, "card")?, &tracer.told()?);
    Ok(())
}

fn finish(place: &Place, tracer: &mut Tracer, servers: Vec<Server>, connections: usize) -> Result {
    tracer.until("connection_closed", connections)?;
    for mut server in servers {
        server.stop()?;
    }
    tracer.stop()?;
    let truth = peers::connections(place, "server")?;
    assert_eq!(truth.len(), connections, "the server itself counted otherwise");
    compare(&truth, &tracer.told()?);
    Ok(())
}
