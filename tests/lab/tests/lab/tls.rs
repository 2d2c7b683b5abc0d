//! Server and card.

use crate::support::{Bench, IDENTITY};
use cardlink_lab::truth::{ConnectionRecord, HandshakeRecord, Outcome};

const MILLISECOND: u64 = 1_000_000;

fn handshake(record: &ConnectionRecord) -> &HandshakeRecord {
    record.handshake.as_ref().expect("a handshake")
}

fn assert_good(server: &ConnectionRecord, card: &ConnectionRecord) {
    for end in [server, card] {
        let done = handshake(end);
        assert_eq!(
            (end.outcome, done.result.as_str(), end.session.end.as_str()),
            (Outcome::Handshake, "ok", "complete")
        );
        assert!(done.start_ns < done.end_ns && done.end_ns < end.closing_ns && end.closing_ns <= end.closed_ns);
        assert!(done.wait_ns <= done.end_ns - done.start_ns);
        assert_eq!((done.alert_sent, done.alert_received, &done.error), (None, None, &None));
    }
    let (served, asked) = (handshake(server), handshake(card));
    assert_eq!((&served.suite, &served.version, served.resumed), (&asked.suite, &asked.version, asked.resumed));
    assert_eq!((server.bytes_read, server.bytes_written), (card.bytes_written, card.bytes_read));
    assert_eq!(server.session.apdus, card.session.apdus);
}

#[test]
fn every_model_serves_every_session() {
    for model in ["--model threads --workers 8", "--model fork", "--model inline"] {
        let pairs = Bench::new().meet(40, &format!("{model} --exchanges 2"), "--parallel 10");
        for (server, card) in &pairs {
            assert_good(server, card);
            assert_eq!(handshake(server).identity.as_deref(), Some(IDENTITY));
            assert_eq!(handshake(server).suite.as_deref(), Some("TLS_PSK_WITH_AES_128_CBC_SHA256"));
            assert_eq!((server.session.exchanges, server.session.apdus.len()), (2, 6));
            assert!(server.session.apdus.iter().all(|apdu| apdu.status_word == "9000"));
        }
    }
}

#[test]
fn bytes_may_be_moved_in_any_way() {
    let ways = [
        ("--tear 1", "--tear 1"),
        ("--read-mode one", "--tear 7 --tear-delay 100"),
        ("--read-mode ahead", "--framing chunked"),
        ("--framing chunked --tear 5 --tear-delay 50", ""),
        ("--calls vec", "--calls vec"),
        ("--calls msg --wait poll", "--calls msg"),
        ("--calls recv", "--calls recv --wait poll"),
        ("--no-encrypt-then-mac --identity-hint lab", "--no-extended-master-secret --max-fragment 512"),
    ];
    for (server, card) in ways {
        for (server, card) in Bench::new().meet(2, server, card) {
            assert_good(&server, &card);
        }
    }
}

#[test]
fn the_calls_add_up() {
    let pairs = Bench::new().meet(1, "--truth-calls", "");
    let (server, _) = pairs.first().expect("a connection");
    let moved = |way| server.calls.iter().filter(|call| call.way == way).map(|call| call.result).sum::<i64>();
    assert_eq!((moved('r'), moved('w')), (server.bytes_read.cast_signed(), server.bytes_written.cast_signed()));
    assert!(server.calls.iter().all(|call| call.enter_ns <= call.exit_ns));
    assert!(server.calls.windows(2).all(|two| two[0].exit_ns <= two[1].enter_ns));
}

#[test]
fn every_suite_is_spoken() {
    let suites = [
        ("PSK-AES128-CBC-SHA256", "1.2", "TLS_PSK_WITH_AES_128_CBC_SHA256"),
        ("PSK-AES256-CBC-SHA384", "1.2", "TLS_PSK_WITH_AES_256_CBC_SHA384"),
        ("PSK-AES128-GCM-SHA256", "1.2", "TLS_PSK_WITH_AES_128_GCM_SHA256"),
        ("PSK-AES128-CBC-SHA", "1.2", "TLS_PSK_WITH_AES_128_CBC_SHA"),
        ("PSK-NULL-SHA256:@SECLEVEL=0", "1.2", "TLS_PSK_WITH_NULL_SHA256"),
        ("ECDHE-PSK-AES128-CBC-SHA256", "1.2", "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"),
        ("PSK-AES128-CBC-SHA256", "1.3", "TLS_CHACHA20_POLY1305_SHA256"),
    ];
    for (ciphers, version, suite) in suites {
        let how = format!("--ciphers {ciphers} --max-version {version}");
        for (server, card) in Bench::new().meet(1, &how, &how) {
            assert_good(&server, &card);
            let done = handshake(&server);
            assert_eq!(
                (done.suite.as_deref(), done.version.as_deref()),
                (Some(suite), Some(&*format!("TLSv{version}")))
            );
        }
    }
}

