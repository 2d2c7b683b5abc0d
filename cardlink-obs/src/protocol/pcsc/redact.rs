//! Masks a connection for a recording: no data field, no ATR, no attribute, no serial number.

use super::{
    Command, Side, Talk,
    message::{STATE, STATE_ATR},
    name,
    talk::{Part, Run},
};
use crate::protocol::apdu::{Case, CommandApdu};

/// What stands in for a serial number that is not here in one piece.
const COVER: u8 = b'*';

/// Turns a serial number into what a recording holds in its place: as many bytes.
pub type MaskSerial = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Both directions of a connection.
pub struct PcscRedactor {
    talk: Talk,
    mask_serial: MaskSerial,
    /// Where each direction stands.
    next: [Option<u64>; 2],
}

impl PcscRedactor {
    pub fn new(mask_serial: MaskSerial) -> Self {
        Self { talk: Talk::new(true), mask_serial, next: [None; 2] }
    }

    /// Masks bytes that one call moved.
    pub fn mask(&mut self, side: Side, offset: u64, bytes: &mut [u8]) {
        let next = match side {
            Side::Client => &mut self.next[0],
            Side::Daemon => &mut self.next[1],
        };
        let expected = next.unwrap_or(0);
        *next = Some(offset.saturating_add(bytes.len() as u64));
        if offset != expected {
            self.talk.gap(side);
        }
        let mut rest = bytes;
        self.talk.look(side, rest);
        while !rest.is_empty() {
            let run = self.talk.step(side, rest, &mut |_| {});
            let (taken, after) = rest.split_at_mut(run.len);
            self.cover(side, run, taken);
            rest = after;
        }
    }

    fn cover(&self, side: Side, run: Run, bytes: &mut [u8]) {
        match run.part {
            Part::Data(Command::TRANSMIT, total) => match side {
                Side::Client => cover_command(self.talk.front(side), run.position, total, bytes),
                Side::Daemon => {
                    let data = total.saturating_sub(2).saturating_sub(run.position).min(bytes.len());
                    bytes.iter_mut().take(data).for_each(|byte| *byte = 0);
                }
            },
            Part::Body(Command::CONNECT, _) => self.cover_name(4, run.position, bytes),
            Part::Body(Command::GET_ATTRIB | Command::SET_ATTRIB, _) => {
                // Handle and attribute stand before, length and result behind.
                cover_range(8..272, run.position, bytes);
            }
            Part::Header => {}
            Part::Body(command, size) if command.fits(size) || command.size().is_some() => {}
            Part::Body(..) | Part::Data(..) | Part::Unknown => bytes.fill(0),
            Part::Readers => {
                for state in 0..16 {
                    let at = state * STATE;
                    self.cover_name(at, run.position, bytes);
                    cover_range(at + STATE_ATR.start..at + STATE_ATR.end, run.position, bytes);
                }
            }
        }
    }

    /// Covers the serial number of a name that begins at `at` in its part.
    fn cover_name(&self, at: usize, position: usize, bytes: &mut [u8]) {
        let (start, end) = (at.saturating_sub(position), (at + name::ROOM).saturating_sub(position));
        if at >= position
            && let Some(field) = bytes.get_mut(start..end)
        {
            if let Some(place) = name::serial(field)
                && let Some(serial) = field.get_mut(place)
            {
                let masked = (self.mask_serial)(serial);
                for (slot, byte) in serial.iter_mut().zip(masked.into_iter().chain(std::iter::repeat(COVER))) {
                    *slot = byte;
                }
            }
            return;
        }
        // Only a part of it is here: what could be of a serial number goes.
        let len = bytes.len();
        let Some(piece) = bytes.get_mut(start.min(len)..end.min(len)) else { return };
        let from = if at >= position { piece.iter().position(|byte| *byte == b'(').unwrap_or(piece.len()) } else { 0 };
        piece.iter_mut().skip(from).filter(|byte| **byte != 0).for_each(|byte| *byte = COVER);
    }
}

impl std::fmt::Debug for PcscRedactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcscRedactor").field("talk", &self.talk).finish_non_exhaustive()
    }
}

/// Covers `range` of a part, of which `bytes` begin at `position`.
fn cover_range(range: std::ops::Range<usize>, position: usize, bytes: &mut [u8]) {
    let len = bytes.len();
    let (start, end) = (range.start.saturating_sub(position).min(len), range.end.saturating_sub(position).min(len));
    if let Some(covered) = bytes.get_mut(start..end) {
        covered.fill(0);
    }
}

/// Leaves header and lengths of a C-APDU of `total` bytes.
fn cover_command(front: &[u8], position: usize, total: usize, bytes: &mut [u8]) {
    let whole = front.len() >= CommandApdu::FRONT.min(total);
    let case = CommandApdu::from_ends(front, &[0, 0], total).filter(|_| whole).map(|apdu| apdu.case);
    let first = match case {
        Some(Case::C2E | Case::C3E | Case::C4E) => CommandApdu::FRONT,
        _ => 5,
    };
    let last = match case {
        Some(Case::C4S) => total.saturating_sub(1),
        Some(Case::C4E) => total.saturating_sub(2),
        _ => total,
    };
    cover_range(first..last, position, bytes);
}
