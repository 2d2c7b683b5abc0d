//! What a reader does by itself, as its class descriptor says (CCID Rev 1.1 §5.1, `dwFeatures`).

/// How much of the card's protocol the reader does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Bytes, or blocks of T=0 and T=1: the program does the protocol.
    Tpdu,
    /// Whole APDUs.
    Apdu,
}

impl Level {
    /// Of `dwFeatures`.
    pub const fn of(features: u32) -> Self {
        if features & 0x0006_0000 != 0 { Self::Apdu } else { Self::Tpdu }
    }
}
