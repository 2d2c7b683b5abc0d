//! Per connection or device: ordered bytes, direction, kernel time, gaps.
//!
//! What a decoder or tracker is fed. Bytes come in the order of the stream; what is missing is said.

mod assembler;
mod script;
mod table;

pub use assembler::Assembler;
pub use script::Script;
pub use table::{Ended, Entry, Table};

use crate::observation::Stamp;
use std::time::Duration;

/// Seen from the watched program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Read,
    Write,
}

impl Direction {
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
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

impl Call {
    /// When its bytes began to move: they were there when a read returned, and may be on their way when a write is entered.
    pub const fn start(&self, direction: Direction) -> Stamp {
        match direction {
            Direction::Read => self.exit,
            Direction::Write => self.enter,
        }
    }
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

/// What TCP knows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport {
    pub at: Stamp,
    /// Smoothed round-trip time; `None` when nothing was measured.
    pub round_trip: Option<Duration>,
    /// Segments that were sent again.
    pub retransmits: u64,
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
    /// What TCP knew of the connection when a descriptor of it was closed.
    Transport(Transport),
    /// The last watched holder closed it, or exited.
    Closed {
        at: Stamp,
    },
    /// Time passes. `now` is a kernel timestamp like all others.
    Tick {
        now: Stamp,
    },
}
