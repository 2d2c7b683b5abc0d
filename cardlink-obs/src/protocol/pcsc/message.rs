//! What is asked and answered.

use super::{ReaderName, ReturnCode, name};
use crate::protocol::apdu::{CommandApdu, ResponseApdu};
use std::fmt;

/// A command of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Command(pub u32);

impl Command {
    pub const ESTABLISH_CONTEXT: Self = Self(1);
    pub const RELEASE_CONTEXT: Self = Self(2);
    pub const CONNECT: Self = Self(4);
    pub const RECONNECT: Self = Self(5);
    pub const DISCONNECT: Self = Self(6);
    pub const BEGIN_TRANSACTION: Self = Self(7);
    pub const END_TRANSACTION: Self = Self(8);
    pub const TRANSMIT: Self = Self(9);
    pub const CONTROL: Self = Self(10);
    pub const STATUS: Self = Self(11);
    pub const CANCEL: Self = Self(13);
    pub const GET_ATTRIB: Self = Self(15);
    pub const SET_ATTRIB: Self = Self(16);
    pub const VERSION: Self = Self(17);
    pub const GET_READERS_STATE: Self = Self(18);
    pub const WAIT_READER_STATE_CHANGE: Self = Self(19);
    pub const STOP_WAITING: Self = Self(20);

    /// Bytes of its structure; `None` for a command that is not known.
    pub const fn size(self) -> Option<usize> {
        Some(match self {
            Self::VERSION | Self::ESTABLISH_CONTEXT | Self::DISCONNECT | Self::END_TRANSACTION => 12,
            Self::RELEASE_CONTEXT | Self::BEGIN_TRANSACTION | Self::STATUS | Self::CANCEL => 8,
            Self::CONNECT => 24 + name::ROOM,
            Self::RECONNECT | Self::CONTROL => 24,
            Self::TRANSMIT => 32,
            Self::GET_ATTRIB | Self::SET_ATTRIB => 280,
            Self::GET_READERS_STATE | Self::WAIT_READER_STATE_CHANGE | Self::STOP_WAITING => 0,
            _ => return None,
        })
    }

    /// Whether a client may ask with a structure of so many bytes.
    pub fn fits(self, size: usize) -> bool {
        match self {
            // Protocol 4.3 and before have the time-out there.
            Self::WAIT_READER_STATE_CHANGE | Self::STOP_WAITING => size == 0 || size == NOTICE,
            known => known.size() == Some(size),
        }
    }

    /// What is done to a card or reader, in a word.
    pub const fn operation(self) -> &'static str {
        match self {
            Self::CONNECT => "connect",
            Self::RECONNECT => "reconnect",
            Self::DISCONNECT => "disconnect",
            Self::BEGIN_TRANSACTION => "begin_transaction",
            Self::END_TRANSACTION => "end_transaction",
            Self::TRANSMIT => "transmit",
            Self::CONTROL => "control",
            Self::STATUS => "status",
            Self::GET_ATTRIB => "get_attrib",
            Self::SET_ATTRIB => "set_attrib",
            _ => "other",
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.operation(), self.0)
    }
}

/// Bytes of the answer that says that waiting is over.
pub const NOTICE: usize = 8;
/// Bytes of what is told of one reader, and of all.
pub const STATE: usize = 184;
pub const STATES: usize = 16 * STATE;
/// Where in it the ATR is.
pub const STATE_ATR: std::ops::Range<usize> = 140..173;

/// What becomes of the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disposition(pub u32);

impl Disposition {
    /// The card is reset, or loses its power (which is a reset, too).
    pub const fn resets(self) -> bool {
        matches!(self.0, 1..=3)
    }
}

/// A question that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Connect {
        reader: ReaderName,
        share: u32,
    },
    Reconnect {
        handle: u32,
        share: u32,
        initialization: Disposition,
    },
    Disconnect {
        handle: u32,
        disposition: Disposition,
    },
    EndTransaction {
        handle: u32,
        disposition: Disposition,
    },
    /// `None` when there are fewer than four bytes, which is no APDU.
    Transmit {
        handle: u32,
        apdu: Option<CommandApdu>,
        len: usize,
    },
    /// Another one that is about a card.
    OfCard {
        handle: u32,
    },
    Other,
}

/// An answer that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Connect { handle: u32, code: ReturnCode },
    Transmit { code: ReturnCode, apdu: Option<ResponseApdu>, len: usize },
    Readers(Vec<ReaderState>),
    Other { code: ReturnCode },
}

/// A reader as the daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderState {
    pub reader: ReaderName,
    /// Counts insertions and removals.
    pub events: u32,
    pub card: bool,
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    found.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Reads the structure of a question that has no data behind it.
pub fn request(command: Command, body: &[u8]) -> Request {
    let handle = u32_at(body, 0);
    match command {
        Command::CONNECT => Request::Connect {
            reader: ReaderName::parse(body.get(4..4 + name::ROOM).unwrap_or_default()),
            share: u32_at(body, 4 + name::ROOM),
        },
        Command::RECONNECT => {
            Request::Reconnect { handle, share: u32_at(body, 4), initialization: Disposition(u32_at(body, 12)) }
        }
        Command::DISCONNECT => Request::Disconnect { handle, disposition: Disposition(u32_at(body, 4)) },
        Command::END_TRANSACTION => Request::EndTransaction { handle, disposition: Disposition(u32_at(body, 4)) },
        Command::BEGIN_TRANSACTION | Command::CONTROL | Command::STATUS | Command::GET_ATTRIB | Command::SET_ATTRIB => {
            Request::OfCard { handle }
        }
        _ => Request::Other,
    }
}

/// Reads the structure of an answer that has no data behind it.
pub fn answer(command: Command, body: &[u8]) -> Answer {
    let code = ReturnCode(u32_at(body, body.len().saturating_sub(4)));
    match command {
        Command::CONNECT => Answer::Connect { handle: u32_at(body, 12 + name::ROOM), code },
        Command::TRANSMIT => Answer::Transmit { code, apdu: None, len: 0 },
        _ => Answer::Other { code },
    }
}

/// Reads what is told of all readers.
pub fn readers(body: &[u8]) -> Vec<ReaderState> {
    const PRESENT: u32 = 4;
    let all = body.chunks_exact(STATE).filter_map(|state| {
        let reader = ReaderName::parse(state.get(..name::ROOM)?);
        let (events, flags) = (u32_at(state, name::ROOM), u32_at(state, name::ROOM + 4));
        (state.first() != Some(&0)).then_some(ReaderState { reader, events, card: flags & PRESENT != 0 })
    });
    all.collect()
}
