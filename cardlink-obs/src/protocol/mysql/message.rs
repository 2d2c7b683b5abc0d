//! What was asked and what was answered, with as much of it as is read.

use super::{
    attributes::Attributes,
    fault::{Fault, PROGRESS},
    frame::{Frames, Piece, Secrecy},
    lane::Kind,
    wire::{Ending, command, status, u32_at},
};
use crate::protocol::sql::Sender;
use std::ops::Range;

/// Bytes of a text that are kept, with what stands before it.
const MOST_TEXT: usize = 17_000;
const MOST_OTHER: usize = 64;
/// A buffer that has grown larger is not kept for the next packet.
const KEPT: usize = 4096;

/// A result, or one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the server's status is a set of bits")]
pub struct Outcome {
    /// Rows that came, or were changed. `None` when some were not seen.
    pub rows: Option<u64>,
    /// It had rows, or could have had.
    pub set: bool,
    pub in_transaction: bool,
    /// Another result follows.
    pub more: bool,
    /// Its rows, or more of them, are fetched when the client asks for them.
    pub cursor: bool,
}

/// What was found in a stream.
#[derive(Debug)]
pub enum Told<'a, T> {
    Greeting {
        mariadb: bool,
    },
    Login,
    /// Nothing more is seen.
    Secret(Secrecy),
    /// The client may ask.
    Ready,
    Command {
        command: u8,
        /// What follows it; of a query or a statement to prepare its text. As far as it is read.
        body: &'a [u8],
        /// All of it is here.
        whole: bool,
        /// What was given with its first byte.
        first: T,
    },
    Prepared {
        statement: u32,
    },
    Result(Outcome),
    Fault(Fault),
    /// Both directions may lack something here, and begin anew.
    FoundAgain,
}

#[derive(Debug)]
struct Lane<T> {
    body: Vec<u8>,
    first: Option<T>,
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self { body: Vec::new(), first: None }
    }
}

/// Both directions of a connection, as what they say.
#[derive(Debug)]
pub struct Messages<T> {
    frames: Frames,
    client: Lane<T>,
    server: Lane<T>,
    /// Rows of the result under way; `None` when some were not seen.
    rows: Option<u64>,
    ready: bool,
    secret: bool,
}

impl<T: Copy> Messages<T> {
    /// `from_start`: the server's greeting is the next.
    pub fn new(from_start: bool) -> Self {
        Self {
            frames: Frames::new(from_start),
            client: Lane::new(),
            server: Lane::new(),
            rows: Some(0),
            ready: !from_start,
            secret: false,
        }
    }

    /// What the server says is not understood until the client asks something.
    pub fn lose_server(&mut self) {
        self.frames.lose_server();
    }

    pub const fn secrecy(&self) -> Option<Secrecy> {
        self.frames.secrecy()
    }

