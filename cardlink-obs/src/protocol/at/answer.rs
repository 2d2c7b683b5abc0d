//! What the modem says: result codes, information, prompts, echo (V.250 §5.7; TS 27.005 §3.5.1).
//!
//! The reader takes one byte at a time. It knows a line by how it begins: `AT` is an echo, a capital word may be a
//! final result code, `+NAME` (or the sign of a vendor) has a code, a digit may be a result code of `ATV0`, and
//! everything else is text, of which nothing is kept. A line ends at its carriage return or line feed; the line feed
//! that follows a carriage return belongs to the line before it.

use super::carried::{Returned, ReturnedScan};
use super::command::{CommandScan, Fingerprint, NAME_LIMIT};
use super::errors;
use super::mask::{self, FILLER, Mask, Policy};
use super::word::{self, Meaning};
use crate::observation::AtResult;

/// What stands for a byte of text: no known word and no code goes on with it (a test of `word` checks that).
const TEXT: u8 = b'~';
/// The longest text of an error that is looked up.
const ERROR_LIMIT: usize = 80;

/// A line, or a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Final(AtResult),
    /// A word that modems say unasked: `RING`.
    Word(&'static str),
    /// A line with a code, its values left out: `+CSQ`.
    Code(String),
    /// A line with a code, and what it hands back: `+CSIM`.
    Returned(String, Returned),
    /// A single digit that is no result code.
    Digit(u8),
    /// Text; digits alone.
    Text,
    /// The text or PDU that follows a line with a code.
    Body,
    /// A line that begins like a command.
    Echo(Fingerprint),
    /// `> `: the modem waits for data.
    Prompt,
}

/// What a byte of the answer meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The byte as a recording may hold it.
    pub masked: u8,
    /// The byte is the first of a line, framing included.
    pub begins: bool,
    /// The byte is the line feed of the line that has just ended with a carriage return.
    pub trails: bool,
    pub line: Option<Line>,
}

/// What the reader must know of the dialogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// In data mode nothing but a few result codes is looked for.
    pub(super) data: bool,
    /// Whether `ATV0` is on, as far as it is known.
    pub(super) numeric: Option<bool>,
}

#[derive(Debug, Clone)]
pub(super) struct Reader {
    state: State,
    /// Letters of a word, or a code.
    name: String,
    frame: Frame,
    /// The next line belongs to the one before it.
    body_next: bool,
}

/// Where in the framing of lines the reader is (V.250 §5.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Between lines.
    Between,
    /// Between lines, and the last ended with a carriage return: a line feed may still be its.
    Ending,
    /// In a line.
    Inside,
    /// In a line, and CR LF came before it, as `ATV1` has it.
    Headed,
}

