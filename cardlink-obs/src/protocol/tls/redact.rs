//! Masks what must not be kept of a TCP stream: needs past bytes only, never future ones.
//!
//! Application data becomes zeros (with a NULL suite it would be in the clear), and so does everything but the first
//! bytes of what is not TLS. PSK identities are replaced by whatever the caller makes of them. An identity stands in the
//! ClientKeyExchange of every PSK key exchange (RFC 4279 §2 to §4, RFC 5489 §2), a hint at it in the ServerKeyExchange, and
//! identities in the `pre_shared_key` extension of a TLS 1.3 ClientHello (RFC 8446 §4.2.11).
//!
//! Where ciphertext is wanted, it stays, and so do the identities that say by which key it opens; what is in the clear
//! becomes zeros all the same.

use super::suite::{cipher_suite, is_null};
use std::ops::Range;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Bytes that are kept of a direction that is not TLS: they tell what it is instead.
const KEPT_OF_OTHERS: u8 = 8;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const PRE_SHARED_KEY: usize = 41;
/// Version and random of a hello.
const HELLO_FIXED: usize = 34;

/// Makes what stands in place of an identity, as long as it.
pub type MaskIdentity = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Masks both directions of one connection.
pub struct TlsRedactor {
    read: Lane,
    write: Lane,
    /// `None`: ciphertext is kept.
    mask: Option<MaskIdentity>,
}

impl std::fmt::Debug for TlsRedactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsRedactor").field("read", &self.read).field("write", &self.write).finish_non_exhaustive()
    }
}

/// Where some bytes stand in their direction.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub write: bool,
    pub offset: u64,
    /// Bytes that moved; those that are not at hand follow the others.
    pub total: u64,
    /// The first byte starts a TLS record.
    pub record_start: bool,
}

impl TlsRedactor {
    pub fn new(mask: MaskIdentity) -> Self {
        Self { read: Lane::default(), write: Lane::default(), mask: Some(mask) }
    }

    /// Keeps what nobody can read without a key, and identities.
    pub fn keeping_ciphertext() -> Self {
        Self { read: Lane::default(), write: Lane::default(), mask: None }
    }

    /// Masks what must not be kept of `bytes`.
    pub fn mask(&mut self, place: Place, bytes: &mut [u8]) {
        let encrypts = self.mask.is_none()
            && [&self.read, &self.write].into_iter().find_map(|lane| lane.suite).is_some_and(encrypts);
        let lane = if place.write { &mut self.write } else { &mut self.read };
        if place.offset != lane.next {
            lane.skip(place.offset.saturating_sub(lane.next));
        }
        if place.record_start {
            lane.resync();
        }
        let mut identities: Vec<Range<usize>> = Vec::new();
        for (index, byte) in bytes.iter_mut().enumerate() {
            match lane.byte(*byte) {
                Keep::Clear => {}
                Keep::Ciphertext if encrypts => {}
                Keep::Zero | Keep::Ciphertext => *byte = 0,
                Keep::Identity => match identities.last_mut() {
                    Some(Range { end, .. }) if *end == index => *end += 1,
                    _ => identities.push(index..index + 1),
                },
            }
        }
        lane.skip(place.total.saturating_sub(bytes.len() as u64));
        lane.next = place.offset.saturating_add(place.total);
        for range in identities {
            if let (Some(identity), Some(mask)) = (bytes.get_mut(range), &self.mask) {
                let masked = mask(identity);
                for (slot, byte) in identity.iter_mut().zip(masked) {
                    *slot = byte;
                }
            }
        }
    }
}

/// What becomes of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Clear,
    Zero,
    /// Application data.
    Ciphertext,
    Identity,
}

/// What a direction speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Tls,
    /// So many bytes more are kept: enough to tell what it is instead.
    Other {
        clear: u8,
    },
    /// Records cannot be told apart any more.
    Lost,
}

/// What the next bytes of a handshake message are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Type,
    MessageLength,
    HelloFixed,
    SessionIdLength,
    SessionId,
    SuitesLength,
    Suites,
    /// The one that the server chose.
    Suite,
    CompressionLength,
    Compression,
    ExtensionsLength,
    ExtensionType,
    ExtensionLength,
    Extension,
    IdentitiesLength,
    HelloIdentityLength,
    HelloIdentity,
    TicketAge,
    KeyIdentityLength,
    KeyIdentity,
    /// To the end of the message.
    Rest,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    next: u64,
    header: [u8; 5],
    have: usize,
    record_left: usize,
    encrypted: bool,
    speech: Speech,
    field: Field,
    /// Bytes of the field still to come, and its value so far when it is a number.
    left: usize,
    value: usize,
    message_type: u8,
    message_left: usize,
    extension: usize,
    extension_left: usize,
    identities_left: usize,
    suite: Option<u16>,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            next: 0,
            header: [0; 5],
            have: 0,
            record_left: 0,
            encrypted: false,
            speech: Speech::Tls,
            field: Field::Type,
            left: 1,
            value: 0,
            message_type: 0,
            message_left: 0,
            extension: 0,
            extension_left: 0,
            identities_left: 0,
            suite: None,
        }
    }
}

/// Whether records under this suite are encrypted: not those of the NULL suites, nor of RFC 9150.
fn encrypts(suite: u16) -> bool {
    !is_null(cipher_suite(suite)) && !matches!(suite, 0xC0B4 | 0xC0B5)
}

