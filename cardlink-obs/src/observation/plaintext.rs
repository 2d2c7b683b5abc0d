//! Whether what a connection carries can be read, and by which way.

use super::{Connection, Stamp};
use std::sync::Arc;

/// Where the plaintext of a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaintextWay {
    /// No TLS: the bytes of the connection are the plaintext.
    Clear,
    /// A cipher suite without encryption: the plaintext is on the wire.
    NullSuite,
    /// The records were decrypted with a key of the key file.
    KeyFile,
    /// Calls of the named TLS library were probed.
    Library(&'static str),
}

impl PlaintextWay {
    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::NullSuite => "null_suite",
            Self::KeyFile => "key_file",
            Self::Library(name) => name,
        }
    }
}

/// Why there is no plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The word for labels: `no_key_file`, `forward_secrecy`, …
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

impl Sealed {
    /// Nothing is wrong with it: nobody gave a key, and nobody asked for the library.
    pub fn is_expected(&self) -> bool {
        self.reason == "no_key_file"
    }
}

/// Told when it is clear whether a connection can be read; a second time when that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plaintext {
    pub connection: Arc<Connection>,
    pub at: Stamp,
    pub way: Result<PlaintextWay, Sealed>,
}
