//! The client against a server that is made of the same parts, and against what no server should send. That it gets on with
//! servers that others wrote is shown by the end-to-end tests.

use super::{ClientFault, ClientStep, PskClient, message, record};
use crate::observation::TlsVersion;
use crate::protocol::tls::open::{Psk, Sender, lane::Shape, prf::Prf, schedule::Material, suite::Access};
use crate::protocol::tls::{ContentType, HandshakeType, RecordHeader};

const RANDOM: [u8; 32] = [7; 32];

fn psk(bytes: &[u8]) -> Psk {
    Psk::new(bytes.to_vec()).expect("a key")
}

fn server_hello(suite: u16, extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    if !extensions.is_empty() {
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
    }
    message(HandshakeType::SERVER_HELLO, &body)
}

/// A handshake with a server that has `key`, its bytes handed over in pieces of `step`.
fn handshake(suite: u16, extensions: &[u8], key: &[u8], step: usize) -> Result<String, ClientFault> {
    let ours = psk(b"0123456789abcdef");
    let mut client = PskClient::new(b"card", &ours, RANDOM);
    let hello = client.hello();
    let done = message(HandshakeType::SERVER_HELLO_DONE, &[]);
    let chosen = server_hello(suite, extensions);
    let mut transcript = [hello.get(5..).unwrap_or_default(), &chosen, &done].concat();
    let flight = [record(ContentType::HANDSHAKE, &chosen), record(ContentType::HANDSHAKE, &done)].concat();
    let mut sent = Vec::new();
    for piece in flight.chunks(step) {
        match client.receive(piece)? {
            ClientStep::More(bytes) => sent.extend(bytes),
            ClientStep::Done { .. } => panic!("too early"),
        }
    }
    // What the client sent: exchange, change, Finished.
    let len = usize::from(u16::from_be_bytes([sent[3], sent[4]]));
    transcript.extend(&sent[5..5 + len]);
    let Access::ByKey(suite) = crate::protocol::tls::open::suite::access(suite, TlsVersion::TLS_1_2) else {
        panic!("a keyed suite")
    };
    let shape = Shape { suite, version: TlsVersion::TLS_1_2, encrypt_then_mac: extensions.contains(&22) };
    let prf = Prf::new(shape.version, suite.prf);
    let hash = prf.transcript(&[&transcript]);
    let material = Material {
        shape,
        client_random: RANDOM,
        server_random: [9; 32],
        session_hash: extensions.contains(&23).then(|| hash.clone()),
        first: Sender::Client,
        finished_hash: hash.clone(),
    };
    let master = material.master(key);
    let [mut client_lane, mut server_lane] = material.lanes(&master);
    let protected = &sent[5 + len + 6..];
    let header = RecordHeader {
        content: ContentType::HANDSHAKE,
        version: TlsVersion::TLS_1_2,
        len: (protected.len() - 5) as u16,
    };
    let mut body = protected[5..].to_vec();
    let finished = material.finished(&master, Sender::Client, &hash);
    if key == b"0123456789abcdef" {
        let content = client_lane.open(header, &mut body).expect("the client's Finished opens");
        assert_eq!(body[content], finished);
    }
    transcript.extend(finished);
    let answer = material.finished(&master, Sender::Server, &prf.transcript(&[&transcript]));
    let mut last = record(ContentType::CHANGE_CIPHER_SPEC, &[1]);
    last.extend(server_lane.seal(ContentType::HANDSHAKE, &answer, 0));
    for piece in last.chunks(step) {
        if let ClientStep::Done { suite, farewell } = client.receive(piece)? {
            assert!(!farewell.is_empty());
            return Ok(suite);
        }
    }
    panic!("no end")
}

#[test]
fn every_suite_however_the_bytes_come() {
    for (id, name) in [
        (0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256"),
        (0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256"),
        (0x008C, "TLS_PSK_WITH_AES_128_CBC_SHA"),
        (0x00A9, "TLS_PSK_WITH_AES_256_GCM_SHA384"),
        (0x00AF, "TLS_PSK_WITH_AES_256_CBC_SHA384"),
    ] {
        for extensions in [&[][..], &[0, 23, 0, 0], &[0, 22, 0, 0, 0, 23, 0, 0]] {
            for step in [1, 7, 4096] {
                assert_eq!(handshake(id, extensions, b"0123456789abcdef", step).as_deref(), Ok(name));
            }
        }
    }
}

#[test]
fn another_key_is_told() {
    assert_eq!(handshake(0x00AE, &[0, 23, 0, 0], b"another key 1234", 4096), Err(ClientFault::Key));
    assert_eq!(handshake(0x00A8, &[], b"another key 1234", 4096), Err(ClientFault::Key));
}

#[test]
fn what_no_server_should_send() {
    let ours = psk(b"key");
    let fault = |bytes: &[u8]| {
        let mut client = PskClient::new(b"card", &ours, RANDOM);
        client.hello();
        client.receive(bytes).expect_err("a fault")
    };
    assert_eq!(fault(b"HTTP/1.1 400 Bad Request\r\n"), ClientFault::NotTls);
    assert_eq!(fault(&[21, 3, 3, 0, 2, 2, 40]), ClientFault::Alert(String::from("40 handshake_failure")));
    let hello = |suite| record(ContentType::HANDSHAKE, &server_hello(suite, &[]));
    assert!(matches!(fault(&hello(0xC02F)), ClientFault::Suite(name) if name.contains("ECDHE_RSA")));
    let done = record(ContentType::HANDSHAKE, &message(HandshakeType::SERVER_HELLO_DONE, &[]));
    assert_eq!(fault(&done), ClientFault::Unexpected(HandshakeType::SERVER_HELLO_DONE));
    assert_eq!(fault(&[20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 0]), ClientFault::Malformed);
}

proptest::proptest! {
    /// Whatever comes, it is a step or a fault.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let ours = psk(b"key");
        let mut client = PskClient::new(b"card", &ours, RANDOM);
        client.hello();
        let mut with_header = vec![22, 3, 3, 0, bytes.len() as u8];
        with_header.extend(&bytes);
        let _ = client.receive(&with_header);
        let _ = client.receive(&bytes);
    }
}
