//! Per connection or device: ordered bytes, direction, kernel time, gaps.
//!
//! What a decoder or tracker is fed. Bytes come in the order of the stream; what is missing is said.

mod assembler;
mod table;

pub use assembler::Assembler;
pub use table::{Ended, Entry, Table};

use crate::observation::Stamp;
use std::time::Duration;

/// Seen from the watched program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Read,
    Write,
}

/// When a system call began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Entry; equal to `exit` when it is not known.
    pub enter: Stamp,
    pub exit: Stamp,
    /// Time that this thread spent in polls since the last item of this stream that came from the same
    /// thread; zero after a change of thread.
    pub polled: Duration,
    pub tid: u32,
}

/// Bytes that one system call moved.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    pub direction: Direction,
    pub call: Call,
    /// Position of the first byte in its direction, from the first sight of the stream.
    pub offset: u64,
    pub bytes: &'a [u8],
}

/// Bytes that are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    pub direction: Direction,
    pub call: Call,
    pub offset: u64,
    pub len: u64,
    /// They should have been here: a full ring, a fault. Otherwise they were left out on purpose (application data).
    pub lost: bool,
    /// The next byte of this direction starts a TLS record.
    pub resync: bool,
}

/// One thing that happened on a stream.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    Data(Chunk<'a>),
    Hole(Hole),
    /// A read returned 0.
    Eof(Call),
    /// A read or write failed; would-block and interrupted are not told.
    Error {
        direction: Direction,
        call: Call,
        errno: i32,
    },
    /// `shutdown(2)` of the writing side.
    Shutdown(Call),
    /// The program was in poll, select or epoll with this descriptor in the set (ttys only).
    Polled(Call),
    /// The last watched holder closed it, or exited.
    Closed {
        at: Stamp,
    },
    /// Time passes. `now` is a kernel timestamp like all others.
    Tick {
        now: Stamp,
    },
}
