//! Which key did the client use, when it was not the right one.
//!
//! The client's Finished is encrypted under keys that follow from its PSK, so a guess at the PSK can be tried against it.
//! The guesses are the mistakes that are made with key files: text taken for hex and the reverse, halves and bytes swapped,
//! the key of another card.

use super::keyring::{Keyring, Psk};
use super::record::Record;
use super::schedule::Material;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How the client's key relates to the keys of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It is the one that the file has for this identity: then the server has another.
    AsInFile,
    /// It is the one that the file has for another identity.
    OtherIdentity,
    /// The hex digits of the key, lower case, taken as they stand for the bytes of a key.
    HexAsTextLower,
    /// The hex digits of the key, upper case, taken as they stand for the bytes of a key.
    HexAsTextUpper,
    /// The key of the file is itself hex digits, and the client has the bytes that they stand for.
    TextAsHex,
    /// The bytes in reverse order.
    Reversed,
    /// The two digits of every byte swapped.
    NibblesSwapped,
    /// Only the first 16 bytes.
    First16,
    /// Only the first 32 bytes.
    First32,
    /// Filled up with zeros to 16 bytes.
    Padded16,
    /// Filled up with zeros to 32 bytes.
    Padded32,
    /// Without the zeros at its end.
    Unpadded,
    /// Sixteen zeros.
    Zeros,
}

impl Fit {
    /// What is wrong, in a sentence. It tells nothing of the key itself.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::AsInFile => "the client has the key of the key file; the server has another",
            Self::OtherIdentity => "the client uses the key that the key file has for another identity",
            Self::HexAsTextLower => "the client took the key's hex digits (lower case) for the key itself",
            Self::HexAsTextUpper => "the client took the key's hex digits (upper case) for the key itself",
            Self::TextAsHex => {
                "the key in the key file is itself written in hex digits, and the client has the bytes they stand for"
            }
            Self::Reversed => "the client has the bytes of the key in reverse order",
            Self::NibblesSwapped => "the client has the two hex digits of every byte of the key swapped",
            Self::First16 => "the client has only the first 16 bytes of the key",
            Self::First32 => "the client has only the first 32 bytes of the key",
            Self::Padded16 => "the client filled the key up with zeros to 16 bytes",
            Self::Padded32 => "the client filled the key up with zeros to 32 bytes",
            Self::Unpadded => "the client has the key without the zeros at its end",
            Self::Zeros => "the client's key is all zeros: it was never given one",
        }
    }

    /// The word for a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsInFile => "as_in_file",
            Self::OtherIdentity => "other_identity",
            Self::HexAsTextLower => "hex_as_text_lower",
            Self::HexAsTextUpper => "hex_as_text_upper",
            Self::TextAsHex => "text_as_hex",
            Self::Reversed => "reversed",
            Self::NibblesSwapped => "nibbles_swapped",
            Self::First16 => "first_16",
            Self::First32 => "first_32",
            Self::Padded16 => "padded_16",
            Self::Padded32 => "padded_32",
            Self::Unpadded => "unpadded",
            Self::Zeros => "zeros",
        }
    }
}

/// The client's key, found.
#[derive(Clone, PartialEq, Eq)]
pub struct Finding {
    pub fit: Fit,
    /// With [`Fit::OtherIdentity`]: the identity whose key it is.
    pub other: Option<Arc<[u8]>>,
}

/// An identity names a card, so it is not printed.
impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finding({:?})", self.fit)
    }
}

/// What remains of a handshake whose end is not known, or that failed.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) material: Material,
    pub(super) identity: Arc<[u8]>,
    /// The client's first protected record: its Finished.
    pub(super) record: Option<Record>,
}

impl Evidence {
    /// Tries the keys of the file and what is commonly made of them. `None`: none fits, or the Finished has not come.
    pub(super) fn investigate(&self, keyring: &Keyring) -> Option<Finding> {
        let record = self.record.as_ref()?;
        let fits = |psk: &[u8]| self.material.fit(&self.material.master(psk), record).is_some();
        let own = keyring.keys(&self.identity);
        if own.iter().any(|psk| fits(psk.expose())) {
            return Some(Finding { fit: Fit::AsInFile, other: None });
        }
        let mistaken = own.iter().flat_map(mistakes).find(|(_, psk)| fits(psk)).map(|(fit, _)| fit);
        if let Some(fit) = mistaken.or_else(|| fits(&[0; 16]).then_some(Fit::Zeros)) {
            return Some(Finding { fit, other: None });
        }
        let (other, _, _) = keyring.iter().find(|(other, psk, _)| **other != *self.identity && fits(psk.expose()))?;
        Some(Finding { fit: Fit::OtherIdentity, other: Some(other.into()) })
    }
}

type Guess = (Fit, Zeroizing<Vec<u8>>);

/// What may have been made of a key.
fn mistakes(psk: &Psk) -> Vec<Guess> {
    let key = psk.expose();
    let mut guesses: Vec<Guess> = Vec::new();
    let mut guess = |fit, bytes: Vec<u8>| {
        let bytes = Zeroizing::new(bytes);
        if bytes.as_slice() != key {
            guesses.push((fit, bytes));
        }
    };
    let digits = |set: &[u8; 16]| {
        let digit = |value: u8| set.get(usize::from(value)).copied().unwrap_or_default();
        let mut digits = Vec::with_capacity(2 * key.len());
        digits.extend(key.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]));
        digits
    };
    guess(Fit::HexAsTextLower, digits(b"0123456789abcdef"));
    guess(Fit::HexAsTextUpper, digits(b"0123456789ABCDEF"));
    if let Some(bytes) = super::keyring::decode_hex(key) {
        guess(Fit::TextAsHex, bytes.to_vec());
    }
    guess(Fit::Reversed, key.iter().rev().copied().collect());
    guess(Fit::NibblesSwapped, key.iter().map(|byte| byte.rotate_left(4)).collect());
    for (len, first, padded) in [(16, Fit::First16, Fit::Padded16), (32, Fit::First32, Fit::Padded32)] {
        let fit = if key.len() > len { first } else { padded };
        let mut bytes = Vec::with_capacity(len);
        bytes.extend(key.iter().copied().chain(std::iter::repeat(0)).take(len));
        guess(fit, bytes);
    }
    let kept = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    guess(Fit::Unpadded, key.iter().take(kept).copied().collect());
    guesses
}
