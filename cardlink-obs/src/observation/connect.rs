//! Connections that programs ask for and do not get.

use super::{Cause, Connection, DatabaseSystem, PeerAddress, Process, Stamp};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Why a connection did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectReason {
    /// Nobody listens there.
    Refused,
    /// Nobody answered.
    Timeout,
    /// There is no way there.
    Unreachable,
    /// It was taken, and dropped before a byte had moved.
    Reset,
    /// There is no such unix socket.
    NoSocket,
    /// The program may not.
    Permission,
    /// The listener's queue is full.
    Busy,
    /// This host has no address or port left to do it from.
    NoAddress,
    Other,
}

impl ConnectReason {
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::Timeout,
        Self::Unreachable,
        Self::Reset,
        Self::NoSocket,
        Self::Permission,
        Self::Busy,
        Self::NoAddress,
        Self::Other,
    ];

    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::NoSocket => "no_socket",
            Self::Permission => "permission",
            Self::Busy => "busy",
            Self::NoAddress => "no_address",
            Self::Other => "other",
        }
    }

    /// What that means, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Refused => "nobody listens there",
            Self::Timeout => "nobody answered there",
            Self::Unreachable => "there is no way to that address",
            Self::Reset => "it was taken and dropped at once",
            Self::NoSocket => "there is no such socket: is the server running, with another path?",
            Self::Permission => "not allowed: the socket's mode, its folder's, or a firewall",
            Self::Busy => "the listener does not keep up: its queue is full",
            Self::NoAddress => "this host has no address or port left for it",
            Self::Other => "the kernel could not do it",
        }
    }
}

/// A connection that a program asked for and did not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectFailed {
    /// When the program learnt it, or gave up.
    pub at: Stamp,
    pub process: Arc<Process>,
    /// Where it had been told of as opened: the program did not wait in `connect`.
    pub connection: Option<Arc<Connection>>,
    /// Whom it asked.
    pub peer: Option<PeerAddress>,
    pub reason: ConnectReason,
    /// The errno by its name (`ECONNREFUSED`); `None` when the program gave up before there was an answer.
    pub error: Option<Cow<'static, str>>,
    /// From the call to the failure, where both were seen.
    pub took: Option<Duration>,
    /// The database that is expected there.
    pub database: Option<DatabaseSystem>,
    /// An address of the other family answered right after: it counts for nothing.
    pub other_answered: bool,
    /// What it was done for.
    pub cause: Cause,
}
