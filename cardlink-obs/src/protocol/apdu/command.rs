//! C-APDUs (ISO/IEC 7816-4 §5.1, ISO/IEC 7816-3 §12.1).

use super::CommandName;
use std::fmt;

/// Which of the length fields a C-APDU has, and how long they are: `S` short, `E` extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Case {
    /// The header alone.
    C1,
    C2S,
    C3S,
    C4S,
    C2E,
    C3E,
    C4E,
    /// The length fields and the length do not fit together.
    Malformed,
}

impl Case {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::C1 => "1",
            Self::C2S => "2S",
            Self::C3S => "3S",
            Self::C4S => "4S",
            Self::C2E => "2E",
            Self::C3E => "3E",
            Self::C4E => "4E",
            Self::Malformed => "malformed",
        }
    }
}

/// What a command has in its data field that nobody else should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Secret {
    /// A PIN, or an unblocking key.
    Pin,
    /// Keys. GlobalPlatform has them encrypted under a key of the security domain.
    Key,
    /// Personalisation data whose command says that they are not encrypted.
    Personalisation,
}

impl Secret {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Key => "key",
            Self::Personalisation => "personalisation",
        }
    }
}

/// The header and the lengths of a command.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandApdu {
    pub cla: u8,
    pub ins: u8,
    pub p1: u8,
    pub p2: u8,
    /// Bytes of the data field. Of a malformed command: as many as it says.
    pub lc: u32,
    /// Bytes that are expected in return; 256 or 65536 for the most.
    pub le: Option<u32>,
    pub case: Case,
    /// Bytes of the whole command.
    pub len: usize,
}

impl CommandApdu {
    /// Bytes from the start that decide about an APDU's case.
    pub const FRONT: usize = 7;
    /// Bytes from the end that may hold Le.
    pub const BACK: usize = 2;

