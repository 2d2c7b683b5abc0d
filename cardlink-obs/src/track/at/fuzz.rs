//! Entry point of the fuzzer.

use super::{AtSettings, AtTracker};
use crate::observation::{Process, Stamp, Tty};
use crate::stream::{Call, Chunk, Direction, Hole, Item};
use std::sync::Arc;
use std::time::Duration;

/// Feeds a tracker with the items that `data` spells: a control byte says which item comes and by which thread, the
/// next how many tens of microseconds have passed, and a third how many bytes follow where there are any.
pub fn fuzz(data: &[u8]) {
    let process = Arc::new(Process { pid: 1, comm: "fuzz".into(), target: "fuzz".into() });
    let tty = Arc::new(Tty::new(process, "/dev/ttyUSB0"));
    let mut tracker = AtTracker::new(tty, AtSettings::default());
    let mut out = Vec::new();
    let mut now = Stamp::from_nanos(1 << 40);
    let mut rest = data;
    while let [control, passed, more @ ..] = rest {
        rest = more;
        let enter = now;
        now = now + Duration::from_micros(10 * u64::from(*passed));
        let call = Call { enter, exit: now, polled: Duration::ZERO, tid: u32::from(control >> 6) };
        let direction = if control & 1 == 0 { Direction::Write } else { Direction::Read };
        let item = match (control >> 1) & 0x0F {
            0..=8 => {
                let (&len, more) = rest.split_first().unwrap_or((&0, &[]));
                let (bytes, more) = more.split_at(usize::from(len).min(more.len()));
                rest = more;
                Item::Data(Chunk { direction, call, offset: 0, bytes })
            }
            9 => Item::Hole(Hole {
                direction,
                call,
                offset: 0,
                len: u64::from(*passed),
                lost: passed % 2 == 0,
                resync: false,
            }),
            10 => Item::Eof(call),
            11 => Item::Error { direction, call, errno: i32::from(passed % 20) },
            12 => Item::Polled(call),
            13 => Item::Closed { at: now },
            14 => {
                now = now + Duration::from_secs(u64::from(*passed));
                Item::Tick { now }
            }
            _ => Item::Shutdown(call),
        };
        tracker.on(&item, &mut out);
        out.clear();
    }
}
