//! Where messages begin and end.

use crate::protocol::sql::Sender;
use std::ops::Range;

/// Kinds of messages without a type byte: those that a client opens with. No type byte has these values.
pub mod request {
    pub const STARTUP: u8 = 1;
    pub const SSL: u8 = 2;
    pub const GSS: u8 = 3;
    pub const CANCEL: u8 = 4;
}

/// Types of messages of a client.
pub mod client {
    pub const QUERY: u8 = b'Q';
    pub const PARSE: u8 = b'P';
    pub const BIND: u8 = b'B';
    pub const EXECUTE: u8 = b'E';
    pub const DESCRIBE: u8 = b'D';
    pub const CLOSE: u8 = b'C';
    pub const SYNC: u8 = b'S';
    pub const FLUSH: u8 = b'H';
    pub const FUNCTION: u8 = b'F';
    pub const TERMINATE: u8 = b'X';
    /// Passwords and other answers to an authentication.
    pub const PASSWORD: u8 = b'p';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const COPY_FAIL: u8 = b'f';
}

/// Types of messages of a server.
pub mod answer {
    pub const AUTHENTICATION: u8 = b'R';
    pub const READY: u8 = b'Z';
    pub const COMPLETE: u8 = b'C';
    pub const EMPTY: u8 = b'I';
    pub const SUSPENDED: u8 = b's';
    pub const ERROR: u8 = b'E';
    pub const NOTICE: u8 = b'N';
    pub const PARSED: u8 = b'1';
    pub const BOUND: u8 = b'2';
    pub const CLOSED: u8 = b'3';
    pub const NO_DATA: u8 = b'n';
    pub const PARAMETERS: u8 = b't';
    pub const COLUMNS: u8 = b'T';
    pub const ROW: u8 = b'D';
    pub const COPY_IN: u8 = b'G';
    pub const COPY_OUT: u8 = b'H';
    pub const COPY_BOTH: u8 = b'W';
    pub const COPY_DATA: u8 = b'd';
    pub const COPY_DONE: u8 = b'c';
    pub const RESULT: u8 = b'V';
    pub const STATUS: u8 = b'S';
    pub const KEY: u8 = b'K';
    pub const NOTIFICATION: u8 = b'A';
    pub const VERSION: u8 = b'v';
}

const CLIENTS: &[u8] = b"QPBEDCSHFXpdcf";
const SERVERS: &[u8] = b"RZCIsEN123ntTDGHWdcVSKAv";

/// No message is longer (`PQ_LARGE_MESSAGE_LIMIT`).
const MOST_LEN: u32 = 0x3fff_ffff;
/// A startup packet is not longer (`MAX_STARTUP_PACKET_LENGTH`).
const MOST_STARTUP: u32 = 10_000;
/// Where framing was lost a message of a client that is longer is not believed.
const MOST_BELIEVED: u32 = 1 << 20;
/// The longest command tag that is looked for where framing was lost.
const MOST_TAG: usize = 70;

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its type byte, or one of [`request`].
    pub kind: u8,
    /// Bytes that follow; those after the code, for a request.
    pub len: u32,
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Part of the beginning of a message; `Some` with its last byte.
    Head(Option<Head>),
    /// Part of a message, from its byte `at` on. Every message ends with one that is `last`, which may be empty.
    Body { head: Head, at: u32, last: bool },
    /// The one byte that answers the request for encryption.
    Answer(u8),
    /// It is not known where messages begin, or everything is encrypted.
    Unknown,
}

/// What is known of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The client has not begun a session yet.
    Opening,
    Messages,
    /// The framing was lost.
    Lost,
}

#[derive(Debug)]
struct Lane {
    mode: Mode,
    header: [u8; 8],
    have: usize,
    /// The message under way, and the position in it.
    body: Option<(Head, u32)>,
}

