//! Entry point of the fuzzer.

use super::{AdbTracker, Phones};
use crate::{
    observation::{Connection, Observation, Process, Role, Stamp},
    stream::{Chunk, Direction, Hole, Item, Script},
    track::dialogue::Dialogue as _,
};
use std::sync::Arc;

/// Feeds a tracker with the items that `data` spells. Whatever they are: no operation ends before it begins, and an end is
/// an end.
pub fn fuzz(data: &[u8]) {
    let mut script = Script::new(data);
    let role = match script.byte() % 3 {
        0 => Some(Role::Server),
        1 => Some(Role::Client),
        _ => None,
    };
    let mut now = 1 << 40;
    let connection = Connection {
        number: 1,
        process: Arc::new(Process { pid: 1, comm: "fuzz".into(), target: "fuzz".into() }),
        local: None,
        peer: None,
        role,
        opened: Some(Stamp::from_nanos(now)),
        first_seen: Stamp::from_nanos(now),
    };
    let mut tracker = AdbTracker::new(Arc::new(connection));
    let mut phones = Phones::default();
    let mut out = Vec::new();
    let mut closed = false;
    while !script.is_empty() {
        let what = script.byte();
        let direction = if what & 1 == 0 { Direction::Write } else { Direction::Read };
        let call = script.call(&mut now);
        let item = match (what >> 1) & 15 {
            0..=9 => {
                let len = usize::from(script.byte());
                Item::Data(Chunk { direction, call, offset: 0, bytes: script.take(len) })
            }
            10 => {
                let len = u64::from(script.byte());
                Item::Hole(Hole { direction, call, offset: 0, len, lost: what & 128 == 0, resync: false })
            }
            11 => Item::Eof(call),
            12 => Item::Error { direction, call, errno: 104 },
            13 => Item::Shutdown(call),
            14 => Item::Tick { now: call.exit },
            _ => Item::Closed { at: call.exit },
        };
        let before = out.len();
        tracker.on(&item, &mut out);
        assert!(!closed || out.len() == before, "it was closed");
        phones.refine(&mut out, before);
        closed |= matches!(item, Item::Closed { .. });
        if out.len() > 4096 {
            out.clear();
        }
    }
    tracker.finish(Stamp::from_nanos(now), &mut out);
    let unfinished =
        |observation: &Observation| matches!(observation, Observation::AdbOperation(one) if one.connection.number != 1);
    assert!(!out.iter().any(unfinished));
}
