//! The hash functions of the suites, as MAC and as digest.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};
use std::fmt;
use zeroize::Zeroizing;

/// The longest output: SHA-384's.
pub(super) const MAX_HASH: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// The hash of the parts, one after the other.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Output {
        match self {
            Self::Md5 => digest::<Md5>(parts),
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
        }
    }

    /// The HMAC (RFC 2104) of the parts, one after the other.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Output {
        match self {
            Self::Md5 => hmac::<Hmac<Md5>>(key, parts),
            Self::Sha1 => hmac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => hmac::<Hmac<Sha256>>(key, parts),
            Self::Sha384 => hmac::<Hmac<Sha384>>(key, parts),
        }
    }

    /// The first of the numbers with which `number ‖ head ‖ data` has this MAC.
    pub(super) fn find_number(
        self,
        key: &[u8],
        mut numbers: impl Iterator<Item = u64>,
        head: &[u8],
        data: &[u8],
        mac: &[u8],
    ) -> Option<u64> {
        match self {
            Self::Md5 => numbers.find(|number| verify::<Hmac<Md5>>(key, *number, head, data, mac)),
            Self::Sha1 => numbers.find(|number| verify::<Hmac<Sha1>>(key, *number, head, data, mac)),
            Self::Sha256 => numbers.find(|number| verify::<Hmac<Sha256>>(key, *number, head, data, mac)),
            Self::Sha384 => numbers.find(|number| verify::<Hmac<Sha384>>(key, *number, head, data, mac)),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Output {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    Output::new(&hash.finalize())
}

fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Output {
    let mut mac = keyed::<M>(key);
    for part in parts {
        mac.update(part);
    }
    Output::new(&mac.finalize().into_bytes())
}

fn verify<M: Mac + KeyInit>(key: &[u8], number: u64, head: &[u8], data: &[u8], expected: &[u8]) -> bool {
    let mut mac = keyed::<M>(key);
    mac.update(&number.to_be_bytes());
    mac.update(head);
    mac.update(data);
    mac.verify_slice(expected).is_ok()
}

/// What a hash gives. It may be derived from a secret, so it is wiped and not printed.
#[derive(Clone)]
pub(super) struct Output {
    bytes: Zeroizing<[u8; MAX_HASH]>,
    len: usize,
}

impl Output {
    /// Takes what fits; the outputs of the functions above do.
    pub(super) fn new(from: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; MAX_HASH]);
        let mut len = 0;
        for (slot, byte) in bytes.iter_mut().zip(from) {
            *slot = *byte;
            len += 1;
        }
        Self { bytes, len }
    }

    pub(super) fn empty() -> Self {
        Self::new(&[])
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({} bytes)", self.len)
    }
}
