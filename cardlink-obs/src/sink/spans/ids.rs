//! Identities that follow from what happened: a replay gives the same, and no random numbers are needed.

use super::span::{Context, SpanId, TraceId};
use crate::observation::{Connection, FunctionCall, Stamp};
use sha2::{Digest as _, Sha256};

/// What tells one boot of one host from every other: ids are unique across hosts and boots.
#[derive(Debug, Clone)]
pub struct Ids {
    boot: [u8; 32],
}

impl Ids {
    pub fn new(boot: &str) -> Self {
        Self { boot: Sha256::digest(boot.as_bytes()).into() }
    }

    /// This host's, as the kernel names it.
    pub fn of_this_host() -> Self {
        Self::new(&boot_id())
    }

    /// The trace of a connection, and of the first session on it.
    pub fn trace(&self, connection: &Connection) -> TraceId {
        self.trace_of("connection", &[connection.first_seen.as_nanos(), connection.number])
    }

    /// The trace of a later session on a connection.
    pub fn trace_of_session(&self, connection: &Connection, session: u64) -> TraceId {
        self.trace_of("session", &[connection.first_seen.as_nanos(), connection.number, session])
    }

    /// The trace of what belongs to no connection.
    pub fn trace_of(&self, kind: &str, what: &[u64]) -> TraceId {
        let hash = self.hash(&["trace", kind], what);
        let mut id = [0; 16];
        id.copy_from_slice(hash.split_at(16).0);
        TraceId(id)
    }

    /// A span of a connection.
    pub fn span(&self, kind: &str, connection: &Connection, at: Stamp) -> SpanId {
        self.span_of(kind, &[connection.first_seen.as_nanos(), connection.number, at.as_nanos()])
    }

    pub fn span_of(&self, kind: &str, what: &[u64]) -> SpanId {
        let hash = self.hash(&["span", kind], what);
        let mut id = [0; 8];
        id.copy_from_slice(hash.split_at(8).0);
        SpanId(id)
    }

    /// The span of one of the calls that were made within a call.
    pub fn of_call(&self, of: &FunctionCall, place: usize) -> SpanId {
        let call = of.calls.get(place);
        let (name, start) = call.map_or((0, 0), |call| (number_of(&call.name), call.start.as_nanos()));
        self.span_of("function", &[u64::from(of.process.pid), u64::from(of.tid), name, start, place as u64])
    }

    /// A trace with its only span.
    pub fn alone(&self, kind: &str, what: &[u64]) -> Context {
        Context { trace: self.trace_of(kind, what), span: self.span_of(kind, what) }
    }

    fn hash(&self, words: &[&str], numbers: &[u64]) -> [u8; 32] {
        let mut hasher = Sha256::new_with_prefix(self.boot);
        for word in words {
            hasher.update(word.as_bytes());
            hasher.update([0]);
        }
        for number in numbers {
            hasher.update(number.to_be_bytes());
        }
        hasher.finalize().into()
    }
}

/// The kernel's name for this boot.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A number for a text, to derive ids from.
pub fn number_of(text: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hash.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
