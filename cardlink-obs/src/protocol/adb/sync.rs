//! File synchronisation (`sync:`): requests and answers of four letters and little-endian numbers. Paths and contents are
//! passed over.

use super::{
    frame::{Part, What},
    reader::{Asked, Event, MOST_TEXT, Outcome},
    service::{Selector, operation as op},
};
use std::collections::VecDeque;

/// Requests that may wait for their answer.
const MOST_WAITING: usize = 256;
/// A file that is longer is not looked through to its end: the answer tells how it was sent, the next request that it was
/// received. What else goes that way on the connection is not seen either.
const BULK: u64 = 1 << 20;
/// `struct` of a STAT answer, and of its second version (error, dev, ino, mode, nlink, uid, gid, size, three times).
const STAT: u64 = 12;
const STAT_V2: u64 = 68;

/// Both directions.
#[derive(Debug, Default)]
pub(super) struct Sync {
    client: Side,
    server: Side,
    waiting: VecDeque<Kind>,
    /// Bytes of the client are missing: what it asks for is known by the answers only.
    blind: bool,
    /// Bytes of the server are missing: that something was answered is known by the next request only.
    deaf: bool,
    over: bool,
    /// Bytes of contents of the last request.
    contents: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stat,
    List { v2: bool },
    Send,
    Receive,
}

impl Kind {
    const fn operation(self) -> &'static str {
        match self {
            Self::Stat => op::SYNC_STAT,
            Self::List { .. } => op::SYNC_LIST,
            Self::Send => op::SYNC_SEND,
            Self::Receive => op::SYNC_RECV,
        }
    }
}

/// How far one direction has come.
#[derive(Debug, Default)]
struct Side {
    /// Of the head under way, as far as it is here.
    head: Vec<u8>,
    /// Bytes to be passed over before the next head.
    skip: u64,
    then: Then,
    /// The reason of a failure.
    text: Vec<u8>,
}

/// What is to be done once the bytes are passed over.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Then {
    #[default]
    Nothing,
    /// The answer is complete.
    Ended,
    /// So is a failure, whose reason this was.
    Failed,
    /// The second half of a request of the second version follows: so many bytes.
    Setup(u64),
}

impl Side {
    /// Bytes that may be missing without harm.
    fn gap(&mut self, len: u64) -> bool {
        let harmless = self.head.is_empty() && self.skip >= len && self.then != Then::Failed;
        if harmless {
            self.skip -= len;
        }
        harmless
    }

    /// Takes bytes to pass over; what is left, and what is to be done when all are passed.
    fn pass<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], Option<Then>) {
        let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        let (over, rest) = bytes.split_at(passed);
        if self.then == Then::Failed {
            let room = MOST_TEXT.saturating_sub(self.text.len());
            self.text.extend(over.iter().take(room));
        }
        self.skip -= passed as u64;
        (rest, (self.skip == 0).then(|| std::mem::take(&mut self.then)))
    }

    /// Takes bytes until the head has so many; what is left.
    fn fill<'a>(&mut self, len: usize, bytes: &'a [u8]) -> Result<&'a [u8], ()> {
        let (taken, rest) = bytes.split_at(len.saturating_sub(self.head.len()).min(bytes.len()));
        self.head.extend(taken);
        if self.head.len() < len { Err(()) } else { Ok(rest) }
    }

    fn number(&self, at: usize) -> u64 {
        match self.head.get(at..at + 4) {
            Some(&[a, b, c, d]) => u64::from(u32::from_le_bytes([a, b, c, d])),
            _ => 0,
        }
    }
}

