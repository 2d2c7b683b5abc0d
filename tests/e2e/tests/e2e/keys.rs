//! Which connections a key file opens, what is said of the others, and which key files are taken.

use cardlink_e2e::{
    IDENTITY, KEY, Result,
    admin::{AdminOptions, AdminServer, Suite},
    agent::{self, Tracer},
    conversation::{self, Conversation, Conversations},
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    trace::text,
    wait::{self, PATIENCE},
};
use cardlink_lab::psk::{parse_hex, to_hex};
use serde_json::Value;
use std::{os::unix::fs::PermissionsExt as _, process::Command};

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100";

/// The words that the key file `name` with this text is given with.
fn keys(place: &Place, name: &str, file: &str) -> Result<String> {
    Ok(format!("--psk-file {}", place.keys(name, file)?.display()))
}

/// What was told of one complete session under these keys, as the ways of its plaintext.
fn ways(place: &Place, server: &Server, keys: &str, card: &str) -> Result<Vec<String>> {
    let mut tracer = Tracer::start(place, &format!("{keys} --pid {}", server.pid()))?;
    peers::card(place, server.port, card)?;
    tracer.until("connection_closed", 1)?;
    tracer.stop()?;
    let told = conversation::told(&tracer.told()?);
    assert_eq!(told.len(), 1, "{told:?}");
    let one = told.into_values().next().unwrap_or_default();
    // A session is told when and only when it can be read.
    let readable = one.ways.iter().any(|way| !way.starts_with("none"));
    assert_eq!(one.sessions.len(), usize::from(readable), "{one:?}");
    Ok(one.ways)
}

#[test]
fn an_identity_that_is_not_in_the_file() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let file = keys(&place, "keys", &format!("card-2:{KEY}\n"))?;
    assert_eq!(ways(&place, &server, &file, "")?, ["none no_key_for_identity"]);
    Ok(())
}

/// Server and card agree on a key, and the file has another.
#[test]
fn a_wrong_key_in_the_file() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let file = keys(&place, "keys", &format!("{IDENTITY}:{OTHER_KEY}\n"))?;
    assert_eq!(ways(&place, &server, &file, "")?, ["none wrong_key_in_file"]);
    // A key that is being changed: both are there.
    let both = keys(&place, "both", &format!("{IDENTITY}:{OTHER_KEY}\n{IDENTITY}:{KEY}\n"))?;
    assert_eq!(ways(&place, &server, &both, "")?, ["key_file"]);
    Ok(())
}

#[test]
fn forward_secrecy_and_tls_1_3() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--max-version 1.3 --ciphers PSK:DHEPSK:ECDHEPSK")?;
    let file = place.with_keys();
    for suite in ["ECDHE-PSK-AES128-CBC-SHA256", "DHE-PSK-AES128-GCM-SHA256", "ECDHE-PSK-CHACHA20-POLY1305"] {
        let card = format!("--ciphers {suite}");
        assert_eq!(ways(&place, &server, &file, &card)?, ["none forward_secrecy"], "{suite}");
    }
    let tls13 = "--min-version 1.3 --max-version 1.3";
    assert_eq!(ways(&place, &server, &file, tls13)?, ["none tls13"]);
    assert_eq!(ways(&place, &server, &file, "")?, ["key_file"]);
    Ok(())
}

#[test]
fn others_servers_with_forward_secrecy() -> Result {
    let place = Place::new()?;
    for (server, suite, way) in [
        (AdminServer::Gnutls, Suite::EcdheCbc, "none forward_secrecy"),
        (AdminServer::Wolfssl, Suite::EcdheCbc, "none forward_secrecy"),
        (AdminServer::Wolfssl, Suite::Tls13, "none tls13"),
        (AdminServer::Node, Suite::Tls13, "none tls13"),
    ] {
        let running = server.start(&place, &AdminOptions { suite, ..AdminOptions::default() })?;
        assert_eq!(ways(&place, &running, &place.with_keys(), &suite.card())?, [way], "{server:?} {suite:?}");
    }
    Ok(())
}

/// The agent comes when the handshake is over.
#[test]
fn a_session_that_is_under_way() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--exchanges 2")?;
    let mut card = peers::start_card(&place, server.port, "--deviate idle:6000 --timeout 30000")?;
    // Its socket is there for the agent to find.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut tracer = Tracer::start(&place, &format!("{} --pid {}", place.with_keys(), server.pid()))?;
    card.success()?;
    tracer.until("connection_closed", 1)?;
    let told = conversation::told(&tracer.told()?);
    let ways: Vec<_> = told.values().flat_map(|one| one.ways.clone()).collect();
    assert_eq!(ways, ["none under_way"]);
    assert!(told.values().all(|one| one.sessions.is_empty()), "{told:?}");
    Ok(())
}

