//! The bytes of an APDU that are looked at: its first and its last.

use crate::protocol::apdu::CommandApdu;

/// The first seven bytes and the last two of what was pushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    front: [u8; CommandApdu::FRONT],
    back: [u8; CommandApdu::BACK],
    len: u64,
}

impl Ends {
    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = usize::try_from(self.len).ok().and_then(|index| self.front.get_mut(index)) {
            *slot = byte;
        }
        self.back.rotate_left(1);
        if let Some(last) = self.back.last_mut() {
            *last = byte;
        }
        self.len = self.len.saturating_add(1);
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn front(&self) -> &[u8] {
        self.front.get(..usize::try_from(self.len).unwrap_or(usize::MAX)).unwrap_or(&self.front)
    }

    pub(super) fn back(&self) -> &[u8] {
        let missing = self.back.len().saturating_sub(usize::try_from(self.len).unwrap_or(usize::MAX));
        self.back.get(missing..).unwrap_or_default()
    }

    /// Whether the byte pushed last is of the header or a length field, in a C-APDU of `len` bytes.
    pub(super) fn last_is_clear_in_command(&self, len: u64) -> bool {
        let index = self.len.saturating_sub(1);
        let front = self.front();
        match (index, front.get(4).copied()) {
            (0..=4, _) => true,
            (5..=6, Some(0)) => len >= 7,
            (_, Some(0)) => {
                let lc = front.get(5..7).map_or(0, |lc| lc.iter().fold(0, |lc, &byte| (lc << 8) | u64::from(byte)));
                lc != 0 && len == 9 + lc && index >= 7 + lc
            }
            (_, Some(lc)) => len == 6 + u64::from(lc) && index == 5 + u64::from(lc),
            (_, None) => false,
        }
    }

    /// Whether the byte pushed last is of the status word, in an R-APDU of `len` bytes.
    pub(super) const fn last_is_clear_in_response(&self, len: u64) -> bool {
        self.len.saturating_add(1) >= len
    }
}