impl Sync {
    /// Nothing more comes that tells anything.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The side whose bytes are so many, and so little else, that they are not worth it: the client.
    pub const fn bulk(&self) -> Option<bool> {
        match (self.blind, self.deaf) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// What the next bytes of a side are.
    pub fn part(&self, from_client: bool) -> Part {
        let (side, unheard) = if from_client { (&self.client, self.blind) } else { (&self.server, self.deaf) };
        if self.over || unheard {
            return Part::of(What::Blank, usize::MAX);
        }
        if side.skip > 0 {
            let what = if side.then == Then::Failed { What::Reason } else { What::Blank };
            let len = usize::try_from(side.skip).unwrap_or(usize::MAX);
            return Part { what, len, fresh: side.text.is_empty() };
        }
        let head = match side.head.get(..4).and_then(|id| id.try_into().ok()) {
            _ if from_client => 8,
            Some(id) => head_of(id),
            None => 4,
        };
        Part { what: What::Head, len: head.saturating_sub(side.head.len()), fresh: side.head.is_empty() }
    }

    /// Bytes are missing.
    pub fn gap(&mut self, from_client: bool, len: u64) {
        if from_client {
            self.blind |= !self.client.gap(len);
        } else {
            self.deaf |= !self.server.gap(len);
        }
        self.over |= self.blind && self.deaf;
    }

    pub fn feed(&mut self, from_client: bool, bytes: &[u8], tell: &mut dyn FnMut(Event)) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.over {
            rest = match (from_client, self.blind, self.deaf) {
                (true, true, _) | (false, _, true) => return,
                (true, ..) => self.asked(rest, tell),
                (false, ..) => self.answered(rest, tell),
            };
        }
    }

    fn asked<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Event)) -> &'a [u8] {
        let side = &mut self.client;
        if side.skip > 0 {
            let (rest, then) = side.pass(bytes);
            if let Some(Then::Setup(len)) = then {
                side.skip = len;
            }
            return rest;
        }
        let Ok(rest) = side.fill(8, bytes) else { return &[] };
        let len = side.number(4);
        let id: [u8; 4] = side.head.get(..4).and_then(|id| id.try_into().ok()).unwrap_or_default();
        side.head.clear();
        let kind = match &id {
            b"STAT" | b"LST2" | b"STA2" => Kind::Stat,
            b"LIST" => Kind::List { v2: false },
            b"LIS2" => Kind::List { v2: true },
            b"SEND" | b"SND2" => Kind::Send,
            b"RECV" | b"RCV2" => Kind::Receive,
            b"DATA" => {
                side.skip = len;
                self.contents = self.contents.saturating_add(len);
                self.blind |= self.contents > BULK;
                return rest;
            }
            b"DONE" => return rest,
            b"QUIT" => {
                self.over = true;
                self.answers_unheard(tell);
                return rest;
            }
            _ => {
                self.blind = true;
                self.over |= self.deaf;
                return rest;
            }
        };
        side.skip = len;
        side.then = match &id {
            b"SND2" => Then::Setup(12),
            b"RCV2" => Then::Setup(8),
            _ => Then::Nothing,
        };
        if let (0, Then::Setup(more)) = (len, side.then) {
            side.skip = more;
            side.then = Then::Nothing;
        }
        self.answers_unheard(tell);
        self.begin(kind, true, tell);
        rest
    }

    fn begin(&mut self, kind: Kind, timed: bool, tell: &mut dyn FnMut(Event)) {
        if self.waiting.len() >= MOST_WAITING {
            self.blind = true;
            return;
        }
        self.waiting.push_back(kind);
        self.contents = 0;
        tell(Event::Begins);
        let operation = kind.operation();
        tell(Event::Asked(Asked { operation, selector: Selector::None, at: Vec::new(), program: None, timed }));
    }

    /// What was not heard has been answered when the next thing is asked for, or nothing more is.
    fn answers_unheard(&mut self, tell: &mut dyn FnMut(Event)) {
        if self.deaf {
            let received = std::mem::take(&mut self.contents) > 0;
            for kind in self.waiting.drain(..) {
                // What was being received was not refused.
                let good = received && kind == Kind::Receive;
                tell(Event::Ended(if good { Outcome::Okay } else { Outcome::Unknown }));
            }
        }
    }

    fn answered<'a>(&mut self, bytes: &'a [u8], tell: &mut dyn FnMut(Event)) -> &'a [u8] {
        if self.server.skip > 0 {
            let (rest, then) = self.server.pass(bytes);
            if let Some(then) = then {
                self.complete(then, tell);
            }
            return rest;
        }
        let side = &mut self.server;
        let Ok(rest) = side.fill(4, bytes) else { return &[] };
        let id: [u8; 4] = side.head.get(..4).and_then(|id| id.try_into().ok()).unwrap_or_default();
        let Ok(rest) = side.fill(head_of(id), rest) else { return &[] };
        let last = side.number(side.head.len().saturating_sub(4));
        side.head.clear();
        self.see(id);
        if self.waiting.is_empty() {
            // The request was not seen: what it was for is told by the answer.
            if let Some(kind) = kind_of(id) {
                self.begin(kind, false, tell);
            }
        }
        let front = self.waiting.front().copied();
        if !front.is_some_and(|kind| fits(kind, id)) {
            self.deaf = true;
            self.over |= self.blind;
            return rest;
        }
        if id == *b"DATA" {
            self.contents = self.contents.saturating_add(last);
            self.deaf |= self.contents > BULK;
        }
        let side = &mut self.server;
        (side.skip, side.then) = match (&id, front) {
            (b"STAT", _) => (STAT, Then::Ended),
            (b"LST2" | b"STA2", _) => (STAT_V2, Then::Ended),
            (b"DONE", Some(Kind::List { v2: false })) => (16, Then::Ended),
            (b"DONE", Some(Kind::List { v2: true })) => (72, Then::Ended),
            (b"DONE", _) => (4, Then::Ended),
            // A number without meaning follows, for which not every client waits.
            (b"OKAY", _) => (4, Then::Nothing),
            (b"FAIL", _) => (last, Then::Failed),
            // Of an entry the name follows, of data they themselves.
            _ => (last, Then::Nothing),
        };
        if id == *b"OKAY" {
            self.complete(Then::Ended, tell);
        } else if side.skip == 0 {
            let then = std::mem::take(&mut side.then);
            self.complete(then, tell);
        }
        rest
    }

    /// An entry of a list tells which version it is of.
    fn see(&mut self, id: [u8; 4]) {
        if let (b"DNT2", Some(Kind::List { v2 })) = (&id, self.waiting.front_mut()) {
            *v2 = true;
        }
    }

    fn complete(&mut self, then: Then, tell: &mut dyn FnMut(Event)) {
        let outcome = match then {
            Then::Ended => Outcome::Okay,
            Then::Failed => Outcome::failed(&std::mem::take(&mut self.server.text)),
            Then::Nothing | Then::Setup(_) => return,
        };
        self.contents = 0;
        if self.waiting.pop_front().is_some() {
            tell(Event::Ended(outcome));
        }
    }
}

