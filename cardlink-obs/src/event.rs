//! What capture hands on, and what a recording holds: kernel events, and what procfs added to them, as one ordered list.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;

/// A descriptor in the hands of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub tgid: u32,
    pub fd: i32,
}

/// One life of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The inode of a socket; the open file of a tty.
    pub identity: u64,
    /// When it was first seen by the probes, nanoseconds since boot; 0 when they have not seen it yet.
    pub generation: u64,
    pub tty: bool,
}

/// A system call: nanoseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawCall {
    /// 0 when it is not known.
    pub enter: u64,
    pub exit: u64,
    pub tid: u32,
    /// Time that this thread has spent in polls in all.
    pub polled: u64,
}

/// How a process came to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessOrigin {
    /// It was running.
    Found,
    /// A watched process forked it.
    Forked { parent: u32 },
    /// It was started under a selector, or became another program.
    Exec,
}

/// How a descriptor came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It was open already.
    Existing,
    Accepted,
    Connected,
}

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    Tcp { local: SocketAddr, peer: SocketAddr },
    Tty { path: String },
}

/// Why bytes after those of an event are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// Nothing is missing, or the next event goes on.
    Whole,
    /// Left out on purpose.
    Elided,
    /// Lost.
    Cut,
}

/// Bytes that a call moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data<'a> {
    pub holder: Holder,
    pub stream: StreamId,
    pub call: RawCall,
    pub write: bool,
    pub offset: u64,
    /// Bytes that this event stands for; those that are not in `bytes` follow them.
    pub total: u64,
    pub rest: Rest,
    /// Bytes of this direction left out on purpose so far, without an event (wraps).
    pub skipped: u32,
    /// The first byte starts a TLS record.
    pub record_start: bool,
    #[serde(borrow)]
    pub bytes: Cow<'a, [u8]>,
}

/// Figures of a process; times in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures {
    pub cpu: u64,
    pub rss: u64,
    pub vms: u64,
    pub open_fds: u64,
    pub threads: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub uptime: u64,
}

/// One event. Times are nanoseconds since boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    ProcessSeen {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        comm: Cow<'a, str>,
        #[serde(borrow)]
        target: Cow<'a, str>,
        origin: ProcessOrigin,
    },
    ProcessEnded {
        at: u64,
        pid: u32,
    },
    Opened {
        at: u64,
        holder: Holder,
        stream: StreamId,
        endpoint: Endpoint,
        origin: Origin,
    },
    #[serde(borrow)]
    Data(Data<'a>),
    /// A read returned 0.
    Eof {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Failed {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
        write: bool,
        errno: i32,
    },
    Closed {
        at: u64,
        holder: Holder,
        stream: StreamId,
        /// No other descriptor anywhere refers to it.
        last: bool,
        bytes_read: u64,
        bytes_written: u64,
    },
    /// All descriptors from `first` to `last` were closed.
    ClosedRange {
        at: u64,
        tgid: u32,
        first: i32,
        last: i32,
    },
    /// These are all the descriptors that the process has (after an exec).
    Held {
        at: u64,
        tgid: u32,
        fds: Vec<i32>,
    },
    Shutdown {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Polled {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Blind {
        at: u64,
        pid: u32,
        /// One of `cardlink_obs_common::blind`.
        way: i64,
    },
    Sample {
        at: u64,
        pid: u32,
        /// The agent's own.
        own: bool,
        figures: Figures,
    },
    /// So many events found the ring full since this was last told.
    Lost {
        at: u64,
        events: u64,
    },
    /// Time passes.
    Tick {
        now: u64,
    },
}

impl Event<'_> {
    /// The time of the event, nanoseconds since boot.
    pub fn at(&self) -> u64 {
        match self {
            Self::ProcessSeen { at, .. }
            | Self::ProcessEnded { at, .. }
            | Self::Opened { at, .. }
            | Self::Closed { at, .. }
            | Self::ClosedRange { at, .. }
            | Self::Held { at, .. }
            | Self::Blind { at, .. }
            | Self::Sample { at, .. }
            | Self::Lost { at, .. }
            | Self::Tick { now: at } => *at,
            Self::Data(data) => data.call.exit,
            Self::Eof { call, .. }
            | Self::Failed { call, .. }
            | Self::Shutdown { call, .. }
            | Self::Polled { call, .. } => call.exit,
        }
    }
}
