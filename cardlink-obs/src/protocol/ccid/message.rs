//! Messages of CCID (Rev 1.1 §6): a header of ten bytes, and data.

/// Bytes of a header.
pub const HEADER: usize = 10;
/// A message has no more data: an extended APDU (§5.1, `dwMaxCCIDMessageLength`).
const MOST_DATA: usize = 65_556;

/// What a message is (§6.1, §6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageType(pub u8);

impl MessageType {
    pub const SET_PARAMETERS: Self = Self(0x61);
    pub const POWER_ON: Self = Self(0x62);
    pub const POWER_OFF: Self = Self(0x63);
    pub const GET_SLOT_STATUS: Self = Self(0x65);
    pub const SECURE: Self = Self(0x69);
    pub const ESCAPE: Self = Self(0x6B);
    pub const GET_PARAMETERS: Self = Self(0x6C);
    pub const RESET_PARAMETERS: Self = Self(0x6D);
    pub const TRANSFER_BLOCK: Self = Self(0x6F);
    pub const ABORT: Self = Self(0x72);
    pub const DATA_BLOCK: Self = Self(0x80);
    pub const SLOT_STATUS: Self = Self(0x81);
    pub const PARAMETERS: Self = Self(0x82);

    /// A word for what the command does; `None` for those that only ask.
    pub const fn operation(self) -> Option<&'static str> {
        match self {
            Self::POWER_ON => Some("power_on"),
            Self::SECURE => Some("secure"),
            Self::SET_PARAMETERS => Some("set_parameters"),
            _ => None,
        }
    }
}

/// The header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: MessageType,
    /// Bytes of data.
    pub length: usize,
    pub slot: u8,
    pub sequence: u8,
    /// What the last three bytes mean depends on the message.
    pub specific: [u8; 3],
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[kind], rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (&[slot, sequence], rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        Some(Self { kind: MessageType(kind), length, slot, sequence, specific: *rest.first_chunk()? })
    }

    /// How an answer of the reader ends the command (§6.2.6).
    pub const fn status(&self) -> Status {
        let [status, error, _] = self.specific;
        let card = match status & 3 {
            0 | 1 => Some(true),
            2 => Some(false),
            _ => None,
        };
        let outcome = match status >> 6 {
            0 => Outcome::Done,
            2 => Outcome::MoreTime,
            _ => Outcome::Failed(error),
        };
        Status { card, outcome }
    }

    /// Whether and how an APDU is cut into pieces: `wLevelParameter` of a command (§6.1.4).
    pub const fn level(&self) -> u16 {
        u16::from_le_bytes([self.specific[1], self.specific[2]])
    }

    /// The same of an answer: `bChainParameter` (§6.2.1).
    pub const fn chain(&self) -> u8 {
        self.specific[2]
    }
}

/// What an answer says of the slot and of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether there is a card.
    pub card: Option<bool>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// With `bError`.
    Failed(u8),
    /// The card asked for more time; the answer follows.
    MoreTime,
}

/// The error of a slot in a word (§6.2.6, table 6.2-2).
pub const fn slot_error(error: u8) -> &'static str {
    match error {
        0xFF => "aborted",
        0xFE => "mute",
        0xFD => "parity_error",
        0xFC => "overrun",
        0xFB => "hardware_error",
        0xF8 => "bad_atr",
        0xF7 | 0xF6 => "protocol_not_supported",
        0xF5 => "class_not_supported",
        0xF4 => "procedure_byte_conflict",
        0xF3 => "deactivated_protocol",
        0xF2 => "busy_with_auto_sequence",
        0xF0 => "pin_timeout",
        0xEF => "pin_cancelled",
        0xE0 => "slot_busy",
        _ => "comm_error",
    }
}

/// Puts messages together from what transfers moved.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes after those that are here.
    missing: usize,
}

/// A message, as far as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    pub header: Header,
    pub data: &'a [u8],
    /// Bytes of its data that are not here.
    pub missing: usize,
}

impl Framer {
    /// Takes what a transfer moved: `bytes`, and so many after them that are not here.
    pub fn feed(&mut self, bytes: &[u8], missing: usize, each: &mut dyn FnMut(Message<'_>)) {
        if self.missing > 0 {
            self.missing = self.missing.saturating_add(bytes.len());
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.missing = self.missing.saturating_add(missing);
        while let Some(header) = Header::parse(&self.buffer) {
            if header.length > MOST_DATA {
                self.clear();
                return;
            }
            let total = HEADER + header.length;
            if self.buffer.len().saturating_add(self.missing) < total {
                return;
            }
            let here = total.min(self.buffer.len());
            let data = self.buffer.get(HEADER..here).unwrap_or_default();
            each(Message { header, data, missing: total - here });
            if self.missing > 0 {
                self.clear();
                return;
            }
            self.buffer.drain(..here);
        }
    }

    /// What is under way never becomes whole.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.missing = 0;
    }
}
