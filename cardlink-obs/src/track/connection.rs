//! One connection of a watched program: TLS or not, its handshake, its end.

use super::admin::SentScript;
use super::content::{Content, Settings as ContentSettings, Tapped};
use super::dialogue::{Dialogues, Settings as DialogueSettings};
use super::errno::{ECONNRESET, EPIPE, ETIMEDOUT};
use super::handshake::{Decision, HandshakeTracker, Opening, UNKNOWN, Verdict};
use crate::event::{ContentNote, PlainSource};
use crate::observation::{
    Cause, Connection, ConnectionClosed, ConnectionOutcome, FailureReason, Incomplete, Observation, Role, Stamp,
};
use crate::stream::{Call, Chunk, Direction, Hole, Item};
use std::sync::Arc;
use std::time::Duration;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A handshake in which nothing moves for so long has failed.
    pub handshake_timeout: Duration,
    pub content: ContentSettings,
    pub dialogue: DialogueSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_mins(1),
            content: ContentSettings::default(),
            dialogue: DialogueSettings::default(),
        }
    }
}

/// Follows one connection from first sight to close.
///
/// Tells at most one [`Observation::Handshake`], one [`Observation::ConnectionClosed`], and an [`Observation::Incomplete`]
/// for every loss. Who opens the connection tells [`Observation::ConnectionOpened`].
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that happens once")]
pub struct ConnectionTracker {
    connection: Arc<Connection>,
    handshake_timeout: Duration,
    content: Content,
    dialogues: Dialogues,
    state: State,
    opening: Opening,
    handshake: Option<Box<HandshakeTracker>>,
    told: bool,
    bytes_read: u64,
    bytes_written: u64,
    retransmits: u64,
    incomplete: bool,
    /// It did not come about.
    failed: bool,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first bytes have not told yet what it is.
    Opening,
    Tls,
    NotTls,
}

impl ConnectionTracker {
    pub fn new(connection: Arc<Connection>, settings: Settings) -> Self {
        let client = connection.role.map(|role| match role {
            Role::Server => Direction::Read,
            Role::Client => Direction::Write,
        });
        let opening = Opening::new(client, connection.opened.is_none());
        Self {
            content: Content::new(Arc::clone(&connection), settings.content),
            dialogues: Dialogues::new(Arc::clone(&connection), settings.dialogue),
            connection,
            handshake_timeout: settings.handshake_timeout,
            state: State::Opening,
            opening,
            handshake: None,
            told: false,
            bytes_read: 0,
            bytes_written: 0,
            retransmits: 0,
            incomplete: false,
            failed: false,
            closed: false,
        }
    }

