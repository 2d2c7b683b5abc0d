//! How a wire is to behave.

use std::time::Duration;

/// The system calls that move the bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Calls {
    /// `read` and `write`, as OpenSSL does with a socket.
    #[default]
    Rw,
    /// `recvfrom` and `sendto`, as asyncio does.
    Recv,
    /// `readv` and `writev`, in two pieces.
    Vec,
    /// `recvmsg` and `sendmsg`, in two pieces.
    Msg,
}

/// How a program waits for bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wait {
    /// Inside a blocking read.
    #[default]
    Read,
    /// Inside `poll`, then it reads.
    Poll,
}

/// Where a card stops, for its own reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Its first flight is out; it does not read the answer.
    AfterFirstFlight,
    /// It has read the answer; its second flight stays unwritten.
    BeforeSecondFlight,
}

#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub calls: Calls,
    pub wait: Wait,
    /// Writes go out in pieces of this many bytes,
    pub tear: Option<usize>,
    /// with this much time between them.
    pub tear_delay: Duration,
    /// Reads ask for no more than this many bytes.
    pub read_at_most: Option<usize>,
    /// Busy elsewhere after the first flight, before the first read that follows it.
    pub not_ready: Duration,
    /// Time between the peer's first flight and the write that answers it.
    pub think: Duration,
    pub cut: Option<Cut>,
    /// Writes are held back until the next read.
    pub coalesce: bool,
    /// Keep every call.
    pub keep_calls: bool,
}
