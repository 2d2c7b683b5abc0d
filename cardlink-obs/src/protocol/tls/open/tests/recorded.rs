//! Connections between OpenSSL and GnuTLS programs, recorded with their plaintext.

use super::*;
use crate::protocol::tls::{Flow, HandshakeType, ServerHello, Wire};
use std::path::Path;

/// One connection of a file in `tests/fixtures/tls_open`.
pub(super) struct Recorded {
    /// File and section.
    pub(super) name: String,
    pub(super) identity: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) wire: Vec<(Sender, Vec<u8>)>,
    pub(super) request: Vec<u8>,
    pub(super) answer: Vec<u8>,
}

fn parse(file: &str, text: &str) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (mark, rest) = line.split_once(' ').expect("a mark and what it marks");
        if mark == "=" {
            let mut words = rest.split(' ');
            let mut word = || words.next().expect("a name, an identity and a key");
            all.push(Recorded {
                name: format!("{file}: {}", word()),
                identity: word().as_bytes().to_vec(),
                key: hex(word()),
                wire: Vec::new(),
                request: Vec::new(),
                answer: Vec::new(),
            });
            continue;
        }
        let connection = all.last_mut().expect("a section");
        match mark {
            ">" => connection.wire.push((Sender::Client, hex(rest))),
            "<" => connection.wire.push((Sender::Server, hex(rest))),
            ">>" => connection.request = hex(rest),
            "<<" => connection.answer = hex(rest),
            other => panic!("{file}: {other}"),
        }
    }
    all
}

