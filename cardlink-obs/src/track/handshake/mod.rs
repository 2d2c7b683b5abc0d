//! The TLS handshake of one connection: from bytes to a verdict.
//!
//! # When it begins and ends
//!
//! Server role: from the return of the read that brought the first `ClientHello` byte. Client role: from the *entry* of the
//! write of that byte, since the peer may have it, and answer, before that call returns. It ends with the return of the
//! call that moved the last byte of the last Finished, or of the call that ended it otherwise.
//!
//! # When it succeeded
//!
//! - Up to TLS 1.2: the first handshake record after each side's `ChangeCipherSpec` is its Finished. With both, it succeeded.
//!   An encrypted alert after that is no failure: on the wire it cannot be told from the `close_notify` of a client that
//!   only tries the door. With a NULL suite it can, so there the verdict waits for what comes next.
//! - TLS 1.3: with the client's Finished, which is its first record under keys after the `ServerHello` that is long enough (with
//!   early data: that has exactly the length). A shorter one of an alert's length is an alert.
//!
//! # Who failed
//!
//! [`Failure::side`](crate::observation::Failure) is the side that ended the handshake: that sent the alert, closed, reset,
//! or stayed silent when it was its turn. An alert says that its sender gave up; whose configuration is wrong, the
//! advice says.
//!
//! - The first thing that went wrong counts. With the first alert, end of stream, reset, close of our own or silence past
//!   the limit, the handshake is told and over; what comes later changes nothing.
//! - A close of ours, or silence, is `timeout` on the peer's turn and `local_error` on ours. A `close_notify` is a close. So
//!   is a shutdown of our writing side.
//! - Warnings of TLS 1.2 other than `close_notify` and `user_canceled` are passed over (RFC 5246 §7.2.2).
//!
//! # What is not known is not told
//!
//! After a loss, or from a start in the middle, an end of stream, a close, a time-out or an encrypted alert proves
//! nothing until another message in the clear says where the handshake is, nor while a direction has not found its next
//! record. If that never comes there is no observation and the outcome of the connection is `unknown`. An alert in the
//! clear is always believed, but what it answers may be missing: then it has its number for a reason. Success is told when
//! both Finished were seen, when the server's Finished was and the full form of the handshake is certain, or when application data flows
//! (up to TLS 1.2), which it does not before. When the agent stops, a handshake that is under way is not told.

mod events;
mod facts;
pub(super) mod fuzz;
mod opening;
mod progress;
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;

use super::errno::{ECONNRESET, EHOSTUNREACH, ENETUNREACH, EPIPE, ETIMEDOUT};
use crate::observation::{Cause, Connection, Failure, Handshake, Role, Side, Stamp};
use crate::protocol::tls::Flow;
use crate::stream::{Call, Chunk, Direction, Hole};
use facts::Facts;
use progress::{Progress, Sender, Step};
use std::sync::Arc;
use std::time::Duration;
use timeline::Timeline;
use verdict::Ending;

pub(super) use opening::{Decision, Opening, UNKNOWN};

/// How long a success under a NULL suite waits for an alert that contradicts it.
const REJECTION: Duration = Duration::from_secs(1);

/// The handshake is over.
#[derive(Debug)]
pub(super) enum Verdict {
    Told(Box<Handshake>),
    /// It ended, or had been before, and how cannot be known.
    Unknown,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states of one machine")]
pub(super) struct HandshakeTracker {
    connection: Arc<Connection>,
    limit: Duration,
    read: Flow,
    write: Flow,
    /// The direction in which the client's bytes go.
    client: Direction,
    client_known: bool,
    /// The first bytes are not the first of the connection.
    mid_stream: bool,
    /// The first byte of the `ClientHello` was seen.
    hello_started: bool,
    incomplete: bool,
    /// Where the handshake is has to be learnt (again).
    unsure: bool,
    /// The peer's bytes are not TLS any more.
    peer_broken: bool,
    progress: Progress,
    facts: Facts,
    last: Option<Step>,
    timeline: Timeline,
    last_progress: Stamp,
    /// Both Finished were seen; the verdict waits for an alert that could be read.
    finished: bool,
}

impl HandshakeTracker {
    /// For a connection whose first bytes move in `call`.
    pub(super) fn new(
        connection: Arc<Connection>,
        limit: Duration,
        client: Option<Direction>,
        mid_stream: bool,
        first: (Direction, Call),
    ) -> Self {
        let (direction, call) = first;
        let start = call.start(direction);
        Self {
            connection,
            limit,
            read: Flow::new(!mid_stream),
            write: Flow::new(!mid_stream),
            client: client.unwrap_or(direction),
            client_known: client.is_some(),
            mid_stream,
            hello_started: false,
            incomplete: false,
            unsure: mid_stream,
            peer_broken: false,
            progress: Progress::default(),
            facts: Facts::default(),
            last: None,
            timeline: Timeline::new(start),
            last_progress: call.exit,
            finished: false,
        }
    }

