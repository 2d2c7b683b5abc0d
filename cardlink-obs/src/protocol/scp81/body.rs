//! Bodies, whatever their dialect.
//!
//! Reading and masking are the same machine: for every byte it says whether a recording may hold it, and it decides by
//! bytes that it said may be held. What is read of a masked body is therefore what is read of the body itself.

use super::{
    Apdu, Dialect, FaultKind, Script,
    ends::Ends,
    template::{TAGS, Template},
};
use crate::protocol::apdu::{Case, CommandApdu, CommandName, StatusWord};

/// What stands for a byte that a recording may not hold.
pub(super) const FILLER: u8 = b'x';
/// Stands in its place where it would be read as something.
const OTHER_FILLER: u8 = b'y';

/// Reads a body that comes in any pieces.
#[derive(Debug, Clone)]
pub struct BodyReader<A> {
    place: Place,
    /// Bytes of the body, when its head says.
    total: Option<u64>,
    script: Script<A>,
    /// A response's last bytes, which may be a status word.
    back: [u8; 2],
}

#[derive(Debug, Clone)]
enum Place {
    Start,
    Template(Template),
    Plain(Plain),
    Unknown,
}

/// One APDU, perhaps after its length.
#[derive(Debug, Clone, Copy)]
struct Plain {
    total: u64,
    /// Of the body, and of what comes after two bytes.
    whole: Ends,
    after_length: Ends,
    fits_raw: bool,
    fits_prefixed: bool,
}

impl<A: Apdu> BodyReader<A> {
    /// `total`: the length of the body where the head says it. Without it only the standard's dialect is read.
    pub const fn new(total: Option<u64>) -> Self {
        Self { place: Place::Start, total, script: Script::new(), back: [0; 2] }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    /// `len` bytes of the body are missing here: nothing after them is read.
    pub fn missing(&mut self, len: u64) {
        if len == 0 {
            return;
        }
        let offset = self.script.bytes;
        match &mut self.place {
            Place::Template(template) => template.lose(FaultKind::Missed, offset, &mut self.script),
            Place::Start | Place::Plain(_) | Place::Unknown => {
                self.script.fault(FaultKind::Missed, offset);
                self.place = Place::Unknown;
            }
        }
        self.script.bytes = offset.saturating_add(len);
    }

    /// The body is complete. `other`: the dialect of the other direction, which decides between readings that both fit.
    pub fn finish(mut self, other: Option<Dialect>) -> Script<A> {
        let len = self.script.bytes;
        let script = &mut self.script;
        match self.place {
            Place::Start => script.dialect = Dialect::Empty,
            Place::Unknown => script.dialect = Dialect::Unknown,
            Place::Template(mut template) => {
                template.finish(len, script);
                script.dialect = Dialect::Expanded;
                // An R-APDU may start with a template's tag.
                let nothing_read = script.apdus.is_empty() && script.executed.is_none() && !script.faults.is_empty();
                if !A::COMMANDS && nothing_read && self.total == Some(len) && len >= 2 && is_status_word(&self.back) {
                    *script = Script { dialect: Dialect::Ambiguous, bytes: len, ..Script::new() };
                }
                let answers = script.apdus.len() as u64 + u64::from(script.left_out);
                if script.executed.is_some_and(|executed| u64::from(executed) < answers) {
                    script.fault(FaultKind::CountMismatch, len);
                }
            }
            Place::Plain(plain) => {
                let (dialect, ends) = match (plain.fits_raw, plain.fits_prefixed) {
                    _ if len != plain.total => (Dialect::Unknown, None),
                    // A command's data were not looked at any more when both fitted.
                    (true, true) => match other.filter(|_| !A::COMMANDS) {
                        Some(Dialect::Raw) => (Dialect::Raw, Some(plain.whole)),
                        Some(Dialect::LengthPrefixed) => (Dialect::LengthPrefixed, Some(plain.after_length)),
                        _ => (Dialect::Ambiguous, None),
                    },
                    (true, false) => (Dialect::Raw, Some(plain.whole)),
                    (false, true) => (Dialect::LengthPrefixed, Some(plain.after_length)),
                    (false, false) => (Dialect::Unknown, None),
                };
                script.dialect = dialect;
                ends.and_then(|ends| A::of_ends(&ends)).into_iter().for_each(|apdu| script.add(apdu));
            }
        }
        self.script
    }

    /// Masks the bytes in place while reading them.
    pub(super) fn mask(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte(*byte);
        }
    }