/// The files whose name begins like this, in order.
pub(super) fn files(prefix: &str) -> Vec<(String, Vec<Recorded>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls_open");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the fixtures are there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        if name.starts_with(prefix) && path.extension().is_some_and(|extension| extension == "flow") {
            let text = std::fs::read_to_string(&path).expect("a text");
            files.push((name.clone(), parse(&name, &text)));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Both directions one byte at a time; all of the client first; all of the server first; in pieces of a prime length.
fn other_ways(wire: &[(Sender, Vec<u8>)]) -> [Vec<(Sender, Vec<u8>)>; 4] {
    let pieces = |len: usize| -> Vec<(Sender, Vec<u8>)> {
        wire.iter().flat_map(|(sender, bytes)| bytes.chunks(len).map(|piece| (*sender, piece.to_vec()))).collect()
    };
    let first = |who: Sender| -> Vec<(Sender, Vec<u8>)> {
        let of = |who: Sender| wire.iter().filter(move |(sender, _)| *sender == who).cloned();
        of(who).chain(of(who.other())).collect()
    };
    [pieces(1), pieces(37), first(Sender::Client), first(Sender::Server)]
}

fn of_sender(events: &[Event], who: Sender) -> Vec<Event> {
    let is_of = |event: &&Event| match event {
        Event::Data(sender, _) | Event::Alert(sender, _) | Event::Overlong(sender, ..) => *sender == who,
        _ => false,
    };
    events.iter().filter(is_of).cloned().collect()
}

fn every_connection_opens(prefix: &str, at_least: usize) {
    let mut count = 0;
    for (name, connections) in files(prefix) {
        // Resumed connections follow the full one in the same file; tickets and ids of one server are never the same.
        let vaults = [(); 5].map(|()| {
            let mut keyring = Keyring::default();
            for connection in &connections {
                keyring.insert(connection.identity.clone(), Psk::new(connection.key.clone()).expect("a key"), None);
            }
            Arc::new(Vault::new(Some(keyring)))
        });
        let way = if name.contains("NULL") { Way::NullSuite } else { Way::KeyFile };
        for connection in connections {
            count += 1;
            let [vault, others @ ..] = &vaults;
            let mut reader = Reader::new(vault);
            reader.all(&connection.wire);
            let name = &connection.name;
            assert_eq!(reader.sealed(), None, "{name}");
            assert_eq!(reader.events.first(), Some(&Event::Readable(way)), "{name}");
            assert_eq!(reader.opener.way(), Progress::Readable(way), "{name}");
            assert_eq!(reader.data(Sender::Client), connection.request, "{name}");
            assert_eq!(reader.data(Sender::Server), connection.answer, "{name}");
            assert_eq!(reader.opener.identity(), Some(connection.identity.as_slice()), "{name}");
            assert_eq!(reader.opener.suspects(), None, "{name}: the handshake succeeded");
            let overlong = reader.events.iter().any(|event| matches!(event, Event::Overlong(..)));
            assert!(!overlong, "{name}: {:?}", reader.events);
            for (vault, wire) in others.iter().zip(other_ways(&connection.wire)) {
                let events = events(vault, &wire);
                for sender in [Sender::Client, Sender::Server] {
                    assert_eq!(of_sender(&events, sender), of_sender(&reader.events, sender), "{name}");
                }
            }
        }
    }
    assert!(count >= at_least, "only {count} connections");
}

/// What the names of the recordings say was indeed agreed, so that nothing above is tested twice and nothing not at all.
#[test]
fn the_names_tell_what_was_agreed() {
    for (file, connections) in files("openssl_").into_iter().chain(files("gnutls_")) {
        for connection in connections {
            let server: Vec<u8> = connection
                .wire
                .iter()
                .filter(|(sender, _)| *sender == Sender::Server)
                .flat_map(|(_, bytes)| bytes.iter().copied())
                .collect();
            let mut flow = Flow::new(true);
            let mut bytes = server.as_slice();
            let mut messages = Vec::new();
            while let Some(event) = flow.next(&mut bytes) {
                match event {
                    Wire::Message(message) => messages.push(message),
                    _ => break,
                }
            }
            let name = &connection.name;
            let hello = ServerHello::parse(&messages[0].body);
            let full = messages.iter().any(|message| message.kind == HandshakeType::SERVER_HELLO_DONE);
            assert_eq!(full, name.contains(": full"), "{name}");
            let (_, section) = name.split_once(": ").expect("file and section");
            if section == "full-mfl512" {
                assert_eq!(hello.extensions.max_fragment_length, Some(512), "{name}");
                continue;
            }
            assert_eq!(hello.extensions.extended_master_secret, section.contains("-ems"), "{name}");
            // OpenSSL agrees to it with NULL suites, too, where it makes no difference.
            if file.contains("CBC") {
                assert_eq!(hello.extensions.encrypt_then_mac, section.contains("-etm"), "{name}");
            }
            if section.starts_with("full") {
                assert_eq!(hello.extensions.session_ticket, section.contains("ticket"), "{name}");
            }
        }
    }
}

#[test]
fn openssl() {
    every_connection_opens("openssl_", 150);
}

#[test]
fn gnutls() {
    every_connection_opens("gnutls_", 80);
}

#[test]
fn a_closing_alert_is_decrypted() {
    let mut closed = 0;
    for (_, connections) in files("gnutls_1.2_AES") {
        for connection in connections {
            let vault = vault(&connection.identity, &connection.key);
            let alerts = events(&vault, &connection.wire);
            closed += alerts
                .iter()
                .filter(|event| {
                    matches!(event, Event::Alert(Sender::Client, alert) if alert.description.name() == Some("close_notify"))
                })
                .count();
        }
    }
    assert!(closed > 20, "{closed}");
}

#[test]
fn resumed_connections_stay_sealed_without_the_full_handshake() {
    let mut resumed = 0;
    for (_, connections) in files("openssl_").into_iter().chain(files("gnutls_")) {
        for connection in connections.iter().filter(|connection| connection.name.contains(": resumed")) {
            let vault = vault(&connection.identity, &connection.key);
            let mut reader = Reader::new(&vault);
            reader.all(&connection.wire);
            if connection.name.contains("NULL") {
                assert_eq!(reader.data(Sender::Client), connection.request, "{}", connection.name);
            } else {
                assert_eq!(reader.events, [Event::Sealed(Sealed::ResumedUnknown)], "{}", connection.name);
            }
            resumed += 1;
        }
    }
    assert!(resumed > 80, "{resumed}");
}

#[test]
fn without_a_key_file_only_null_suites_open() {
    let vault = Arc::new(Vault::new(None));
    for (name, connections) in files("openssl_").into_iter().chain(files("gnutls_")) {
        for connection in connections {
            let mut reader = Reader::new(&vault);
            reader.all(&connection.wire);
            if name.contains("NULL") {
                assert_eq!(reader.events.first(), Some(&Event::Readable(Way::NullSuite)), "{}", connection.name);
                assert_eq!(reader.data(Sender::Client), connection.request, "{}", connection.name);
                assert_eq!(reader.data(Sender::Server), connection.answer, "{}", connection.name);
            } else {
                assert_eq!(reader.events, [Event::Sealed(Sealed::NoKeyFile)], "{}", connection.name);
            }
        }
    }
    assert_eq!(vault.sessions(), 0);
}

#[test]
fn a_wrong_key_in_the_file_is_told() {
    for (name, connections) in files("openssl_").into_iter().chain(files("gnutls_")) {
        for connection in connections.iter().filter(|connection| connection.name.contains(": full")) {
            let mut reader = Reader::new(&vault(&connection.identity, b"not this one"));
            reader.all(&connection.wire);
            if name.contains("NULL") {
                assert_eq!(reader.data(Sender::Client), connection.request, "{}", connection.name);
            } else {
                assert_eq!(reader.events, [Event::Sealed(Sealed::WrongKeyInFile)], "{}", connection.name);
            }
            let mut reader = Reader::new(&vault(b"another", &connection.key));
            reader.all(&connection.wire);
            if !name.contains("NULL") {
                assert_eq!(reader.events, [Event::Sealed(Sealed::NoKeyForIdentity)], "{}", connection.name);
            }
        }
    }
}

/// The recordings of the handshake decoder: what a key file does not open says why.
#[test]
fn what_stays_sealed() {
    let cases = [
        ("openssl12_ecdhe_hint", Sealed::ForwardSecrecy),
        ("gnutls12_ecdhe_client_crashed", Sealed::ForwardSecrecy),
        ("openssl12_dhe_psk_client_refuses", Sealed::ForwardSecrecy),
        ("openssl12_rsa_certificate", Sealed::ForwardSecrecy),
        ("openssl13_ok", Sealed::Tls13),
        ("openssl13_hrr", Sealed::Tls13),
        ("openssl13_early_data", Sealed::Tls13),
        ("openssl13_certificate", Sealed::Tls13),
        ("gnutls13_ok", Sealed::Tls13),
        ("http", Sealed::NotTls),
    ];
    for (name, why) in cases {
        let path = format!("{}/tests/fixtures/tls/{name}.flow", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        let lines = text.lines().filter(|line| line.starts_with(['<', '>']));
        let wire: Vec<_> = lines
            .filter(|line| !line.ends_with("fin") && !line.ends_with("rst"))
            .map(|line| (if line.starts_with('>') { Sender::Client } else { Sender::Server }, hex(&line[2..])))
            .collect();
        for vault in [Arc::new(Vault::new(None)), vault(b"card-01", &hex("0123456789abcdef0123456789abcdef"))] {
            assert_eq!(events(&vault, &wire), [Event::Sealed(why)], "{name}");
        }
    }
}
