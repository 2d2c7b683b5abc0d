//! Attached in the middle, or bytes lost.

use super::{Line, Player, call, connection, load, ms};
use crate::observation::Role;
use crate::stream::{Direction, Hole, Item};

const OK: &str = "openssl12_cbc_sha256";
const SUITE: &str = "TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256";

/// Sees a recording from its line `from` on, with the role known or not.
fn attached(role: Role, known: bool, name: &str, from: usize) -> Player {
    let mut player = Player::on(role, connection(known.then_some(role), false));
    player.lines(&load(name)[from..]);
    player
}

#[test]
fn attached_before_the_client_hello_is_attached_in_time() {
    for known in [true, false] {
        let player = attached(Role::Server, known, OK, 0);
        assert_eq!(player.told(), format!("server ok {SUITE} identity card-01 ems etm ticket\nclosed handshake"));
    }
}

#[test]
fn attached_in_the_middle() {
    let cases = [
        (1, format!("server ok {SUITE} identity card-01 partial ems etm ticket\nclosed handshake")),
        (2, "server ok no version 0 offered partial\nclosed handshake".to_owned()),
        (3, "server ok no version 0 offered partial\nclosed handshake".to_owned()),
        (4, "closed unknown".to_owned()),
        (5, "closed unknown".to_owned()),
    ];
    for (from, expected) in &cases {
        for known in [true, false] {
            assert_eq!(attached(Role::Server, known, OK, *from).told(), *expected, "from line {from}");
        }
    }
}

#[test]
fn attached_in_the_middle_of_other_forms() {
    let resumed = "openssl12_resumed_session_id";
    let cases = [
        (resumed, 1, format!("server ok {SUITE} resumed partial ems etm\nclosed handshake")),
        ("openssl13_ok", 1, "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 partial\nclosed handshake".to_owned()),
        // The client's second flight alone does not say that it is one.
        ("openssl13_ok", 2, "closed unknown".to_owned()),
        ("openssl13_ok", 3, "closed unknown".to_owned()),
        ("http", 0, "closed not_tls http".to_owned()),
    ];
    for (name, from, expected) in &cases {
        assert_eq!(attached(Role::Server, true, name, *from).told(), *expected, "{name} from line {from}");
    }
}

#[test]
fn attached_in_the_middle_of_one_that_fails() {
    let player = attached(Role::Server, true, "openssl12_wrong_key", 1);
    assert_eq!(
        player.told(),
        format!(
            "server wrong_key local | client Finished → our alert 20 bad_record_mac | {SUITE} identity card-01 partial \
             ems etm ticket\nclosed handshake"
        )
    );
    // An alert with nothing before it is no handshake.
    assert_eq!(attached(Role::Server, true, "openssl12_wrong_key", 3).told(), "closed unknown");
}

#[test]
fn attached_in_the_middle_of_a_record() {
    let lines = load(OK);
    let Line::Bytes(_, client) = &lines[2] else { panic!("the client's second flight") };
    let mut player = Player::on(Role::Server, connection(Some(Role::Server), false));
    // The client's direction is lost. The server's last flight may be the one or the other form of the handshake.
    player.bytes(Role::Client, &client[5..]).lines(&lines[3..]);
    assert_eq!(player.told(), "closed unknown");

    // With application data of the server it was a handshake that succeeded.
    let mut player = Player::on(Role::Server, connection(Some(Role::Server), false));
    player.bytes(Role::Client, &client[5..]).lines(&lines[3..4]);
    player.bytes(Role::Server, &super::bytes("1703030001ff")).close();
    assert_eq!(player.told(), "server ok no version 0 offered partial\nclosed handshake");
}

#[test]
fn what_is_under_way_and_ends_without_a_word_has_no_verdict() {
    // The server's last flight, then the client goes: it may well have succeeded.
    let mut player = Player::on(Role::Server, connection(Some(Role::Server), false));
    player.lines(&load(OK)[3..4]).eof().close();
    assert_eq!(player.told(), "closed unknown");
}

fn lost(direction: Direction, len: u64, resync: bool) -> Item<'static> {
    Item::Hole(Hole { direction, call: call(50, 51), offset: 0, len, lost: true, resync })
}

fn left_out(direction: Direction, len: u64, resync: bool) -> Item<'static> {
    Item::Hole(Hole { direction, call: call(50, 51), offset: 0, len, lost: false, resync })
}