impl Lane {
    /// Bytes are not at hand: within a record that is no matter, else its end is lost.
    fn skip(&mut self, len: u64) {
        if len == 0 || self.speech != Speech::Tls {
            return;
        }
        // A handshake message with a hole cannot be followed.
        self.encrypted = true;
        match usize::try_from(len) {
            Ok(len) if len <= self.record_left => self.record_left -= len,
            _ => self.speech = Speech::Lost,
        }
    }

    /// Whoever followed the records from the start says that one begins here.
    fn resync(&mut self) {
        if self.speech == Speech::Lost {
            self.speech = Speech::Tls;
            self.record_left = 0;
            self.have = 0;
        }
    }

    /// Takes a byte; what becomes of it.
    fn byte(&mut self, byte: u8) -> Keep {
        match &mut self.speech {
            Speech::Lost | Speech::Other { clear: 0 } => return Keep::Zero,
            Speech::Other { clear } => {
                *clear -= 1;
                return Keep::Clear;
            }
            Speech::Tls => {}
        }
        if self.record_left == 0 {
            self.header_byte(byte);
            return Keep::Clear;
        }
        self.record_left -= 1;
        let [kind, ..] = self.header;
        match kind {
            HANDSHAKE if !self.encrypted && self.message_byte(byte) => Keep::Identity,
            APPLICATION_DATA => Keep::Ciphertext,
            _ => Keep::Clear,
        }
    }

    fn header_byte(&mut self, byte: u8) {
        if let Some(slot) = self.header.get_mut(self.have) {
            *slot = byte;
        }
        self.have += 1;
        let [kind, major, _, high, low] = self.header;
        if !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) || (self.have > 1 && major != 3) {
            self.speech = Speech::Other { clear: KEPT_OF_OTHERS.saturating_sub(self.have as u8) };
        } else if self.have == self.header.len() {
            self.have = 0;
            self.record_left = usize::from(high) << 8 | usize::from(low);
            // After a ChangeCipherSpec no handshake message is in the clear.
            self.encrypted |= kind == CHANGE_CIPHER_SPEC;
        }
    }

    fn message_byte(&mut self, byte: u8) -> bool {
        let secret = matches!(self.field, Field::HelloIdentity | Field::KeyIdentity);
        self.value = self.value << 8 & 0xFF_FFFF | usize::from(byte);
        if self.field == Field::Type {
            self.message_type = byte;
        }
        if !matches!(self.field, Field::Type | Field::MessageLength) {
            self.message_left = self.message_left.saturating_sub(1);
            self.extension_left = self.extension_left.saturating_sub(1);
            self.identities_left = self.identities_left.saturating_sub(1);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.next_field();
        }
        secret
    }

    /// Goes to the next field that has bytes.
    fn next_field(&mut self) {
        loop {
            let number = self.value;
            (self.field, self.left) = self.after(number);
            self.value = 0;
            if self.field != Field::Type && self.field != Field::MessageLength && self.message_left == 0 {
                (self.field, self.left) = (Field::Type, 1);
            }
            if self.left > 0 {
                return;
            }
        }
    }

    fn after(&mut self, number: usize) -> (Field, usize) {
        match self.field {
            Field::Type => (Field::MessageLength, 3),
            Field::MessageLength => {
                self.message_left = number;
                match self.message_type {
                    CLIENT_HELLO | SERVER_HELLO => (Field::HelloFixed, HELLO_FIXED),
                    SERVER_KEY_EXCHANGE | CLIENT_KEY_EXCHANGE => (Field::KeyIdentityLength, 2),
                    _ => (Field::Rest, number),
                }
            }
            Field::HelloFixed => (Field::SessionIdLength, 1),
            Field::SessionIdLength => (Field::SessionId, number),
            Field::SessionId if self.message_type == SERVER_HELLO => (Field::Suite, 2),
            Field::Suite => {
                self.suite = u16::try_from(number).ok();
                (Field::Rest, self.message_left)
            }
            Field::SessionId => (Field::SuitesLength, 2),
            Field::SuitesLength => (Field::Suites, number),
            Field::Suites => (Field::CompressionLength, 1),
            Field::CompressionLength => (Field::Compression, number),
            Field::Compression => (Field::ExtensionsLength, 2),
            Field::ExtensionsLength | Field::Extension => (Field::ExtensionType, 2),
            Field::ExtensionType => {
                self.extension = number;
                (Field::ExtensionLength, 2)
            }
            Field::ExtensionLength => {
                self.extension_left = number;
                if self.extension == PRE_SHARED_KEY { (Field::IdentitiesLength, 2) } else { (Field::Extension, number) }
            }
            Field::IdentitiesLength => {
                self.identities_left = number;
                (Field::HelloIdentityLength, 2)
            }
            Field::HelloIdentityLength => (Field::HelloIdentity, number),
            Field::HelloIdentity => (Field::TicketAge, 4),
            Field::TicketAge if self.identities_left > 0 => (Field::HelloIdentityLength, 2),
            Field::TicketAge => (Field::Extension, self.extension_left),
            Field::KeyIdentityLength => (Field::KeyIdentity, number),
            Field::KeyIdentity => (Field::Rest, self.message_left),
            Field::Rest => (Field::Type, 1),
        }
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
