//! The protection of the records of one direction: RFC 5246 §6.2.3, RFC 5288 §3, RFC 7366 §3; RFC 2246 §6.2.3 for the
//! chained IVs of TLS 1.0.

use super::cipher::{EXPLICIT_NONCE, TAG, cbc_decrypt, gcm_decrypt, gcm_nonce};
use super::hash::{Hash, Output};
use super::suite::{Block, Cipher, Suite};
use crate::observation::TlsVersion;
use crate::protocol::tls::RecordHeader;
use std::ops::Range;

/// After a loss: how many sequence numbers are tried.
pub(super) const MAX_TRIES: u32 = 4096;
/// The implicit part of a GCM nonce (RFC 5288 §3).
const SALT: usize = 4;

/// How the records of a connection are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) suite: Suite,
    pub(super) version: TlsVersion,
    /// Negotiated; of effect with CBC only (RFC 7366 §3).
    pub(super) encrypt_then_mac: bool,
}

impl Shape {
    /// Of the MAC key, the cipher key and the IV that one direction takes from the key block (RFC 5246 §6.3).
    pub(super) const fn key_lengths(&self) -> (usize, usize, usize) {
        let mac = self.suite.mac_len();
        match self.suite.cipher {
            Cipher::Null => (mac, 0, 0),
            Cipher::Cbc(block) if self.chains_ivs() => (mac, block.key_len(), block.len()),
            Cipher::Cbc(block) => (mac, block.key_len(), 0),
            Cipher::Gcm(key) => (0, key, SALT),
        }
    }

    /// TLS 1.0: the last block of a record is the IV of the next.
    pub(super) const fn chains_ivs(&self) -> bool {
        matches!(self.suite.cipher, Cipher::Cbc(_)) && self.version.0 < TlsVersion::TLS_1_1.0
    }

    /// The least that a fragment has.
    const fn min_fragment(&self) -> usize {
        match self.suite.cipher {
            Cipher::Null => self.suite.mac_len(),
            Cipher::Cbc(block) if self.chains_ivs() => block.len(),
            Cipher::Cbc(block) => 2 * block.len(),
            Cipher::Gcm(_) => EXPLICIT_NONCE + TAG,
        }
    }
}

/// The secrets of one direction.
#[derive(Debug, Clone)]
pub(super) struct DirectionKeys {
    pub(super) mac: Output,
    pub(super) key: Output,
    pub(super) iv: Output,
}

/// Opens the records of one direction, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) shape: Shape,
    pub(super) keys: DirectionKeys,
    /// A NULL suite without its key: nothing is verified.
    unverified: bool,
    /// The sequence number of the next record, or after a loss the least that it may have…
    pub(super) sequence: u64,
    /// …and how many more it may be.
    slack: u32,
    /// Chained IVs: the block before the next record is here.
    has_iv: bool,
    /// The explicit nonce of the last GCM record. Most peers count in it.
    nonce: Option<u64>,
}

/// Why a record does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It does not authenticate.
    Bad,
    /// It does not authenticate, after a loss.
    Lost,
    /// It follows a loss, and its beginning depends on what was lost. The next one can be read.
    Blind,
}

impl Lane {
    pub(super) const fn new(shape: Shape, keys: DirectionKeys) -> Self {
        Self { shape, keys, unverified: false, sequence: 0, slack: 0, has_iv: true, nonce: None }
    }

    /// A NULL suite whose key is not known.
    pub(super) fn unverified(shape: Shape) -> Self {
        let keys = DirectionKeys { mac: Output::empty(), key: Output::empty(), iv: Output::empty() };
        Self { unverified: true, ..Self::new(shape, keys) }
    }

    /// Verifies and decrypts a fragment in place and says where in it the content is.
    pub(super) fn open(&mut self, header: RecordHeader, fragment: &mut [u8]) -> Result<Range<usize>, Refused> {
        let opened = match self.shape.suite.cipher {
            Cipher::Null => self.open_null(header, fragment),
            Cipher::Gcm(_) => self.open_gcm(header, fragment),
            Cipher::Cbc(block) if self.has_iv => self.open_cbc(block, header, fragment),
            Cipher::Cbc(_) => return Err(self.open_blind(header, fragment)),
        };
        let Some((content, sequence)) = opened else {
            return Err(if self.slack > 0 { Refused::Lost } else { Refused::Bad });
        };
        self.sequence = sequence.saturating_add(1);
        self.slack = 0;
        Ok(content)
    }

    /// A record of which only the last bytes are here (perhaps none).
    pub(super) fn miss(&mut self, tail: &[u8]) {
        self.sequence = self.sequence.saturating_add(1);
        self.nonce = None;
        if let Cipher::Cbc(block) = self.shape.suite.cipher
            && self.shape.chains_ivs()
        {
            let mac = if self.shape.encrypt_then_mac { self.shape.suite.mac_len() } else { 0 };
            let ciphertext = tail.get(..tail.len().saturating_sub(mac)).unwrap_or_default();
            self.has_iv = self.chain(block, ciphertext).is_some();
        }
    }

    /// `len` bytes of the direction are not here, and it is not known how they were cut into records.
    pub(super) fn lose(&mut self, len: u64) {
        let least = 5 + self.shape.min_fragment() as u64;
        // One more than fit in: the record that the hole begins in may have ended in it.
        let records = u32::try_from(len / least + 1).unwrap_or(u32::MAX);
        self.slack = self.slack.saturating_add(records).min(MAX_TRIES);
        self.has_iv = !self.shape.chains_ivs();
    }

