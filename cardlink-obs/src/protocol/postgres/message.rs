//! Messages, with as much of what is in them as is read.

use super::Sender;
use super::frame::{Frames, Piece, answer, client};
use std::hash::{DefaultHasher, Hasher as _};

/// Bytes of a text that are kept, with the name before it.
const MOST_TEXT: usize = 17_000;
const MOST_NAMES: usize = 512;
const MOST_TAG: usize = 72;
const MOST_FAULT: usize = 1024;
/// A buffer that has grown larger is not kept for the next message.
const KEPT: usize = 4096;

/// A message that is complete.
#[derive(Debug)]
pub struct Message<'a, T> {
    pub sender: Sender,
    pub kind: u8,
    /// Its beginning, as far as it is read.
    pub body: &'a [u8],
    /// What was given with its first byte.
    pub first: T,
}

/// What was found in a stream.
#[derive(Debug)]
pub enum Told<'a, T> {
    Message(Message<'a, T>),
    /// The server granted or refused encryption.
    Encryption(bool),
    /// Messages of this direction may be missing here, and begin anew.
    FoundAgain(Sender),
}

#[derive(Debug)]
struct Lane<T> {
    body: Vec<u8>,
    first: Option<T>,
    lost: bool,
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self { body: Vec::new(), first: None, lost: false }
    }
}

/// Both directions of a connection, as messages.
#[derive(Debug)]
pub struct Messages<T> {
    frames: Frames,
    client: Lane<T>,
    server: Lane<T>,
}

impl<T: Copy> Messages<T> {
    pub const fn new(from_start: bool) -> Self {
        Self { frames: Frames::new(from_start), client: Lane::new(), server: Lane::new() }
    }

    pub const fn is_encrypted(&self) -> bool {
        self.frames.is_encrypted()
    }

    /// Takes the next bytes of a direction; `first` is kept of the piece that a message begins in.
    pub fn feed(&mut self, sender: Sender, first: T, bytes: &[u8], sink: &mut impl FnMut(Told<'_, T>)) {
        let lane = match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        self.frames.split(sender, bytes, &mut |range, piece| match piece {
            Piece::Unknown => {
                lane.lost = true;
                lane.first = None;
                lane.body.clear();
            }
            Piece::Answer(byte) => sink(Told::Encryption(matches!(byte, b'S' | b'G'))),
            Piece::Head(_) => {
                if std::mem::take(&mut lane.lost) {
                    sink(Told::FoundAgain(sender));
                }
                lane.first.get_or_insert(first);
            }
            Piece::Body { head, at, last } => {
                let kept = read(sender, head.kind);
                let bytes = bytes.get(range).unwrap_or_default();
                if lane.body.len() == at as usize && lane.body.len() < kept {
                    lane.body.extend(bytes.iter().take(kept - lane.body.len()));
                }
                if last {
                    let first = lane.first.take().unwrap_or(first);
                    sink(Told::Message(Message { sender, kind: head.kind, body: &lane.body, first }));
                    if lane.body.capacity() > KEPT {
                        lane.body = Vec::new();
                    }
                    lane.body.clear();
                }
            }
        });
    }

    /// So many bytes are not here.
    pub fn hole(&mut self, sender: Sender, len: u64) {
        if !self.frames.hole(sender, len) {
            let lane = match sender {
                Sender::Client => &mut self.client,
                Sender::Server => &mut self.server,
            };
            lane.lost = true;
            lane.first = None;
            lane.body.clear();
        }
    }
}

/// Bytes of a message that are read.
const fn read(sender: Sender, kind: u8) -> usize {
    match (sender, kind) {
        (Sender::Client, client::QUERY | client::PARSE) => MOST_TEXT,
        (Sender::Client, client::BIND | client::EXECUTE | client::DESCRIBE | client::CLOSE) => MOST_NAMES,
        (Sender::Server, answer::COMPLETE) => MOST_TAG,
        (Sender::Server, answer::ERROR) => MOST_FAULT,
        (Sender::Server, answer::READY | answer::AUTHENTICATION) => 4,
        _ => 0,
    }
}

/// What stands in the place of a name: names are not kept.
pub fn name_hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}

/// A string with its end, and what follows it.
pub fn named(body: &[u8]) -> (&[u8], &[u8]) {
    match body.iter().position(|byte| *byte == 0) {
        Some(end) => (body.get(..end).unwrap_or_default(), body.get(end + 1..).unwrap_or_default()),
        None => (body, &[]),
    }
}

/// The two strings that a message begins with.
pub fn two_names(body: &[u8]) -> (&[u8], &[u8]) {
    let (first, rest) = named(body);
    (first, named(rest).0)
}

/// A command tag: what was done, and to how many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag<'a> {
    pub text: &'a str,
    pub rows: Option<u64>,
}

impl<'a> Tag<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let text = std::str::from_utf8(named(body).0).unwrap_or_default();
        Self { text, rows: text.rsplit(' ').next().and_then(|last| last.parse().ok()) }
    }
}

/// An error, as far as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub sqlstate: String,
    /// The connection ends with it.
    pub fatal: bool,
}

impl Fault {
    pub fn of(body: &[u8]) -> Self {
        let (mut sqlstate, mut fatal) = (String::new(), false);
        let mut rest = body;
        while let Some((&kind, field)) = rest.split_first() {
            if kind == 0 {
                break;
            }
            let (text, after) = named(field);
            match kind {
                b'C' if text.len() == 5 && text.iter().all(u8::is_ascii_alphanumeric) => {
                    sqlstate = String::from_utf8_lossy(text).into_owned();
                }
                // `V` is in English whatever the server's language; `S` is there before 9.6, too.
                b'V' | b'S' => fatal |= text == b"FATAL" || text == b"PANIC",
                _ => {}
            }
            rest = after;
        }
        Self { sqlstate, fatal }
    }
}
