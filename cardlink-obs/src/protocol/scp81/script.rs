//! What a body holds: its dialect, its APDUs, its faults.

use super::{FaultKind, ScriptFault, ends::Ends};
use crate::protocol::apdu::{CommandApdu, ResponseApdu};

/// Scripts that a server sends.
pub type CommandScript = Script<CommandApdu>;
/// Scripts that a card sends back.
pub type ResponseScript = Script<ResponseApdu>;

/// APDUs that are kept of a script; the others are counted.
pub(super) const MOST_APDUS: usize = 4096;
const MOST_ENTRIES: usize = 64;
const MOST_FAULTS: usize = 16;

/// How a body holds its APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Templates of TS 102 226 §5.2: the standard's only one.
    Expanded,
    /// One APDU, and nothing else.
    Raw,
    /// One APDU after two bytes with its length, most significant first.
    LengthPrefixed,
    /// More than one of these fit; read as none.
    Ambiguous,
    Unknown,
    /// There was no byte.
    Empty,
}

impl Dialect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expanded => "expanded",
            Self::Raw => "raw",
            Self::LengthPrefixed => "length_prefixed",
            Self::Ambiguous => "ambiguous",
            Self::Unknown => "unknown",
            Self::Empty => "empty",
        }
    }
}

/// How a template says where it ends (TS 102 226 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `AA`, `AB`.
    Definite,
    /// `AE 80 … 00 00`, `AF 80 … 00 00`.
    Indefinite,
}

/// An object of a script that is neither an APDU nor the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherEntry {
    pub tag: u8,
    pub len: u64,
    /// The value when it is of one byte: an action, a position in a chain, a reason.
    pub value: Option<u8>,
    commands: bool,
}

impl OtherEntry {
    /// What the tag stands for in its direction (TS 102 226 §5.2).
    pub const fn as_str(self) -> &'static str {
        match (self.commands, self.tag) {
            (true, 0x81) => "immediate_action",
            (true, 0x82) => "error_action",
            (true, 0x83) => "script_chaining",
            (false, 0x81) => "immediate_action_response",
            (false, 0x83) => "script_chaining_response",
            (false, 0x90) => "bad_format",
            _ => "other",
        }
    }
}

/// A body, read. Of its APDUs only headers, lengths and status words are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script<A> {
    pub dialect: Dialect,
    /// Of an expanded script whose length was read.
    pub form: Option<Form>,
    pub apdus: Vec<A>,
    /// APDUs past the first 4096.
    pub left_out: u32,
    /// The number of executed commands, in a response script.
    pub executed: Option<u32>,
    pub entries: Vec<OtherEntry>,
    pub faults: Vec<ScriptFault>,
    /// Bytes of the body.
    pub bytes: u64,
}

impl<A> Script<A> {
    pub(super) const fn new() -> Self {
        Self {
            dialect: Dialect::Empty,
            form: None,
            apdus: Vec::new(),
            left_out: 0,
            executed: None,
            entries: Vec::new(),
            faults: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn fault(&mut self, kind: FaultKind, offset: u64) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(ScriptFault { kind, offset });
        }
    }

    pub(super) fn add(&mut self, apdu: A) {
        if self.apdus.len() < MOST_APDUS {
            self.apdus.push(apdu);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    pub(super) fn other(&mut self, tag: u8, len: u64, value: Option<u8>, commands: bool) {
        if self.entries.len() < MOST_ENTRIES {
            self.entries.push(OtherEntry { tag, len, value, commands });
        }
    }
}

/// An APDU of a direction.
pub trait Apdu: sealed::Apdu {}

impl Apdu for CommandApdu {}
impl Apdu for ResponseApdu {}

pub(super) mod sealed {
    /// What the reader of bodies needs to know of a direction.
    pub trait Apdu: Sized {
        /// Whether the direction is the server's.
        const COMMANDS: bool;
        fn of_ends(ends: &super::Ends) -> Option<Self>;
    }
}

impl sealed::Apdu for CommandApdu {
    const COMMANDS: bool = true;

    fn of_ends(ends: &Ends) -> Option<Self> {
        Self::from_ends(ends.front(), ends.back(), usize::try_from(ends.len()).ok()?)
    }
}

impl sealed::Apdu for ResponseApdu {
    const COMMANDS: bool = false;

    fn of_ends(ends: &Ends) -> Option<Self> {
        let tail = Self::parse(ends.back())?;
        Some(Self { data_len: usize::try_from(ends.len()).ok()?.checked_sub(2)?, ..tail })
    }
}

/// Puts commands and their responses together, as far as the response script says which belong to which.
///
/// A response belongs to the command in its place. When there is one response to several executed commands, it is the
/// last one's; with any other number it is not known. Of a script that was cut off, the responses are the first ones.
pub fn pair(commands: &[CommandApdu], responses: &ResponseScript) -> Vec<(CommandApdu, Option<ResponseApdu>)> {
    let answers = &responses.apdus;
    let executed = responses.executed.map_or(answers.len(), |executed| executed as usize);
    let cut = responses.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Truncated | FaultKind::Missed));
    let shift = match (executed, answers.len()) {
        (executed, told) if cut || executed == told => 0,
        (executed, 1) if executed > 0 => executed - 1,
        _ => usize::MAX,
    };
    let answer = |index: usize| index.checked_sub(shift).and_then(|index| answers.get(index)).copied();
    commands.iter().enumerate().map(|(index, command)| (*command, answer(index))).collect()
}
