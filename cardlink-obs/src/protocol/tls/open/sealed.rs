//! Why a connection cannot be read.

use crate::observation::TlsVersion;
use crate::protocol::tls::cipher_suite;
use std::fmt;

/// The reason that the plaintext of a connection cannot be had, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sealed {
    /// A plain PSK suite, and no keys were given.
    NoKeyFile,
    /// The key file does not have the client's identity.
    NoKeyForIdentity,
    /// The client's Finished does not open with the key that the file has for its identity.
    WrongKeyInFile,
    /// Keys are agreed by (EC)DHE: the PSK alone does not give them.
    ForwardSecrecy,
    /// Keys are agreed under the server's RSA key.
    ServerKey,
    /// TLS 1.3 derives its keys in another way, and its PSK suites have forward secrecy.
    Tls13,
    /// SSL 3.0 and what was before it.
    UnsupportedVersion(TlsVersion),
    /// A suite that is not implemented here.
    UnsupportedSuite(u16),
    /// Records are compressed.
    Compressed,
    /// The handshake was over when the connection was first seen.
    UnderWay,
    /// Bytes are missing where none may.
    Lost,
    /// It resumes a session whose beginning was not seen, or too long ago.
    ResumedUnknown,
    /// A record does not authenticate although the keys are right.
    BadRecord,
    /// The keys changed within the connection.
    Renegotiation,
    /// The bytes are not TLS, or not what a handshake may consist of.
    NotTls,
    /// The handshake is longer than any that is meant well.
    TooLong,
}

impl Sealed {
    /// The word for a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoKeyFile => "no_key_file",
            Self::NoKeyForIdentity => "no_key_for_identity",
            Self::WrongKeyInFile => "wrong_key_in_file",
            Self::ForwardSecrecy => "forward_secrecy",
            Self::ServerKey => "server_key",
            Self::Tls13 => "tls13",
            Self::UnsupportedVersion(_) => "unsupported_version",
            Self::UnsupportedSuite(_) => "unsupported_suite",
            Self::Compressed => "compressed",
            Self::UnderWay => "under_way",
            Self::Lost => "lost",
            Self::ResumedUnknown => "resumed_unknown",
            Self::BadRecord => "bad_record",
            Self::Renegotiation => "renegotiation",
            Self::NotTls => "not_tls",
            Self::TooLong => "too_long",
        }
    }

    /// What it means and what can be done about it, a sentence or two. `probing`: libraries of targets are probed already, and
    /// no call for this connection was seen there.
    pub const fn advice(self, probing: bool) -> &'static str {
        match self {
            Self::NoKeyFile if probing => {
                "The suite is plain PSK: give the keys in a key file (--psk-file) to read it. Libraries are probed, but no call \
                 for this connection was seen."
            }
            Self::ForwardSecrecy if probing => {
                "The suite agrees its keys by Diffie-Hellman, so that the PSK does not open it. Libraries are probed, but no \
                 call for this connection was seen: `cardlink-obs doctor` says what can be probed, and the next connection may \
                 be in time."
            }
            Self::Tls13 if probing => {
                "TLS 1.3 is not opened with a key file. Libraries are probed, but no call for this connection was seen: \
                 `cardlink-obs doctor` says what can be probed, and the next connection may be in time."
            }
            Self::NoKeyFile => {
                "The suite is plain PSK: give the keys in a key file (--psk-file) to read it, or probe the library (--library-probes)."
            }
            Self::NoKeyForIdentity => {
                "The key file has no key for this PSK identity: add it, or check how the identity is written there \
                 (as text, or in hex)."
            }
            Self::WrongKeyInFile => {
                "The client does not use the key that the key file has for its identity: one of the two is wrong."
            }
            Self::ForwardSecrecy => {
                "The suite agrees its keys by Diffie-Hellman, so that the PSK does not open it: offer plain PSK suites \
                 only, or probe the server's library (--library-probes)."
            }
            Self::ServerKey => "The suite needs the server's private RSA key, which is not used here.",
            Self::Tls13 => {
                "TLS 1.3 is not opened with a key file: probe the server's library (--library-probes), or let it speak TLS 1.2, as cards do."
            }
            Self::UnsupportedVersion(_) => "This version of the protocol is too old to be read.",
            Self::UnsupportedSuite(_) => "Records under this suite cannot be read.",
            Self::Compressed => "The server chose to compress records: turn TLS compression off.",
            Self::UnderWay => {
                "The connection was there before it was watched: its next handshake will be seen from the start."
            }
            Self::Lost => "Bytes were lost where the keys or the place in the stream depend on them.",
            Self::ResumedUnknown => {
                "It resumes a session whose full handshake was not seen: the client's next full handshake opens it and \
                 what follows on it."
            }
            Self::BadRecord => "A record fails its check although the keys are right: it was damaged on its way.",
            Self::Renegotiation => "The peers agreed new keys within the connection; this is not followed.",
            Self::NotTls => "The bytes are not a TLS handshake.",
            Self::TooLong => "The handshake is too long to be kept.",
        }
    }
}

/// The word, and the value that it is about.
impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnsupportedVersion(version) => write!(f, "{} {version}", self.as_str()),
            Self::UnsupportedSuite(id) => write!(f, "{} {}", self.as_str(), cipher_suite(id)),
            other => f.write_str(other.as_str()),
        }
    }
}
