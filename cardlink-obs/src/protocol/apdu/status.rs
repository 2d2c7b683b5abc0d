//! Status words: what becomes of a command (ISO/IEC 7816-4 §5.6, TS 102 221 §10.2).

use super::meaning;
use std::fmt;

/// SW1 and SW2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusWord(pub u16);

/// What a status word says of the command's fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    Success,
    Warning,
    Error,
}

impl Category {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl StatusWord {
    pub const OK: Self = Self(0x9000);

    pub const fn sw1(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    pub const fn sw2(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// TS 102 221 §10.2.1. `6Cxx` counts as an error: the command was not done, and is sent again.
    pub const fn category(self) -> Category {
        match self.0 {
            // TS 51.011 §9.4.3 has a memory problem there.
            0x9240 => Category::Error,
            0x9000 | 0x6100..=0x61FF | 0x9100..=0x92FF | 0x9F00..=0x9FFF => Category::Success,
            // TS 51.011 §9.4.1: the answer to a download that failed is waiting.
            0x6200..=0x63FF | 0x9E00..=0x9EFF => Category::Warning,
            _ => Category::Error,
        }
    }

    /// Whether a card could have sent it: ISO/IEC 7816-3 §12.2.1 has SW1 6X or 9X, and not 60.
    pub const fn is_valid(self) -> bool {
        matches!(self.sw1(), 0x61..=0x6F | 0x90..=0x9F)
    }

    /// The data wait for GET RESPONSE.
    pub const fn has_more(self) -> bool {
        matches!(self.sw1(), 0x61 | 0x9F)
    }

    /// The same command is expected again, with the Le in SW2.
    pub const fn wants_le(self) -> bool {
        self.sw1() == 0x6C
    }

    /// Without what counts or measures: a small set of values.
    pub const fn folded(self) -> FoldedSw {
        FoldedSw(self)
    }

    /// For people: one sentence, with the clause.
    pub const fn meaning(self) -> &'static str {
        meaning::of(self.0)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// A status word without lengths and counters, as `61xx` or `63Cx`.
#[derive(Debug, Clone, Copy)]
pub struct FoldedSw(StatusWord);

impl FoldedSw {
    /// The bits that count, and how many of the digits are hidden.
    const fn key(self) -> (u16, usize) {
        let sw = self.0.0;
        match self.0.sw1() {
            0x61 | 0x6C | 0x91 | 0x9F => (sw & 0xFF00, 2),
            0x92 if sw != 0x9240 => (sw & 0xFF00, 2),
            0x63 if sw & 0xF0 == 0xC0 => (sw & 0xFFF0, 1),
            _ => (sw, 0),
        }
    }
}

impl PartialEq for FoldedSw {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for FoldedSw {}

impl std::hash::Hash for FoldedSw {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for FoldedSw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key() {
            (sw, 0) => write!(f, "{sw:04X}"),
            (sw, 1) => write!(f, "{:03X}x", sw >> 4),
            (sw, _) => write!(f, "{:02X}xx", sw >> 8),
        }
    }
}
