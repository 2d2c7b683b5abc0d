//! Packets of one direction: a length of three bytes, a number, and the body; one of 2²⁴ − 1 bytes goes on in the next.

use super::wire::PART;

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server's first.
    Greeting,
    /// The client's first, or its wish to encrypt.
    Login,
    /// Passwords and what is asked about them, in both directions.
    Authentication,
    /// Of a client, by its first byte.
    Command(u8),
    /// A part of a file that the server asked for.
    LocalData,
    /// It is done; what a statement without rows ends with.
    Ok,
    /// An error, or word of how far a statement has come.
    Error,
    /// How many columns the rows have.
    Columns,
    Definition,
    /// Between the definitions of columns and the rows.
    Between,
    Row,
    /// Ends the rows, or says that something is done: in five bytes, or as [`Kind::Ok`] does.
    Eof,
    End,
    /// The statement is prepared.
    Prepared,
    /// The server asks for a file of the client.
    LocalRequest,
    /// An answer that is a text.
    Text,
    /// Nothing that was asked for.
    Other,
}

/// Bytes of a packet that are kept until its end.
const KEPT: usize = 320;

/// A packet under way, with all its parts.
#[derive(Debug)]
pub(super) struct Packet {
    /// `None` before its first byte.
    pub kind: Option<Kind>,
    /// The length of its first part.
    pub len: u32,
    pub number: u8,
    /// Position in it.
    pub at: u64,
    /// Bytes of the part under way that are to come.
    pub left: u32,
    /// Another part follows.
    pub more: bool,
    /// Its beginning.
    pub kept: Vec<u8>,
    /// Bytes of its beginning are missing.
    pub broken: bool,
}

impl Packet {
    pub fn keep(&mut self, bytes: &[u8]) {
        if !self.broken && self.kept.len() as u64 == self.at {
            self.kept.extend(bytes.iter().take(KEPT - self.kept.len().min(KEPT)));
        }
        self.at += bytes.len() as u64;
        self.left -= u32::try_from(bytes.len()).unwrap_or(self.left).min(self.left);
    }

    /// Passes over bytes that are not here.
    pub fn skip(&mut self, len: u32) {
        self.broken |= self.at < KEPT as u64;
        self.at += u64::from(len);
        self.left -= len.min(self.left);
    }

    /// Nothing of it is to come.
    pub const fn is_whole(&self) -> bool {
        self.left == 0 && !self.more
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// It is not known where packets begin.
    pub lost: bool,
    header: [u8; 4],
    have: usize,
    pub packet: Option<Packet>,
}

impl Lane {
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    pub fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }

    /// Takes bytes of a header; how many, and whether a packet or its next part begins.
    pub fn header(&mut self, rest: &[u8]) -> (usize, bool) {
        let take = rest.len().min(self.header.len() - self.have);
        for (slot, byte) in self.header.iter_mut().skip(self.have).zip(rest.iter().take(take)) {
            *slot = *byte;
        }
        self.have += take;
        if self.have < self.header.len() {
            return (take, false);
        }
        self.have = 0;
        let (len, number) = head(self.header);
        let more = len == PART;
        if let Some(packet) = &mut self.packet {
            (packet.left, packet.more, packet.number) = (len, more, number);
        } else {
            let kept = Vec::new();
            self.packet = Some(Packet { kind: None, len, number, at: 0, left: len, more, kept, broken: false });
        }
        (take, true)
    }
}

/// The length and the number in a header.
pub(super) const fn head([a, b, c, number]: [u8; 4]) -> (u32, u8) {
    (u32::from_le_bytes([a, b, c, 0]), number)
}

/// The first packet of some bytes, when it is whole and has no other part: its number and body, and what follows.
pub(super) fn whole(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk()?;
    let (len, number) = head(*header);
    let (body, rest) = rest.split_at_checked(len as usize)?;
    (len < PART).then_some((number, body, rest))
}