    /// Reads a whole command; `None` when it is shorter than a header.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let front = bytes.get(..Self::FRONT).unwrap_or(bytes);
        let back = bytes.get(bytes.len().saturating_sub(Self::BACK)..)?;
        Self::from_ends(front, back, bytes.len())
    }

    /// Reads a command of `len` bytes by its first seven and its last two, or what there is of them.
    pub fn from_ends(front: &[u8], back: &[u8], len: usize) -> Option<Self> {
        let (&[cla, ins, p1, p2], lengths) = front.split_first_chunk()?;
        let short_le = || back.last().map(|&le| if le == 0 { 0x100 } else { u32::from(le) });
        let long_le = || {
            let le = u16::from_be_bytes(*back.last_chunk()?);
            Some(if le == 0 { 0x1_0000 } else { u32::from(le) })
        };
        let (case, lc, le) = match (len.saturating_sub(4), lengths) {
            (0, _) => (Case::C1, 0, None),
            (1, _) => (Case::C2S, 0, short_le()),
            (3, [0, ..]) => (Case::C2E, 0, long_le()),
            (body, &[0, high, low]) => match u16::from_be_bytes([high, low]) {
                0 => (Case::Malformed, 0, None),
                lc if body == 3 + usize::from(lc) => (Case::C3E, u32::from(lc), None),
                lc if body == 5 + usize::from(lc) => (Case::C4E, u32::from(lc), long_le()),
                lc => (Case::Malformed, u32::from(lc), None),
            },
            (body, &[lc, ..]) if lc != 0 && body == 1 + usize::from(lc) => (Case::C3S, u32::from(lc), None),
            (body, &[lc, ..]) if lc != 0 && body == 2 + usize::from(lc) => (Case::C4S, u32::from(lc), short_le()),
            (_, &[lc, ..]) => (Case::Malformed, u32::from(lc), None),
            (_, []) => (Case::Malformed, 0, None),
        };
        Some(Self { cla, ins, p1, p2, lc, le, case, len })
    }

    /// The logical channel: 0 to 3, or 4 to 19 in the further coding (ISO/IEC 7816-4 §5.4.1, TS 102 221 §10.1.1).
    pub const fn channel(&self) -> u8 {
        match self.cla >> 4 {
            0 | 1 | 8 | 9 => self.cla & 0x03,
            4..=7 | 0xC..=0xF => 4 + (self.cla & 0x0F),
            _ => 0,
        }
    }

    /// The class says that secure messaging is used; of how much of the command, it does not say.
    pub const fn is_secured(&self) -> bool {
        match self.cla >> 4 {
            0 | 1 | 8 | 9 => self.cla & 0x0C != 0,
            4..=7 | 0xC..=0xF => self.cla & 0x20 != 0,
            _ => false,
        }
    }

    /// A class that some card answers to (ISO/IEC 7816-4 §5.4.1, TS 102 221 §10.1.1, `A0` of TS 51.011).
    pub const fn has_known_class(&self) -> bool {
        matches!(self.cla, 0x00..=0x1F | 0x40..=0x9F | 0xA0 | 0xC0..=0xFE)
    }

    pub fn name(&self) -> CommandName {
        CommandName::of(self.cla, self.ins, self.p1, self.p2)
    }

    /// What the parameters make of the command, for people.
    pub fn detail(&self) -> Option<&'static str> {
        Some(match (self.name().as_str(), self.p1) {
            // GlobalPlatform Card Specification 2.3 §11.5.2.1. The most significant bit says that more follow.
            ("INSTALL", p1) => match p1 & 0x7F {
                0x02 => "for load",
                0x04 => "for install",
                0x06 => "for load and install",
                0x08 => "for make selectable",
                0x0C => "for install and make selectable",
                0x0E => "for load, install and make selectable",
                0x10 => "for extradition",
                0x20 => "for personalization",
                0x40 => "for registry update",
                _ => return None,
            },
            // §11.4.2.1, §11.10.2.1.
            ("GET_STATUS" | "SET_STATUS", 0x80) => "issuer security domain",
            ("GET_STATUS", 0x40) => "applications and security domains",
            ("GET_STATUS", 0x20) => "executable load files",
            ("GET_STATUS", 0x10) => "executable load files and modules",
            ("SET_STATUS", 0x40) => "application",
            ("SET_STATUS", 0x60) => "security domain and its applications",
            // §11.2.2.
            ("DELETE", _) => match self.p2 & 0x80 {
                0 => "object",
                _ => "object and related objects",
            },
            // §11.6.2.1, §11.11.2.
            ("LOAD" | "STORE_DATA", p1) => match p1 & 0x80 {
                0 => "more blocks",
                _ => "last block",
            },
            // TS 102 221 §11.1.17.
            ("MANAGE_CHANNEL", 0x00) => "open",
            ("MANAGE_CHANNEL", 0x80) => "close",
            // TS 102 221 §11.1.1.
            ("SELECT", 0x00) => "by file identifier",
            ("SELECT", 0x04) => "by name",
            ("SELECT", 0x08) => "by path from the MF",
            ("SELECT", 0x09) => "by path from the current DF",
            _ => return None,
        })
    }

    /// What the data field holds that must not be seen; `None` also when there is no data field.
    ///
    /// It may still be encrypted: by secure messaging ([`Self::is_secured`]), and keys by themselves.
    pub fn carries_secret(&self) -> Option<Secret> {
        if self.lc == 0 {
            return None;
        }
        match self.name().as_str() {
            "VERIFY_PIN" | "CHANGE_PIN" | "DISABLE_PIN" | "ENABLE_PIN" | "UNBLOCK_PIN" => Some(Secret::Pin),
            "PUT_KEY" => Some(Secret::Key),
            // Data groupings, and no encryption announced (GlobalPlatform Card Specification 2.3 §11.11.2.1).
            "STORE_DATA" if self.p1 & 0x78 == 0x08 => Some(Secret::Personalisation),
            _ => None,
        }
    }
}

impl fmt::Debug for CommandApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cla, ins, p1, p2, lc, le, case, len } = self;
        write!(
            f,
            "{cla:02X}{ins:02X}{p1:02X}{p2:02X} {} case {} lc {lc} le {le:?} len {len}",
            self.name(),
            case.as_str()
        )
    }
}