#[test]
fn every_fault_is_told_as_the_server_sees_it() {
    // The fault, the server's result, the alerts that it sent.
    let faults: [(&str, &[&str], Option<u8>); 10] = [
        ("none", &["ok"], None),
        ("coalesce", &["ok"], None),
        ("wrong-key", &["wrong_key"], Some(20)),
        ("unknown-identity", &["unknown_psk_identity"], Some(115)),
        ("no-shared-cipher", &["no_shared_cipher"], Some(40)),
        ("old-version", &["protocol_version"], Some(70)),
        // The server's flight meets a closed socket: its reset may come before the server reads.
        ("close-after-client-hello", &["peer_closed", "peer_reset"], None),
        ("close-after-server-hello", &["peer_closed"], None),
        ("close-unread", &["peer_reset"], None),
        ("reset-mid-handshake", &["peer_reset"], None),
    ];
    for (fault, results, alert) in faults {
        for (server, card) in Bench::new().meet(3, "", &format!("--fault {fault}")) {
            assert_eq!(card.fault, fault);
            let (served, asked) = (handshake(&server), handshake(&card));
            assert!(results.contains(&served.result.as_str()), "{fault}: {}", served.result);
            assert_eq!((served.alert_sent, asked.alert_received), (alert, alert), "{fault}");
            assert!(served.start_ns <= served.end_ns && served.end_ns <= server.closing_ns);
            if alert.is_some() {
                assert_eq!(served.result, asked.result, "{fault}");
            }
        }
    }
}

#[test]
fn an_alert_after_the_end_changes_nothing() {
    for (server, _) in Bench::new().meet(2, "--alert-at-eof", "--fault close-after-server-hello") {
        assert_eq!((handshake(&server).result.as_str(), handshake(&server).alert_sent), ("peer_closed", Some(50)));
    }
}

#[test]
fn silence_ends_with_the_limit() {
    for fault in ["silent-after-client-hello", "silent-mid-handshake"] {
        for (server, _) in Bench::new().meet(1, "--handshake-timeout 100", &format!("--fault {fault} --hold 5000")) {
            let done = handshake(&server);
            assert_eq!(done.result, "timeout", "{fault}");
            assert!(done.wait_ns >= 50 * MILLISECOND);
        }
    }
}

#[test]
fn a_connection_without_a_handshake_has_none() {
    let faults = [
        ("close-after-connect", Outcome::NoClientHello),
        ("silent-after-connect", Outcome::NoClientHello),
        ("http", Outcome::NotTls),
        ("garbage", Outcome::NotTls),
    ];
    for (fault, outcome) in faults {
        let card = format!("--fault {fault} --hold 20");
        for (server, card) in Bench::new().meet(2, "--handshake-timeout 200", &card) {
            assert_eq!((server.outcome, card.outcome), (outcome, outcome), "{fault}");
            assert_eq!((server.handshake, card.handshake), (None, None), "{fault}");
        }
    }
}

#[test]
fn a_server_may_hide_what_it_does_not_know() {
    for (server, card) in Bench::new().meet(2, "--unknown-identity hide", "--fault unknown-identity") {
        assert_eq!(handshake(&server).result, "wrong_key");
        assert_eq!(handshake(&card).alert_received, Some(20));
        assert_eq!(handshake(&server).identity.as_deref(), Some("unknown-card-1"));
    }
}

#[test]
fn a_server_may_give_up() {
    for (server, card) in Bench::new().meet(2, "--give-up-after-hello", "") {
        assert_eq!(
            (handshake(&server).result.as_str(), handshake(&card).result.as_str()),
            ("local_error", "peer_closed")
        );
        assert_eq!((server.fault.as_str(), server.bytes_written), ("give-up-after-hello", 0));
    }
}

#[test]
fn time_is_spent_where_it_was_asked_for() {
    let took = |record: &ConnectionRecord| handshake(record).end_ns - handshake(record).start_ns;
    for (server, card) in Bench::new().meet(1, "--compute 50", "") {
        assert_good(&server, &card);
        let done = handshake(&server);
        assert!(done.compute_ns >= 50 * MILLISECOND && took(&server) >= done.compute_ns + done.wait_ns);
        assert!(handshake(&card).wait_ns >= 45 * MILLISECOND);
    }
    for (server, card) in Bench::new().meet(1, "", "--think 50") {
        assert_good(&server, &card);
        assert!(handshake(&card).compute_ns >= 50 * MILLISECOND && handshake(&server).compute_ns == 0);
        assert!(handshake(&server).wait_ns >= 45 * MILLISECOND);
    }
    for (server, card) in Bench::new().meet(1, "--not-ready 50", "") {
        assert_good(&server, &card);
        let done = handshake(&server);
        assert!(done.not_ready_ns >= 50 * MILLISECOND && took(&server) >= done.not_ready_ns + done.wait_ns);
    }
}

#[test]
fn sessions_resume() {
    for how in ["--max-version 1.2", "--max-version 1.2 --no-tickets", "--max-version 1.3"] {
        let pairs = Bench::new().meet(3, how, "--resume --max-version 1.3 --fault none,coalesce");
        for (index, (server, card)) in pairs.iter().enumerate() {
            assert_good(server, card);
            assert_eq!(handshake(server).resumed, index > 0, "{how}");
            assert_eq!(handshake(server).identity.is_none(), index > 0, "{how}");
        }
    }
}

#[test]
fn a_signal_ends_a_server_that_waits() {
    for model in ["threads", "fork", "inline"] {
        let bench = Bench::new();
        let mut server = bench.server(&format!("--model {model} --grace 100"));
        bench.card(&server, "");
        let address = server.at.clone();
        let silent = std::net::TcpStream::connect(address).expect("it listens");
        std::thread::sleep(std::time::Duration::from_millis(50));
        server.terminate();
        assert!(server.wait().success(), "{model}");
        drop(silent);
    }
}
