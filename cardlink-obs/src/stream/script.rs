//! A fuzzer's bytes, read as a script.

use super::Call;
use crate::observation::Stamp;
use std::time::Duration;

/// What is left of the bytes; past their end there are zeros.
#[derive(Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next `len` bytes, or what there is of them.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// A call that mostly goes forward in time, and now and then a little back.
    pub fn call(&mut self, now: &mut u64) -> Call {
        let step = self.byte();
        *now += u64::from(step & 63) * 1_000;
        let exit = if step & 128 == 0 { *now } else { now.saturating_sub(20_000) };
        let enter = exit.saturating_sub(u64::from(step & 64) * 500);
        Call {
            enter: Stamp::from_nanos(enter),
            exit: Stamp::from_nanos(exit),
            polled: Duration::from_nanos(u64::from(step) * 100),
            tid: 1,
        }
    }
}
