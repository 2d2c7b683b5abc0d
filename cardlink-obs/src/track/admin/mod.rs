//! Remote administration over HTTP on one connection (GPC_SPE_011, Amendment B): from plaintext to exchanges, scripts,
//! findings and sessions.
//!
//! A session begins with the first byte of its first request (with the handshake before it, when it is the first of the
//! connection) and ends with the response that says so: no Next-URI and no body, or a last script without a Next-URI. What ends
//! otherwise has failed, and whose turn it was says why. One that is over is told when the connection is closed, when the
//! next one begins, or after a second, since the kernel tells the round-trip time at the close.

mod ends;
mod exchange;
mod facts;
mod lint;
mod part;
mod script;
mod talk;
mod uri;

pub(super) use facts::{HandshakeFacts, PeerEnd};
pub use script::SentScript;

use crate::{
    observation::{Connection, FindingKind, Observation, PlaintextWay, Stamp},
    protocol::http::{HttpEvent, HttpReader, Limits},
    stream::{Call, Direction, Transport},
};
use std::{sync::Arc, time::Duration};
use talk::Talk;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A card that owes a request for so long has timed out.
    pub card_timeout: Duration,
    /// A server that owes a response for so long has timed out.
    pub server_timeout: Duration,
    /// A card that takes so long for an answer is told as idle.
    pub card_idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            card_timeout: Duration::from_mins(5),
            server_timeout: Duration::from_mins(1),
            card_idle: Duration::from_secs(30),
        }
    }
}

/// Follows what the two sides of a connection say in the clear.
#[derive(Debug)]
pub(super) struct AdminTracker {
    /// The direction in which the client's bytes go.
    client: Direction,
    requests: HttpReader,
    responses: HttpReader,
    talk: Talk,
}

impl AdminTracker {
    pub(super) fn new(
        connection: Arc<Connection>,
        client: Direction,
        way: PlaintextWay,
        handshake: Option<HandshakeFacts>,
        settings: Settings,
    ) -> Self {
        Self {
            client,
            requests: HttpReader::requests(Limits::default()),
            responses: HttpReader::responses(Limits::default()),
            talk: Talk::new(connection, client, way, handshake, settings),
        }
    }

    /// The handshake of the connection, when it is told after the first plaintext.
    pub(super) fn handshake(&mut self, facts: HandshakeFacts) {
        self.talk.part.handshake(facts);
    }

    /// Bytes of one direction.
    pub(super) fn plain(&mut self, direction: Direction, call: Call, bytes: &[u8], out: &mut Vec<Observation>) {
        let Self { client, requests, responses, talk } = self;
        let start = call.start(direction);
        if direction == *client {
            if requests.is_idle() {
                talk.request_begins(start);
            }
            requests.push(bytes, &mut |event| talk.request(event, start, call, out));
            if !requests.is_idle() {
                talk.request_goes_on(start);
            }
            for method in talk.take_methods() {
                responses.expect(method);
            }
        } else {
            if responses.is_idle() {
                talk.response_begins(start);
            }
            responses.push(bytes, &mut |event| talk.response(event, start, call, out));
            if !responses.is_idle() {
                talk.response_goes_on(start);
            }
        }
        self.count_broken();
    }

    /// Bytes of one direction were lost; 0 when it is not known how many.
    pub(super) fn gap(&mut self, direction: Direction, call: Call, len: u64, out: &mut Vec<Observation>) {
        let Self { client, requests, responses, talk } = self;
        talk.part.lost();
        let is_known = len > 0;
        if direction == *client {
            let mut out = |event: HttpEvent<'_>| talk.request(event, call.exit, call, out);
            if is_known { requests.gap(len, &mut out) } else { requests.lose(&mut out) }
        } else {
            let mut out = |event: HttpEvent<'_>| talk.response(event, call.exit, call, out);
            if is_known { responses.gap(len, &mut out) } else { responses.lose(&mut out) }
        }
        self.count_broken();
    }

    /// No more bytes come in a direction: FIN, or `close_notify`.
    pub(super) fn ends(&mut self, direction: Direction, call: Call, out: &mut Vec<Observation>) {
        let Self { client, requests, responses, talk } = self;
        if direction == *client {
            requests.eof(&mut |event| talk.request(event, call.exit, call, out));
        } else {
            responses.eof(&mut |event| talk.response(event, call.exit, call, out));
        }
        self.count_broken();
    }

    /// Bytes of messages that will never be complete count, too.
    fn count_broken(&mut self) {
        for (reader, from_card) in [(&mut self.requests, true), (&mut self.responses, false)] {
            if reader.is_silent() {
                self.talk.part.count(from_card, reader.take_unfinished());
            }
        }
    }

    /// What a session that is taken up again left on another connection.
    pub(super) fn resumed(&mut self, script: Option<SentScript>, out: &mut Vec<Observation>) {
        self.talk.resumed(script, out);
    }

    /// The script that a session has left open whose link is gone.
    pub(super) fn take_left(&mut self) -> Option<SentScript> {
        self.talk.left.take().map(|script| *script)
    }

    /// The card goes on elsewhere.
    pub(super) fn superseded(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.talk.superseded(at, out);
    }

    /// How the peer's end of the connection ended; the first is what counts.
    pub(super) fn peer_ended(&mut self, how: PeerEnd) {
        self.talk.part.peer_ended(how);
    }

    pub(super) fn transport(&mut self, transport: Transport) {
        self.talk.part.transport(transport);
    }

    /// Something about the connection as such.
    pub(super) fn finding(&mut self, kind: FindingKind, at: Stamp, detail: String, out: &mut Vec<Observation>) {
        self.talk.find(kind, at, detail, out);
    }

    pub(super) fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        self.talk.tick(now, out);
    }

    /// We closed it.
    pub(super) fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        // A response without a length ends here.
        let call = Call { enter: at, exit: at, polled: Duration::ZERO, tid: 0 };
        for direction in [Direction::Read, Direction::Write] {
            self.ends(direction, call, out);
        }
        self.talk.closed(at, out);
    }

    /// The agent stops.
    pub(super) fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.talk.finish(at, out);
    }

    /// A session is under way.
    pub(super) fn in_session(&self) -> bool {
        self.talk.part.is_open()
    }

    /// Whether a request of remote administration was seen.
    pub(super) fn is_admin(&self) -> bool {
        self.talk.is_admin()
    }

    /// Whether a complete request was seen, of whatever kind.
    pub(super) fn has_request(&self) -> bool {
        self.talk.requests > 0
    }

    /// It cannot be read any further in either direction.
    pub(super) fn is_silent(&self) -> bool {
        self.requests.is_silent() && self.responses.is_silent()
    }
}

#[cfg(test)]
mod tests;