    /// Takes the next bytes of a direction; `first` is kept of the piece that a packet begins in.
    pub fn feed(&mut self, sender: Sender, first: T, bytes: &[u8], sink: &mut impl FnMut(Told<'_, T>)) {
        self.take(sender, first, Ok(bytes), sink);
    }

    /// Takes bytes, or so many that are not here; whether it is known where packets begin.
    fn take(&mut self, sender: Sender, first: T, what: Result<&[u8], u64>, sink: &mut impl FnMut(Told<'_, T>)) -> bool {
        let bytes = what.unwrap_or_default();
        let Self { frames, client, server, rows, ready, secret } = self;
        let lane = match sender {
            Sender::Client => client,
            Sender::Server => server,
        };
        let mut on = |frames: &mut Frames, range: Range<usize>, piece: Piece| {
            if frames.take_anew() {
                *rows = Some(0);
                sink(Told::FoundAgain);
            }
            match piece {
                Piece::Unknown => {
                    lane.first = None;
                    lane.body.clear();
                    if sender == Sender::Server {
                        *rows = None;
                    }
                }
                Piece::Head => {
                    lane.first.get_or_insert(first);
                }
                Piece::Body { kind, at, last } => {
                    let kept = read(kind);
                    let end = at + range.len() as u64;
                    let bytes = bytes.get(range).unwrap_or_default();
                    if lane.body.len() as u64 == at && lane.body.len() < kept {
                        lane.body.extend(bytes.iter().take(kept - lane.body.len()));
                    }
                    if !last {
                        return;
                    }
                    let whole = end == lane.body.len() as u64;
                    let first = lane.first.take().unwrap_or(first);
                    // What ends the login is no result.
                    if *ready || kind != Kind::Ok {
                        tell(frames, kind, &lane.body, (whole, first), rows, sink);
                    }
                    if lane.body.capacity() > KEPT {
                        lane.body = Vec::new();
                    }
                    lane.body.clear();
                    if frames.is_ready() && !std::mem::replace(ready, true) {
                        sink(Told::Ready);
                    }
                    if let Some(secrecy) = frames.secrecy()
                        && !std::mem::replace(secret, true)
                    {
                        sink(Told::Secret(secrecy));
                    }
                }
            }
        };
        match what {
            Ok(bytes) => {
                frames.split(sender, bytes, &mut on);
                true
            }
            Err(missing) => frames.hole(sender, missing, &mut on),
        }
    }

    /// So many bytes are not here; `first` as with [`Messages::feed`].
    pub fn hole(&mut self, sender: Sender, first: T, len: u64, sink: &mut impl FnMut(Told<'_, T>)) {
        if !self.take(sender, first, Err(len), sink) {
            let lane = match sender {
                Sender::Client => &mut self.client,
                Sender::Server => &mut self.server,
            };
            lane.first = None;
            lane.body.clear();
            if sender == Sender::Server {
                self.rows = None;
            }
        }
    }
}

/// Bytes of a packet that are read.
const fn read(kind: Kind) -> usize {
    match kind {
        Kind::Command(command::QUERY | command::PREPARE) => MOST_TEXT,
        Kind::Command(_) | Kind::Ok | Kind::Eof | Kind::End | Kind::Error | Kind::Between | Kind::Prepared => {
            MOST_OTHER
        }
        _ => 0,
    }
}

fn tell<T>(
    frames: &Frames,
    kind: Kind,
    body: &[u8],
    (whole, first): (bool, T),
    rows: &mut Option<u64>,
    sink: &mut impl FnMut(Told<'_, T>),
) {
    match kind {
        Kind::Greeting => sink(Told::Greeting { mariadb: frames.is_mariadb() }),
        Kind::Login => sink(Told::Login),
        Kind::Command(command) => {
            let rest = body.get(1..).unwrap_or_default();
            let there = command == command::QUERY && frames.has_attributes();
            // Where the login was not seen: there are attributes, and they are none.
            let none = rest.strip_prefix(&[0, 1]).filter(|_| command == command::QUERY && !there);
            let rest = none.unwrap_or(rest);
            let text = Attributes::text(there, rest).unwrap_or_default();
            sink(Told::Command { command, body: text, whole, first });
        }
        Kind::Row => *rows = rows.map(|rows| rows.saturating_add(1)),
        Kind::Columns | Kind::Definition => *rows = Some(0),
        Kind::Error => {
            let fault = Fault::of(body);
            if fault.code != PROGRESS {
                *rows = Some(0);
                sink(Told::Fault(fault));
            }
        }
        Kind::Prepared => {
            if let Some(statement) = u32_at(body, 1) {
                sink(Told::Prepared { statement });
            }
        }
        Kind::Ok | Kind::Eof | Kind::End | Kind::Between => {
            let Some(Ending { affected, status }) = Ending::of(body) else { return };
            let cursor = status & status::CURSOR != 0;
            if kind == Kind::Between && !cursor {
                return;
            }
            let counted = rows.replace(0);
            let set = kind != Kind::Ok;
            sink(Told::Result(Outcome {
                rows: if set { counted } else { Some(affected) },
                set,
                in_transaction: status & status::IN_TRANSACTION != 0,
                more: status & status::MORE_RESULTS != 0,
                cursor: cursor && status & status::LAST_ROW == 0,
            }));
        }
        _ => {}
    }
}