    /// The client's first byte can be that of a `ClientHello`.
    pub(super) fn hello_started(&mut self, direction: Direction, call: Call) {
        if !self.hello_started {
            self.hello_started = true;
            self.client = direction;
            self.client_known = true;
            self.unsure = self.incomplete;
            self.timeline.start_no_later_than(call.start(direction));
        }
    }

    /// The first bytes of the connection were lost.
    pub(super) const fn lost_start(&mut self) {
        self.mid_stream = true;
        self.unsure = true;
    }

    pub(super) fn data(&mut self, chunk: &Chunk<'_>) -> Option<Verdict> {
        let Chunk { direction, call, mut bytes, .. } = *chunk;
        if let Some(overdue) = self.tick(call.exit) {
            return Some(overdue);
        }
        let alert_starts = self.flow(direction).at_boundary() && bytes.first() == Some(&ALERT);
        let earlier = self.moved(direction, call, alert_starts);
        self.events(direction, call, &mut bytes, earlier)
    }

    pub(super) fn hole(&mut self, hole: &Hole) -> Option<Verdict> {
        if let Some(overdue) = self.tick(hole.call.exit) {
            return Some(overdue);
        }
        let earlier = self.moved(hole.direction, hole.call, false);
        if hole.lost && !self.finished {
            self.incomplete = true;
            self.unsure = true;
            self.progress.server_gap |= self.sender(hole.direction) == Sender::Server;
        }
        self.flow(hole.direction).skip(hole.len, hole.resync, hole.lost);
        // What the missing bytes completed comes out without input.
        self.events(hole.direction, hole.call, &mut [].as_slice(), earlier)
    }

    /// Bytes of either side may have moved unseen.
    pub(super) const fn may_lack(&mut self) {
        if !self.finished {
            self.incomplete = true;
            self.unsure = true;
            self.progress.server_gap = true;
        }
    }

    /// A read returned 0.
    pub(super) fn eof(&mut self, call: Call) -> Option<Verdict> {
        self.tick(call.exit).or_else(|| {
            if !self.is_handshake() {
                return None;
            }
            if !self.finished {
                self.timeline.read(call, self.is_our_turn());
            }
            Some(self.ended(Ending::PeerClosed))
        })
    }

    /// A read or write failed. Only errors that say something of the peer count: a program may try again after others.
    pub(super) fn error(&mut self, direction: Direction, call: Call, errno: i32) -> Option<Verdict> {
        let ending = match errno {
            EPIPE | ECONNRESET => Ending::PeerReset,
            ETIMEDOUT | ENETUNREACH | EHOSTUNREACH => Ending::Unreachable,
            _ => return None,
        };
        self.tick(call.exit).or_else(|| {
            if !self.is_handshake() {
                return None;
            }
            if !self.finished {
                let ours = self.is_our_turn();
                match direction {
                    Direction::Read => self.timeline.read(call, ours),
                    Direction::Write => self.timeline.write(call, !ours),
                };
            }
            Some(self.ended(ending))
        })
    }

    /// `shutdown(2)` of our writing side.
    pub(super) fn shutdown(&mut self, call: Call) -> Option<Verdict> {
        self.closed(call.exit)
    }

    pub(super) fn closed(&mut self, at: Stamp) -> Option<Verdict> {
        self.tick(at).or_else(|| {
            if !self.is_handshake() {
                return None;
            }
            let ours = self.is_our_turn();
            if !self.finished {
                self.timeline.pass(at, !ours);
            }
            let (up, then) = ("we closed without an answer", "we closed");
            Some(self.ended(if ours { Ending::Gave { up } } else { Ending::Silent { then } }))
        })
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Stamp) -> Option<Verdict> {
        if self.finished {
            return (now.since(self.timeline.end()) >= REJECTION).then(|| self.success());
        }
        let deadline = self.last_progress + self.limit;
        if now < deadline || !self.is_handshake() {
            return None;
        }
        let ours = self.is_our_turn();
        self.timeline.pass(deadline, !ours);
        let (up, then) = ("no answer of ours, the limit passed", "the limit passed");
        Some(self.ended(if ours { Ending::Gave { up } } else { Ending::Silent { then } }))
    }

