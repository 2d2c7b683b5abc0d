//! Every way in which a client can come and fail, against every server: each is counted once, with the right verdict.

use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::{Agent, Step},
    peers::{self, Server},
    place::{self, Place},
    wait,
};
use std::{process::Command, time::Duration};

/// What a server shows of an identity that it does not know.
#[derive(Clone, Copy)]
enum Unknown {
    Says,
    LooksLikeAWrongKey,
    Accepts,
}

/// How a server answers, as far as its verdicts depend on it.
#[derive(Clone, Copy)]
struct Answers {
    /// What it and the card agree on.
    suite: &'static str,
    /// TLS 1.3: it looks at the key before it chooses a suite.
    first_the_key: bool,
    unknown: Unknown,
}

const FAULTS: &[&str] = &[
    "none",
    "wrong-key",
    "unknown-identity",
    "no-shared-cipher",
    "old-version",
    "close-after-connect",
    "close-after-client-hello",
    "close-after-server-hello",
    "close-unread",
    "reset-mid-handshake",
    "silent-after-connect",
    "silent-mid-handshake",
    "http",
    "garbage",
];

/// The outcome of the connection, and what may be counted as its handshake.
fn expected(fault: &str, answers: Answers) -> (&'static str, Vec<String>) {
    let Answers { suite, first_the_key, unknown } = answers;
    let after_choice = |verdict: &str| format!("{verdict} {suite}");
    let at_the_key = |verdict: &str| if first_the_key { verdict.to_owned() } else { after_choice(verdict) };
    let one = |handshake: String| ("handshake", vec![handshake]);
    match fault {
        "none" => one(after_choice("success")),
        "wrong-key" => one(at_the_key("failed wrong_key local")),
        "unknown-identity" => one(match unknown {
            Unknown::Says => at_the_key("failed unknown_psk_identity local"),
            Unknown::LooksLikeAWrongKey => at_the_key("failed wrong_key local"),
            Unknown::Accepts => after_choice("success"),
        }),
        "no-shared-cipher" => one("failed no_shared_cipher local".to_owned()),
        "old-version" => one("failed protocol_version local".to_owned()),
        // The client has gone before the answer comes: whether the server sees its FIN or a reset is a race.
        "close-after-client-hello" => {
            ("handshake", vec![after_choice("failed peer_closed peer"), after_choice("failed peer_reset peer")])
        }
        "close-after-server-hello" => one(after_choice("failed peer_closed peer")),
        "close-unread" | "reset-mid-handshake" => one(after_choice("failed peer_reset peer")),
        "silent-mid-handshake" => one(after_choice("failed timeout peer")),
        "close-after-connect" | "silent-after-connect" => ("no_client_hello", Vec::new()),
        _ => ("not_tls", Vec::new()),
    }
}

