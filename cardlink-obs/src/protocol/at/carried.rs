//! What AT commands carry: APDUs for the card (TS 27.007 §8.17, §8.18, §8.43 to §8.46), and places in the message store.
//!
//! The scans take bytes as the mask leaves them: of a C-APDU the header, of an R-APDU the status word, and the lengths of
//! both. So they cannot see more, and say the same of a recording.

use crate::protocol::apdu::{CommandApdu, ResponseApdu, StatusWord};

/// CLA INS P1 P2 and the first byte after them.
const HEADER: usize = 5;
/// Digits of an AID that are kept (ISO/IEC 7816-4 §8.2.1.2: 16 bytes).
const AID_DIGITS: usize = 32;
/// Decimal arguments of `AT+CRSM`.
const NUMBERS: usize = 5;
/// An R-APDU of more hexadecimal digits is none.
const MOST_DIGITS: u32 = 2 * (0x1_0000 + 2);

/// What a command hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// A C-APDU: by `AT+CSIM`, or in a session by `AT+CGLA`.
    Apdu { session: Option<u32>, command: CommandApdu },
    /// A C-APDU that the modem makes from numbers, after it has selected the file itself (`AT+CRSM`).
    Restricted(CommandApdu),
    /// A session with an application, whose AID follows in hex (`AT+CCHO`).
    Open { application: String },
    /// The end of a session (`AT+CCHC`).
    Close { session: u32 },
    /// A message is sent from its place in the store (`AT+CMSS`, TS 27.005 §3.5.2).
    Stored { place: u32 },
}

/// What an answer hands back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// An R-APDU; `None` when what it says of its length is not so, or it has no status word.
    Apdu(Option<ResponseApdu>),
    /// The number of a session (`+CCHO`), or a place in the message store (`+CMGW`).
    Number(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Csim,
    Cgla,
    Crsm,
    Ccho,
    Cchc,
    Cmss,
}

/// Reads the arguments of a command that carries something.
#[derive(Debug, Clone)]
pub(super) struct CarriedScan {
    what: What,
    header: [u8; HEADER],
    digits: u32,
    numbers: [u32; NUMBERS],
    given: bool,
    aid: String,
}

impl CarriedScan {
    /// For the command with this name, without `AT`.
    pub(super) fn of(name: &str) -> Option<Self> {
        let what = match name {
            "+CSIM" => What::Csim,
            "+CGLA" => What::Cgla,
            "+CRSM" => What::Crsm,
            "+CCHO" => What::Ccho,
            "+CCHC" => What::Cchc,
            "+CMSS" => What::Cmss,
            _ => return None,
        };
        let (header, numbers) = ([0; HEADER], [0; NUMBERS]);
        Some(Self { what, header, digits: 0, numbers, given: false, aid: String::new() })
    }

    /// Takes a byte, masked, of the argument with this number.
    pub(super) fn feed(&mut self, argument: u8, byte: u8) {
        if byte == b'"' || byte == b',' {
            return;
        }
        match (self.what, argument) {
            (What::Csim, 1) | (What::Cgla, 2) | (What::Crsm, 5) => self.digit(byte),
            (What::Ccho, 0) if byte.is_ascii_hexdigit() && self.aid.len() < AID_DIGITS => {
                self.aid.push(char::from(byte.to_ascii_uppercase()));
            }
            (What::Csim | What::Ccho, _) => {}
            _ => self.number(argument, byte),
        }
    }

    fn digit(&mut self, byte: u8) {
        let at = self.digits as usize;
        self.digits = self.digits.saturating_add(1);
        if self.what != What::Crsm
            && let (Some(slot), Some(value)) = (self.header.get_mut(at / 2), hex_value(byte))
        {
            *slot = *slot << 4 | value;
        }
    }

    fn number(&mut self, argument: u8, byte: u8) {
        if let (Some(number), true) = (self.numbers.get_mut(usize::from(argument)), byte.is_ascii_digit()) {
            *number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
            self.given |= argument == 0;
        }
    }

    pub(super) fn finish(self) -> Option<Carried> {
        let bytes = (self.digits / 2) as usize;
        let [first, _, third, fourth, fifth] = self.numbers;
        let byte = |number: u32| u8::try_from(number).ok();
        Some(match self.what {
            What::Csim | What::Cgla if self.digits.is_multiple_of(2) => {
                let command = CommandApdu::from_ends(self.header.get(..bytes).unwrap_or(&self.header), &[], bytes)?;
                Carried::Apdu { session: (self.what == What::Cgla).then_some(first), command }
            }
            What::Crsm => {
                let header = [0, byte(first)?, byte(third)?, byte(fourth)?, byte(fifth)?];
                Carried::Restricted(CommandApdu::from_ends(&header, &[], HEADER + bytes)?)
            }
            What::Ccho => Carried::Open { application: self.aid },
            What::Cchc if self.given => Carried::Close { session: first },
            What::Cmss if self.given => Carried::Stored { place: first },
            What::Csim | What::Cgla | What::Cchc | What::Cmss => return None,
        })
    }
}

/// Reads the values of an answer that hands something back.
#[derive(Debug, Clone)]
pub(super) struct ReturnedScan {
    what: Answer,
    numbers: [u32; 2],
    given: bool,
    /// Hexadecimal digits of the R-APDU, or of its data field.
    digits: u32,
    /// The last digits: the status word.
    last: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Apdu,
    Restricted,
    Number,
}

impl ReturnedScan {
    /// For a line with this code.
    pub(super) fn of(code: &str) -> Option<Self> {
        let what = match code {
            "+CSIM" | "+CGLA" => Answer::Apdu,
            "+CRSM" => Answer::Restricted,
            "+CCHO" | "+CMGW" => Answer::Number,
            _ => return None,
        };
        Some(Self { what, numbers: [0; 2], given: false, digits: 0, last: 0 })
    }

    /// Takes a byte, masked, of the value with this number.
    pub(super) fn feed(&mut self, argument: u8, byte: u8) {
        match (self.what, argument) {
            _ if matches!(byte, b'"' | b',') => {}
            (Answer::Apdu, 1) | (Answer::Restricted, 2) => {
                self.digits = self.digits.saturating_add(1);
                self.last = self.last << 4 | u16::from(hex_value(byte).unwrap_or_default());
            }
            _ => {
                if let (Some(number), true) = (self.numbers.get_mut(usize::from(argument)), byte.is_ascii_digit()) {
                    *number = number.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
                    self.given = true;
                }
            }
        }
    }

    pub(super) fn finish(&self) -> Option<Returned> {
        let [first, second] = self.numbers;
        match self.what {
            Answer::Number => self.given.then_some(Returned::Number(first)),
            Answer::Apdu => {
                // The mask keeps the status word where the length says that it is.
                let whole =
                    first == self.digits && self.digits.is_multiple_of(2) && (4..=MOST_DIGITS).contains(&self.digits);
                let data_len = (self.digits / 2).saturating_sub(2) as usize;
                Some(Returned::Apdu(whole.then_some(ResponseApdu { data_len, sw: StatusWord(self.last) })))
            }
            Answer::Restricted => {
                let sw = u8::try_from(first).ok().zip(u8::try_from(second).ok());
                let sw = sw.map(|(sw1, sw2)| StatusWord(u16::from_be_bytes([sw1, sw2])));
                let data_len = (self.digits.min(MOST_DIGITS) / 2) as usize;
                Some(Returned::Apdu(sw.map(|sw| ResponseApdu { data_len, sw })))
            }
        }
    }
}

const fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
