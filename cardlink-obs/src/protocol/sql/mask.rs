//! Takes the literals and comments out of an SQL text, as it comes and without changing its length.
//!
//! Words, quoted identifiers and operators stay. Where it depends on a setting of the server whether a string goes on after
//! `\'`, nothing of the rest of the text is kept.

use super::Dialect;

/// What stands in the place of what is not told.
const MASK: u8 = b'x';
/// The same within a dollar-quoted string, where the first is kept for its tag.
const SPACE: u8 = b' ';
/// Two dashes, in the place of the byte before.
const DASHES: u8 = 1;
/// The longest tag of a dollar-quoted string that is followed.
const MOST_TAG: usize = 64;

/// Masks one text; the parts of it are given one after the other.
#[derive(Debug, Clone)]
pub struct Masker {
    dialect: Dialect,
    state: State,
    /// The byte before, where two make a sign.
    last: u8,
    /// The tag of the dollar-quoted string under way, and how much of its end was seen.
    tag: Vec<u8>,
    matched: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    /// `e`: nothing but the letter that makes the string after it one with escapes.
    Word {
        e: bool,
    },
    Number,
    /// `$` and what follows it.
    Dollar,
    Parameter,
    Tag,
    Quoted {
        quote: u8,
        escapes: bool,
        /// The byte before was an escape.
        escaped: bool,
    },
    /// After a quote that ends a string, or is the first half of one within it.
    Ended {
        quote: u8,
        escapes: bool,
    },
    Name(u8),
    DollarQuoted,
    Line,
    /// A comment, and how deep; `star` and `slash` half of its end or of one within it.
    Block {
        depth: u16,
    },
    /// What follows cannot be told apart.
    Everything,
}

impl Masker {
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, state: State::Code, last: 0, tag: Vec::new(), matched: 0 }
    }

    /// Masks the next part of the text.
    pub fn mask(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte(*byte);
        }
    }

    /// Masks the next byte of the text.
    pub fn byte(&mut self, byte: u8) -> u8 {
        let last = std::mem::replace(&mut self.last, byte);
        match self.state {
            State::Word { e } => {
                if is_word(byte) || byte.is_ascii_digit() || byte == b'$' {
                    self.state = State::Word { e: false };
                    byte
                } else if byte == b'\'' && e {
                    self.state = State::Quoted { quote: byte, escapes: true, escaped: false };
                    byte
                } else {
                    self.code(last, byte)
                }
            }
            State::Number => match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => b'0',
                b'.' => byte,
                _ => self.code(last, byte),
            },
            State::Dollar => match byte {
                b'0'..=b'9' => {
                    self.state = State::Parameter;
                    byte
                }
                b'$' => self.dollar_quoted(),
                _ if is_word(byte) => {
                    self.state = State::Tag;
                    self.tag.push(byte);
                    MASK
                }
                _ => self.code(last, byte),
            },
            State::Parameter if byte.is_ascii_digit() => byte,
            State::Ended { quote, escapes } if byte == quote => {
                self.state = State::Quoted { quote, escapes, escaped: false };
                byte
            }
            State::Code | State::Parameter | State::Ended { .. } => self.code(last, byte),
            State::Tag => match byte {
                b'$' => self.dollar_quoted(),
                _ if is_word(byte) || byte.is_ascii_digit() => {
                    if self.tag.len() >= MOST_TAG {
                        self.state = State::Everything;
                    }
                    self.tag.push(byte);
                    MASK
                }
                _ => self.code(last, byte),
            },
            State::Quoted { quote, escapes, escaped } => self.quoted(quote, escapes, escaped, byte),
            State::Name(quote) => {
                if byte == quote {
                    self.state = State::Code;
                    // Its quote is no half of a sign.
                    self.last = 0;
                }
                byte
            }
            State::DollarQuoted => self.in_dollars(byte),
            State::Line => {
                if byte == b'\n' {
                    self.state = State::Code;
                    byte
                } else {
                    MASK
                }
            }
            State::Block { depth } => self.block(depth, last, byte),
            State::Everything => MASK,
        }
    }

    fn code(&mut self, last: u8, byte: u8) -> u8 {
        self.state = State::Code;
        match byte {
            b'\'' => self.state = State::Quoted { quote: byte, escapes: false, escaped: false },
            b'"' if self.dialect == Dialect::Mysql => {
                self.state = State::Quoted { quote: byte, escapes: false, escaped: false };
            }
            b'"' => self.state = State::Name(byte),
            b'`' if self.dialect != Dialect::Postgres => self.state = State::Name(byte),
            b'#' if self.dialect == Dialect::Mysql => self.state = State::Line,
            // There a comment needs a space after the dashes.
            b'-' if last == b'-' && self.dialect == Dialect::Mysql => self.last = DASHES,
            b' ' | b'\t' if last == DASHES && self.dialect == Dialect::Mysql => self.state = State::Line,
            b'-' if last == b'-' => self.state = State::Line,
            b'*' if last == b'/' => {
                self.state = State::Block { depth: 1 };
                self.last = 0;
            }
            b'0'..=b'9' => {
                self.state = State::Number;
                return b'0';
            }
            b'$' if self.dialect == Dialect::Postgres => {
                self.state = State::Dollar;
                self.tag.clear();
            }
            _ if is_word(byte) => {
                self.state = State::Word { e: self.dialect == Dialect::Postgres && byte | 32 == b'e' }
            }
            _ => {}
        }
        byte
    }

    fn quoted(&mut self, quote: u8, escapes: bool, escaped: bool, byte: u8) -> u8 {
        if byte == quote {
            if escaped && !escapes {
                // The server's settings say whether it ends here.
                self.state = State::Everything;
                return MASK;
            }
            if !escaped {
                self.state = State::Ended { quote, escapes };
                return byte;
            }
        }
        self.state = State::Quoted { quote, escapes, escaped: byte == b'\\' && !escaped };
        MASK
    }

    fn dollar_quoted(&mut self) -> u8 {
        self.state = State::DollarQuoted;
        self.matched = 0;
        b'$'
    }

    /// A dollar ends the string when its tag came between it and the dollar before. What looks like the tag so far is
    /// masked as the tag is, all else not: the end is the same in the masked text.
    fn in_dollars(&mut self, byte: u8) -> u8 {
        // 0: no dollar yet; n: a dollar and n - 1 bytes of the tag.
        if byte == b'$' {
            if self.matched == self.tag.len() + 1 {
                self.state = State::Code;
                self.last = 0;
                return byte;
            }
            self.matched = 1;
            byte
        } else if self.matched > 0 && self.tag.get(self.matched - 1) == Some(&byte) {
            self.matched += 1;
            MASK
        } else {
            self.matched = 0;
            SPACE
        }
    }

    fn block(&mut self, depth: u16, last: u8, byte: u8) -> u8 {
        match (last, byte) {
            (b'*', b'/') => {
                self.last = 0;
                if depth <= 1 {
                    self.state = State::Code;
                } else {
                    self.state = State::Block { depth: depth - 1 };
                }
                byte
            }
            (b'/', b'*') if self.dialect == Dialect::Postgres => {
                self.last = 0;
                match depth.checked_add(1) {
                    Some(depth) => self.state = State::Block { depth },
                    None => self.state = State::Everything,
                }
                byte
            }
            (_, b'*' | b'/') => byte,
            _ => MASK,
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}