#[test]
fn a_lost_flight_does_not_invent_a_verdict() {
    let lines = load(OK);
    // The client's second flight is lost; application data shows that all went well.
    let mut player = Player::new(Role::Server);
    player.lines(&lines[..2]).item(&lost(Direction::Read, 99, true));
    player.now = 60;
    player.lines(&lines[3..]);
    assert_eq!(
        player.told(),
        format!("lost 99 tls\nserver ok {SUITE} incomplete ems etm ticket\nclosed handshake incomplete")
    );

    // It is lost, and the client closes: nobody knows.
    let mut player = Player::new(Role::Server);
    player.lines(&lines[..2]).item(&lost(Direction::Read, 99, true)).eof().close();
    assert_eq!(player.told(), "lost 99 tls\nclosed unknown incomplete");

    // It is lost, and the server's alert follows: that is a verdict.
    let mut player = Player::new(Role::Server);
    player.lines(&lines[..2]).item(&lost(Direction::Read, 99, true));
    player.bytes(Role::Server, &super::bytes("15030300020228"));
    assert!(player.told().starts_with("lost 99 tls\nserver alert_40 local | ServerHelloDone → our alert 40"));
}

#[test]
fn a_loss_that_is_made_good_by_what_follows() {
    let lines = load(OK);
    // The server's first flight is lost; what the client answers shows where they are, and then it goes silent.
    let mut player = Player::new(Role::Server);
    player.lines(&lines[..1]).item(&lost(Direction::Write, 80, true));
    let Line::Bytes(_, client) = &lines[2] else { panic!("the client's second flight") };
    player.bytes(Role::Client, &client[..18]).eof().close();
    assert_eq!(
        player.told(),
        "lost 80 tls\nserver peer_closed peer | ClientKeyExchange → the peer closed (FIN) | TLS 1.2 2 offered \
         incomplete\nclosed handshake incomplete"
    );
}

#[test]
fn a_loss_within_a_message_loses_what_it_says() {
    let lines = load(OK);
    let Line::Bytes(_, hello) = &lines[0] else { panic!("a ClientHello") };
    let mut player = Player::new(Role::Server);
    player.bytes(Role::Client, &hello[..20]).item(&lost(Direction::Read, hello.len() as u64 - 20, true));
    player.now = 60;
    player.lines(&lines[1..]);
    assert_eq!(
        player.told(),
        format!(
            "lost {} tls\nserver ok {SUITE} identity card-01 incomplete ems etm ticket\nclosed handshake incomplete",
            hello.len() - 20
        )
    );
}

#[test]
fn a_loss_at_the_very_beginning() {
    let lines = load(OK);
    let Line::Bytes(_, hello) = &lines[0] else { panic!("a ClientHello") };
    let mut player = Player::new(Role::Server);
    player.item(&lost(Direction::Read, hello.len() as u64, true));
    player.now = 60;
    player.lines(&lines[1..]);
    assert_eq!(
        player.told(),
        format!(
            "lost {} tls\nserver ok {SUITE} identity card-01 partial incomplete ems etm ticket\nclosed handshake \
             incomplete",
            hello.len()
        )
    );
}

#[test]
fn a_loss_after_the_handshake_concerns_the_connection() {
    let lines = load(OK);
    let mut player = Player::new(Role::Server);
    player.lines(&lines[..4]).item(&lost(Direction::Read, 10, false)).close();
    assert_eq!(
        player.told(),
        format!("server ok {SUITE} identity card-01 ems etm ticket\nlost 10 tls\nclosed handshake incomplete")
    );
}

#[test]
fn application_data_that_was_left_out() {
    // Under way: there was application data, so the handshake is long over.
    let mut player = Player::on(Role::Server, connection(Some(Role::Server), false));
    player.item(&left_out(Direction::Read, 100, true)).close();
    assert_eq!(player.told(), "closed unknown");

    // The body of the client's Finished in TLS 1.3 is application data to whoever does not know better.
    let lines = load("openssl13_ok");
    let Line::Bytes(_, client) = &lines[2] else { panic!("the client's second flight") };
    for (seen, resync) in [(11, false), (11, true), (6, true)] {
        let mut player = Player::new(Role::Server);
        player.lines(&lines[..2]).bytes(Role::Client, &client[..seen]);
        player.item(&left_out(Direction::Read, (client.len() - seen) as u64, resync));
        assert_eq!(
            player.told(),
            "server ok TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 identity card-01",
            "{seen} bytes seen"
        );
    }
}

#[test]
fn silence_after_a_loss_has_no_verdict() {
    let mut player = Player::new(Role::Server);
    player.lines(&load(OK)[..2]).item(&lost(Direction::Read, 99, false));
    player.item(&Item::Tick { now: ms(100_000) }).close();
    assert_eq!(player.told(), "lost 99 tls\nclosed unknown incomplete");
}
