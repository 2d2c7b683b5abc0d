//! Texts with their length before them, and what is read of the parts of a connection.

/// What stands for bytes of a text that are not kept.
pub(super) const FILLER: u8 = b'x';

/// What the next bytes of one side are, and how many at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub what: What,
    pub len: usize,
    /// Nothing of it has come before.
    pub fresh: bool,
}

/// What is read of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// They are framing.
    Kept,
    /// The exit code of a shell.
    Code,
    /// The head of a message of a synchronisation.
    Head,
    /// Nothing, or nobody can say yet: the request that it answers is not complete.
    Blank,
    Service,
    Devices,
    Verdict,
    Reason,
    /// The last of them may be the exit code of a shell.
    Tail,
}

impl Part {
    pub(super) const fn of(what: What, len: usize) -> Self {
        Self { what, len, fresh: true }
    }
}

/// Four hexadecimal digits of length, and as many bytes.
#[derive(Debug, Default)]
pub(super) struct Frame {
    digits: Vec<u8>,
    pub body: Vec<u8>,
    left: usize,
}

impl Frame {
    pub const fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// Takes bytes, and keeps `most` of the body; the rest of them, and whether it is complete. `None`: this is none.
    pub fn feed<'a>(&mut self, bytes: &'a [u8], most: usize) -> Option<(&'a [u8], bool)> {
        let mut rest = bytes;
        if self.digits.len() < 4 {
            let (digits, after) = rest.split_at((4 - self.digits.len()).min(rest.len()));
            self.digits.extend(digits);
            rest = after;
            if self.digits.len() < 4 {
                return Some((rest, false));
            }
            if !self.digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            self.left = usize::from_str_radix(std::str::from_utf8(&self.digits).ok()?, 16).ok()?;
        }
        let (body, rest) = rest.split_at(self.left.min(rest.len()));
        let room = most.saturating_sub(self.body.len()).min(body.len());
        self.body.extend(body.iter().take(room));
        self.left -= body.len();
        Some((rest, self.left == 0))
    }

    /// What the next bytes are, when the body is this.
    pub fn part(&self, body: What) -> Part {
        match self.digits.len() {
            digits @ ..4 => Part::of(What::Kept, 4 - digits),
            _ => Part { what: body, len: self.left, fresh: self.body.is_empty() },
        }
    }
}

/// A text of a recording that was not there in one piece: it has been overwritten with zeros, which no text holds.
pub(super) fn is_blank(text: &[u8]) -> bool {
    text.contains(&0)
}
