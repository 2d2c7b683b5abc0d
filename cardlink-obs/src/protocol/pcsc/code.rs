//! Return codes of PC/SC (PC/SC Part 5 §3.1; `pcsclite.h`).

use std::fmt;

/// What a call came to; 0 is success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReturnCode(pub u32);

/// Codes that have a word of their own; others are `scard_error`.
const WORDS: &[(u32, &str)] = &[
    (0x8010_0001, "internal_error"),
    (0x8010_0002, "cancelled"),
    (0x8010_0003, "invalid_handle"),
    (0x8010_0004, "invalid_parameter"),
    (0x8010_0006, "no_memory"),
    (0x8010_0007, "waited_too_long"),
    (0x8010_0008, "insufficient_buffer"),
    (0x8010_0009, "unknown_reader"),
    (0x8010_000A, "timeout"),
    (0x8010_000B, "sharing_violation"),
    (0x8010_000C, "no_smartcard"),
    (0x8010_000F, "proto_mismatch"),
    (0x8010_0010, "not_ready"),
    (0x8010_0011, "invalid_value"),
    (0x8010_0013, "comm_error"),
    (0x8010_0014, "unknown_error"),
    (0x8010_0015, "invalid_atr"),
    (0x8010_0016, "not_transacted"),
    (0x8010_0017, "reader_unavailable"),
    (0x8010_001D, "no_service"),
    (0x8010_001E, "service_stopped"),
    (0x8010_001F, "unsupported_feature"),
    (0x8010_0022, "unsupported_feature"),
    (0x8010_002E, "no_readers_available"),
    (0x8010_002F, "comm_data_lost"),
    (0x8010_0031, "server_too_busy"),
    (0x8010_0065, "unsupported_card"),
    (0x8010_0066, "unresponsive_card"),
    (0x8010_0067, "unpowered_card"),
    (0x8010_0068, "reset_card"),
    (0x8010_0069, "removed_card"),
    (0x8010_006A, "security_violation"),
];

impl ReturnCode {
    pub const SUCCESS: Self = Self(0);
    pub const SHARING_VIOLATION: Self = Self(0x8010_000B);
    pub const RESET_CARD: Self = Self(0x8010_0068);
    pub const REMOVED_CARD: Self = Self(0x8010_0069);
    pub const UNSUPPORTED_FEATURE: Self = Self(0x8010_001F);

    /// The word for labels; `None` for success.
    pub fn error(self) -> Option<&'static str> {
        if self == Self::SUCCESS {
            return None;
        }
        let known = WORDS.iter().find(|(code, _)| *code == self.0);
        Some(known.map_or("scard_error", |(_, word)| word))
    }
}

impl fmt::Debug for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error().unwrap_or("success"))
    }
}