    /// The last block of a record becomes the IV of the next.
    fn chain(&mut self, block: Block, ciphertext: &[u8]) -> Option<()> {
        let last = ciphertext.get(ciphertext.len().checked_sub(block.len())?..)?;
        self.keys.iv = Output::new(last);
        Some(())
    }

    fn open_null(&self, header: RecordHeader, fragment: &[u8]) -> Option<(Range<usize>, u64)> {
        let len = fragment.len().checked_sub(self.shape.suite.mac_len())?;
        let (Some(hash), false) = (self.shape.suite.mac, self.unverified) else { return Some((0..len, self.sequence)) };
        let (content, mac) = fragment.split_at_checked(len)?;
        Some((0..len, self.authenticate(hash, header, content, mac)?))
    }

    fn open_gcm(&mut self, header: RecordHeader, fragment: &mut [u8]) -> Option<(Range<usize>, u64)> {
        let content = EXPLICIT_NONCE..fragment.len().checked_sub(TAG)?;
        let (explicit, rest) = fragment.split_at_mut_checked(EXPLICIT_NONCE)?;
        let (data, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG)?)?;
        let counter = u64::from_be_bytes((&*explicit).try_into().ok()?);
        let nonce = gcm_nonce(self.keys.iv.as_slice(), explicit);
        let head = pseudo_header(header, data.len());
        let mut aad = [0; 8 + HEAD];
        let mut fits = |sequence: &u64| {
            for (slot, byte) in aad.iter_mut().zip(sequence.to_be_bytes().iter().chain(&head)) {
                *slot = *byte;
            }
            gcm_decrypt(self.keys.key.as_slice(), nonce, &aad, data, tag).is_some()
        };
        let hint = self.nonce.map(|last| self.sequence.wrapping_add(counter.wrapping_sub(last).wrapping_sub(1)));
        let hint = hint.filter(|hint| self.candidates().contains(hint) && self.slack > 0);
        let sequence = hint.into_iter().chain(self.candidates()).find(|sequence| fits(sequence))?;
        self.nonce = Some(counter);
        Some((content, sequence))
    }

    fn open_cbc(&mut self, block: Block, header: RecordHeader, fragment: &mut [u8]) -> Option<(Range<usize>, u64)> {
        let hash = self.shape.suite.mac?;
        let mut end = fragment.len();
        let mut sequence = None;
        if self.shape.encrypt_then_mac {
            end = end.checked_sub(hash.len())?;
            let (sealed, mac) = fragment.split_at_checked(end)?;
            sequence = Some(self.authenticate(hash, header, sealed, mac)?);
        }
        let chained = self.shape.chains_ivs();
        let start = if chained { 0 } else { block.len() };
        let (before, data) = fragment.get_mut(..end)?.split_at_mut_checked(start)?;
        let mut last = [0; 16];
        let last = last.get_mut(..block.len())?;
        last.copy_from_slice(data.get(data.len().checked_sub(block.len())?..)?);
        let iv = if chained { self.keys.iv.as_slice() } else { before };
        cbc_decrypt(block, self.keys.key.as_slice(), iv, data)?;
        let content = data.len().checked_sub(padding(data)?)?;
        let content = if sequence.is_some() {
            content
        } else {
            let len = content.checked_sub(hash.len())?;
            let (text, mac) = data.get(..content)?.split_at_checked(len)?;
            sequence = Some(self.authenticate(hash, header, text, mac)?);
            len
        };
        if chained {
            self.keys.iv = Output::new(last);
        }
        Some((start..start + content, sequence?))
    }

    /// A record whose IV is lost. A MAC over the ciphertext still tells its place, and must: it does not cover the IV, so
    /// that a wrong one would not show in the next record.
    fn open_blind(&mut self, header: RecordHeader, fragment: &[u8]) -> Refused {
        if let (true, Some(hash)) = (self.shape.encrypt_then_mac, self.shape.suite.mac) {
            let parts = fragment.len().checked_sub(hash.len()).and_then(|len| fragment.split_at_checked(len));
            let place = parts.and_then(|(sealed, mac)| self.authenticate(hash, header, sealed, mac));
            let Some(sequence) = place else { return Refused::Lost };
            self.sequence = sequence;
            self.slack = 0;
        }
        self.miss(fragment);
        Refused::Blind
    }

    fn candidates(&self) -> std::ops::RangeInclusive<u64> {
        self.sequence..=self.sequence.saturating_add(u64::from(self.slack))
    }

    /// The sequence number with which the MAC fits (RFC 5246 §6.2.3.1).
    fn authenticate(&self, hash: Hash, header: RecordHeader, data: &[u8], mac: &[u8]) -> Option<u64> {
        let head = pseudo_header(header, data.len());
        hash.find_number(self.keys.mac.as_slice(), self.candidates(), &head, data, mac)
    }
}

const HEAD: usize = 5;

/// What is authenticated along with the data, after the sequence number: type, version, length.
pub(super) fn pseudo_header(header: RecordHeader, len: usize) -> [u8; HEAD] {
    let [major, minor] = header.version.0.to_be_bytes();
    let [high, low] = (len as u16).to_be_bytes();
    [header.content.0, major, minor, high, low]
}

/// Bytes of padding at the end, the byte that counts them included (RFC 5246 §6.2.3.2). `None`: it is not regular.
fn padding(data: &[u8]) -> Option<usize> {
    let count = *data.last()?;
    let len = usize::from(count) + 1;
    let padding = data.get(data.len().checked_sub(len)?..)?;
    padding.iter().all(|byte| *byte == count).then_some(len)
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