/// The messages of both directions of one connection.
#[derive(Debug)]
pub struct Frames {
    client: Lane,
    server: Lane,
    /// Requests for encryption that have no answer.
    asked: u8,
    /// The last thing that the server said is that it is ready.
    ready: bool,
    encrypted: bool,
}

impl Frames {
    /// `from_start`: the next bytes of the client are the first of the connection.
    pub const fn new(from_start: bool) -> Self {
        const fn lane(mode: Mode) -> Lane {
            Lane { mode, header: [0; 8], have: 0, body: None }
        }
        Self {
            client: lane(if from_start { Mode::Opening } else { Mode::Messages }),
            server: lane(Mode::Messages),
            asked: 0,
            ready: !from_start,
            encrypted: false,
        }
    }

    /// The server granted encryption.
    pub const fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Takes the next bytes of a direction apart. Pieces come in order and leave nothing out.
    pub fn split(&mut self, sender: Sender, bytes: &[u8], sink: &mut impl FnMut(Range<usize>, Piece)) {
        let mut at = 0;
        if !self.encrypted
            && self.lane(sender).mode == Mode::Lost
            && let Some(found) = self.found_again(sender, bytes)
        {
            if found > 0 {
                sink(0..found, Piece::Unknown);
            }
            at = found;
            self.lane_mut(sender).restart();
            if sender == Sender::Server {
                self.asked = 0;
            }
        }
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let (len, piece) = self.step(sender, rest);
            // Every step takes at least one byte.
            let end = (at + len.max(1)).min(bytes.len());
            sink(at..end, piece);
            at = end;
            if let Piece::Head(Some(head)) = piece
                && head.len == 0
            {
                self.ended(sender, head);
                sink(at..at, Piece::Body { head, at: 0, last: true });
            }
        }
    }

    /// So many bytes of a direction are not here. Whether it is still known where its messages begin.
    pub fn hole(&mut self, sender: Sender, len: u64) -> bool {
        let lane = self.lane_mut(sender);
        let Some((head, at)) = lane.body else {
            if len > 0 {
                lane.lose();
            }
            return false;
        };
        // The end of the message has to be seen: it says when it was.
        if u64::from(head.len - at) > len {
            lane.body = Some((head, at + u32::try_from(len).unwrap_or(0)));
            return true;
        }
        lane.lose();
        false
    }

    const fn lane(&self, sender: Sender) -> &Lane {
        match sender {
            Sender::Client => &self.client,
            Sender::Server => &self.server,
        }
    }

    const fn lane_mut(&mut self, sender: Sender) -> &mut Lane {
        match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        }
    }

    fn step(&mut self, sender: Sender, rest: &[u8]) -> (usize, Piece) {
        if self.encrypted || self.lane(sender).mode == Mode::Lost {
            return (rest.len(), Piece::Unknown);
        }
        if let Some((head, at)) = self.lane(sender).body {
            let left = head.len - at;
            let have = u32::try_from(rest.len()).unwrap_or(u32::MAX).min(left);
            let last = have == left;
            self.lane_mut(sender).body = (!last).then_some((head, at + have));
            if last {
                self.ended(sender, head);
            }
            return (have as usize, Piece::Body { head, at, last });
        }
        if sender == Sender::Server
            && self.asked > 0
            && self.server.have == 0
            && let Some(&byte @ (b'S' | b'N' | b'G')) = rest.first()
        {
            self.asked -= 1;
            self.encrypted = matches!(byte, b'S' | b'G');
            return (1, Piece::Answer(byte));
        }
        let (len, head) = self.lane_mut(sender).header(sender, rest);
        match head {
            Ok(None) => {}
            Ok(Some(Head { kind: request::SSL | request::GSS, .. })) => self.asked = self.asked.saturating_add(1),
            Ok(Some(_)) => self.ready = false,
            Err(()) => {
                self.lane_mut(sender).lose();
                return (rest.len(), Piece::Unknown);
            }
        }
        (len, Piece::Head(head.unwrap_or(None)))
    }

    /// A message is complete.
    const fn ended(&mut self, sender: Sender, head: Head) {
        match sender {
            Sender::Client => {
                if head.kind == request::STARTUP {
                    self.client.mode = Mode::Messages;
                }
            }
            Sender::Server => self.ready = head.kind == answer::READY,
        }
        self.lane_mut(sender).body = None;
    }

    /// Where a message begins in bytes of a direction whose framing was lost.
    ///
    /// A server's bytes that end with word that it is ready are understood from there, or from the command tag before it; a
    /// client's from their beginning, when the server was ready.
    fn found_again(&self, sender: Sender, bytes: &[u8]) -> Option<usize> {
        match sender {
            Sender::Client => {
                let (head, _) = head(sender, bytes)?;
                (self.ready && head.len <= MOST_BELIEVED).then_some(0)
            }
            Sender::Server => {
                let ready = bytes.len().checked_sub(6)?;
                let [answer::READY, 0, 0, 0, 5, b'I' | b'T' | b'E'] = bytes.get(ready..)? else { return None };
                let complete = |start: &usize| {
                    let Some((Head { kind: answer::COMPLETE, len }, tag)) =
                        bytes.get(*start..ready).and_then(|bytes| head(sender, bytes))
                    else {
                        return false;
                    };
                    tag.len() == len as usize
                        && tag.split_last().is_some_and(|(end, tag)| {
                            *end == 0 && tag.iter().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b' '))
                        })
                };
                Some((ready.saturating_sub(MOST_TAG)..ready).find(complete).unwrap_or(ready))
            }
        }
    }
}

