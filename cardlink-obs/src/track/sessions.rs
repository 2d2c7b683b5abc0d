//! Sessions across connections: a card whose link dropped comes back and says `X-Admin-Resume: true`.
//!
//! A connection's tracker tells sessions as far as it sees them, numbered 0. Here they get their numbers; a part that ended
//! with a lost link is kept for a while, with the script that was under way, and goes on when the same card resumes.

use super::{admin::SentScript, triggers::Triggers};
use crate::observation::{
    AgentId, Connection, Finding, FindingKind, Observation, PskIdentity, Role, Session, SessionOpened, SessionTime,
    Stamp, Trigger,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Parts of sessions that wait for their card; the oldest is told when there are more.
const MOST_SUSPENDED: usize = 4096;
/// So many resumptions of one session are a loop.
const LOOP: u32 = 3;

/// Which card, at which end of which target.
#[derive(Debug, Clone)]
struct Card {
    target: Arc<str>,
    role: Option<Role>,
    identity: Option<PskIdentity>,
    agent: Option<AgentId>,
}

impl Card {
    fn of(connection: &Connection, identity: Option<&PskIdentity>, agent: Option<&AgentId>) -> Self {
        Self {
            target: Arc::clone(&connection.process.target),
            role: connection.role,
            identity: identity.cloned(),
            agent: agent.cloned(),
        }
    }

    /// By the PSK identity where both have one, else by the agent id: a handshake that was resumed may show no identity.
    fn is(&self, other: &Self) -> bool {
        let same = match (&self.identity, &other.identity) {
            (Some(one), Some(other)) => one == other,
            _ => self.agent.is_some() && self.agent == other.agent,
        };
        same && self.target == other.target && self.role == other.role
    }

    /// There is something to know it by.
    const fn is_known(&self) -> bool {
        self.identity.is_some() || self.agent.is_some()
    }
}

/// A session whose link is gone.
#[derive(Debug)]
struct Suspended {
    card: Card,
    session: Box<Session>,
    /// The script that was under way.
    script: Option<SentScript>,
}

impl Suspended {
    /// Nobody came back: it ended when its link did.
    fn tell(self, out: &mut Vec<Observation>) {
        let Self { mut session, script, .. } = self;
        if let Some(script) = script {
            let mut script = script.unanswered();
            script.session = Some(session.number);
            script.counted_elsewhere = session.counted_elsewhere;
            let apdus = u32::try_from(script.apdus.len()).unwrap_or(u32::MAX);
            session.scripts += 1;
            session.apdus += apdus;
            session.unanswered += apdus;
            out.push(Observation::Script(Box::new(script)));
        }
        out.push(Observation::Session(session));
    }
}

/// What a tracker is to be told: the session on its connection began elsewhere, and what it left open there.
#[derive(Debug)]
pub struct Resumed {
    /// The number of the connection.
    pub connection: u64,
    pub script: Option<SentScript>,
}

/// All sessions that are under way.
#[derive(Debug)]
pub struct Sessions {
    /// How long a session whose link dropped waits for its card.
    window: Duration,
    told: u64,
    /// By connection: the number of its session, and what came before on other connections.
    open: HashMap<u64, Open>,
    suspended: Vec<Suspended>,
    /// By connection: what its session left open.
    left: HashMap<u64, SentScript>,
    resumed: Vec<Resumed>,
    triggers: Triggers,
}

#[derive(Debug)]
struct Open {
    number: u64,
    card: Card,
    before: Option<Box<Session>>,
    trigger: Option<Arc<Trigger>>,
}

impl Sessions {
    /// `window`: for a card whose link dropped to come back; `trigger_window`: for a session to begin after its trigger.
    pub fn new(window: Duration, trigger_window: Duration) -> Self {
        Self {
            window,
            told: 0,
            open: HashMap::new(),
            suspended: Vec::new(),
            left: HashMap::new(),
            resumed: Vec::new(),
            triggers: Triggers::new(trigger_window),
        }
    }

    /// The session on this connection has left a script open; its end is refined next.
    pub fn left(&mut self, connection: u64, script: SentScript) {
        self.left.insert(connection, script);
    }

    /// The connection on which a session is still open that this one goes on with: its link is lost, though nobody there has
    /// noticed.
    pub fn superseded_by(&self, opened: &SessionOpened) -> Option<u64> {
        if !opened.resumes || self.window.is_zero() {
            return None;
        }
        let card = Card::of(&opened.connection, opened.identity.as_ref(), opened.agent.as_ref());
        let here = opened.connection.number;
        let same = self.open.iter().filter(|(connection, open)| **connection != here && open.card.is(&card));
        same.max_by_key(|(_, open)| open.number).map(|(connection, _)| *connection)
    }

    /// The session that is open on a connection.
    pub fn on_connection(&self, connection: u64) -> Option<u64> {
        self.open.get(&connection).map(|open| open.number)
    }

    /// What trackers are to be told since this was last asked.
    pub fn take_resumed(&mut self) -> Vec<Resumed> {
        std::mem::take(&mut self.resumed)
    }

    /// Other times for cards to come back in, and for sessions to follow their triggers.
    pub fn set_windows(&mut self, window: Duration, trigger_window: Duration) {
        self.window = window;
        self.triggers.set_window(trigger_window);
    }

    /// Completes the observations from `first` on; some are kept back, others come instead.
    pub fn refine(&mut self, observations: &mut Vec<Observation>, first: usize) {
        let concerned = |observation: &Observation| {
            matches!(
                observation,
                Observation::SessionOpened(_)
                    | Observation::Session(_)
                    | Observation::Exchange(_)
                    | Observation::Script(_)
                    | Observation::Finding(_)
                    | Observation::AtCommand(_)
                    | Observation::Trigger(_)
            )
        };
        if !observations.iter().skip(first).any(concerned) {
            return;
        }
        for observation in observations.split_off(first) {
            self.one(observation, observations);
        }
    }

    fn one(&mut self, mut observation: Observation, out: &mut Vec<Observation>) {
        match &mut observation {
            Observation::SessionOpened(opened) => {
                if let Some(finding) = self.opened(opened, out) {
                    out.push(finding);
                }
                return;
            }
            Observation::Exchange(exchange) => {
                exchange.session = exchange.session.and_then(|_| self.number(&exchange.connection));
            }
            Observation::Script(script) => {
                script.session = script.session.and_then(|_| self.number(&script.connection));
            }
            Observation::Finding(finding) => {
                finding.session = finding.session.and_then(|_| self.number(&finding.connection));
            }
            Observation::AtCommand(command) => self.triggers.command(command),
            Observation::Trigger(trigger) => self.triggers.trigger(trigger),
            Observation::Session(_) => {
                if let Observation::Session(session) = observation {
                    self.ended(session, out);
                }
                return;
            }
            _ => {}
        }
        out.push(observation);
    }

    fn number(&self, connection: &Connection) -> Option<u64> {
        self.open.get(&connection.number).map(|open| open.number)
    }

    fn opened(&mut self, opened: &mut SessionOpened, out: &mut Vec<Observation>) -> Option<Observation> {
        let card = Card::of(&opened.connection, opened.identity.as_ref(), opened.agent.as_ref());
        let mut before = None;
        if opened.resumes {
            let found = self.suspended.iter().rposition(|suspended| suspended.card.is(&card));
            let suspended = found.map(|at| self.suspended.remove(at));
            let (session, script) = suspended.map(|suspended| (suspended.session, suspended.script)).unzip();
            before = session;
            self.resumed.push(Resumed { connection: opened.connection.number, script: script.flatten() });
        }
        let number = before.as_ref().map_or(self.told + 1, |before| before.number);
        self.told = self.told.max(number);
        opened.number = number;
        if before.is_none() {
            out.push(Observation::SessionOpened(Box::new(opened.clone())));
        }
        let trigger = match &before {
            None if !opened.counted_elsewhere => {
                let connection = &opened.connection;
                self.triggers.claim(connection.opened.unwrap_or(connection.first_seen))
            }
            _ => None,
        };
        let is_loop = before.as_mut().filter(|before| before.connections == LOOP).map(|before| before.findings += 1);
        self.open.insert(opened.connection.number, Open { number, card, before, trigger });
        is_loop.map(|()| {
            Observation::Finding(Box::new(Finding {
                kind: FindingKind::ResumeLoop,
                connection: Arc::clone(&opened.connection),
                session: Some(number),
                at: opened.at,
                detail: format!("resumed {LOOP} times"),
                counted_elsewhere: opened.counted_elsewhere,
            }))
        })
    }

    fn ended(&mut self, mut session: Box<Session>, out: &mut Vec<Observation>) {
        let script = self.left.remove(&session.connection.number);
        let Some(Open { number, before, trigger, .. }) = self.open.remove(&session.connection.number) else { return };
        session.number = number;
        session.trigger = trigger;
        if let Some(before) = before {
            merge(&before, &mut session);
        } else if session.trigger.is_none() && !session.counted_elsewhere {
            // The modem may have answered only now, or it is not the first session of its connection.
            session.trigger = self.triggers.claim(session.start);
        }
        if session.connections == 1 && !session.counted_elsewhere {
            session.kind = self.triggers.kind(&session);
        }
        let card = Card::of(&session.connection, session.identity.as_ref(), session.agent.as_ref());
        let waits = session.reason.may_be_resumed() && card.is_known() && !self.window.is_zero();
        let suspended = Suspended { card, session, script };
        if !waits {
            suspended.tell(out);
            return;
        }
        self.suspended.push(suspended);
        if self.suspended.len() > MOST_SUSPENDED {
            self.suspended.remove(0).tell(out);
        }
    }

    /// Tells the sessions whose card has not come back. What is told needs no refining.
    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let window = self.window;
        for gone in self.suspended.extract_if(.., |suspended| now.since(suspended.session.end) >= window) {
            gone.tell(out);
        }
    }

    /// Nothing more comes.
    pub fn finish(&mut self, out: &mut Vec<Observation>) {
        for gone in self.suspended.drain(..) {
            gone.tell(out);
        }
    }
}

/// Adds what came on connections before.
fn merge(before: &Session, session: &mut Session) {
    session.start = before.start;
    session.kind = before.kind;
    session.trigger.clone_from(&before.trigger);
    session.connections += before.connections;
    session.exchanges += before.exchanges;
    session.scripts += before.scripts;
    session.apdus += before.apdus;
    session.apdu_errors += before.apdu_errors;
    session.unanswered += before.unanswered;
    session.findings += before.findings;
    session.bytes_from_card += before.bytes_from_card;
    session.bytes_to_card += before.bytes_to_card;
    session.incomplete |= before.incomplete;
    session.identity = session.identity.take().or_else(|| before.identity.clone());
    session.agent = session.agent.take().or_else(|| before.agent.clone());
    session.counted_elsewhere |= before.counted_elsewhere;
    let (here, there) = (session.time, before.time);
    let bearer = match (here.bearer, there.bearer) {
        (Some(here), Some(there)) => Some(here + there),
        (here, there) => here.or(there),
    };
    // The time without a link is the card's, too: nobody else was there but its terminal.
    let (handshake, server) = (here.handshake + there.handshake, here.server + there.server);
    session.time = SessionTime::share(session.duration(), handshake, server, bearer);
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