#[derive(Debug, Clone)]
enum State {
    Start,
    Word,
    /// After `CONNECT`.
    Connected(Mask),
    /// After the colon of a vendor's error.
    Refused(Mask),
    /// An `A` that may become an echo or a word.
    Letter,
    Echo(CommandScan),
    Code,
    Values(Mask),
    /// Of a line that hands something back.
    Returned(Mask, ReturnedScan),
    Failure {
        message_service: bool,
        text: String,
    },
    Digits {
        first: u8,
        more: bool,
    },
    /// After `>`; the space of the prompt stands first.
    Prompted {
        first: bool,
    },
    Text,
    Body,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self { state: State::Start, name: String::new(), frame: Frame::Between, body_next: false }
    }

    /// Whether the line so far is a number.
    pub(super) const fn in_digits(&self) -> bool {
        matches!(self.state, State::Digits { .. })
    }

    /// Whether the line is framed as `ATV1` frames it.
    pub(super) fn headed(&self) -> bool {
        self.frame == Frame::Headed
    }

    /// Bytes are missing: what comes up to the next end of line is a torn line.
    pub(super) fn tear(&mut self) {
        self.name.clear();
        self.state = State::Text;
        self.frame = Frame::Inside;
        self.body_next = false;
    }

    pub(super) fn feed(&mut self, byte: u8, context: Context) -> Heard {
        let begins = match (self.frame, byte) {
            (Frame::Ending, b'\n') => {
                self.frame = Frame::Between;
                return Heard { masked: byte, begins: false, trails: true, line: None };
            }
            (Frame::Between | Frame::Ending, _) => {
                self.frame = Frame::Inside;
                true
            }
            (Frame::Inside | Frame::Headed, _) => false,
        };
        if matches!(byte, b'\r' | b'\n') {
            let line = if matches!(self.state, State::Start) {
                self.frame = Frame::Headed;
                self.body_next = false;
                None
            } else {
                let line = self.end(context);
                self.frame = if byte == b'\r' { Frame::Ending } else { Frame::Between };
                self.state = State::Start;
                line
            };
            return Heard { masked: byte, begins, trails: false, line };
        }
        let prompt = byte == b'>' && matches!(self.state, State::Start) && !self.body_next && !context.data;
        let masked = self.step(byte, context);
        Heard { masked, begins, trails: false, line: prompt.then_some(Line::Prompt) }
    }

    fn step(&mut self, byte: u8, context: Context) -> u8 {
        match &mut self.state {
            State::Start => self.begin(byte, context),
            State::Letter if matches!(byte, b'T' | b't') && !context.data => {
                self.state = State::Echo(CommandScan::new());
                byte
            }
            State::Letter if self.name == "A" => {
                self.state = State::Word;
                self.word(byte)
            }
            State::Word => self.word(byte),
            State::Connected(mask) | State::Refused(mask) | State::Values(mask) => mask.feed(byte),
            State::Returned(mask, scan) => {
                let argument = mask.argument();
                let masked = mask.feed(byte);
                scan.feed(argument, masked);
                masked
            }
            State::Echo(scan) => scan.feed(byte),
            State::Code => self.code(byte),
            State::Failure { text, .. } => {
                if text.len() < ERROR_LIMIT && byte.is_ascii() && !byte.is_ascii_control() {
                    text.push(char::from(byte));
                    byte
                } else {
                    // Too long for an error; the filler keeps it so.
                    while text.len() < ERROR_LIMIT {
                        text.push(char::from(TEXT));
                    }
                    TEXT
                }
            }
            State::Digits { more, .. } if byte.is_ascii_digit() => {
                *more = true;
                FILLER
            }
            State::Letter | State::Digits { .. } => self.text(),
            State::Prompted { first } => {
                if std::mem::take(first) && byte == b' ' {
                    byte
                } else {
                    FILLER
                }
            }
            State::Body => FILLER,
            State::Text => TEXT,
        }
    }

    fn begin(&mut self, byte: u8, context: Context) -> u8 {
        self.name.clear();
        if std::mem::take(&mut self.body_next) {
            self.state = State::Body;
            return FILLER;
        }
        match byte {
            b'A' | b'a' => {
                self.name.push(char::from(byte));
                self.state = State::Letter;
                byte
            }
            b'B'..=b'Z' => {
                self.state = State::Word;
                self.word(byte)
            }
            // The echo of what programs send to get out of any state.
            0x1A | 0x1B | 0 | b' ' | b'\t' => byte,
            _ if context.data => self.text(),
            b'0'..=b'9' => {
                self.state = State::Digits { first: byte, more: false };
                byte
            }
            b'+' | b'^' | b'#' | b'$' | b'%' | b'*' | b'!' | b'@' => {
                self.name.push(char::from(byte));
                self.state = State::Code;
                byte
            }
            b'>' => {
                self.state = State::Prompted { first: true };
                byte
            }
            _ => self.text(),
        }
    }

    fn word(&mut self, byte: u8) -> u8 {
        let printable = byte.is_ascii() && !byte.is_ascii_control();
        self.name.push(char::from(if printable { byte } else { TEXT }));
        if word::may_become_word(&self.name) {
            return byte;
        }
        if matches!(self.name.as_bytes(), [b'C', b'O', b'N', b'N', b'E', b'C', b'T', b' ' | b'/', ..]) {
            // `CONNECT 115200`, `CONNECT/ARQ`: not one of the words that begin so.
            let parted = self.name.len() == "CONNECT ".len();
            let mut mask = Mask::new(Policy::All);
            let masked = if parted { byte } else { mask.feed(FILLER) };
            self.state = State::Connected(mask);
            return masked;
        }
        if self.name.strip_suffix(':') == Some(word::REFUSED) {
            self.state = State::Refused(Mask::new(Policy::Usual));
            return byte;
        }
        self.text()
    }

    fn code(&mut self, byte: u8) -> u8 {
        let digits = self.name.bytes().filter(u8::is_ascii_digit).count();
        match byte {
            b':' if self.name.len() > 1 => {
                self.state = match self.name.as_str() {
                    "+CME ERROR" => State::Failure { message_service: false, text: String::new() },
                    "+CMS ERROR" => State::Failure { message_service: true, text: String::new() },
                    "+EXT ERROR" => State::Refused(Mask::new(Policy::Usual)),
                    name => {
                        let mask = Mask::new(mask::of_answer(name));
                        ReturnedScan::of(name).map_or(State::Values(mask.clone()), |scan| State::Returned(mask, scan))
                    }
                };
            }
            b' ' if matches!(self.name.as_str(), "+CME" | "+CMS" | "+EXT") => self.name.push(' '),
            _ if self.name.len() >= NAME_LIMIT => return self.text(),
            b'A'..=b'Z' => self.name.push(char::from(byte)),
            b'0'..=b'9' if self.name.len() > 1 && digits < 3 => self.name.push(char::from(byte)),
            b'_' | b'-' | b'.' | b'/' if self.name.len() > 1 => self.name.push(char::from(byte)),
            _ => return self.text(),
        }
        byte
    }

    fn text(&mut self) -> u8 {
        self.name.clear();
        self.state = State::Text;
        TEXT
    }

    /// A carriage return or line feed came. `None` when the line was told before.
    fn end(&mut self, context: Context) -> Option<Line> {
        Some(match &self.state {
            State::Word => match word::word(&self.name) {
                Some((_, Meaning::Final(answered))) => Line::Final(answered.into()),
                Some((word, Meaning::Unsolicited)) => Line::Word(word),
                None => Line::Text,
            },
            State::Connected(_) => Line::Final(AtResult::Connect),
            State::Refused(_) => Line::Final(AtResult::Error),
            State::Echo(scan) => Line::Echo(scan.print()),
            State::Code | State::Values(_) if self.name.len() < 2 => Line::Text,
            State::Code => match self.name.as_str() {
                "+CME ERROR" => Line::Final(AtResult::CmeText),
                "+CMS ERROR" => Line::Final(AtResult::CmsText),
                "+EXT ERROR" => Line::Final(AtResult::Error),
                name => Line::Code(name.to_owned()),
            },
            State::Returned(_, scan) => match scan.finish() {
                Some(returned) => Line::Returned(self.name.clone(), returned),
                None => Line::Code(self.name.clone()),
            },
            State::Values(mask) => {
                self.body_next = match self.name.as_str() {
                    "+CMT" | "+CBM" | "+CMGR" | "+CMGL" => true,
                    // With a PDU only its length stands here, in text mode the whole report (TS 27.005 §3.4.1).
                    "+CDS" => !mask.several(),
                    _ => false,
                };
                Line::Code(self.name.clone())
            }
            State::Failure { message_service, text } => Line::Final(failure(*message_service, text.trim())),
            State::Digits { first, more } => match word::numeric(*first) {
                Some((word, meaning)) if !more && self.frame == Frame::Inside && context.numeric != Some(false) => {
                    match meaning {
                        Meaning::Final(answered) => Line::Final(answered.into()),
                        Meaning::Unsolicited => Line::Word(word),
                    }
                }
                _ if !more => Line::Digit(first - b'0'),
                _ => Line::Text,
            },
            // The prompt was told when it came.
            State::Start | State::Prompted { .. } => return None,
            State::Letter | State::Text => Line::Text,
            State::Body => Line::Body,
        })
    }
}

fn failure(message_service: bool, text: &str) -> AtResult {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number = text.get(..digits).and_then(|number| number.parse().ok());
    let number = number.or_else(|| if message_service { errors::cms(text) } else { errors::cme(text) });
    match (message_service, number) {
        (false, Some(number)) => AtResult::Cme(number),
        (false, None) => AtResult::CmeText,
        (true, Some(number)) => AtResult::Cms(number),
        (true, None) => AtResult::CmsText,
    }
}
