//! Command and response scripting templates in expanded format (TS 102 226 §5.2), one byte at a time.

use super::{FaultKind, Form, Script, ends::Ends, script::sealed::Apdu};

const C_APDU: u8 = 0x22;
const R_APDU: u8 = 0x23;
/// Number of executed commands.
const EXECUTED: u8 = 0x80;
/// Of a value with no more bytes than this, nothing is secret.
const COUNT_BYTES: u64 = 4;

/// Definite and indefinite, commands and responses.
pub(super) const TAGS: [u8; 4] = [0xAA, 0xAB, 0xAE, 0xAF];

/// Reads a template.
#[derive(Debug, Clone)]
pub(super) struct Template {
    place: Place,
    /// Bytes that are still to come in a template of definite length.
    left: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Tag,
    Length {
        indefinite: bool,
        length: Length,
    },
    EntryTag,
    EntryLength {
        tag: u8,
        length: Length,
    },
    Value {
        tag: u8,
        len: u64,
        ends: Ends,
    },
    /// The second of the end-of-contents octets.
    End,
    Done,
    /// Where the next object starts is not known.
    Lost,
}

/// A BER length field (ISO/IEC 8825-1 §8.1.3).
#[derive(Debug, Clone, Copy, Default)]
struct Length {
    started: bool,
    more: u8,
    value: u64,
}

enum Read {
    More(Length),
    Definite(u64),
    Indefinite,
    Bad,
}

impl Length {
    fn byte(mut self, byte: u8) -> Read {
        if self.started {
            self.value = (self.value << 8) | u64::from(byte);
            self.more = self.more.saturating_sub(1);
        } else {
            self.started = true;
            match byte {
                0..=0x7F => return Read::Definite(u64::from(byte)),
                0x80 => return Read::Indefinite,
                0x81..=0x84 => self.more = byte & 0x7F,
                _ => return Read::Bad,
            }
        }
        if self.more == 0 { Read::Definite(self.value) } else { Read::More(self) }
    }
}

impl Template {
    pub(super) const fn new() -> Self {
        Self { place: Place::Tag, left: None }
    }

    /// Takes the byte at `offset` of the body; whether it may be kept in a recording.
    pub(super) fn byte<A: Apdu>(&mut self, byte: u8, offset: u64, script: &mut Script<A>) -> bool {
        match self.place {
            Place::Tag => self.tag(byte, offset, script),
            Place::Length { indefinite, length } => self.length(indefinite, &length.byte(byte), offset, script),
            Place::Done => {
                self.lose(FaultKind::TrailingBytes, offset, script);
                return false;
            }
            Place::Lost => return false,
            Place::End => {
                self.place = Place::Done;
                if byte != 0 {
                    self.lose(FaultKind::BadEnd, offset, script);
                }
            }
            Place::EntryTag | Place::EntryLength { .. } | Place::Value { .. } => {
                if let Some(left) = &mut self.left {
                    let Some(less) = left.checked_sub(1) else {
                        self.lose(FaultKind::EntryTooLong, offset, script);
                        return false;
                    };
                    *left = less;
                }
                return self.entry_byte(byte, offset, script);
            }
        }
        true
    }

    /// The body is complete, `offset` bytes long.
    pub(super) fn finish<A: Apdu>(&mut self, offset: u64, script: &mut Script<A>) {
        if !matches!(self.place, Place::Done | Place::Lost) {
            self.lose(FaultKind::Truncated, offset, script);
        }
    }

    pub(super) fn lose<A: Apdu>(&mut self, kind: FaultKind, offset: u64, script: &mut Script<A>) {
        script.fault(kind, offset);
        self.place = Place::Lost;
    }

    fn tag<A: Apdu>(&mut self, byte: u8, offset: u64, script: &mut Script<A>) {
        let ours = if A::COMMANDS { [0xAA, 0xAE] } else { [0xAB, 0xAF] };
        if ours.contains(&byte) {
            self.place = Place::Length { indefinite: byte & 0x04 != 0, length: Length::default() };
        } else {
            self.lose(FaultKind::WrongTemplate, offset, script);
        }
    }

    fn length<A: Apdu>(&mut self, indefinite: bool, read: &Read, offset: u64, script: &mut Script<A>) {
        let form = match *read {
            Read::More(length) => {
                self.place = Place::Length { indefinite, length };
                return;
            }
            Read::Bad => return self.lose(FaultKind::BadLength, offset, script),
            Read::Indefinite => Form::Indefinite,
            Read::Definite(len) => {
                self.left = Some(len);
                Form::Definite
            }
        };
        if indefinite != (form == Form::Indefinite) {
            script.fault(FaultKind::WrongForm, offset);
        }
        script.form = Some(form);
        self.next_entry();
    }

    fn next_entry(&mut self) {
        self.place = if self.left == Some(0) { Place::Done } else { Place::EntryTag };
    }

    fn entry_byte<A: Apdu>(&mut self, byte: u8, offset: u64, script: &mut Script<A>) -> bool {
        match self.place {
            Place::EntryTag => match byte {
                0 if self.left.is_none() => self.place = Place::End,
                0 => self.lose(FaultKind::BadTag, offset, script),
                // More bytes of the tag would follow (ISO/IEC 8825-1 §8.1.2.4); no standard has such an object here.
                tag if tag & 0x1F == 0x1F => self.lose(FaultKind::BadTag, offset, script),
                tag => self.place = Place::EntryLength { tag, length: Length::default() },
            },
            Place::EntryLength { tag, length } => match length.byte(byte) {
                Read::More(length) => self.place = Place::EntryLength { tag, length },
                Read::Indefinite | Read::Bad => self.lose(FaultKind::BadLength, offset, script),
                Read::Definite(len) if self.left.is_some_and(|left| len > left) => {
                    self.lose(FaultKind::EntryTooLong, offset, script);
                }
                Read::Definite(0) => self.entry(tag, Ends::default(), offset, script),
                Read::Definite(len) => self.place = Place::Value { tag, len, ends: Ends::default() },
            },
            Place::Value { tag, len, mut ends } => {
                ends.push(byte);
                let clear = match tag {
                    C_APDU => ends.last_is_clear_in_command(len),
                    R_APDU => ends.last_is_clear_in_response(len),
                    EXECUTED => len <= COUNT_BYTES,
                    _ => len == 1,
                };
                if ends.len() == len {
                    self.entry(tag, ends, offset, script);
                } else {
                    self.place = Place::Value { tag, len, ends };
                }
                return clear;
            }
            _ => {}
        }
        true
    }

    /// An object is complete with the byte at `offset`.
    fn entry<A: Apdu>(&mut self, tag: u8, ends: Ends, offset: u64, script: &mut Script<A>) {
        match (tag, A::COMMANDS) {
            (C_APDU, true) | (R_APDU, false) => match A::of_ends(&ends) {
                Some(apdu) => script.add(apdu),
                None => script.fault(FaultKind::ShortApdu, offset),
            },
            (C_APDU | R_APDU, _) => script.fault(FaultKind::WrongTag, offset),
            (EXECUTED, false) => match ends.len() {
                1..=COUNT_BYTES => {
                    let count = ends.front().iter().fold(0, |count, &byte| (count << 8) | u32::from(byte));
                    script.executed = Some(count);
                }
                _ => script.fault(FaultKind::BadCount, offset),
            },
            _ => {
                let value = ends.front().first().copied().filter(|_| ends.len() == 1);
                script.other(tag, ends.len(), value, A::COMMANDS);
            }
        }
        self.next_entry();
    }
}
