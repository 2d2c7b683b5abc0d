//! Overwrites what a recording must not hold.
//!
//! Masked are the arguments and values that are secret (`mask` lists them), dial strings, everything after a prompt,
//! the text of messages, lines of text and digits (an IMSI stands alone on its line), data mode, and what is no AT.
//! Lengths stay, and so do names, result codes, APDU headers and status words.
//!
//! The redactor *is* the decoder: both run the same [`Dialogue`]. Where a byte is secret, the dialogue's next state
//! depends only on the filler that stands for it. So the masked stream takes the dialogue through the same states
//! as the clear one, a recording decodes to the same observations, and masking twice is masking once. It also
//! means that a tracker keeps no secret, not even for the length of a line.

use super::dialogue::Dialogue;

/// Masks both directions of a tty, in the order in which the bytes are told.
#[derive(Debug, Clone, Default)]
pub struct AtRedactor {
    dialogue: Dialogue,
    /// Where the next byte of a direction is expected, once one was seen.
    next_written: Option<u64>,
    next_read: Option<u64>,
}

impl AtRedactor {
    pub fn new() -> Self {
        Self::default()
    }

    /// Masks bytes that stand at `offset` in their direction, and notices when some before them are missing.
    pub fn mask(&mut self, write: bool, offset: u64, bytes: &mut [u8]) {
        let next = if write { &mut self.next_written } else { &mut self.next_read };
        let gap = next.is_some_and(|next| next < offset);
        *next = Some(offset.saturating_add(bytes.len() as u64));
        match (write, gap) {
            (true, true) => self.written_gap(),
            (false, true) => self.read_gap(),
            (_, false) => {}
        }
        if write {
            self.write(bytes);
        } else {
            self.read(bytes);
        }
    }

    /// Masks bytes that the program wrote.
    pub fn write(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.dialogue.write(*byte).0;
        }
    }

    /// Masks bytes that the program read.
    pub fn read(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.dialogue.read(*byte).masked;
        }
    }

    /// Bytes that were written are missing here.
    pub fn written_gap(&mut self) {
        self.dialogue.tear_written();
    }

    /// Bytes that were read are missing here.
    pub fn read_gap(&mut self) {
        self.dialogue.tear_read();
    }

    /// The tty was closed, or its device went away: a new dialogue begins.
    pub fn closed(&mut self) {
        *self = Self::new();
    }
}
