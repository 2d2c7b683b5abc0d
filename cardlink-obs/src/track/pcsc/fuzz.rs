//! Entry point of the fuzzer.

use super::Pcsc;
use crate::{
    observation::{Connection, Observation, PeerAddress, Process, Role, Stamp},
    stream::{Chunk, Direction, Hole, Item, Script},
    track::dialogue::Dialogue as _,
};
use std::sync::Arc;

/// Feeds the tracker of a daemon's end with the items that `data` spells: a byte that says which comes, what
/// [`Script::call`] takes, and for bytes their number in one more (times 16 where bit 2 of the first is set).
pub fn fuzz(data: &[u8]) {
    let mut script = Script::new(data);
    let mut now = 1 << 40;
    let process = Arc::new(Process { pid: 1, comm: "pcscd".into(), target: "pcscd".into() });
    let opened = Stamp::from_nanos(now);
    let connection = Arc::new(Connection {
        number: 1,
        process,
        local: Some(PeerAddress::Unix { path: Some("/run/pcscd/pcscd.comm".into()), socket: 1 }),
        peer: Some(PeerAddress::Unix { path: None, socket: 2 }),
        role: Some(Role::Server),
        opened: Some(opened),
        first_seen: opened,
    });
    let mut tracker = Pcsc::new(connection);
    let mut out = Vec::new();
    while !script.is_empty() {
        let control = script.byte();
        let call = script.call(&mut now);
        let direction = if control & 1 == 0 { Direction::Read } else { Direction::Write };
        let item = match control >> 4 {
            0..=11 => {
                let len = usize::from(script.byte()) * if control & 4 == 0 { 1 } else { 16 };
                Item::Data(Chunk { direction, call, offset: 0, bytes: script.take(len) })
            }
            12 => Item::Hole(Hole { direction, call, offset: 0, len: 9, lost: control & 2 == 0, resync: false }),
            13 => Item::Eof(call),
            14 => Item::Closed { at: call.exit },
            _ => Item::Tick { now: call.exit },
        };
        tracker.on(&item, &mut out);
        for one in out.drain(..) {
            if let Observation::DeviceApdu(apdu) = one {
                assert_eq!(apdu.apdu.status_word.is_none(), apdu.error.is_some() || apdu.incomplete, "no reason");
            }
        }
    }
}
