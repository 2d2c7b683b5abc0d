//! A connection from arbitrary bytes, for the fuzzer and for tests.

use crate::observation::{Connection, Handshake, Observation, Process, Role, Stamp};
use crate::stream::{Chunk, Direction, Hole, Item, Script};
use crate::track::connection::{ConnectionTracker, Settings};
use std::sync::Arc;

/// Reads `script` as items, feeds them to a tracker and checks what holds for any of them.
pub(in crate::track) fn run(script: &[u8]) {
    let mut script = Script::new(script);
    let flags = script.byte();
    let role = match flags & 3 {
        0 => None,
        1 => Some(Role::Client),
        _ => Some(Role::Server),
    };
    let opened = (flags & 4 == 0).then_some(Stamp::from_nanos(500));
    let process = Arc::new(Process { pid: 1, comm: "fuzz".into(), target: "fuzz".into() });
    let first_seen = Stamp::from_nanos(500);
    let connection = Arc::new(Connection { number: 1, process, local: None, peer: None, role, opened, first_seen });
    let mut tracker = ConnectionTracker::new(connection, Settings::default());
    let mut out = Vec::new();
    let mut now = 1_000_u64;
    let mut offsets = [0_u64; 2];
    while !script.is_empty() {
        let op = script.byte();
        let direction = if op & 1 == 0 { Direction::Read } else { Direction::Write };
        let call = script.call(&mut now);
        let Some(offset) = offsets.get_mut(usize::from(op & 1)) else { return };
        match op >> 1 & 15 {
            0..=8 => {
                let len = usize::from(script.byte());
                let bytes = script.take(len);
                tracker.on(&Item::Data(Chunk { direction, call, offset: *offset, bytes }), &mut out);
                *offset += bytes.len() as u64;
            }
            9 | 10 => {
                let len = u64::from(script.byte()) << (op >> 6);
                let hole = Hole { direction, call, offset: *offset, len, lost: op & 32 != 0, resync: op & 64 != 0 };
                tracker.on(&Item::Hole(hole), &mut out);
                *offset += len;
            }
            11 => tracker.on(&Item::Eof(call), &mut out),
            12 => tracker.on(&Item::Error { direction, call, errno: i32::from(script.byte()) }, &mut out),
            13 => tracker.on(&Item::Shutdown(call), &mut out),
            14 => tracker.on(&Item::Closed { at: call.exit }, &mut out),
            _ => {
                now += u64::from(script.byte()) << 30;
                tracker.on(&Item::Tick { now: Stamp::from_nanos(now) }, &mut out);
            }
        }
    }
    tracker.finish(Stamp::from_nanos(now), &mut out);
    check(&out);
}

fn check(out: &[Observation]) {
    let mut handshakes = 0;
    let mut closed = 0;
    for observation in out {
        match observation {
            Observation::Handshake(handshake) => {
                handshakes += 1;
                assert_adds_up(handshake);
            }
            Observation::ConnectionClosed(_) => closed += 1,
            _ => {}
        }
    }
    assert!(handshakes <= 1, "{handshakes} handshakes on one connection");
    assert_eq!(closed, 1, "a connection ends once");
}

/// The three phases are the duration, and no flight lies outside of it.
pub(in crate::track) fn assert_adds_up(handshake: &Handshake) {
    let phases = handshake.phases;
    assert_eq!(phases.local_compute + phases.peer_wait + phases.not_ready, handshake.duration());
    for flight in &handshake.flights {
        assert!(handshake.start <= flight.start && flight.start <= flight.end && flight.end <= handshake.end);
    }
}
