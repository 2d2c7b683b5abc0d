//! Puts the events of one stream into the items that trackers read: in order, with holes where bytes are missing.

use super::{Call, Chunk, Direction, Hole, Item};
use crate::{
    event::{Data, RawCall, Rest},
    observation::Stamp,
};
use std::time::Duration;

#[derive(Debug, Default, Clone, Copy)]
struct Lane {
    /// Offset of the next byte; `None` before the first event.
    next: Option<u64>,
    skipped: u32,
}

/// One stream's place in both directions, and its thread's place in time.
#[derive(Debug, Default)]
pub struct Assembler {
    read: Lane,
    write: Lane,
    /// Thread of the last item and the poll time that it had by then.
    thread: Option<(u32, u64)>,
    /// Bytes were lost.
    lost: bool,
}

impl Assembler {
    /// Whether bytes of this stream were lost on the way.
    pub const fn lost(&self) -> bool {
        self.lost
    }

    /// Bytes seen so far, read and written.
    pub fn positions(&self) -> (u64, u64) {
        (self.read.next.unwrap_or(0), self.write.next.unwrap_or(0))
    }

    /// Bytes that moved by the kernel's count, and of which no event told.
    pub fn lacking(&self, read: u64, written: u64) -> u64 {
        let (told_read, told_written) = self.positions();
        read.saturating_sub(told_read) + written.saturating_sub(told_written)
    }

    /// A call as trackers see it; takes note of the thread's poll time.
    pub fn call(&mut self, raw: RawCall) -> Call {
        let polled = match self.thread {
            Some((tid, before)) if tid == raw.tid => raw.polled.saturating_sub(before),
            _ => 0,
        };
        self.thread = Some((raw.tid, raw.polled));
        Self::beside(raw, polled)
    }

    /// A call that is none of the stream's own, and says nothing of polls: a library's, or one told again.
    pub fn call_beside(raw: RawCall) -> Call {
        Self::beside(raw, 0)
    }

    fn beside(raw: RawCall, polled: u64) -> Call {
        let enter = if raw.enter == 0 || raw.enter > raw.exit { raw.exit } else { raw.enter };
        Call {
            enter: Stamp::from_nanos(enter),
            exit: Stamp::from_nanos(raw.exit),
            polled: Duration::from_nanos(polled),
            tid: raw.tid,
        }
    }

    /// Turns an event into items, in order.
    pub fn push(&mut self, data: &Data<'_>, sink: &mut impl FnMut(Item<'_>)) {
        let mut call = self.call(data.call);
        let direction = if data.write { Direction::Write } else { Direction::Read };
        let lane = if data.write { &mut self.write } else { &mut self.read };
        // The first event of a stream that the probes saw from its start stands at 0; what came before it is lost.
        let expected = lane.next.unwrap_or(0);
        let left_out = u64::from(data.skipped.wrapping_sub(lane.skipped));
        lane.skipped = data.skipped;
        let mut bytes: &[u8] = &data.bytes;
        let mut offset = data.offset;
        if data.offset > expected {
            let len = data.offset - expected;
            let lost = len != left_out;
            self.lost |= lost;
            sink(Item::Hole(Hole { direction, call, offset: expected, len, lost, resync: data.record_start }));
            call.polled = Duration::ZERO;
        } else if data.offset < expected {
            // Two threads on one direction at once: what was delivered already is not delivered again.
            let again = usize::try_from(expected - data.offset).unwrap_or(usize::MAX);
            bytes = bytes.get(again..).unwrap_or_default();
            offset = expected;
        }
        if !bytes.is_empty() {
            sink(Item::Data(Chunk { direction, call, offset, bytes }));
            call.polled = Duration::ZERO;
        }
        let carried = u64::try_from(data.bytes.len()).unwrap_or(u64::MAX);
        if data.total > carried && data.rest != Rest::Whole {
            let lost = data.rest == Rest::Cut;
            self.lost |= lost;
            let hole =
                Hole { direction, call, offset: data.offset + carried, len: data.total - carried, lost, resync: false };
            sink(Item::Hole(hole));
        }
        let lane = if data.write { &mut self.write } else { &mut self.read };
        lane.next = Some(expected.max(data.offset.saturating_add(data.total)));
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
