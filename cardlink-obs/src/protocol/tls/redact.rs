//! Masks PSK identities in a byte stream that is about to be kept: needs past bytes only, never future ones.
//!
//! An identity stands in the ClientKeyExchange of every PSK key exchange (RFC 4279 §2 to §4, RFC 5489 §2) and in the
//! `pre_shared_key` extension of a TLS 1.3 ClientHello (RFC 8446 §4.2.11).

use std::ops::Range;

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const PRE_SHARED_KEY: usize = 41;
/// Version and random of a ClientHello.
const HELLO_FIXED: usize = 34;

/// Makes what stands in place of an identity, as long as it.
pub type MaskIdentity = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Masks both directions of one connection.
pub struct IdentityRedactor {
    read: Lane,
    write: Lane,
    mask: MaskIdentity,
}

impl IdentityRedactor {
    pub fn new(mask: MaskIdentity) -> Self {
        Self { read: Lane::default(), write: Lane::default(), mask }
    }

    /// Masks the identities in `bytes`, which stand at `offset` of their direction; `total` bytes moved, of which those
    /// that are not in `bytes` follow them.
    pub fn mask(&mut self, write: bool, offset: u64, total: u64, bytes: &mut [u8]) {
        let lane = if write { &mut self.write } else { &mut self.read };
        let mut found = Vec::new();
        if offset != lane.next {
            lane.gap();
        }
        for (index, byte) in bytes.iter().enumerate() {
            if lane.byte(*byte) {
                match found.last_mut() {
                    Some(Range { end, .. }) if *end == index => *end += 1,
                    _ => found.push(index..index + 1),
                }
            }
        }
        lane.next = offset.saturating_add(total);
        if total > bytes.len() as u64 {
            lane.gap();
        }
        for range in found {
            if let Some(identity) = bytes.get_mut(range) {
                let masked = (self.mask)(identity);
                for (slot, byte) in identity.iter_mut().zip(masked) {
                    *slot = byte;
                }
            }
        }
    }
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
    field: Field,
    /// Bytes of the field still to come, and its value so far when it is a number.
    left: usize,
    value: usize,
    message_type: u8,
    message_left: usize,
    extension: usize,
    extension_left: usize,
    identities_left: usize,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            next: 0,
            header: [0; 5],
            have: 0,
            record_left: 0,
            encrypted: false,
            field: Field::Type,
            left: 1,
            value: 0,
            message_type: 0,
            message_left: 0,
            extension: 0,
            extension_left: 0,
            identities_left: 0,
        }
    }
}

impl Lane {
    /// Bytes are missing: what follows is not understood any more, but identities come early.
    fn gap(&mut self) {
        self.encrypted = true;
    }

    /// Takes a byte; whether it belongs to an identity.
    fn byte(&mut self, byte: u8) -> bool {
        if self.encrypted {
            return false;
        }
        if self.record_left == 0 {
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = byte;
            }
            self.have += 1;
            if self.have == self.header.len() {
                self.have = 0;
                let [kind, _, _, high, low] = self.header;
                self.record_left = usize::from(high) << 8 | usize::from(low);
                // After a ChangeCipherSpec nothing is in the clear; other first bytes are not TLS.
                self.encrypted = kind == CHANGE_CIPHER_SPEC || !(20..=23).contains(&kind);
            }
            return false;
        }
        self.record_left -= 1;
        self.header.first() == Some(&HANDSHAKE) && self.message_byte(byte)
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
                    CLIENT_HELLO => (Field::HelloFixed, HELLO_FIXED),
                    CLIENT_KEY_EXCHANGE => (Field::KeyIdentityLength, 2),
                    _ => (Field::Rest, number),
                }
            }
            Field::HelloFixed => (Field::SessionIdLength, 1),
            Field::SessionIdLength => (Field::SessionId, number),
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
mod tests {
    use super::IdentityRedactor;

    fn redactor() -> IdentityRedactor {
        IdentityRedactor::new(Box::new(|identity| vec![b'*'; identity.len()]))
    }

    fn key_exchange(identity: &[u8]) -> Vec<u8> {
        let body = [&[0, identity.len() as u8], identity].concat();
        let message = [&[16, 0, 0, body.len() as u8], body.as_slice()].concat();
        [&[22, 3, 3, 0, message.len() as u8], message.as_slice(), &[20, 3, 3, 0, 1, 1]].concat()
    }

    #[test]
    fn the_identity_of_a_key_exchange_is_masked_and_nothing_else() {
        let clear = key_exchange(b"8988303000001234567");
        let mut bytes = clear.clone();
        redactor().mask(true, 0, bytes.len() as u64, &mut bytes);
        assert_eq!(bytes[11..30], *b"*******************");
        assert_eq!(bytes[..11], clear[..11]);
        assert_eq!(bytes[30..], clear[30..]);
    }

    #[test]
    fn any_split_masks_the_same_bytes() {
        let clear = key_exchange(b"8988303000001234567");
        let mut whole = clear.clone();
        redactor().mask(false, 0, whole.len() as u64, &mut whole);
        for at in 1..clear.len() {
            let mut bytes = clear.clone();
            let mut redactor = redactor();
            let (first, second) = bytes.split_at_mut(at);
            redactor.mask(false, 0, first.len() as u64, first);
            redactor.mask(false, at as u64, second.len() as u64, second);
            assert_eq!(bytes, whole, "split at {at}");
        }
    }

    #[test]
    fn a_hello_with_a_pre_shared_key_is_masked() {
        let psk = [&[0, 41][..], &[0, 15], &[0, 10], &[0, 4], b"card", &[1, 2, 3, 4], &[0, 1, 9]].concat();
        let extensions = [&[0, 23, 0, 0][..], &psk].concat();
        let body =
            [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 0x01], &[1, 0], &[0, extensions.len() as u8], &extensions]
                .concat();
        let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
        let mut bytes = [&[22, 3, 1, 0, message.len() as u8][..], &message].concat();
        let clear = bytes.clone();
        redactor().mask(false, 0, bytes.len() as u64, &mut bytes);
        let changed: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != clear[*i]).collect();
        assert_eq!(changed.len(), 4);
        assert_eq!(&clear[changed[0]..=changed[3]], b"card");
    }
}
