//! TLS handshakes.

use super::{Cause, Connection, Role, Stamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A TLS cipher suite: the value on the wire and its IANA name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CipherSuite {
    pub id: u16,
    /// The IANA name; `None` for a value that is not registered (or a GREASE value).
    pub name: Option<&'static str>,
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04X}", self.id),
        }
    }
}

impl fmt::Debug for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A protocol version as it stands on the wire (`0x0303` is TLS 1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    pub const SSL_3_0: Self = Self(0x0300);
    pub const TLS_1_0: Self = Self(0x0301);
    pub const TLS_1_1: Self = Self(0x0302);
    pub const TLS_1_2: Self = Self(0x0303);
    pub const TLS_1_3: Self = Self(0x0304);
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SSL_3_0 => f.write_str("SSL 3.0"),
            Self::TLS_1_0 => f.write_str("TLS 1.0"),
            Self::TLS_1_1 => f.write_str("TLS 1.1"),
            Self::TLS_1_2 => f.write_str("TLS 1.2"),
            Self::TLS_1_3 => f.write_str("TLS 1.3"),
            Self(other) => write!(f, "0x{other:04X}"),
        }
    }
}

impl fmt::Debug for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A PSK identity (RFC 4279 §2). It names a person's card: it is never printed as it is unless asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PskIdentity(Vec<u8>);

impl PskIdentity {
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The identity itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskIdentity({} bytes)", self.0.len())
    }
}

/// An end of the connection, seen from the watched program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Local,
    Peer,
}

impl Side {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peer => "peer",
        }
    }

    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Local => Self::Peer,
            Self::Peer => Self::Local,
        }
    }
}

/// The first thing that went wrong in a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    UnknownPskIdentity,
    WrongKey,
    NoSharedCipher,
    ProtocolVersion,
    RecordOverflow,
    DecodeError,
    PeerClosed,
    PeerReset,
    /// It was the peer's turn, and we closed or a limit passed.
    Timeout,
    /// It was our turn, and we gave up.
    LocalError,
    /// An alert under the sender's keys: its number is not on the wire.
    EncryptedAlert,
    /// Any other alert, by its number (RFC 8446 §6).
    Alert(u8),
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownPskIdentity => "unknown_psk_identity",
            Self::WrongKey => "wrong_key",
            Self::NoSharedCipher => "no_shared_cipher",
            Self::ProtocolVersion => "protocol_version",
            Self::RecordOverflow => "record_overflow",
            Self::DecodeError => "decode_error",
            Self::PeerClosed => "peer_closed",
            Self::PeerReset => "peer_reset",
            Self::Timeout => "timeout",
            Self::LocalError => "local_error",
            Self::EncryptedAlert => "encrypted_alert",
            Self::Alert(number) => return write!(f, "alert_{number}"),
        })
    }
}

/// Why a handshake failed, for programs (`reason`, `side`) and for people (the rest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub reason: FailureReason,
    /// Who failed.
    pub side: Side,
    /// At which step: `ClientHello`, `ServerHello`, `client Finished`, …
    pub step: String,
    /// What was seen on the wire, in order: `client Finished → our alert 20 bad_record_mac`.
    pub saw: String,
    /// The likely cause and what to do, in a sentence.
    pub advice: String,
}

/// Extensions that matter to a card (RFC 6066, RFC 7627, RFC 7366, RFC 5077).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// `max_fragment_length` in bytes: 512, 1024, 2048 or 4096.
    pub max_fragment_length: Option<u16>,
    pub extended_master_secret: bool,
    pub encrypt_then_mac: bool,
    pub session_ticket: bool,
}

/// Where the time of a handshake went, seen from the watched program. The three add up to its duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases {
    /// Our turn: from the peer's last byte to our answer.
    pub local_compute: Duration,
    /// The peer's turn, and the program was waiting for it (inside a read or a poll).
    pub peer_wait: Duration,
    /// The peer's turn, but the program was not listening: busy with something else.
    pub not_ready: Duration,
}

/// One flight: consecutive messages in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    pub sender: Side,
    /// When its first byte was read or written, and its last.
    pub start: Stamp,
    pub end: Stamp,
    /// The time before it, since the end of the flight before, split as in [`Phases`].
    pub before: Phases,
    /// Names of its messages (`ServerHello`, `ServerHelloDone`, `Finished`, …), in order.
    pub messages: Vec<&'static str>,
}

/// A TLS handshake, from the first ClientHello byte to the last Finished or to its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one handshake")]
pub struct Handshake {
    pub connection: Arc<Connection>,
    /// The role of the watched program.
    pub role: Role,
    pub start: Stamp,
    pub end: Stamp,
    /// `None` when it succeeded.
    pub failure: Option<Failure>,
    /// The negotiated version, or the client's highest when none was chosen.
    pub version: Option<TlsVersion>,
    pub offered: Vec<CipherSuite>,
    pub chosen: Option<CipherSuite>,
    /// From the ClientKeyExchange (TLS 1.2), or the chosen one of `pre_shared_key` (TLS 1.3).
    pub identity: Option<PskIdentity>,
    /// From the ServerKeyExchange (RFC 4279 §2), when the server gave one.
    pub identity_hint: Option<PskIdentity>,
    /// What the client asked for.
    pub asked: Extensions,
    /// What the server granted.
    pub granted: Extensions,
    pub resumed: bool,
    pub phases: Phases,
    pub flights: Vec<Flight>,
    /// It was under way when the agent attached: `start` is the first sight, the duration is not a measurement.
    pub partial: bool,
    /// Bytes were lost within it.
    pub incomplete: bool,
    /// The serving end is watched too: the handshake is counted there.
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

impl Handshake {
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}