    /// Takes a byte; what may stand for it in a recording.
    fn byte(&mut self, byte: u8) -> u8 {
        let offset = self.script.bytes;
        self.script.bytes = offset.saturating_add(1);
        if matches!(self.place, Place::Start) {
            self.place = match self.total {
                _ if TAGS.contains(&byte) => Place::Template(Template::new()),
                Some(total) => Place::Plain(Plain::new(total)),
                None => Place::Unknown,
            };
        }
        match &mut self.place {
            Place::Template(template) => {
                self.back = [self.back[1], byte];
                let last = !A::COMMANDS && self.total.is_some_and(|total| offset.saturating_add(2) >= total);
                if template.byte(byte, offset, &mut self.script) || last { byte } else { FILLER }
            }
            Place::Plain(plain) if A::COMMANDS => plain.command_byte(byte),
            Place::Plain(plain) => plain.response_byte(byte),
            Place::Start | Place::Unknown => FILLER,
        }
    }
}

impl Plain {
    fn new(total: u64) -> Self {
        let (whole, after_length) = (Ends::default(), Ends::default());
        Self { total, whole, after_length, fits_raw: total >= 2, fits_prefixed: total >= 4 }
    }

    fn push(&mut self, byte: u8) -> u64 {
        let index = self.whole.len();
        self.whole.push(byte);
        if index >= 2 {
            self.after_length.push(byte);
        }
        index
    }

    /// The byte at `index` that a length before the APDU would have, for the first two.
    fn length_byte(&self, index: u64) -> Option<u8> {
        let len = u16::try_from(self.total.checked_sub(2)?).ok()?;
        len.to_be_bytes().get(usize::try_from(index).ok()?).copied()
    }

    fn command_byte(&mut self, byte: u8) -> u8 {
        let index = self.push(byte);
        let (raw, prefixed) = (self.fits_raw, self.fits_prefixed);
        if !raw && !prefixed {
            return FILLER;
        }
        // Past the fifth byte the two readings would have to show each other's data: both fit, and that is that.
        if raw && prefixed && index > 4 {
            return FILLER;
        }
        self.fits_raw = raw && fits(&self.whole, self.total);
        self.fits_prefixed = prefixed
            && if index < 2 {
                self.length_byte(index) == Some(byte)
            } else {
                fits(&self.after_length, self.total.saturating_sub(2))
            };
        // A byte that decides is kept, so that it decides again.
        let clear = (raw && self.whole.last_is_clear_in_command(self.total))
            || (prefixed && (index < 2 || self.after_length.last_is_clear_in_command(self.total.saturating_sub(2))));
        if clear { byte } else { FILLER }
    }

    fn response_byte(&mut self, byte: u8) -> u8 {
        let index = self.push(byte);
        let wanted = self.length_byte(index);
        if index < 2 {
            self.fits_prefixed &= wanted == Some(byte);
        }
        if self.whole.len() == self.total {
            let valid = is_status_word(self.whole.back());
            self.fits_raw &= valid;
            self.fits_prefixed &= valid;
        }
        if self.whole.last_is_clear_in_response(self.total) || wanted == Some(byte) {
            byte
        } else if wanted == Some(FILLER) {
            OTHER_FILLER
        } else {
            FILLER
        }
    }
}

fn is_status_word(back: &[u8]) -> bool {
    back.try_into().is_ok_and(|sw| StatusWord(u16::from_be_bytes(sw)).is_valid())
}

/// Whether the bytes so far can be the start of a C-APDU of `len` bytes: a command that has a name, in a class that
/// cards know, whose length fields add up exactly.
fn fits(ends: &Ends, len: u64) -> bool {
    let front = ends.front();
    if len < 4 {
        return false;
    }
    let header = |index| front.get(index).copied().unwrap_or_default();
    let Some(&cla) = front.first() else { return true };
    let known = CommandApdu { cla, ins: 0, p1: 0, p2: 0, lc: 0, le: None, case: Case::C1, len: 4 };
    if !known.has_known_class() {
        return false;
    }
    if front.len() >= 2 && !CommandName::of(cla, header(1), header(2), header(3)).is_known() {
        return false;
    }
    match front.get(4..).unwrap_or_default() {
        [] => true,
        [_, ..] if len == 5 => true,
        [0] | [0, _] => len >= 7,
        [0, high, low, ..] => {
            let lc = u64::from(u16::from_be_bytes([*high, *low]));
            len == 7 || (lc != 0 && (len == 7 + lc || len == 9 + lc))
        }
        [lc, ..] => len == 5 + u64::from(*lc) || len == 6 + u64::from(*lc),
    }
}
