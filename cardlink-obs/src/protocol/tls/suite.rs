//! What the number of a cipher suite says about the handshake.

use crate::observation::CipherSuite;
use tls_parser::TlsCipherSuite;

/// The suite with its IANA name.
pub fn cipher_suite(id: u16) -> CipherSuite {
    CipherSuite { id, name: TlsCipherSuite::from_id(id).map(|suite| suite.name) }
}

/// Values that stand in a list of suites and are not one: signals (RFC 5746 §3.3, RFC 7507) and GREASE (RFC 8701).
pub const fn is_signal(id: u16) -> bool {
    matches!(id, 0x00FF | 0x5600) || is_grease(id)
}

/// A value that a client sends to keep servers tolerant (RFC 8701 §2).
pub const fn is_grease(value: u16) -> bool {
    value & 0x0F0F == 0x0A0A && value >> 8 == value & 0xFF
}

/// The `ClientKeyExchange` begins with a PSK identity (RFC 4279, RFC 5489).
pub fn is_psk(suite: CipherSuite) -> bool {
    suite.name.is_some_and(|name| name.contains("PSK"))
}

/// Records are authenticated but not encrypted (RFC 2246 §A.5, RFC 4785, RFC 5487 §3.2).
pub fn is_null(suite: CipherSuite) -> bool {
    suite.name.is_some_and(|name| name.contains("_WITH_NULL_"))
}

/// Sizes of TLS 1.3 records that carry one message (RFC 8446 §5.2): the message, its type, the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls13Sizes {
    /// A Finished: 4 bytes of header and a hash (RFC 8446 §4.4.4).
    pub finished: u64,
    /// An alert: 2 bytes.
    pub alert: u64,
}

/// The sizes under a TLS 1.3 suite.
pub const fn tls13_sizes(id: u16) -> Tls13Sizes {
    let hash = match id {
        // TLS_AES_256_GCM_SHA384, TLS_SHA384_SHA384.
        0x1302 | 0xC0B5 => 48,
        _ => 32,
    };
    let tag = match id {
        // TLS_AES_128_CCM_8_SHA256.
        0x1305 => 8,
        // The integrity-only suites have the whole MAC (RFC 9150 §5).
        0xC0B4 => 32,
        0xC0B5 => 48,
        _ => 16,
    };
    Tls13Sizes { finished: 4 + hash + 1 + tag, alert: 2 + 1 + tag }
}
