//! Handshakes that go wrong at every step. Recorded bytes as far as they go, then what went wrong.

use super::{Line, Player, bytes, call, load, ms};
use crate::observation::Role;
use crate::stream::{Direction, Item};

const OK: &str = "openssl12_cbc_sha256";
const NULL: &str = "openssl12_null_sha256";
const TLS13: &str = "openssl13_ok";
const RESUMED: &str = "openssl12_resumed_session_id";

/// The first `count` lines of a recording.
fn after(role: Role, name: &str, count: usize) -> Player {
    let mut player = Player::new(role);
    player.lines(&load(name)[..count]);
    player
}

/// `reason side | saw` of the one handshake.
fn verdict(player: &Player) -> String {
    let told = player.told();
    let mut lines = told.lines().filter(|line| !line.starts_with("closed"));
    let line = lines.next().unwrap_or_default().to_owned();
    assert_eq!(lines.next(), None, "one handshake is told once");
    let mut parts = line.split(" | ");
    match (parts.next(), parts.next()) {
        (Some(reason), Some(saw)) => format!("{} | {saw}", reason.split_once(' ').expect("a role").1),
        _ => line,
    }
}

#[test]
fn an_end_of_stream_is_the_peers() {
    let steps = [(1, "ClientHello"), (2, "ServerHelloDone"), (3, "client Finished")];
    for (count, step) in steps {
        let mut player = after(Role::Server, OK, count);
        player.eof();
        assert_eq!(verdict(&player), format!("peer_closed peer | {step} → the peer closed (FIN)"));
        assert_eq!(player.handshake().failure.as_ref().expect("it failed").step, step);
    }
}

#[test]
fn a_reset_is_the_peers_whichever_call_finds_it() {
    for (direction, errno) in [(Direction::Read, 104), (Direction::Write, 104), (Direction::Write, 32)] {
        let mut player = after(Role::Server, OK, 2);
        player.error(direction, errno);
        assert_eq!(verdict(&player), "peer_reset peer | ServerHelloDone → the peer reset the connection (RST)");
    }
}

#[test]
fn other_errors_are_no_end() {
    let mut player = after(Role::Server, OK, 2);
    player.error(Direction::Read, 14).error(Direction::Write, 9);
    assert_eq!(player.told(), "");
    player.lines(&load(OK)[2..4]);
    assert!(player.told().starts_with("server ok"));
}

#[test]
fn a_network_that_gives_up_is_a_timeout() {
    let mut player = after(Role::Server, OK, 2);
    player.error(Direction::Read, 110);
    assert_eq!(verdict(&player), "timeout peer | ServerHelloDone → no answer, the network gave up on the peer");
}

#[test]
fn whose_turn_it_was_when_we_close() {
    let cases = [
        (Role::Server, 1, "local_error local | ClientHello → we closed without an answer"),
        (Role::Server, 2, "timeout peer | ServerHelloDone → nothing from the peer, we closed"),
        (Role::Server, 3, "local_error local | client Finished → we closed without an answer"),
        (Role::Client, 1, "timeout peer | ClientHello → nothing from the peer, we closed"),
        (Role::Client, 2, "local_error local | ServerHelloDone → we closed without an answer"),
        (Role::Client, 3, "timeout peer | client Finished → nothing from the peer, we closed"),
    ];
    for (role, count, expected) in cases {
        let mut player = after(role, OK, count);
        player.close();
        assert_eq!(verdict(&player), expected);

        let mut player = after(role, OK, count);
        let call = player.step();
        player.item(&Item::Shutdown(call)).close();
        assert_eq!(verdict(&player), expected, "a shutdown of our writing side is a close");
    }
}

#[test]
fn whose_turn_it_was_in_other_forms_of_the_handshake() {
    let cases = [
        (RESUMED, Role::Server, 2, "timeout peer | server Finished → nothing from the peer, we closed"),
        (RESUMED, Role::Client, 2, "local_error local | server Finished → we closed without an answer"),
        (TLS13, Role::Server, 2, "timeout peer | server encrypted message → nothing from the peer, we closed"),
        (TLS13, Role::Client, 2, "local_error local | server encrypted message → we closed without an answer"),
        ("openssl13_hrr", Role::Server, 2, "timeout peer | server ChangeCipherSpec → nothing from the peer, we closed"),
        ("openssl13_hrr", Role::Server, 3, "local_error local | ClientHello → we closed without an answer"),
    ];
    for (name, role, count, expected) in cases {
        let mut player = after(role, name, count);
        player.close();
        assert_eq!(verdict(&player), expected, "{name}");
    }
}