    pub const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Takes the next thing that happened on the connection.
    pub fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        if self.closed {
            return;
        }
        let verdict = match item {
            Item::Data(chunk) => self.data(chunk),
            Item::Hole(hole) => self.hole(hole, out),
            Item::Eof(call) => self.handshake.as_mut().and_then(|handshake| handshake.eof(*call)),
            Item::Error { direction, call, errno } => {
                self.handshake.as_mut().and_then(|handshake| handshake.error(*direction, *call, *errno))
            }
            Item::Shutdown(call) => self.handshake.as_mut().and_then(|handshake| handshake.shutdown(*call)),
            Item::Polled(_) => None,
            Item::Transport(transport) => {
                self.retransmits = self.retransmits.max(transport.retransmits);
                None
            }
            Item::Closed { at } => self.handshake.as_mut().and_then(|handshake| handshake.closed(*at)),
            Item::Tick { now } => self.handshake.as_mut().and_then(|handshake| handshake.tick(*now)),
        };
        self.settle(verdict, out);
        if self.state != State::Tls {
            self.dialogues.on(item, out);
        }
        if self.speaks().is_some() {
            self.state = State::NotTls;
            self.handshake = None;
        } else {
            self.content(item, out);
        }
        if let Item::Closed { at } = item {
            self.close(*at, out);
        }
    }

    /// Plaintext that did not come by the wire.
    pub fn plain(
        &mut self,
        source: PlainSource,
        direction: Direction,
        call: Call,
        bytes: &[u8],
        missing: u64,
        out: &mut Vec<Observation>,
    ) {
        self.content.plain(source, direction, call, bytes, missing, out);
    }

    /// What the connection carries, as a recording knows it.
    pub fn recorded(&mut self, note: &ContentNote, call: Call, out: &mut Vec<Observation>) {
        self.content.recorded(note, call, out);
    }

    /// What a session that is taken up again left on another connection.
    pub fn resumed(&mut self, script: Option<SentScript>, out: &mut Vec<Observation>) {
        self.content.resumed(script, out);
    }

    /// The script that a session has left open whose link is gone.
    pub fn take_left(&mut self) -> Option<SentScript> {
        self.content.take_left()
    }

    /// The card of its session goes on with it on another connection.
    pub fn superseded(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.content.superseded(at, out);
    }

    /// Nothing of its bytes is wanted any more.
    pub fn is_unwanted(&self) -> bool {
        if self.speaks().is_some() {
            return self.dialogues.is_unwanted();
        }
        self.content.is_unwanted() && (self.state == State::Tls || self.dialogues.is_unwanted())
    }

    /// The only direction whose bytes are of any use.
    pub fn wants_only(&self) -> Option<Direction> {
        self.dialogues.wants_only()
    }

    /// The protocol that it speaks instead of TLS or HTTP, when it is one that is followed.
    pub const fn speaks(&self) -> Option<&'static str> {
        self.dialogues.speaks()
    }

    /// A card asked on it to be administered.
    pub fn is_admin(&self) -> bool {
        self.content.is_admin()
    }

    /// A session is under way on it.
    pub fn in_session(&self) -> bool {
        self.content.in_session()
    }

    /// It cannot be read from the wire, but perhaps from the program's TLS library; said once.
    pub fn needs_library(&mut self) -> bool {
        self.content.needs_library()
    }

    /// What a recorder is to know since this was last asked.
    pub fn take_tapped(&mut self) -> Vec<Tapped> {
        self.content.take_tapped()
    }

    fn content(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match item {
            Item::Data(Chunk { direction, call, bytes, .. }) => match self.state {
                State::NotTls => self.content.clear(*direction, *call, bytes, out),
                State::Tls | State::Opening => self.content.tls(*direction, *call, bytes, out),
            },
            Item::Hole(hole) => match self.state {
                State::NotTls => self.content.clear_gap(hole.direction, hole.call, hole.len, out),
                State::Tls | State::Opening => {
                    self.content.tls_gap(hole.direction, hole.call, hole.len, hole.resync, out);
                }
            },
            Item::Eof(call) => self.content.eof(*call, out),
            Item::Error { errno, .. } if matches!(*errno, EPIPE | ECONNRESET | ETIMEDOUT) => self.content.reset(),
            Item::Error { .. } | Item::Shutdown(_) | Item::Polled(_) => {}
            Item::Transport(transport) => self.content.transport(*transport),
            Item::Tick { now } => self.content.tick(*now, out),
            Item::Closed { at } => self.content.closed(*at, out),
        }
    }

    /// Bytes may have moved of which nothing is known: how a handshake stands that is under way is not known any more.
    /// Whether one is.
    pub fn may_lack(&mut self) -> bool {
        if let Some(handshake) = &mut self.handshake {
            handshake.may_lack();
        } else if self.state != State::Opening {
            return false;
        }
        if self.state == State::Opening {
            self.opening.lost_start();
        }
        true
    }

    /// It did not come about. Whether that is news.
    pub const fn not_connected(&mut self) -> bool {
        !std::mem::replace(&mut self.failed, true)
    }

    /// Says that bytes of it were lost.
    pub fn incomplete(&mut self, at: Stamp, bytes: u64) -> Observation {
        self.incomplete = true;
        Observation::Incomplete(Box::new(Incomplete {
            at,
            target: Arc::clone(&self.connection.process.target),
            source: if self.state == State::NotTls { "tcp" } else { "tls" },
            bytes,
        }))
    }

    /// The agent stops: a handshake that is under way has no verdict, the connection is told as it stands.
    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if self.closed {
            return;
        }
        let verdict = self.handshake.as_mut().map(|handshake| handshake.finish());
        self.settle(verdict, out);
        self.dialogues.finish(at, out);
        self.content.finish(at, out);
        if self.state == State::Opening {
            // Nothing was said yet, and nothing has ended.
            self.opening.lost_start();
        }
        self.close(at, out);
    }

    fn data(&mut self, chunk: &Chunk<'_>) -> Option<Verdict> {
        if chunk.bytes.is_empty() {
            return None;
        }
        self.count(chunk.direction, chunk.bytes.len() as u64);
        match self.state {
            State::Tls => {}
            State::NotTls => {
                self.opening.feed(chunk.direction, chunk.bytes);
                return None;
            }
            State::Opening => {
                let decision = self.opening.feed(chunk.direction, chunk.bytes);
                self.decide(decision, chunk.direction, chunk.call);
            }
        }
        self.handshake.as_mut()?.data(chunk)
    }

    fn decide(&mut self, decision: Decision, direction: Direction, call: Call) {
        if decision == Decision::NotTls {
            self.state = State::NotTls;
            self.handshake = None;
            return;
        }
        let from_start = !self.opening.is_mid_stream();
        let handshake = self.tracker(direction, call);
        match decision {
            Decision::ClientHello(direction) => {
                handshake.hello_started(direction, call);
                self.state = State::Tls;
                self.content.tls_begins(direction, from_start);
            }
            Decision::UnderWay => {
                self.state = State::Tls;
                let client = self.opening.client().unwrap_or(direction);
                self.content.tls_begins(client, false);
            }
            Decision::Undecided { hello: true } => {
                handshake.hello_started(direction, call);
                self.content.tls_begins(direction, from_start);
            }
            Decision::Undecided { hello: false } | Decision::NotTls => {}
        }
    }

    fn hole(&mut self, hole: &Hole, out: &mut Vec<Observation>) -> Option<Verdict> {
        self.count(hole.direction, hole.len);
        if hole.lost {
            let incomplete = self.incomplete(hole.call.exit, hole.len);
            out.push(incomplete);
        }
        if self.state == State::NotTls {
            return None;
        }
        if self.state == State::Opening {
            self.opening.lost_start();
            self.tracker(hole.direction, hole.call).lost_start();
        }
        self.handshake.as_mut()?.hole(hole)
    }

    /// The tracker of the handshake, from the first byte on.
    fn tracker(&mut self, direction: Direction, call: Call) -> &mut HandshakeTracker {
        self.handshake.get_or_insert_with(|| {
            Box::new(HandshakeTracker::new(
                Arc::clone(&self.connection),
                self.handshake_timeout,
                self.opening.client(),
                self.opening.is_mid_stream(),
                (direction, call),
            ))
        })
    }

    const fn count(&mut self, direction: Direction, len: u64) {
        match direction {
            Direction::Read => self.bytes_read = self.bytes_read.saturating_add(len),
            Direction::Write => self.bytes_written = self.bytes_written.saturating_add(len),
        }
    }

    fn settle(&mut self, verdict: Option<Verdict>, out: &mut Vec<Observation>) {
        match verdict {
            None => return,
            Some(Verdict::Told(mut handshake)) => {
                self.told = true;
                if let Some(failure) = handshake.failure.as_mut().filter(|f| f.reason == FailureReason::WrongKey)
                    && let Some(suspicion) = self.content.suspicion()
                {
                    failure.advice = suspicion;
                }
                // A resumed handshake shows none, and a recording has pieces of one that came in pieces.
                if let Some(identity) = self.content.identity() {
                    handshake.identity = Some(identity.clone());
                }
                let mut after = Vec::new();
                self.content.handshake(&handshake, &mut after);
                out.push(Observation::Handshake(handshake));
                out.append(&mut after);
            }
            Some(Verdict::Unknown) => {}
        }
        self.handshake = None;
        self.state = State::Tls;
    }

    fn close(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.closed = true;
        let (outcome, spoke) = self.outcome();
        out.push(Observation::ConnectionClosed(Box::new(ConnectionClosed {
            connection: Arc::clone(&self.connection),
            at,
            outcome,
            spoke,
            lifetime: at.since(self.connection.opened.unwrap_or(self.connection.first_seen)),
            bytes_read: self.bytes_read,
            bytes_written: self.bytes_written,
            retransmits: self.retransmits,
            incomplete: self.incomplete,
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
    }

    fn outcome(&self) -> (ConnectionOutcome, Option<&'static str>) {
        let spoke = self.speaks().unwrap_or_else(|| self.opening.spoke());
        match self.state {
            _ if self.failed => (ConnectionOutcome::NotConnected, None),
            _ if self.told => (ConnectionOutcome::Handshake, None),
            State::Tls => (ConnectionOutcome::Unknown, None),
            State::NotTls => (ConnectionOutcome::NotTls, Some(spoke)),
            State::Opening if self.opening.is_mid_stream() => match spoke {
                UNKNOWN => (ConnectionOutcome::Unknown, None),
                spoke => (ConnectionOutcome::NotTls, Some(spoke)),
            },
            State::Opening if self.opening.client_spoke() => (ConnectionOutcome::NotTls, Some(spoke)),
            State::Opening => (ConnectionOutcome::NoClientHello, None),
        }
    }
}

/// Entry for a fuzzer: a script of items. Whatever it is, a connection has at most one handshake and one end, and the
/// phases of a handshake add up.
pub fn fuzz_connection(data: &[u8]) {
    super::handshake::fuzz::run(data);
}