/// Whether this begins the head of a message.
pub(super) fn is_head(bytes: &[u8]) -> bool {
    const IDS: [&[u8; 4]; 16] = [
        b"STAT", b"LST2", b"STA2", b"LIST", b"LIS2", b"SEND", b"SND2", b"RECV", b"RCV2", b"DATA", b"DONE", b"QUIT",
        b"DENT", b"DNT2", b"OKAY", b"FAIL",
    ];
    IDS.iter().any(|id| bytes.starts_with(*id))
}

/// Bytes of the head of an answer; those of the length of what follows are the last of them.
const fn head_of(id: [u8; 4]) -> usize {
    match &id {
        b"DENT" => 4 + 16,
        b"DNT2" => 4 + STAT_V2 as usize + 4,
        b"DATA" | b"FAIL" => 8,
        _ => 4,
    }
}

/// What was asked for, by the answer alone.
const fn kind_of(id: [u8; 4]) -> Option<Kind> {
    Some(match &id {
        b"STAT" | b"LST2" | b"STA2" => Kind::Stat,
        b"DENT" => Kind::List { v2: false },
        b"DNT2" => Kind::List { v2: true },
        b"OKAY" => Kind::Send,
        b"DATA" => Kind::Receive,
        _ => return None,
    })
}

/// Whether this can be (part of) the answer.
const fn fits(kind: Kind, id: [u8; 4]) -> bool {
    matches!(
        (kind, &id),
        (_, b"FAIL")
            | (Kind::Stat, b"STAT" | b"LST2" | b"STA2")
            | (Kind::List { .. }, b"DENT" | b"DNT2" | b"DONE")
            | (Kind::Send, b"OKAY")
            | (Kind::Receive, b"DATA" | b"DONE")
    )
}