#[test]
fn silence_past_the_limit_is_told_once() {
    let mut player = after(Role::Server, OK, 2);
    player.item(&Item::Tick { now: ms(60_000) });
    assert_eq!(player.told(), "");
    player.item(&Item::Tick { now: ms(60_500) });
    assert_eq!(verdict(&player), "timeout peer | ServerHelloDone → nothing from the peer, the limit passed");
    assert_eq!(player.handshake().end, ms(60_003), "the limit counts from the last byte, whenever the tick comes");
    player.item(&Item::Tick { now: ms(200_000) }).lines(&load(OK)[2..]);
    assert!(player.told().ends_with("closed handshake"));
    assert_eq!(super::handshakes(&player.out).count(), 1);
}

#[test]
fn a_late_item_is_as_good_as_a_tick() {
    let mut player = after(Role::Server, OK, 2);
    player.item(&Item::Eof(call(3, 70_000)));
    assert_eq!(verdict(&player), "timeout peer | ServerHelloDone → nothing from the peer, the limit passed");
}

#[test]
fn the_first_thing_counts() {
    let mut player = after(Role::Server, OK, 2);
    player.eof().bytes(Role::Server, &bytes("15030300020232")).close();
    assert_eq!(verdict(&player), "peer_closed peer | ServerHelloDone → the peer closed (FIN)");

    let mut player = after(Role::Server, OK, 3);
    player.bytes(Role::Server, &bytes("15030300020214")).eof().error(Direction::Write, 32).close();
    assert_eq!(verdict(&player), "wrong_key local | client Finished → our alert 20 bad_record_mac");
}

#[test]
fn alerts_by_number() {
    let cases = [
        (0x73, "unknown_psk_identity local | client Finished → our alert 115 unknown_psk_identity"),
        (0x14, "wrong_key local | client Finished → our alert 20 bad_record_mac"),
        (0x33, "wrong_key local | client Finished → our alert 51 decrypt_error"),
        (0x16, "record_overflow local | client Finished → our alert 22 record_overflow"),
        (0x32, "decode_error local | client Finished → our alert 50 decode_error"),
        (0x28, "alert_40 local | client Finished → our alert 40 handshake_failure"),
        (0x50, "alert_80 local | client Finished → our alert 80 internal_error"),
        (0xC8, "alert_200 local | client Finished → our alert 200"),
    ];
    for (number, expected) in cases {
        let mut player = after(Role::Server, OK, 3);
        player.bytes(Role::Server, &[0x15, 3, 3, 0, 2, 2, number]);
        assert_eq!(verdict(&player), expected);
    }
}

#[test]
fn a_wrong_key_is_one_only_after_the_finished() {
    let mut player = after(Role::Server, OK, 1);
    player.bytes(Role::Server, &bytes("15030300020214"));
    assert_eq!(verdict(&player), "alert_20 local | ClientHello → our alert 20 bad_record_mac");
}

#[test]
fn a_client_that_refuses_the_resumed_keys() {
    let mut player = after(Role::Server, RESUMED, 2);
    player.bytes(Role::Client, &bytes("15030300020214"));
    assert_eq!(verdict(&player), "wrong_key peer | server Finished → the peer's alert 20 bad_record_mac");
    let advice = &player.handshake().failure.as_ref().expect("it failed").advice;
    assert!(advice.contains("session cache"), "{advice}");
}

#[test]
fn a_client_that_refuses_the_servers_choice() {
    let mut player = after(Role::Client, OK, 2);
    player.bytes(Role::Client, &bytes("15030300020246"));
    assert_eq!(verdict(&player), "protocol_version local | ServerHelloDone → our alert 70 protocol_version");
}

#[test]
fn a_close_notify_is_a_close() {
    let close_notify = bytes("15030300020100");
    let cases = [
        (Role::Client, 2, "peer_closed peer | ServerHelloDone → the peer's alert 0 close_notify"),
        (Role::Server, 2, "timeout peer | ServerHelloDone → our alert 0 close_notify"),
        (Role::Server, 1, "local_error local | ClientHello → our alert 0 close_notify"),
    ];
    for (sender, count, expected) in cases {
        let mut player = after(Role::Server, OK, count);
        player.bytes(sender, &close_notify);
        assert_eq!(verdict(&player), expected);
    }
}

#[test]
fn a_warning_is_passed_over() {
    let mut player = after(Role::Server, OK, 1);
    player.bytes(Role::Server, &bytes("15030300020170")).lines(&load(OK)[1..]);
    assert!(player.told().starts_with("server ok TLS 1.2"), "{}", player.told());
}

#[test]
fn an_alert_under_keys_before_the_end() {
    let lines = load(OK);
    let Line::Bytes(_, alert) = &lines[5] else { panic!("an alert under keys") };
    let mut player = after(Role::Server, OK, 3);
    player.bytes(Role::Client, alert);
    assert_eq!(verdict(&player), "encrypted_alert peer | client Finished → the peer's encrypted alert");

    let mut player = after(Role::Server, TLS13, 2);
    player.bytes(Role::Client, &bytes("14030300010117030300130000000000000000000000000000000000000000"));
    assert_eq!(verdict(&player), "encrypted_alert peer | client ChangeCipherSpec → the peer's encrypted alert");
}

