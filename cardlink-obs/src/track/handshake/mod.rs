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
//! nothing until another message in the clear says where the handshake is. If that never comes there is no observation and the
//! outcome of the connection is `unknown`. Success is told when both Finished were seen, or when application data flows
//! (up to TLS 1.2), which it does not before. When the agent stops, a handshake that is under way is not told.

mod facts;
pub(super) mod fuzz;
mod opening;
mod progress;
#[cfg(test)]
mod tests;
mod timeline;
mod verdict;

use crate::observation::{Connection, Failure, Handshake, Role, Side, Stamp, TlsVersion};
use crate::protocol::tls::{Alert, AlertDescription, AlertLevel, Flow, HandshakeType, Message, Wire, tls13_sizes};
use crate::stream::{Call, Chunk, Direction, Hole};
use facts::Facts;
use progress::{CHANGE_CIPHER_SPEC, ENCRYPTED, FINISHED, Progress, Sender, Step};
use std::sync::Arc;
use std::time::Duration;
use timeline::Timeline;
use verdict::Ending;

pub(super) use opening::{Decision, Opening, UNKNOWN};

/// How long a success under a NULL suite waits for an alert that contradicts it.
const REJECTION: Duration = Duration::from_secs(1);

/// Lengths that a Finished record up to TLS 1.2 can have: 12 bytes and a header, MAC, IV and padding (SSL 3.0: 36 bytes).
const FINISHED_RECORD: std::ops::RangeInclusive<u64> = 32..=128;

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
        let start = start_of(direction, call);
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
            self.timeline.start_no_later_than(start_of(direction, call));
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
        }
        self.flow(hole.direction).skip(hole.len, hole.resync, hole.lost);
        // What the missing bytes completed comes out without input.
        self.events(hole.direction, hole.call, &mut [].as_slice(), earlier)
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
        let earlier = (self.incomplete || !self.hello_started).then(|| self.timeline.clone());
        let ours = self.is_our_turn();
        let (side, before) = match direction {
            Direction::Read => (Side::Peer, self.timeline.read(call, ours)),
            Direction::Write => (Side::Local, self.timeline.write(call, alert_starts && !ours)),
        };
        self.timeline.bytes(side, call, before);
        self.last_progress = self.last_progress.max(call.exit);
        earlier
    }

    fn events(
        &mut self,
        direction: Direction,
        call: Call,
        bytes: &mut &[u8],
        mut earlier: Option<Timeline>,
    ) -> Option<Verdict> {
        while let Some(event) = self.flow(direction).next(bytes) {
            let verdict = if self.finished {
                self.after_finished(direction, call, &event)
            } else {
                self.event(direction, call, event, &mut earlier)
            };
            if verdict.is_some() {
                return verdict;
            }
        }
        None
    }

    fn event(
        &mut self,
        direction: Direction,
        call: Call,
        event: Wire,
        earlier: &mut Option<Timeline>,
    ) -> Option<Verdict> {
        match event {
            Wire::Message(message) => {
                self.message(direction, call, &message);
                None
            }
            Wire::ChangeCipherSpec => {
                self.change_cipher_spec(direction);
                None
            }
            Wire::Protected { .. } => self.saw_finished(direction),
            Wire::Opaque { len } if FINISHED_RECORD.contains(&len) => {
                self.flow(direction).set_protected(true);
                self.saw_finished(direction)
            }
            Wire::Opaque { .. } => None,
            Wire::Alert { alert, len } => self.alert(direction, alert, len),
            Wire::ApplicationData { len } | Wire::LeftOut { len } => self.application_data(direction, len, earlier),
            Wire::Broken => {
                self.peer_broken |= direction == Direction::Read;
                None
            }
        }
    }

    fn message(&mut self, direction: Direction, call: Call, message: &Message) {
        let kind = message.kind;
        self.learn_role(direction, kind);
        self.progress.message(kind);
        match kind {
            HandshakeType::CLIENT_HELLO => {
                self.hello_started(direction, call);
                self.facts.client_hello(&message.body);
            }
            HandshakeType::SERVER_HELLO => return self.server_hello(direction, &message.body),
            HandshakeType::SERVER_KEY_EXCHANGE => self.facts.server_key_exchange(&message.body),
            HandshakeType::CLIENT_KEY_EXCHANGE => self.facts.client_key_exchange(&message.body),
            _ => {}
        }
        self.unsure = false;
        self.step(direction, kind.name().unwrap_or("unknown message"));
    }

    fn server_hello(&mut self, direction: Direction, body: &[u8]) {
        let is_retry = self.facts.server_hello(body);
        if is_retry {
            self.progress.hello_retry();
        }
        if self.facts.version >= Some(TlsVersion::TLS_1_3) {
            self.progress.is_tls13();
            self.read.set_protected(false);
            self.write.set_protected(false);
        }
        self.unsure = false;
        self.step(direction, if is_retry { "HelloRetryRequest" } else { "ServerHello" });
    }

    /// A hello or key exchange says who is who, if accept or connect did not.
    fn learn_role(&mut self, direction: Direction, kind: HandshakeType) {
        if self.client_known {
            return;
        }
        if let Some(from_client) = kind.from_client() {
            self.client = if from_client { direction } else { other(direction) };
            self.client_known = true;
        }
    }

    fn change_cipher_spec(&mut self, direction: Direction) {
        let sender = self.sender(direction);
        self.step(direction, CHANGE_CIPHER_SPEC);
        // TLS 1.3 has them for show; a client with early data may send its own before the server has chosen.
        if self.progress.tls13 || (!self.progress.server_hello && self.facts.may_be_tls13()) {
            return;
        }
        self.progress.change_cipher_spec(sender);
        self.flow(direction).set_protected(true);
    }

    fn saw_finished(&mut self, direction: Direction) -> Option<Verdict> {
        self.progress.finished(self.sender(direction));
        self.step(direction, FINISHED);
        if !self.progress.is_complete() {
            return None;
        }
        if self.facts.is_null() {
            self.finished = true;
            return None;
        }
        Some(self.success())
    }

    fn alert(&mut self, direction: Direction, alert: Option<Alert>, len: u64) -> Option<Verdict> {
        if !self.is_handshake() {
            return None;
        }
        let from = side_of(direction);
        self.timeline.message("Alert");
        let Some(alert) = alert.filter(|_| self.can_read_alert(direction, len)) else {
            return Some(self.ended(Ending::EncryptedAlert { from }));
        };
        if self.is_passed_over(alert) {
            return None;
        }
        self.unsure = false;
        Some(self.ended(Ending::Alert { from, alert }))
    }

    fn can_read_alert(&self, direction: Direction, len: u64) -> bool {
        let flow = match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        };
        len == 2 || (self.facts.is_null() && flow.is_protected())
    }

    fn is_passed_over(&self, alert: Alert) -> bool {
        alert.level == AlertLevel::WARNING
            && !self.progress.tls13
            && !matches!(alert.description, AlertDescription::CLOSE_NOTIFY | AlertDescription::USER_CANCELED)
    }

    /// Application data, or what looks like it.
    fn application_data(&mut self, direction: Direction, len: u64, earlier: &mut Option<Timeline>) -> Option<Verdict> {
        if self.progress.tls13 {
            return self.under_keys(direction, len);
        }
        if self.mid_stream && !self.is_handshake() {
            // It was over long before.
            return Some(Verdict::Unknown);
        }
        let legacy = self.progress.is_legacy() || (self.progress.server_hello && !self.facts.may_be_tls13());
        if legacy && let Some(earlier) = earlier.take() {
            self.timeline = earlier;
            return Some(self.success());
        }
        None
    }

    /// TLS 1.3: a record under keys.
    fn under_keys(&mut self, direction: Direction, len: u64) -> Option<Verdict> {
        if !self.progress.server_hello {
            return None;
        }
        let sizes = tls13_sizes(self.facts.chosen.map_or(0, |suite| suite.id));
        if len == sizes.alert {
            self.timeline.message("Alert");
            return Some(self.ended(Ending::EncryptedAlert { from: side_of(direction) }));
        }
        match self.sender(direction) {
            Sender::Server => {
                self.progress.server_finished |= len >= sizes.finished;
                self.step(direction, ENCRYPTED);
                None
            }
            Sender::Client if self.facts.early_data && len != sizes.finished => None,
            Sender::Client if len < sizes.finished => None,
            Sender::Client => self.saw_finished(direction),
        }
    }

    /// Only a NULL suite comes here: its alerts can be read.
    fn after_finished(&mut self, direction: Direction, call: Call, event: &Wire) -> Option<Verdict> {
        match *event {
            Wire::Alert { alert: Some(alert), len }
                if self.can_read_alert(direction, len)
                    && !self.is_passed_over(alert)
                    && alert.description != AlertDescription::CLOSE_NOTIFY =>
            {
                self.finished = false;
                self.moved(direction, call, true);
                self.timeline.message("Alert");
                Some(self.ended(Ending::Alert { from: side_of(direction), alert }))
            }
            Wire::Message(_) | Wire::ChangeCipherSpec | Wire::Protected { .. } | Wire::Opaque { .. } => None,
            _ => Some(self.success()),
        }
    }

    fn ended(&mut self, ending: Ending) -> Verdict {
        if self.finished {
            return self.success();
        }
        if !self.client_known || (self.unsure && !matches!(ending, Ending::Alert { .. })) {
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
        let timeline = std::mem::replace(&mut self.timeline, Timeline::new(Stamp::default()));
        Verdict::Told(Box::new(Handshake {
            connection: Arc::clone(&self.connection),
            role: self.role(),
            start: timeline.start(),
            end: timeline.end(),
            failure,
            version: facts.version.or(facts.highest),
            chosen: facts.chosen,
            identity: facts.take_identity(),
            identity_hint: facts.identity_hint,
            asked: facts.asked,
            granted: facts.granted,
            resumed: facts.took_ticket || self.progress.is_abbreviated(),
            offered: facts.offered,
            phases: timeline.phases(),
            flights: timeline.into_flights(),
            partial: !self.hello_started,
            incomplete: self.incomplete,
        }))
    }

    fn step(&mut self, direction: Direction, name: &'static str) {
        self.timeline.message(name);
        self.last = Some(Step { sender: self.sender(direction), name });
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

// Linux errno values; the same on every architecture that eBPF runs on but MIPS, SPARC and Alpha.
const EPIPE: i32 = 32;
const ENETUNREACH: i32 = 101;
const ECONNRESET: i32 = 104;
const ETIMEDOUT: i32 = 110;
const EHOSTUNREACH: i32 = 113;

const fn start_of(direction: Direction, call: Call) -> Stamp {
    match direction {
        Direction::Read => call.exit,
        Direction::Write => call.enter,
    }
}

const fn side_of(direction: Direction) -> Side {
    match direction {
        Direction::Read => Side::Peer,
        Direction::Write => Side::Local,
    }
}

const fn other(direction: Direction) -> Direction {
    match direction {
        Direction::Read => Direction::Write,
        Direction::Write => Direction::Read,
    }
}
