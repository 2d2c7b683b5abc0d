//! What may stand before the text of a query: attributes (`CLIENT_QUERY_ATTRIBUTES`), as names and values.

/// More are not followed.
const MOST: u64 = 64;

/// What a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Lengths, types and counts.
    Shape,
    /// Of a name or a value.
    Content,
    /// It is the text's.
    Text,
    /// Cannot be told: nothing of it is read.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Count,
    Sets,
    Nulls,
    /// Whether types follow.
    Bound,
    /// The first byte of the type of an attribute, the second, its name.
    Type(usize),
    Sign(usize),
    NameLen(usize),
    Name(usize),
    /// The length of a value, or the value.
    ValueLen(usize),
    Value(usize),
    Text,
    Unknown,
}

/// Takes the body of a query byte by byte, after the command.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    state: State,
    /// Bytes of a number of variable length that are to come, those that came, and its value.
    number: (u8, u8, u64),
    /// Bytes of what is under way that are to come.
    left: u64,
    nulls: Vec<u8>,
    types: Vec<u8>,
    count: usize,
}

impl Attributes {
    /// `there`: both sides have agreed on them.
    pub const fn new(there: bool) -> Self {
        let state = if there { State::Count } else { State::Text };
        Self { state, number: (0, 0, 0), left: 0, nulls: Vec::new(), types: Vec::new(), count: 0 }
    }

    /// The text that a body has after them; `None` when that cannot be told.
    pub fn text(there: bool, body: &[u8]) -> Option<&[u8]> {
        let mut attributes = Self::new(there);
        let mut at = 0;
        while attributes.state != State::Text {
            if attributes.byte(*body.get(at)?) == Part::Unknown {
                return None;
            }
            at += 1;
        }
        body.get(at..)
    }

    pub fn byte(&mut self, byte: u8) -> Part {
        match self.state {
            State::Text => return Part::Text,
            State::Unknown => return Part::Unknown,
            State::Count => {
                if let Some(count) = self.number(byte) {
                    match usize::try_from(count) {
                        Ok(small) if count <= MOST => (self.count, self.state) = (small, State::Sets),
                        _ => self.state = State::Unknown,
                    }
                }
            }
            State::Sets => match self.number(byte) {
                None => {}
                Some(_) if self.count == 0 => self.state = State::Text,
                Some(1) => (self.left, self.state) = (self.count.div_ceil(8) as u64, State::Nulls),
                Some(_) => self.state = State::Unknown,
            },
            State::Nulls => {
                self.nulls.push(byte);
                self.left -= 1;
                if self.left == 0 {
                    self.state = State::Bound;
                }
            }
            State::Bound => self.state = if byte == 1 { State::Type(0) } else { State::Unknown },
            State::Type(index) => {
                self.types.push(byte);
                self.state = State::Sign(index);
            }
            State::Sign(index) => self.state = State::NameLen(index),
            State::NameLen(index) => {
                if let Some(len) = self.number(byte) {
                    self.left = len;
                    self.state = State::Name(index);
                    self.name_ended(index);
                }
            }
            State::Name(index) => {
                self.left -= 1;
                self.name_ended(index);
                return Part::Content;
            }
            State::ValueLen(index) => {
                if let Some(len) = self.number(byte) {
                    self.left = len;
                    self.state = State::Value(index);
                    if len == 0 {
                        self.value(index + 1);
                    }
                }
            }
            State::Value(index) => {
                self.left -= 1;
                if self.left == 0 {
                    self.value(index + 1);
                }
                return Part::Content;
            }
        }
        Part::Shape
    }

    fn name_ended(&mut self, index: usize) {
        if self.left > 0 {
            return;
        }
        if index + 1 < self.count {
            self.state = State::Type(index + 1);
        } else {
            self.value(0);
        }
    }

    /// The next value begins, or the text.
    fn value(&mut self, mut index: usize) {
        loop {
            let Some(kind) = self.types.get(index) else {
                self.state = State::Text;
                return;
            };
            let null = self.nulls.get(index / 8).is_some_and(|bits| bits >> (index % 8) & 1 == 1);
            let len = match kind {
                _ if null => 0,
                // Types of columns: TINY, SHORT and YEAR, LONG, INT24 and FLOAT, LONGLONG and DOUBLE, NULL.
                1 => 1,
                2 | 13 => 2,
                3 | 4 | 9 => 4,
                5 | 8 => 8,
                6 => 0,
                _ => {
                    self.state = State::ValueLen(index);
                    return;
                }
            };
            if len > 0 {
                (self.left, self.state) = (len, State::Value(index));
                return;
            }
            index += 1;
        }
    }

    /// Takes a byte of a number; its value with the last.
    fn number(&mut self, byte: u8) -> Option<u64> {
        let (left, came, value) = self.number;
        if left == 0 {
            let width = match byte {
                0xfc => 2,
                0xfd => 3,
                0xfe => 8,
                0xfb | 0xff => {
                    self.state = State::Unknown;
                    return None;
                }
                _ => return Some(u64::from(byte)),
            };
            self.number = (width, 0, 0);
            return None;
        }
        let value = value | (u64::from(byte) << (8 * u32::from(came)));
        self.number = (left - 1, came + 1, value);
        (left == 1).then(|| {
            self.number = (0, 0, 0);
            value
        })
    }
}
