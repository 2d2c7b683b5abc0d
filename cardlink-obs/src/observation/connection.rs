//! Connections of watched programs.

use super::{Cause, Process, Stamp};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Which end of a connection the watched program holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Server,
    Client,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// An end of a stream socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    Ip(SocketAddr),
    /// A unix socket.
    Unix {
        /// Where it has a name.
        path: Option<Arc<str>>,
        /// Tells it apart from others; the same whoever sees it.
        socket: u64,
    },
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv4 peer of a dual-stack socket is an IPv4 peer: that is what the server's own log says.
            Self::Ip(SocketAddr::V6(v6)) => match v6.ip().to_ipv4_mapped() {
                Some(v4) => write!(f, "{v4}:{}", v6.port()),
                None => write!(f, "{v6}"),
            },
            Self::Ip(v4) => write!(f, "{v4}"),
            Self::Unix { path: Some(path), .. } => write!(f, "unix:{path}"),
            Self::Unix { path: None, .. } => f.write_str("unix"),
        }
    }
}

/// What is known of a connection from its first sight on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Numbered from 1 in the order of first sight: the `#41` of `trace`.
    pub number: u64,
    /// The process that was seen with it first.
    pub process: Arc<Process>,
    pub local: Option<PeerAddress>,
    pub peer: Option<PeerAddress>,
    /// From accept or connect, when that was seen; otherwise the first bytes tell (TLS: who sends the ClientHello).
    pub role: Option<Role>,
    /// When accept or connect returned; `None` when it was open before the agent looked.
    pub opened: Option<Stamp>,
    /// When it was seen first.
    pub first_seen: Stamp,
}

/// What a finished connection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionOutcome {
    /// A TLS handshake began on it (and has its own observation).
    Handshake,
    /// It was opened and ended without one byte from the client.
    NoClientHello,
    /// The first bytes are not TLS.
    NotTls,
    /// It was under way when the agent came, and no handshake was seen on it.
    Unknown,
    /// It never came about (and has its own observation).
    NotConnected,
}

impl ConnectionOutcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::NoClientHello => "no_client_hello",
            Self::NotTls => "not_tls",
            Self::Unknown => "unknown",
            Self::NotConnected => "not_connected",
        }
    }
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionClosed {
    pub connection: Arc<Connection>,
    pub at: Stamp,
    pub outcome: ConnectionOutcome,
    /// What the peer spoke instead of TLS, in a word (`http`, `ssh`, `unknown`), when the outcome is `NotTls`.
    pub spoke: Option<&'static str>,
    /// From open (or first sight) to close.
    pub lifetime: Duration,
    /// Bytes that the watched program read and wrote.
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// Segments that TCP had sent again when it was closed.
    pub retransmits: u64,
    /// Bytes of this connection were lost on the way to the agent.
    pub incomplete: bool,
    /// The serving end is watched too: the connection is counted there.
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}