/// The full handshake was before the agent; what resumes it cannot be opened, and what comes after the next full one can.
#[test]
fn a_resumption_of_what_nobody_saw() -> Result {
    let place = Place::new()?;
    let servers = [Server::lab(&place, "")?, Server::lab(&place, "--no-tickets")?];
    // The agent has ten seconds to come in between.
    let start = |server: &Server| peers::start_card(&place, server.port, "--sessions 2 --resume --rate 0.1");
    let mut cards = servers.iter().map(start).collect::<Result<Vec<_>>>()?;
    wait::until("the full handshakes", PATIENCE, || {
        Ok((peers::connections(&place, "card").unwrap_or_default().len() == 2).then_some(()))
    })?;
    let pids = servers.iter().fold(String::new(), |pids, server| format!("{pids} --pid {}", server.pid()));
    let mut tracer = Tracer::start(&place, &format!("{} {pids}", place.with_keys()))?;
    for card in &mut cards {
        card.success()?;
    }
    // A card that has forgotten.
    for server in &servers {
        peers::card(&place, server.port, "")?;
    }
    tracer.until("connection_closed", 4)?;
    tracer.stop()?;
    let truth = peers::connections(&place, "card")?;
    let told = conversation::told(&tracer.told()?);
    let mut lived = Conversations::new();
    for record in truth.iter().skip(2) {
        let resumed = record.handshake.as_ref().is_some_and(|handshake| handshake.resumed);
        let one =
            if resumed { Conversation::sealed("resumed_unknown") } else { Conversation::lived(record, "key_file")? };
        lived.insert(conversation::key(record), one);
    }
    assert_eq!(lived.values().filter(|one| one.sessions.is_empty()).count(), 2, "{truth:?}");
    conversation::same(&lived, &told)
}

/// A file that others can read is refused, with what to type; so is one that is not there.
#[test]
fn a_file_that_others_can_read() -> Result {
    let place = Place::new()?;
    let path = place.keys("keys", &format!("{IDENTITY}:{KEY}\n"))?;
    for mode in [0o640, 0o604, 0o644, 0o620] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        for command in ["trace --json", "run --listen 127.0.0.1:0"] {
            let words = format!("{command} --pid {} --psk-file {}", std::process::id(), path.display());
            let output = agent::output(&place, &words)?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{mode:o}: {said}");
            assert!(said.contains(&format!("chmod 600 {}", path.display())), "{said}");
            assert!(!said.contains(KEY), "{said}");
        }
    }
    let words = format!("trace --pid {} --psk-file {}", std::process::id(), place.path("no-such-file").display());
    assert_eq!(agent::output(&place, &words)?.status.code(), Some(78));
    Ok(())
}

/// What is wrong in a key file is told with its line, and without a byte of it.
#[test]
fn files_that_are_malformed() -> Result {
    const SECRET: &str = "5ec4e75ec4e75ec4e75ec4e75ec4e75";
    let place = Place::new()?;
    let good = format!("{IDENTITY}:{KEY}");
    let cases = [
        ("odd.psk", format!("{good}\ncard-2:{SECRET}\n"), "line 2"),
        ("text.psk", format!("{good}\n\n# a comment\ncard-2:{SECRET}zz-not-hex\n"), "line 4"),
        ("bare.psk", format!("{good}\n{SECRET}\n"), "line 2"),
        ("empty.psk", format!("{good}\ncard-2:\n"), "line 2"),
        ("odd.yaml", format!("{IDENTITY}: {KEY}\ncard-2: {SECRET}\n"), "line 2"),
        ("shape.yaml", format!("{IDENTITY}: {KEY}\n- {SECRET}\n"), "line 2"),
        ("odd.toml", format!("\"{IDENTITY}\" = \"{KEY}\"\n\"card-2\" = \"{SECRET}\"\n"), "line 2"),
        ("shape.toml", format!("\"{IDENTITY}\" = \"{KEY}\"\n\"card-2\" = {SECRET}zz\n"), "line 2"),
        ("odd.json", format!("{{\"{IDENTITY}\": \"{KEY}\",\n\"card-2\": \"{SECRET}\"}}\n"), "entry 2"),
        ("shape.json", format!("{{\"{IDENTITY}\": \"{KEY}\",\n\"card-2\": {SECRET}zz}}\n"), "line 2"),
    ];
    for (name, file, at) in cases {
        let words = format!("trace --pid {} {}", std::process::id(), keys(&place, name, &file)?);
        let output = agent::output(&place, &words)?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(78), "{name}: {said}");
        assert!(said.contains(at), "{name}: {said}");
        for part in ["5ec4", "5EC4", &KEY[..6], "not-hex", "card-2", IDENTITY] {
            assert!(!said.contains(part), "{name} repeats {part}: {said}");
        }
    }
    Ok(())
}

