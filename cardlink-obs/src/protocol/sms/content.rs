//! What a command packet in the clear asks for: a session over HTTP (GPC_SPE_011 Amendment B §3.7), or a channel
//! (TS 102 226 §10.1).

/// Administration session triggering parameters, and the parameters in them (Amendment B §3.7).
const TRIGGER: u8 = 0x81;
const PARAMETERS: u8 = 0x83;
const CONNECTION: u8 = 0x84;
const SECURITY: u8 = 0x85;
const RETRY: u8 = 0x86;
const HTTP: u8 = 0x89;
/// PUSH: request for open channel, by BIP or CAT_TP (TS 102 226 §10.1).
const PUSH: [u8; 3] = [0x80, 0xEC, 0x01];
const BY_BIP: u8 = 0x01;
const BY_CAT_TP: u8 = 0x02;

/// What the secured data of a command packet are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Enciphered: only the card knows.
    Sealed,
    /// A trigger of an administration session over HTTP.
    Session(TriggerTags),
    /// A request to open a channel by the bearer independent protocol.
    OpenBip,
    /// A request to open a CAT_TP link.
    OpenCatTp,
    /// Commands, or anything else.
    Other,
}

/// Which parameters a trigger has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a tag that is there or not")]
pub struct TriggerTags {
    pub connection: bool,
    /// PSK identity, key version and key identifier.
    pub security: bool,
    pub retry: bool,
    /// Host, agent id, URI.
    pub http: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ContentScan {
    state: State,
    tags: TriggerTags,
    is_trigger: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    First,
    /// After the tag of a trigger, or of the parameters in it.
    Length {
        inner: bool,
    },
    /// The second byte of a length (`81 xx`).
    MoreLength {
        inner: bool,
    },
    Parameters,
    Tag,
    ValueLength,
    MoreValueLength,
    Value(u32),
    /// After so many bytes of [`PUSH`].
    Push(usize),
    Channel(u8),
    Other,
}

impl ContentScan {
    pub(super) const fn new() -> Self {
        let tags = TriggerTags { connection: false, security: false, retry: false, http: false };
        Self { state: State::First, tags, is_trigger: false }
    }

    /// Whether the next byte is kept.
    pub(super) const fn keeps(&self) -> bool {
        !matches!(self.state, State::Value(_) | State::Other)
    }

    pub(super) fn feed(&mut self, byte: u8) {
        let state = self.state;
        self.state = match state {
            State::First if byte == TRIGGER => State::Length { inner: false },
            State::First if byte == PUSH[0] => State::Push(1),
            State::Length { inner } if byte == 0x81 => State::MoreLength { inner },
            State::Length { inner: false } | State::MoreLength { inner: false } if byte < 0x80 || self.is_long() => {
                State::Parameters
            }
            State::Length { inner: true } | State::MoreLength { inner: true } if byte < 0x80 || self.is_long() => {
                self.is_trigger = true;
                State::Tag
            }
            State::Parameters if byte == PARAMETERS => State::Length { inner: true },
            State::Tag if self.tag(byte) => State::ValueLength,
            State::ValueLength if byte == 0x81 => State::MoreValueLength,
            State::ValueLength if byte < 0x80 => value(byte),
            State::MoreValueLength => value(byte),
            State::Value(left) if left > 1 => State::Value(left - 1),
            State::Value(_) => State::Tag,
            State::Push(at) if PUSH.get(at) == Some(&byte) => {
                if at + 1 == PUSH.len() {
                    State::Channel(0)
                } else {
                    State::Push(at + 1)
                }
            }
            State::Channel(0) if matches!(byte, BY_BIP | BY_CAT_TP) => State::Channel(byte),
            State::Channel(way) if way > 0 => return,
            _ => State::Other,
        };
    }

    const fn is_long(&self) -> bool {
        matches!(self.state, State::MoreLength { .. })
    }

    fn tag(&mut self, byte: u8) -> bool {
        match byte {
            CONNECTION => self.tags.connection = true,
            SECURITY => self.tags.security = true,
            RETRY => self.tags.retry = true,
            HTTP => self.tags.http = true,
            _ => return false,
        }
        true
    }

    pub(super) const fn finish(&self) -> Content {
        match self.state {
            State::Channel(BY_BIP) => Content::OpenBip,
            State::Channel(BY_CAT_TP) => Content::OpenCatTp,
            _ if self.is_trigger => Content::Session(self.tags),
            _ => Content::Other,
        }
    }
}

const fn value(length: u8) -> State {
    if length == 0 { State::Tag } else { State::Value(length as u32) }
}
