//! One connection of a watched program: TLS or not, its handshake, its end.

use super::handshake::{Decision, HandshakeTracker, Opening, UNKNOWN, Verdict};
use crate::observation::{Connection, ConnectionClosed, ConnectionOutcome, Incomplete, Observation, Role, Stamp};
use crate::stream::{Call, Chunk, Direction, Hole, Item};
use std::sync::Arc;
use std::time::Duration;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A handshake in which nothing moves for so long has failed.
    pub handshake_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { handshake_timeout: Duration::from_mins(1) }
    }
}

/// Follows one connection from first sight to close.
///
/// Tells at most one [`Observation::Handshake`], one [`Observation::ConnectionClosed`], and an [`Observation::Incomplete`]
/// for every loss. Who opens the connection tells [`Observation::ConnectionOpened`].
#[derive(Debug)]
pub struct ConnectionTracker {
    connection: Arc<Connection>,
    settings: Settings,
    state: State,
    opening: Opening,
    handshake: Option<Box<HandshakeTracker>>,
    told: bool,
    bytes_read: u64,
    bytes_written: u64,
    incomplete: bool,
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
            connection,
            settings,
            state: State::Opening,
            opening,
            handshake: None,
            told: false,
            bytes_read: 0,
            bytes_written: 0,
            incomplete: false,
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
            Item::Closed { at } => self.handshake.as_mut().and_then(|handshake| handshake.closed(*at)),
            Item::Tick { now } => self.handshake.as_mut().and_then(|handshake| handshake.tick(*now)),
        };
        self.settle(verdict, out);
        if let Item::Closed { at } = item {
            self.close(*at, out);
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
        let handshake = self.tracker(direction, call);
        match decision {
            Decision::ClientHello(direction) => {
                handshake.hello_started(direction, call);
                self.state = State::Tls;
            }
            Decision::UnderWay => self.state = State::Tls,
            Decision::Undecided { hello: true } => handshake.hello_started(direction, call),
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
                self.settings.handshake_timeout,
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
            Some(Verdict::Told(handshake)) => {
                self.told = true;
                out.push(Observation::Handshake(handshake));
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
            incomplete: self.incomplete,
            counted_elsewhere: false,
        })));
    }

    fn outcome(&self) -> (ConnectionOutcome, Option<&'static str>) {
        let spoke = self.opening.spoke();
        match self.state {
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
