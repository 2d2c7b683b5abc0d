//! Is this AT at all?
//!
//! A program's terminal is a tty too, and so is a port that a GPS receiver or a binary protocol uses. What is
//! written decides, because that is what the watched program means to say: command lines begin with `AT`.
//! An answer from the other end settles it for good. A line that ends in a line feed alone is no evidence: that is
//! how a program prints `AT+CSQ` on its terminal.

/// Lines that are no commands before the tty is given up.
const STRAY_LINES: u32 = 4;
/// Bytes that are in no command before the tty is given up (binary protocols have no lines).
const STRAY_BYTES: u32 = 512;
/// Bytes read on a tty to which no command was ever written before it is given up.
const UNASKED_BYTES: u32 = 16 * 1024;

/// What a tty speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtVerdict {
    Undecided,
    At,
    /// A terminal, or another protocol: nothing of it needs to be copied.
    NotAt,
}

/// Collects the evidence.
#[derive(Debug, Clone, Default)]
pub(super) struct Detection {
    commands: u32,
    answered: bool,
    stray_lines: u32,
    stray_bytes: u32,
    unasked: u32,
}

impl Detection {
    pub(super) fn command(&mut self, carriage_return: bool) {
        self.commands += u32::from(carriage_return && self.commands < u32::MAX);
    }

    /// The modem gave a final result code or a prompt to a command.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    pub(super) fn stray_byte(&mut self) {
        self.stray_bytes = self.stray_bytes.saturating_add(1);
    }

    pub(super) fn stray_line(&mut self) {
        self.stray_lines = self.stray_lines.saturating_add(1);
    }

    pub(super) fn read_byte(&mut self) {
        self.unasked = self.unasked.saturating_add(1);
    }

    pub(super) fn verdict(&self) -> AtVerdict {
        let strange = self.stray_lines >= STRAY_LINES || self.stray_bytes >= STRAY_BYTES;
        if self.answered {
            AtVerdict::At
        } else if strange || (self.commands == 0 && self.unasked >= UNASKED_BYTES) {
            AtVerdict::NotAt
        } else if self.commands > 0 && self.stray_lines == 0 {
            AtVerdict::At
        } else {
            AtVerdict::Undecided
        }
    }
}