impl Lane {
    const fn lose(&mut self) {
        self.mode = Mode::Lost;
        self.have = 0;
        self.body = None;
    }

    const fn restart(&mut self) {
        self.mode = Mode::Messages;
        self.have = 0;
        self.body = None;
    }

    /// Takes bytes of the beginning of a message; `Err` when there is none that begins so.
    fn header(&mut self, sender: Sender, rest: &[u8]) -> (usize, Result<Option<Head>, ()>) {
        let size = if self.mode == Mode::Opening { 8 } else { 5 };
        let take = rest.len().min(size - self.have);
        for (slot, byte) in self.header.iter_mut().skip(self.have).zip(rest.iter().take(take)) {
            *slot = *byte;
        }
        self.have += take;
        if self.have < size {
            return (take, Ok(None));
        }
        self.have = 0;
        let found = if self.mode == Mode::Opening { opening(self.header) } else { typed(sender, &self.header) };
        let Some(head) = found else { return (take, Err(())) };
        if head.len > 0 {
            self.body = Some((head, 0));
        }
        (take, Ok(Some(head)))
    }
}

fn typed(sender: Sender, header: &[u8]) -> Option<Head> {
    let (&kind, rest) = header.split_first()?;
    let len = u32::from_be_bytes(*rest.first_chunk()?);
    let known = match sender {
        Sender::Client => CLIENTS,
        Sender::Server => SERVERS,
    };
    (known.contains(&kind) && (4..=MOST_LEN).contains(&len)).then(|| Head { kind, len: len - 4 })
}

/// The head of the message that begins with these bytes, and the rest of them.
pub(super) fn head(sender: Sender, bytes: &[u8]) -> Option<(Head, &[u8])> {
    Some((typed(sender, bytes.get(..5)?)?, bytes.get(5..)?))
}

/// The head of what a client opens with.
pub(super) fn opening(header: [u8; 8]) -> Option<Head> {
    let [a, b, c, d, code @ ..] = header;
    let len = u32::from_be_bytes([a, b, c, d]).checked_sub(8)?;
    let kind = match u32::from_be_bytes(code) {
        80_877_103 if len == 0 => request::SSL,
        80_877_104 if len == 0 => request::GSS,
        80_877_102 if len <= 264 => request::CANCEL,
        version if version >> 16 == 3 && len <= MOST_STARTUP => request::STARTUP,
        _ => return None,
    };
    Some(Head { kind, len })
}
