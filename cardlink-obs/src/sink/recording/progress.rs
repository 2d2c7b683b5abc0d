//! How a recording goes, seen from other threads.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// How a recording goes.
#[derive(Debug, Default)]
pub struct Progress {
    written: AtomicU64,
    lost: AtomicU64,
    failure: OnceLock<String>,
}

/// Events of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the kernel.
    pub written: u64,
    /// Not in the file, and never will be.
    pub lost: u64,
}

impl Progress {
    pub fn counts(&self) -> Counts {
        Counts { written: self.written.load(Relaxed), lost: self.lost.load(Relaxed) }
    }

    /// Why it ended before the run did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    pub(super) fn written(&self, events: u64) {
        self.written.fetch_add(events, Relaxed);
    }

    pub(super) fn lost(&self, events: u64) {
        self.lost.fetch_add(events, Relaxed);
    }

    pub(super) fn fail(&self, reason: String) {
        // The first reason is the reason.
        let _ = self.failure.set(reason);
    }
}
