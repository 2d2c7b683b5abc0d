//! One APDU on its way through a reader: put together from messages, or from blocks of T=1.

use crate::{
    observation::Stamp,
    protocol::{
        apdu::CommandApdu,
        ccid::{Block, Level, Message},
    },
};

/// An APDU has no more bytes.
const MOST: usize = 65_560;

/// What an answer did to the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The R-APDU is whole.
    Complete,
    /// More follows, of the command or of the answer.
    Goes,
    /// The card asked for more time.
    MoreTime,
}

/// The APDU that a slot is busy with.
#[derive(Debug)]
pub struct Exchange {
    pub start: Stamp,
    pub extensions: u32,
    command: Vec<u8>,
    /// Bytes of the command, those that are not here included.
    sent: usize,
    response: Vec<u8>,
    received: usize,
    /// Bytes at the end of the answer are not here.
    cut: bool,
}

impl Exchange {
    pub const fn new(start: Stamp) -> Self {
        Self { start, extensions: 0, command: Vec::new(), sent: 0, response: Vec::new(), received: 0, cut: false }
    }

    /// Whether a message of the program begins an APDU.
    pub fn begins(level: Level, blocks: bool, under_way: bool, message: &Message<'_>) -> bool {
        match (level, blocks) {
            (Level::Apdu, _) => matches!(message.header.level(), 0 | 1) || !under_way,
            (Level::Tpdu, false) => true,
            (Level::Tpdu, true) => !under_way && matches!(Block::parse(message.data), Some(Block::Information { .. })),
        }
    }

    /// A message of the program.
    pub fn sent(&mut self, blocks: bool, message: &Message<'_>) {
        let bytes = match (blocks, Block::parse(message.data)) {
            (false, _) => message.data,
            (true, Some(Block::Information { bytes, .. })) => bytes,
            (true, _) => return,
        };
        self.sent = self.sent.saturating_add(bytes.len() + message.missing);
        append(&mut self.command, bytes);
    }

    /// A message of the reader.
    pub fn answered(&mut self, blocks: bool, message: &Message<'_>) -> Step {
        let (bytes, step) = match (blocks, Block::parse(message.data)) {
            (false, _) => match message.header.chain() {
                0x10 => return Step::Goes,
                1 | 3 => (message.data, Step::Goes),
                _ => (message.data, Step::Complete),
            },
            (true, Some(Block::Information { bytes, more })) => (bytes, if more { Step::Goes } else { Step::Complete }),
            (true, Some(Block::MoreTime)) => return Step::MoreTime,
            (true, _) => return Step::Goes,
        };
        self.received = self.received.saturating_add(bytes.len() + message.missing);
        append(&mut self.response, bytes);
        self.cut |= message.missing > 0;
        step
    }

    /// The command; `None` when it is shorter than a header.
    pub fn command(&self) -> Option<CommandApdu> {
        if self.sent == self.command.len() {
            return CommandApdu::parse(&self.command);
        }
        let front = self.command.get(..CommandApdu::FRONT).unwrap_or(&self.command);
        CommandApdu::from_ends(front, &[0, 0], self.sent)
    }

    /// The status word, and bytes of the R-APDU.
    pub fn response(&self) -> (Option<u16>, usize) {
        let sw = self.response.last_chunk().filter(|_| !self.cut).map(|sw| u16::from_be_bytes(*sw));
        (sw, self.received)
    }

    /// Bytes at its end were not copied.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

fn append(to: &mut Vec<u8>, bytes: &[u8]) {
    let room = MOST.saturating_sub(to.len()).min(bytes.len());
    to.extend_from_slice(bytes.get(..room).unwrap_or_default());
}
