//! Packets of `shell,v2`: a type, a length (little endian), and as many bytes. Only the exit code is read.

use super::frame::{Part, What};

const EXIT: u8 = 3;
const HEADER: usize = 5;

/// The packets of one direction.
#[derive(Debug, Default)]
pub(super) struct Packets {
    header: [u8; HEADER],
    have: usize,
    /// Bytes of the packet under way that are still to come.
    left: u64,
    /// The framing is lost; the last bytes may still be an exit packet.
    lost: bool,
    /// The last bytes.
    tail: [u8; HEADER + 1],
}

impl Packets {
    /// Takes bytes; gives the exit code and how many bytes it took to come to it.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<u8> {
        let mut exit = None;
        let mut rest = bytes;
        if self.lost {
            self.remember(bytes);
            return None;
        }
        while let Some((&byte, after)) = rest.split_first() {
            if self.left > 0 {
                if self.header[0] == EXIT {
                    exit.get_or_insert(byte);
                }
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                self.left -= passed as u64;
                rest = rest.get(passed..).unwrap_or_default();
                continue;
            }
            self.header[self.have] = byte;
            self.have += 1;
            rest = after;
            if self.have == HEADER {
                let [_, a, b, c, d] = self.header;
                self.left = u64::from(u32::from_le_bytes([a, b, c, d]));
                self.have = 0;
            }
        }
        exit
    }

    /// What the next bytes are.
    pub fn part(&self) -> Part {
        if self.lost {
            Part::of(What::Tail, usize::MAX)
        } else if self.left == 0 {
            Part::of(What::Kept, HEADER - self.have)
        } else if self.header[0] == EXIT {
            Part::of(What::Code, 1)
        } else {
            Part::of(What::Blank, usize::try_from(self.left).unwrap_or(usize::MAX))
        }
    }

    /// Bytes are missing.
    pub fn gap(&mut self, len: u64) {
        if self.have == 0 && self.left >= len && self.header[0] != EXIT {
            self.left -= len;
        } else {
            self.lost = true;
            self.tail = [0; HEADER + 1];
        }
    }

    /// The direction ends: its last bytes are the exit packet, when the framing was lost before.
    pub fn last(&self) -> Option<u8> {
        match self.tail {
            [EXIT, 1, 0, 0, 0, code] if self.lost => Some(code),
            _ => None,
        }
    }

    /// Overwrites bytes after the framing was lost: all but an exit packet at their end.
    pub fn mask_tail(bytes: &mut [u8]) {
        let rest = match *bytes {
            [ref mut rest @ .., EXIT, 1, 0, 0, 0, _] => rest,
            ref mut all => all,
        };
        rest.fill(0);
    }

    fn remember(&mut self, bytes: &[u8]) {
        let fresh = bytes.len().min(self.tail.len());
        self.tail.rotate_left(fresh);
        let from = self.tail.len() - fresh;
        let end = bytes.get(bytes.len() - fresh..).unwrap_or_default();
        if let Some(slots) = self.tail.get_mut(from..) {
            slots.copy_from_slice(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Packets;

    #[test]
    fn the_exit_code_is_found_however_the_bytes_come() {
        let mut bytes = vec![1, 5, 0, 0, 0];
        bytes.extend(b"\x03\x01\x00\x00\x00");
        bytes.extend([2, 0, 0, 0, 0, 3, 1, 0, 0, 0, 42]);
        for size in 1..=bytes.len() {
            let mut packets = Packets::default();
            let codes: Vec<u8> = bytes.chunks(size).filter_map(|chunk| packets.feed(chunk)).collect();
            assert_eq!(codes, [42], "{size}");
        }
    }

    #[test]
    fn a_gap_within_a_packet_does_no_harm() {
        let mut packets = Packets::default();
        packets.feed(&[1, 100, 0, 0, 0, b'a']);
        packets.gap(99);
        assert_eq!(packets.feed(&[3, 1, 0, 0, 0, 7]), Some(7));
    }

    #[test]
    fn after_a_gap_the_last_bytes_tell() {
        let mut packets = Packets::default();
        packets.gap(50);
        assert_eq!(packets.feed(b"anything at all \x03\x01"), None);
        packets.feed(b"\x00\x00\x00");
        packets.feed(b"\x01");
        assert_eq!(packets.last(), Some(1));
        packets.feed(b"more");
        assert_eq!(packets.last(), None);
    }
}
