//! Handshake messages (RFC 5246 §7.4, RFC 8446 §4): four bytes of header, then the body, spread over records at will.

use std::fmt;

/// Bytes of a message that are kept: identities go up to 2^16, and no hello that is meant well comes near.
const KEPT: usize = 64 * 1024 + 64;

/// The type of a handshake message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandshakeType(pub u8);

macro_rules! handshake_types {
    ($($name:ident = $value:literal $text:literal,)*) => {
        impl HandshakeType {
            $(pub const $name: Self = Self($value);)*

            /// The name that the RFCs give it.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

handshake_types! {
    HELLO_REQUEST = 0 "HelloRequest",
    CLIENT_HELLO = 1 "ClientHello",
    SERVER_HELLO = 2 "ServerHello",
    NEW_SESSION_TICKET = 4 "NewSessionTicket",
    END_OF_EARLY_DATA = 5 "EndOfEarlyData",
    ENCRYPTED_EXTENSIONS = 8 "EncryptedExtensions",
    CERTIFICATE = 11 "Certificate",
    SERVER_KEY_EXCHANGE = 12 "ServerKeyExchange",
    CERTIFICATE_REQUEST = 13 "CertificateRequest",
    SERVER_HELLO_DONE = 14 "ServerHelloDone",
    CERTIFICATE_VERIFY = 15 "CertificateVerify",
    CLIENT_KEY_EXCHANGE = 16 "ClientKeyExchange",
    FINISHED = 20 "Finished",
    CERTIFICATE_URL = 21 "CertificateURL",
    CERTIFICATE_STATUS = 22 "CertificateStatus",
    SUPPLEMENTAL_DATA = 23 "SupplementalData",
    KEY_UPDATE = 24 "KeyUpdate",
    MESSAGE_HASH = 254 "message_hash",
}

impl HandshakeType {
    /// Who sends it in the clear, when only one side may: `Some(true)` is the client.
    pub const fn from_client(self) -> Option<bool> {
        match self {
            Self::CLIENT_HELLO | Self::CLIENT_KEY_EXCHANGE | Self::CERTIFICATE_VERIFY | Self::CERTIFICATE_URL => {
                Some(true)
            }
            Self::HELLO_REQUEST
            | Self::SERVER_HELLO
            | Self::NEW_SESSION_TICKET
            | Self::SERVER_KEY_EXCHANGE
            | Self::CERTIFICATE_REQUEST
            | Self::SERVER_HELLO_DONE
            | Self::CERTIFICATE_STATUS => Some(false),
            _ => None,
        }
    }

    /// Its body is of interest; all others are only counted.
    const fn is_kept(self) -> bool {
        matches!(self, Self::CLIENT_HELLO | Self::SERVER_HELLO | Self::SERVER_KEY_EXCHANGE | Self::CLIENT_KEY_EXCHANGE)
    }

    /// May stand first, in the clear, in a record that is seen without what came before it. A `HelloRequest` may not: its
    /// four zero bytes are what an encrypted record with an explicit nonce of 0 begins with (RFC 5288 §3).
    const fn may_resume(self) -> bool {
        matches!(self.0, 1 | 2 | 4 | 11..=16 | 22)
    }
}

impl fmt::Debug for HandshakeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "handshake_type_{}", self.0),
        }
    }
}

/// A complete message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: HandshakeType,
    /// Length of the body on the wire.
    pub len: u32,
    /// The body of a hello or key exchange, at most 64 KiB of it; empty for others, and when bytes of it were lost.
    pub body: Vec<u8>,
}

/// What [`MessageReader`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Message(Message),
    /// The record does not begin with a message in the clear. Only after a start in the middle or a loss.
    Opaque,
}

/// Puts messages together from the bodies of handshake records of one direction.
#[derive(Debug, Clone)]
pub struct MessageReader {
    state: State,
    /// The place between messages is known: a header need not look plausible.
    in_step: bool,
}

#[derive(Debug, Clone)]
enum State {
    Header {
        have: [u8; HEADER],
        len: usize,
    },
    Body {
        kind: HandshakeType,
        len: u32,
        remaining: u32,
        body: Vec<u8>,
        whole: bool,
    },
    /// Until the next record.
    Skipping,
}

const HEADER: usize = 4;
const START: State = State::Header { have: [0; HEADER], len: 0 };

impl MessageReader {
    /// A reader for a direction that is seen from its first byte (`in_step`), or from somewhere.
    pub const fn new(in_step: bool) -> Self {
        Self { state: START, in_step }
    }

    /// The place between messages is lost; they are looked for again at the start of the next record.
    pub fn lose(&mut self) {
        *self = Self { state: State::Skipping, in_step: false };
    }

    /// A record of `len` bytes begins.
    pub fn begin_record(&mut self) {
        if matches!(self.state, State::Skipping) {
            self.state = START;
        }
    }

    /// `len` bytes within a record are not here. A message that ends with them comes out of the next call.
    pub fn gap(&mut self, len: u64) {
        match &mut self.state {
            State::Body { remaining, whole, .. } if u64::from(*remaining) >= len => {
                *remaining -= u32::try_from(len).unwrap_or(u32::MAX);
                *whole = false;
            }
            State::Skipping => {}
            _ if len == 0 => {}
            _ => self.lose(),
        }
    }

    /// Takes bytes from `input`, which holds nothing but bytes of one record, of which `record_left` (those of
    /// `input` included) are still to come.
    pub fn next(&mut self, input: &mut &[u8], record_left: u64) -> Option<Found> {
        let before = input.len();
        loop {
            match &mut self.state {
                State::Skipping => {
                    *input = &[];
                    return None;
                }
                State::Header { have, len } => {
                    while let (Some(slot), Some((&byte, rest))) = (have.get_mut(*len), input.split_first()) {
                        *slot = byte;
                        *len += 1;
                        *input = rest;
                    }
                    if *len < HEADER {
                        return None;
                    }
                    let [kind, high, middle, low] = *have;
                    let kind = HandshakeType(kind);
                    let len = u32::from_be_bytes([0, high, middle, low]);
                    let left = record_left.saturating_sub((before - input.len()) as u64);
                    let plausible = kind.may_resume() && u64::from(len) <= left;
                    if !(self.in_step || plausible) {
                        self.state = State::Skipping;
                        *input = &[];
                        return Some(Found::Opaque);
                    }
                    self.in_step = true;
                    self.state = State::Body { kind, len, remaining: len, body: Vec::new(), whole: true };
                }
                State::Body { kind, len, remaining, body, whole } => {
                    let available = usize::try_from(*remaining).map_or(input.len(), |owed| owed.min(input.len()));
                    let (bytes, rest) = input.split_at_checked(available).unwrap_or((input, &[]));
                    *input = rest;
                    *remaining -= u32::try_from(bytes.len()).unwrap_or(*remaining);
                    if kind.is_kept() && *whole {
                        let room = KEPT.saturating_sub(body.len());
                        body.extend(bytes.iter().take(room));
                    }
                    if *remaining > 0 {
                        return None;
                    }
                    let body = if *whole { std::mem::take(body) } else { Vec::new() };
                    let message = Message { kind: *kind, len: *len, body };
                    self.state = START;
                    return Some(Found::Message(message));
                }
            }
        }
    }
}
