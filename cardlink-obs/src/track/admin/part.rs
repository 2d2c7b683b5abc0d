//! A session, as far as one connection sees it.

use super::{HandshakeFacts, PeerEnd};
use crate::{
    observation::{
        AgentId, Cause, Connection, DeviceType, Observation, Session, SessionOpened, SessionReason, SessionTime,
        SessionType, Stamp,
    },
    stream::Transport,
};
use std::{sync::Arc, time::Duration};

/// So long a session that is over waits for the close.
const SETTLE: Duration = Duration::from_secs(1);

/// Sessions of a connection, one after the other.
#[derive(Debug)]
pub struct Parts {
    connection: Arc<Connection>,
    handshake: Option<HandshakeFacts>,
    /// The handshake belongs to the first session.
    first: bool,
    round_trip: Option<Duration>,
    peer: Option<PeerEnd>,
    current: Option<Part>,
}

#[derive(Debug)]
struct Part {
    start: Stamp,
    handshake: Duration,
    /// It ended there; told once the round-trip time may be known.
    end: Option<(Stamp, SessionReason)>,
    agent: Option<AgentId>,
    exchanges: u32,
    scripts: u32,
    apdus: u32,
    apdu_errors: u32,
    unanswered: u32,
    findings: u32,
    server: Duration,
    bytes: [u64; 2],
    incomplete: bool,
}

impl Parts {
    pub fn new(connection: Arc<Connection>, handshake: Option<HandshakeFacts>) -> Self {
        Self { connection, handshake, first: true, round_trip: None, peer: None, current: None }
    }

    pub fn handshake(&mut self, facts: HandshakeFacts) {
        if let Some(part) = self.current.as_mut().filter(|_| self.first) {
            part.start = part.start.min(facts.start);
            part.handshake = facts.duration;
        }
        self.handshake = Some(facts);
    }

    pub const fn identity(&self) -> Option<&HandshakeFacts> {
        self.handshake.as_ref()
    }

    pub fn transport(&mut self, transport: Transport) {
        self.round_trip = transport.round_trip.or(self.round_trip);
    }

    pub fn peer_ended(&mut self, how: PeerEnd) {
        self.peer.get_or_insert(how);
    }

    pub const fn peer_end(&self) -> Option<PeerEnd> {
        self.peer
    }

    /// A session is under way.
    pub const fn is_open(&self) -> bool {
        matches!(&self.current, Some(part) if part.end.is_none())
    }

    /// How the session that is not told yet has ended.
    pub fn reason(&self) -> Option<SessionReason> {
        self.current.as_ref()?.end.map(|(_, reason)| reason)
    }

    pub fn begin(&mut self, start: Stamp, resumes: bool, agent: Option<AgentId>, out: &mut Vec<Observation>) {
        self.tell(out);
        let handshake = self.handshake.as_ref().filter(|_| self.first);
        let part = Part {
            start: handshake.map_or(start, |handshake| handshake.start),
            handshake: handshake.map_or(Duration::ZERO, |handshake| handshake.duration),
            end: None,
            agent: agent.clone(),
            exchanges: 0,
            scripts: 0,
            apdus: 0,
            apdu_errors: 0,
            unanswered: 0,
            findings: 0,
            server: Duration::ZERO,
            bytes: [0; 2],
            incomplete: false,
        };
        out.push(Observation::SessionOpened(Box::new(SessionOpened {
            number: 0,
            connection: Arc::clone(&self.connection),
            at: start,
            start: part.start,
            resumes,
            identity: self.handshake.as_ref().and_then(|facts| facts.identity.clone()),
            agent,
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
        self.current = Some(part);
    }

    /// It goes on though it seemed to be over.
    pub fn reopen(&mut self) {
        if let Some(part) = &mut self.current {
            part.end = None;
        }
    }

    /// It is over; the first end counts.
    pub fn end(&mut self, at: Stamp, reason: SessionReason) {
        if let Some(part) = &mut self.current {
            part.end.get_or_insert((at, reason));
        }
    }

    pub fn agent(&mut self, agent: Option<AgentId>) {
        if let Some(part) = &mut self.current
            && part.agent.is_none()
        {
            part.agent = agent;
        }
    }

    pub fn exchange(&mut self, server: Duration) {
        if let Some(part) = &mut self.current {
            part.exchanges += 1;
            part.server += server;
        }
    }

    pub fn script(&mut self, apdus: usize, errors: usize, unanswered: usize) {
        if let Some(part) = &mut self.current {
            part.scripts += 1;
            part.apdus += apdus as u32;
            part.apdu_errors += errors as u32;
            part.unanswered += unanswered as u32;
        }
    }

    pub fn finding(&mut self) {
        if let Some(part) = &mut self.current {
            part.findings += 1;
        }
    }

    pub fn count(&mut self, from_card: bool, bytes: u64) {
        if let Some(part) = &mut self.current {
            let [from, to] = &mut part.bytes;
            *if from_card { from } else { to } += bytes;
        }
    }

    pub fn lost(&mut self) {
        if let Some(part) = &mut self.current {
            part.incomplete = true;
        }
    }

    /// It is over, and nothing is to be waited for any more. A last script may turn out not to be the last for as long as a
    /// card may take for an answer.
    pub fn is_due(&self, now: Stamp, card_timeout: Duration) -> bool {
        let Some((at, reason)) = self.current.as_ref().and_then(|part| part.end) else { return false };
        now.since(at) >= if reason == SessionReason::LastScript { card_timeout.max(SETTLE) } else { SETTLE }
    }

    /// Tells the session if it is over.
    pub fn tell(&mut self, out: &mut Vec<Observation>) {
        let Some(part) = self.current.take_if(|part| part.end.is_some()) else { return };
        let Some((end, reason)) = part.end else { return };
        let whole = end.since(part.start);
        let bearer = self.round_trip.map(|time| time * part.exchanges);
        self.first = false;
        out.push(Observation::Session(Box::new(Session {
            number: 0,
            connection: Arc::clone(&self.connection),
            connections: 1,
            device: DeviceType::Uicc,
            kind: SessionType::Unknown,
            trigger: None,
            start: part.start,
            end,
            reason,
            identity: self.handshake.as_ref().and_then(|facts| facts.identity.clone()),
            agent: part.agent,
            exchanges: part.exchanges,
            scripts: part.scripts,
            apdus: part.apdus,
            apdu_errors: part.apdu_errors,
            unanswered: part.unanswered,
            findings: part.findings,
            time: SessionTime::share(whole, part.handshake, part.server, bearer),
            round_trip: self.round_trip,
            bytes_from_card: part.bytes[0],
            bytes_to_card: part.bytes[1],
            incomplete: part.incomplete,
            counted_elsewhere: false,
        })));
    }
}
