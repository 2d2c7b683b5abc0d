//! What the rest of a connection tells a session.

use crate::observation::{Handshake, PskIdentity, Stamp};
use std::time::Duration;

/// The handshake before the plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeFacts {
    pub start: Stamp,
    pub duration: Duration,
    pub identity: Option<PskIdentity>,
}

impl HandshakeFacts {
    pub fn of(handshake: &Handshake) -> Self {
        Self { start: handshake.start, duration: handshake.duration(), identity: handshake.identity.clone() }
    }
}

/// How the peer's end of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerEnd {
    /// FIN, or `close_notify`.
    Closed,
    /// RST, or the network is gone.
    Reset,
    /// A fatal TLS alert, of either side.
    Alert,
}