#[test]
fn an_alert_under_keys_after_the_end_is_no_failure() {
    let lines = load(OK);
    let mut player = after(Role::Server, OK, 4);
    player.line(&lines[5]).eof().close();
    assert!(verdict(&player).starts_with("server ok"));
    assert_eq!(player.handshake().end, ms(5), "the time of the Finished");
}

#[test]
fn with_a_null_suite_the_rejection_of_the_last_finished_can_be_read() {
    let mac = "00".repeat(32);
    let mut player = after(Role::Server, NULL, 4);
    assert_eq!(player.told(), "");
    player.bytes(Role::Client, &bytes(&format!("15030300220214{mac}")));
    assert_eq!(verdict(&player), "alert_20 peer | server Finished → the peer's alert 20 bad_record_mac");

    let mut player = after(Role::Server, NULL, 4);
    player.bytes(Role::Client, &bytes(&format!("15030300220100{mac}")));
    assert!(verdict(&player).starts_with("server ok"));

    let mut player = after(Role::Server, NULL, 4);
    player.item(&Item::Tick { now: ms(500) });
    assert_eq!(player.told(), "");
    player.item(&Item::Tick { now: ms(1_500) });
    assert!(verdict(&player).starts_with("server ok"));
    assert_eq!(player.handshake().end, ms(5), "the time of the Finished");
}

#[test]
fn half_a_client_hello() {
    let lines = load(OK);
    let Line::Bytes(_, hello) = &lines[0] else { panic!("a ClientHello") };
    for cut in [1, 3, 5, 6, 60] {
        let mut player = Player::new(Role::Server);
        player.bytes(Role::Client, &hello[..cut]).eof().close();
        assert_eq!(verdict(&player), "peer_closed peer | part of a ClientHello → the peer closed (FIN)", "{cut} bytes");
        assert_eq!(player.handshake().failure.as_ref().expect("it failed").step, "ClientHello");

        let mut player = Player::new(Role::Server);
        player.bytes(Role::Client, &hello[..cut]).close();
        assert_eq!(verdict(&player), "timeout peer | part of a ClientHello → nothing from the peer, we closed");
    }
}

#[test]
fn bytes_that_are_no_records_any_more() {
    let mut player = after(Role::Server, OK, 2);
    player.bytes(Role::Client, b"hello there").close();
    assert_eq!(verdict(&player), "decode_error local | ServerHelloDone → nothing from the peer, we closed");
}

#[test]
fn no_byte_from_the_client() {
    for role in [Role::Server, Role::Client] {
        let mut player = Player::new(role);
        player.item(&Item::Tick { now: ms(100_000) }).eof().close();
        assert_eq!(player.told(), "closed no_client_hello");
    }
}

#[test]
fn what_is_not_tls() {
    let cases: [(Role, &[u8], &str); 7] = [
        (Role::Client, b"GET / HTTP/1.1\r\n", "http"),
        (Role::Client, b"SSH-2.0-OpenSSH_9.2\r\n", "ssh"),
        (Role::Server, b"SSH-2.0-OpenSSH_9.2\r\n", "ssh"),
        (Role::Client, b"\x16\x02\x00", "unknown"),
        (Role::Client, b"\x16\x03\x01\x00\x20\x02", "unknown"),
        (Role::Client, b"\x15\x03\x03\x00\x02\x02\x28", "unknown"),
        (Role::Client, b"\0", "unknown"),
    ];
    for (sender, first, spoke) in cases {
        for step in [1, 100] {
            let mut player = Player::new(Role::Server);
            for piece in first.chunks(step) {
                player.bytes(sender, piece);
            }
            player.eof().close();
            assert_eq!(player.told(), format!("closed not_tls {spoke}"));
        }
    }
}

#[test]
fn an_agent_that_stops_tells_no_verdict() {
    for count in 1..4 {
        let mut player = after(Role::Server, OK, count);
        player.tracker.finish(ms(100), &mut player.out);
        assert_eq!(player.told(), "closed unknown");
        player.close();
        assert_eq!(player.told(), "closed unknown", "a connection ends once");
    }
    let mut player = after(Role::Server, NULL, 4);
    player.tracker.finish(ms(100), &mut player.out);
    assert!(player.told().starts_with("server ok"));
}

#[test]
fn sizes_and_lifetime_of_a_connection() {
    let mut player = after(Role::Server, OK, 4);
    player.close();
    let closed = player.closed();
    assert_eq!(closed.lifetime, ms(6).since(ms(0)));
    let sent = |role| -> usize {
        load(OK)[..4]
            .iter()
            .map(|line| match line {
                Line::Bytes(sender, bytes) if *sender == role => bytes.len(),
                _ => 0,
            })
            .sum()
    };
    assert_eq!(closed.bytes_read, sent(Role::Client) as u64);
    assert_eq!(closed.bytes_written, sent(Role::Server) as u64);
}