#[test]
fn every_format_opens_a_session() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let hex = to_hex(IDENTITY.as_bytes());
    let files = [
        ("keys", format!("{IDENTITY}:{KEY}\n")),
        ("comment.psk", format!("# cards of the lab\n{IDENTITY}:{KEY} # the card on my desk\n")),
        ("escaped.psk", format!("#{hex}:{KEY}\n")),
        ("upper.psk", format!("card-2:{OTHER_KEY}\n{IDENTITY}:{}\n", KEY.to_uppercase())),
        ("keys.yaml", format!("{IDENTITY}: {KEY}\n")),
        ("map.yml", format!("---\n{IDENTITY}:\n  keys:\n  - {OTHER_KEY}\n  - {KEY}\n  alias: desk\n")),
        ("keys.toml", format!("\"{IDENTITY}\" = \"{KEY}\"\n")),
        ("table.toml", format!("[\"{IDENTITY}\"]\nkey = \"{KEY}\"\nalias = \"desk\"\n")),
        ("keys.json", format!("{{\"{IDENTITY}\": \"{KEY}\"}}\n")),
        ("hex.json", format!("{{\"hex:{hex}\": {{\"key\": \"{KEY}\", \"alias\": \"desk\"}}}}\n")),
    ];
    for (name, file) in files {
        assert_eq!(ways(&place, &server, &keys(&place, name, &file)?, "")?, ["key_file"], "{name}");
    }
    Ok(())
}

/// The handshakes of a card with this key, in hex, as the agent told them with this key file.
fn failed(place: &Place, file: &str, key: &str) -> Result<Value> {
    let server = Server::lab(place, "")?;
    let mut tracer = Tracer::start(place, &format!("{file} --pid {}", server.pid()))?;
    let mut card = Command::new(place::program("lab-card")?);
    card.args(["--connect", &format!("127.0.0.1:{}", server.port), "--identity", IDENTITY, "--key", key]);
    Program::start(&mut card)?.wait()?;
    let handshake = tracer.until("handshake", 1)?.swap_remove(0);
    tracer.stop()?;
    assert_eq!(text(&handshake["failure"], "reason"), "wrong_key", "{handshake}");
    Ok(handshake)
}

/// What was done to the key of the file to make the card's.
#[test]
fn the_detective_names_the_mistake() -> Result {
    let place = Place::new()?;
    // Not one byte of it is the same the other way round.
    let key = "1023456789abcdef102132435465768a";
    place.keys("psk", &format!("{IDENTITY}:{key}\n"))?;
    let bytes = parse_hex(key)?;
    let hex = |bytes: &[u8]| to_hex(bytes);
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let swapped: Vec<u8> = bytes.iter().map(|byte| byte.rotate_left(4)).collect();
    let file = keys(&place, "keys", &format!("{IDENTITY}:{key}\ncard-2:{OTHER_KEY}\n"))?;
    let cases = [
        (hex(key.as_bytes()), "took the key's hex digits (lower case) for the key itself"),
        (hex(key.to_uppercase().as_bytes()), "took the key's hex digits (upper case) for the key itself"),
        (hex(&reversed), "in reverse order"),
        (hex(&swapped), "the two hex digits of every byte of the key swapped"),
        (format!("{key}{}", "00".repeat(16)), "filled the key up with zeros to 32 bytes"),
        (OTHER_KEY.to_owned(), "uses the key that the key file has for another identity"),
        ("00".repeat(16), "all zeros"),
    ];
    for (mistaken, words) in cases {
        let handshake = failed(&place, &file, &mistaken)?;
        let advice = text(&handshake["failure"], "advice");
        assert!(advice.contains(words), "{words}: {advice}");
        assert!(!handshake.to_string().to_lowercase().contains(&key[..8]), "{handshake}");
    }
    // A key that nobody made a mistake with: no mistake is invented.
    let handshake = failed(&place, &file, "0123456789abcdef0123456789abcdef")?;
    assert!(!text(&handshake["failure"], "advice").contains("detective"), "{handshake}");
    // The file has the card's, the server another.
    let right = "0123456789abcdef0123456789abcdef";
    let handshake = failed(&place, &keys(&place, "right", &format!("{IDENTITY}:{right}\n"))?, right)?;
    let advice = text(&handshake["failure"], "advice");
    assert!(advice.contains("the client has the key of the key file; the server has another"), "{advice}");
    Ok(())
}

/// The same without a key file: nothing is tried, and nothing is said of it.
#[test]
fn without_a_file_there_is_no_detective() -> Result {
    let place = Place::new()?;
    let handshake = failed(&place, "", &to_hex(KEY.as_bytes()))?;
    assert!(!text(&handshake["failure"], "advice").contains("detective"), "{handshake}");
    Ok(())
}
