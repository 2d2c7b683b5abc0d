//! Protocols that are spoken on stream sockets beside TLS and HTTP: databases, phone and card-reader daemons.
//!
//! A new protocol has its decoder in `protocol`, an implementation of [`Dialogue`] here, and a line in [`KINDS`].

#[cfg(test)]
mod tests;

use super::pcsc::{self, Pcsc};
use crate::{
    observation::{Connection, Observation, Stamp},
    stream::{Call, Chunk, Direction, Item},
};
use std::{fmt, sync::Arc};

/// What can be set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {}

/// A protocol under way on one connection.
///
/// It is fed everything from the first byte on, in the order of the stream.
pub trait Dialogue: fmt::Debug + Send {
    /// Takes the next thing that happened.
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>);

    /// Nothing more can be learnt from its bytes: they need not be copied.
    fn is_unwanted(&self) -> bool;

    /// The only direction whose bytes are of any use, where the other is full of what nobody needs. Once said, it holds.
    fn wants_only(&self) -> Option<Direction> {
        None
    }

    /// The agent stops: what is under way has no result.
    fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>);
}

/// The first bytes of a connection, of the side that spoke first.
#[derive(Debug, Clone, Copy)]
pub struct First<'a> {
    pub connection: &'a Connection,
    pub direction: Direction,
    /// As far as they are here; more may follow.
    pub bytes: &'a [u8],
    /// They are known to be the first of the connection: otherwise it was open before the agent looked.
    pub from_start: bool,
}

/// Whether it is this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognition {
    Yes,
    No,
    /// What there is could be its beginning.
    More,
}

/// A protocol that can be told from its first bytes.
pub struct Kind {
    /// The word for logs and `trace`.
    pub name: &'static str,
    pub recognise: fn(&First<'_>) -> Recognition,
    pub begin: fn(Arc<Connection>, &Settings) -> Box<dyn Dialogue>,
}

/// All protocols, the surest first.
pub const KINDS: &[Kind] = &[
    super::adb::KIND,
    super::sql::POSTGRES,
    super::sql::MYSQL,
    Kind { name: "pcsc", recognise: pcsc::recognise, begin: |connection, _| Box::new(Pcsc::new(connection)) },
];

/// Bytes that are kept until a protocol is recognised, or none is.
const MOST_HEARD: usize = 4096;
/// Things that happened that are kept until then.
const MOST_ITEMS: usize = 32;

/// Finds out what is spoken on a connection, and follows it.
pub struct Dialogues {
    connection: Arc<Connection>,
    settings: Settings,
    kinds: &'static [Kind],
    state: State,
}

enum State {
    Listening(Heard),
    Speaking(&'static str, Box<dyn Dialogue>),
    /// None of those that are known.
    Foreign,
}

#[derive(Default)]
struct Heard {
    items: Vec<Kept>,
    first: Option<Direction>,
    bytes: Vec<u8>,
    kept: usize,
    /// Bytes before those that are here are missing.
    lost_start: bool,
}

enum Kept {
    Data { direction: Direction, call: Call, offset: u64, bytes: Vec<u8> },
    Other(Item<'static>),
}

impl Dialogues {
    pub fn new(connection: Arc<Connection>, settings: Settings) -> Self {
        Self::among(KINDS, connection, settings)
    }

    fn among(kinds: &'static [Kind], connection: Arc<Connection>, settings: Settings) -> Self {
        Self { connection, settings, kinds, state: State::Listening(Heard::default()) }
    }

    pub const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The protocol, once it is known.
    pub const fn speaks(&self) -> Option<&'static str> {
        match &self.state {
            State::Speaking(name, _) => Some(name),
            State::Listening(_) | State::Foreign => None,
        }
    }

    /// Nothing more is wanted of its bytes.
    pub fn is_unwanted(&self) -> bool {
        match &self.state {
            State::Listening(_) => false,
            State::Speaking(_, dialogue) => dialogue.is_unwanted(),
            State::Foreign => true,
        }
    }

    /// The only direction whose bytes are of any use.
    pub fn wants_only(&self) -> Option<Direction> {
        match &self.state {
            State::Speaking(_, dialogue) => dialogue.wants_only(),
            State::Listening(_) | State::Foreign => None,
        }
    }

    /// Takes the next thing that happened on the connection.
    pub fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match &mut self.state {
            State::Foreign => {}
            State::Speaking(_, dialogue) => dialogue.on(item, out),
            State::Listening(heard) => {
                if heard.take(item) {
                    self.listen(out);
                } else {
                    self.state = State::Foreign;
                }
            }
        }
    }

    /// The agent stops.
    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if let State::Speaking(_, dialogue) = &mut self.state {
            dialogue.finish(at, out);
        }
    }

    fn listen(&mut self, out: &mut Vec<Observation>) {
        let State::Listening(heard) = &self.state else { return };
        let Some(direction) = heard.first else { return };
        let first = First {
            connection: &self.connection,
            direction,
            bytes: &heard.bytes,
            from_start: self.connection.opened.is_some() && !heard.lost_start,
        };
        let mut more = false;
        for kind in self.kinds {
            match (kind.recognise)(&first) {
                Recognition::No => {}
                Recognition::More => more = true,
                Recognition::Yes => {
                    let mut dialogue = (kind.begin)(Arc::clone(&self.connection), &self.settings);
                    for kept in &heard.items {
                        dialogue.on(&kept.item(), out);
                    }
                    self.state = State::Speaking(kind.name, dialogue);
                    return;
                }
            }
        }
        if !more {
            self.state = State::Foreign;
        }
    }
}

impl fmt::Debug for Dialogues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogues").field("speaks", &self.speaks()).finish_non_exhaustive()
    }
}

impl Heard {
    /// Whether there is room for more.
    fn take(&mut self, item: &Item<'_>) -> bool {
        let kept = match *item {
            Item::Data(Chunk { direction, call, offset, bytes }) => {
                let first = *self.first.get_or_insert(direction);
                if first == direction {
                    self.bytes.extend(bytes);
                }
                self.kept += bytes.len();
                Kept::Data { direction, call, offset, bytes: bytes.to_vec() }
            }
            Item::Hole(hole) => {
                // After the first bytes it hides what they would have told.
                if self.first.is_some() {
                    return false;
                }
                self.lost_start = true;
                Kept::Other(Item::Hole(hole))
            }
            Item::Eof(call) => Kept::Other(Item::Eof(call)),
            Item::Error { direction, call, errno } => Kept::Other(Item::Error { direction, call, errno }),
            Item::Shutdown(call) => Kept::Other(Item::Shutdown(call)),
            // These say nothing of what is spoken, and may be many.
            Item::Polled(_) | Item::Transport(_) | Item::Closed { .. } | Item::Tick { .. } => return true,
        };
        self.items.push(kept);
        self.kept <= MOST_HEARD && self.items.len() <= MOST_ITEMS
    }
}

impl Kept {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Data { direction, call, offset, bytes } => {
                Item::Data(Chunk { direction: *direction, call: *call, offset: *offset, bytes })
            }
            Self::Other(item) => *item,
        }
    }
}
