//! Where the time goes.

use super::{Line, Player, load};
use crate::observation::{Role, Side, Stamp};
use crate::stream::{Call, Chunk, Direction, Item};
use std::time::Duration;

const fn us(micros: u64) -> Stamp {
    Stamp::from_nanos(micros * 1_000)
}

const fn took(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

const fn call(enter: u64, exit: u64, polled: u64) -> Call {
    Call { enter: us(enter), exit: us(exit), polled: took(polled), tid: 1 }
}

fn data(player: &mut Player, sender: Role, bytes: &[u8], call: Call) {
    let direction = player.direction(sender);
    player.item(&Item::Data(Chunk { direction, call, offset: 0, bytes }));
}

fn lines() -> Vec<Vec<u8>> {
    load("openssl12_cbc_sha256")
        .into_iter()
        .filter_map(|line| match line {
            Line::Bytes(_, bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

#[test]
fn waiting_computing_and_not_listening_are_told_apart() {
    let lines = lines();
    let mut player = Player::new(Role::Server);
    data(&mut player, Role::Client, &lines[0], call(100, 1_000, 0));
    // Computes for 500, writes for 20.
    data(&mut player, Role::Server, &lines[1], call(1_500, 1_520, 0));
    // Does something else for 480, polls for 2,000, does something else for 90, reads for 10: header and body apart.
    let (header, body) = lines[2].split_at(5);
    data(&mut player, Role::Client, header, call(4_090, 4_100, 2_000));
    data(&mut player, Role::Client, body, call(4_130, 4_140, 0));
    // Computes for 60.
    data(&mut player, Role::Server, &lines[3], call(4_200, 4_230, 0));
    let handshake = player.handshake();
    assert_eq!((handshake.start, handshake.end), (us(1_000), us(4_230)));
    assert_eq!(handshake.phases.local_compute, took(500 + 20 + 60 + 30));
    assert_eq!(handshake.phases.peer_wait, took(2_000 + 10 + 10));
    assert_eq!(handshake.phases.not_ready, took(4_090 - 1_520 - 2_000 + 30));

    let senders: Vec<Side> = handshake.flights.iter().map(|flight| flight.sender).collect();
    assert_eq!(senders, [Side::Peer, Side::Local, Side::Peer, Side::Local]);
    let flight = &handshake.flights[2];
    assert_eq!((flight.start, flight.end), (us(4_100), us(4_140)));
    assert_eq!(flight.before.peer_wait, took(2_010));
    assert_eq!(flight.messages, ["ClientKeyExchange", "ChangeCipherSpec", "Finished"]);
    assert_eq!(handshake.flights[1].start, us(1_500));
    assert_eq!(handshake.flights[1].before.local_compute, took(500));
}

#[test]
fn a_server_that_computes_is_not_one_that_waits() {
    let lines = lines();
    let mut computes = Player::new(Role::Server);
    data(&mut computes, Role::Client, &lines[0], call(0, 10, 0));
    data(&mut computes, Role::Server, &lines[1], call(50_010, 50_020, 0));
    computes.eof();
    assert_eq!(computes.handshake().phases.local_compute, took(50_010));

    let mut waits = Player::new(Role::Server);
    data(&mut waits, Role::Client, &lines[0], call(0, 10, 0));
    data(&mut waits, Role::Server, &lines[1], call(20, 30, 0));
    waits.item(&Item::Eof(call(40, 50_030, 0)));
    assert_eq!(waits.handshake().phases.peer_wait, took(49_990));
    assert_eq!(waits.handshake().phases.not_ready, took(10));
}

#[test]
fn a_clients_handshake_starts_when_its_write_is_entered() {
    let lines = lines();
    let mut player = Player::new(Role::Client);
    data(&mut player, Role::Client, &lines[0], call(100, 130, 0));
    data(&mut player, Role::Server, &lines[1], call(140, 400, 0));
    data(&mut player, Role::Client, &lines[2], call(450, 470, 0));
    data(&mut player, Role::Server, &lines[3], call(480, 700, 0));
    let handshake = player.handshake();
    assert_eq!((handshake.start, handshake.end), (us(100), us(700)));
    assert_eq!(handshake.phases.local_compute, took(30 + 50 + 20));
    assert_eq!(handshake.phases.peer_wait, took(260 + 220));
    assert_eq!(handshake.phases.not_ready, took(10 + 10));
}

#[test]
fn our_own_silence_and_giving_up() {
    let lines = lines();
    // Waits for the client in a way that is not told, then sends close_notify.
    let mut player = Player::new(Role::Server);
    data(&mut player, Role::Client, &lines[0], call(0, 10, 0));
    data(&mut player, Role::Server, &lines[1], call(20, 30, 0));
    data(&mut player, Role::Server, &[0x15, 3, 3, 0, 2, 1, 0], call(9_030, 9_040, 0));
    assert_eq!(player.handshake().phases.peer_wait, took(9_000));
    assert_eq!(player.handshake().phases.local_compute, took(10 + 10 + 10));

    // Computes, then finds the client gone.
    let mut player = Player::new(Role::Server);
    data(&mut player, Role::Client, &lines[0], call(0, 10, 0));
    player.item(&Item::Eof(call(7_000, 7_010, 0)));
    assert_eq!(player.handshake().phases.local_compute, took(6_990));
}

#[test]
fn exits_in_the_wrong_order() {
    let lines = lines();
    // The read of the ServerHello returned 20 µs before the write of the ClientHello did.
    let mut player = Player::new(Role::Client);
    data(&mut player, Role::Server, &lines[1], call(110, 180, 0));
    data(&mut player, Role::Client, &lines[0], call(100, 200, 0));
    // And so at the end.
    data(&mut player, Role::Server, &lines[3], call(310, 380, 0));
    data(&mut player, Role::Client, &lines[2], call(300, 400, 0));
    assert!(player.told().starts_with("client ok TLS 1.2 TLS_PSK_WITH_AES_128_CBC_SHA256 identity card-01"));
    let handshake = player.handshake();
    assert!(!handshake.partial && !handshake.resumed);
    assert_eq!((handshake.start, handshake.end), (us(100), us(400)));
}

#[test]
fn a_call_without_an_entry_and_times_that_stand_still() {
    let lines = lines();
    let mut player = Player::new(Role::Server);
    for (index, line) in lines.iter().take(4).enumerate() {
        let sender = if index % 2 == 0 { Role::Client } else { Role::Server };
        data(&mut player, sender, line, call(500, 500, 0));
    }
    assert!(player.told().starts_with("server ok"));
    assert_eq!(player.handshake().duration(), Duration::ZERO);
}

#[test]
fn polls_never_count_for_more_than_there_is() {
    let lines = lines();
    let mut player = Player::new(Role::Server);
    data(&mut player, Role::Client, &lines[0], call(0, 100, 0));
    data(&mut player, Role::Server, &lines[1], call(110, 120, 0));
    data(&mut player, Role::Client, &lines[2], call(50, 140, 10_000));
    let direction = Direction::Write;
    player.item(&Item::Data(Chunk { direction, call: call(90, 150, 0), offset: 0, bytes: &lines[3] }));
    assert!(player.told().starts_with("server ok"));
    assert_eq!(player.handshake().duration(), took(50));
}