/// Every fault in turn; then everything must have been counted once.
fn every_fault(place: &Place, server: &Server, versions: &str, answers: Answers) -> Result {
    let limit = wait::scaled(Duration::from_millis(600)).as_millis();
    let mut agent = Agent::run(place, &format!("--pid {} --handshake-timeout {limit}ms", server.pid()))?;
    let mut wrong = Vec::new();
    let mut handshakes = 0;
    for fault in FAULTS {
        let versions = if *fault == "old-version" { "" } else { versions };
        let words = format!("--handshake-only --hold {} {versions} --fault {fault}", 2 * limit);
        let step = agent.step(1, || peers::card(place, server.port, &words))?;
        let (outcome, allowed) = expected(fault, answers);
        handshakes += u64::from(!allowed.is_empty());
        let counted = match step.handshakes.as_slice() {
            [] => allowed.is_empty(),
            [one] => allowed.contains(one),
            _ => false,
        };
        if !counted || step.connections != [outcome] {
            wrong.push(format!("{fault}: {step:?} instead of {outcome} {allowed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let connections = FAULTS.len() as u64;
    let page = agent.settled(connections)?;
    assert_eq!(page.closed(), connections, "{:?}", page.connections());
    assert_eq!(page.successes() + page.failures(), handshakes, "{:?}", page.handshakes());
    agent.balanced().map(|_| ())
}

#[test]
fn lab_server_tls_1_2() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let suite = "TLS_PSK_WITH_AES_128_CBC_SHA256";
    every_fault(&place, &server, "", Answers { suite, first_the_key: false, unknown: Unknown::Says })
}

#[test]
fn lab_server_tls_1_3() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--min-version 1.3 --max-version 1.3")?;
    let suite = "TLS_CHACHA20_POLY1305_SHA256";
    let versions = "--min-version 1.3 --max-version 1.3";
    every_fault(&place, &server, versions, Answers { suite, first_the_key: true, unknown: Unknown::Says })
}

#[test]
fn openssl_tls_1_2() -> Result {
    let place = Place::new()?;
    let server = Server::openssl("-tls1_2 -cipher PSK")?;
    let suite = "TLS_PSK_WITH_AES_128_CBC_SHA256";
    // s_server takes any identity whose key fits.
    every_fault(&place, &server, "", Answers { suite, first_the_key: false, unknown: Unknown::Accepts })
}

#[test]
fn openssl_tls_1_3() -> Result {
    let place = Place::new()?;
    let server = Server::openssl("-tls1_3")?;
    let suite = "TLS_CHACHA20_POLY1305_SHA256";
    let versions = "--min-version 1.3 --max-version 1.3";
    every_fault(&place, &server, versions, Answers { suite, first_the_key: true, unknown: Unknown::Says })
}

#[test]
fn gnutls_tls_1_2() -> Result {
    let place = Place::new()?;
    let server = Server::gnutls(&place, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK")?;
    let suite = "TLS_PSK_WITH_AES_128_GCM_SHA256";
    every_fault(&place, &server, "", Answers { suite, first_the_key: false, unknown: Unknown::LooksLikeAWrongKey })
}

#[test]
fn gnutls_tls_1_3() -> Result {
    let place = Place::new()?;
    let server = Server::gnutls(&place, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:+PSK")?;
    let suite = "TLS_CHACHA20_POLY1305_SHA256";
    let versions = "--min-version 1.3 --max-version 1.3";
    every_fault(&place, &server, versions, Answers { suite, first_the_key: true, unknown: Unknown::LooksLikeAWrongKey })
}

#[test]
fn sslpsk3_tls_1_2() -> Result {
    let place = Place::new()?;
    let port = peers::free_port()?;
    let script = place.path("server.py");
    std::fs::write(&script, include_str!("../../peers/sslpsk3_server.py"))?;
    let server = Server::on(Command::new(place::python()?).arg(script).arg(port.to_string()), port)?;
    let suite = "TLS_PSK_WITH_AES_128_CBC_SHA256";
    every_fault(&place, &server, "", Answers { suite, first_the_key: false, unknown: Unknown::Says })
}

/// Other clients than the lab's: `openssl s_client` and `gnutls-cli`, each good, with a wrong key, with an unknown identity.
#[test]
fn openssl_and_gnutls_clients() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", server.pid()))?;
    let wrong = "ff112233445566778899aabbccddeeff";
    let openssl = |identity: &str, key: &str, more: &str| {
        peers::openssl_client(server.port, &format!("-psk_identity {identity} -psk {key} {more}")).map(|_| ())
    };
    let gnutls = |identity: &str, key: &str, priority: &str| {
        peers::gnutls_client(server.port, identity, key, priority).map(|_| ())
    };
    let psk = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK";
    let (cbc, gcm) = ("TLS_PSK_WITH_AES_128_CBC_SHA256", "TLS_PSK_WITH_AES_128_GCM_SHA256");
    let good = agent.step(1, || openssl(IDENTITY, KEY, "-tls1_2 -cipher PSK-AES128-CBC-SHA256"))?;
    assert_eq!(good, handshake(&format!("success {cbc}")));
    let bad = agent.step(1, || openssl(IDENTITY, wrong, "-tls1_2 -cipher PSK-AES128-CBC-SHA256"))?;
    assert_eq!(bad, handshake(&format!("failed wrong_key local {cbc}")));
    let unknown = agent.step(1, || openssl("nobody", KEY, "-tls1_2 -cipher PSK-AES128-GCM-SHA256"))?;
    assert_eq!(unknown, handshake(&format!("failed unknown_psk_identity local {gcm}")));
    let suites = agent.step(1, || openssl(IDENTITY, KEY, "-tls1_2 -cipher PSK-AES128-CCM8"))?;
    assert_eq!(suites, handshake("failed no_shared_cipher local"));
    let old = agent.step(1, || openssl(IDENTITY, KEY, "-tls1_1 -cipher PSK:@SECLEVEL=0"))?;
    assert_eq!(old, handshake("failed protocol_version local"));
    let good = agent.step(1, || gnutls(IDENTITY, KEY, &format!("{psk}:-CIPHER-ALL:+AES-128-GCM")))?;
    assert_eq!(good, handshake(&format!("success {gcm}")));
    let bad = agent.step(1, || gnutls(IDENTITY, wrong, &format!("{psk}:-CIPHER-ALL:+AES-128-GCM")))?;
    assert_eq!(bad, handshake(&format!("failed wrong_key local {gcm}")));
    let unknown = agent.step(1, || gnutls("nobody", KEY, &format!("{psk}:-CIPHER-ALL:+AES-128-GCM")))?;
    assert_eq!(unknown, handshake(&format!("failed unknown_psk_identity local {gcm}")));
    let page = agent.settled(8)?;
    assert_eq!((page.closed(), page.successes(), page.failures()), (8, 2, 6));
    agent.balanced().map(|_| ())
}

fn handshake(verdict: &str) -> Step {
    Step { connections: vec!["handshake".to_owned()], handshakes: vec![verdict.to_owned()] }
}