    /// The agent stops.
    pub(super) fn finish(&mut self) -> Verdict {
        if self.finished { self.success() } else { Verdict::Unknown }
    }

    /// Bytes moved: accounts for the time. Returns the accounts as they were, when they may be needed.
    fn moved(&mut self, direction: Direction, call: Call, alert_starts: bool) -> Option<Timeline> {
        if self.finished {
            return None;
        }
        let earlier = (self.is_handshake() && self.lacks_something()).then(|| self.timeline.clone());
        let ours = self.is_our_turn();
        let (side, before) = match direction {
            Direction::Read => (Side::Peer, self.timeline.read(call, ours)),
            Direction::Write => (Side::Local, self.timeline.write(call, alert_starts && !ours)),
        };
        self.timeline.bytes(side, call, before);
        self.last_progress = self.last_progress.max(call.exit);
        earlier
    }

    fn ended(&mut self, ending: Ending) -> Verdict {
        if self.finished {
            return self.success();
        }
        if !self.client_known || (self.is_unsure() && !matches!(ending, Ending::Alert { .. })) {
            return Verdict::Unknown;
        }
        // That nothing more came is not known of who lost events: the end of the peer's stream may be one of them, and the
        // close that was seen not the last.
        if self.incomplete && matches!(ending, Ending::Gave { .. } | Ending::Silent { .. }) {
            return Verdict::Unknown;
        }
        let failure = verdict::judge(&verdict::Case {
            role: self.role(),
            progress: &self.progress,
            facts: &self.facts,
            last: self.last,
            peer_broken: self.peer_broken,
            our_turn: self.is_our_turn(),
            ending,
        });
        self.told(Some(failure))
    }

    fn success(&mut self) -> Verdict {
        if self.client_known { self.told(None) } else { Verdict::Unknown }
    }

    fn told(&mut self, failure: Option<Failure>) -> Verdict {
        let mut facts = std::mem::take(&mut self.facts);
        let resumed = facts.took_ticket() || self.progress.is_abbreviated();
        let identity = facts.take_identity();
        let timeline = std::mem::replace(&mut self.timeline, Timeline::new(Stamp::default()));
        Verdict::Told(Box::new(Handshake {
            connection: Arc::clone(&self.connection),
            role: self.role(),
            start: timeline.start(),
            end: timeline.end(),
            failure,
            version: facts.version.or(facts.highest),
            chosen: facts.chosen,
            identity,
            identity_hint: facts.identity_hint,
            asked: facts.asked,
            granted: facts.granted,
            resumed,
            offered: facts.offered,
            phases: timeline.phases(),
            flights: timeline.into_flights(),
            partial: !self.hello_started,
            incomplete: self.incomplete,
            counted_elsewhere: false,
            cause: Cause::default(),
        }))
    }

    fn step(&mut self, direction: Direction, name: &'static str) {
        self.timeline.message(name);
        self.last = Some(Step { sender: self.sender(direction), name });
    }

    /// Messages may have gone by unseen.
    const fn lacks_something(&self) -> bool {
        self.incomplete || !self.hello_started
    }

    /// Where the handshake is cannot be told.
    const fn is_unsure(&self) -> bool {
        self.unsure || (self.lacks_something() && (self.read.is_lost() || self.write.is_lost()))
    }

    const fn is_handshake(&self) -> bool {
        self.hello_started || self.progress.any
    }

    fn is_our_turn(&self) -> bool {
        (self.progress.turn() == Sender::Client) == (self.client == Direction::Write)
    }

    fn role(&self) -> Role {
        match self.client {
            Direction::Read => Role::Server,
            Direction::Write => Role::Client,
        }
    }

    fn sender(&self, direction: Direction) -> Sender {
        if direction == self.client { Sender::Client } else { Sender::Server }
    }

    const fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

const ALERT: u8 = 21;

const fn side_of(direction: Direction) -> Side {
    match direction {
        Direction::Read => Side::Peer,
        Direction::Write => Side::Local,
    }
}
