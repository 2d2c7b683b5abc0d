//! What is asked on a connection, and what comes of it.
//!
//! Answers come in the order of the requests, so that requests wait in a queue. After an error the server passes over
//! everything up to the next `Sync`. (PostgreSQL documentation, "Message Flow")

use super::super::{Asked, Ending, Part, Teller};
use crate::{
    observation::{DatabaseError, Observation, Stamp},
    protocol::{
        postgres::{Fault, Message, Sender, Tag, Told, answer, client, name_hash, named, request, two_names},
        sql::{Dialect, Statement, error_class, statements},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Requests without an answer that are kept; of more only the answers are known.
const MOST_PENDING: usize = 16_384;
/// Prepared statements of a connection that are kept; of more only the answers are known.
const MOST_PREPARED: usize = 1024;
const MOST_PORTALS: usize = 256;

/// A request whose answer has not come.
#[derive(Debug)]
enum Pending {
    /// A text, with its statements that have no result.
    Query {
        statements: VecDeque<Arc<Statement>>,
        start: Stamp,
        failed: bool,
    },
    Parse(Option<Arc<Statement>>, Stamp),
    Bind(Option<Arc<Statement>>, Stamp),
    Execute {
        portal: u64,
        asked: Asked,
    },
    /// A call of a function by its number.
    Call(Stamp),
    /// Its answer tells nothing.
    Other,
    Sync,
}

/// A statement with its parameters.
#[derive(Debug)]
struct Portal {
    statement: Option<Arc<Statement>>,
    /// What was fetched so far, when that is not all.
    part: Option<Part>,
}

/// A session.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own that both sides bring about")]
pub(super) struct Session {
    pub teller: Teller,
    /// The client has opened it.
    begun: bool,
    over: bool,
    pending: VecDeque<Pending>,
    prepared: HashMap<u64, Arc<Statement>>,
    portals: HashMap<u64, Portal>,
    /// The first message of the statement that is being put together.
    unit: Option<Stamp>,
    /// The server passes over everything up to the next `Sync`.
    skipping: bool,
    /// The server takes in data.
    copying: bool,
    in_transaction: bool,
    /// Rows of the result that is under way.
    rows: u64,
}

impl Session {
    pub fn new(teller: Teller) -> Self {
        Self {
            teller,
            begun: false,
            over: false,
            pending: VecDeque::new(),
            prepared: HashMap::new(),
            portals: HashMap::new(),
            unit: None,
            skipping: false,
            copying: false,
            in_transaction: false,
            rows: 0,
        }
    }

    /// Nothing more can come of it.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    pub fn is_bounded(&self) -> bool {
        self.pending.len() <= MOST_PENDING && self.prepared.len() <= MOST_PREPARED && self.portals.len() <= MOST_PORTALS
    }

    /// It was open before it was seen.
    pub fn under_way(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.begun = true;
        self.teller.ready(at, false, out);
    }

    /// Takes what was found in the stream; `end` is when it was there.
    pub fn told(&mut self, told: Told<'_, Stamp>, end: Stamp, out: &mut Vec<Observation>) {
        match told {
            Told::Message(message) if message.sender == Sender::Client => self.asked(&message, end, out),
            Told::Message(message) => self.answered(&message, end, out),
            Told::Encryption(true) => self.teller.encrypted(end, out),
            Told::Encryption(false) => {}
            Told::FoundAgain(Sender::Client) => {
                self.pending.clear();
                (self.unit, self.skipping) = (None, false);
            }
            Told::FoundAgain(Sender::Server) => {
                // What was answered meanwhile is not known; this is the answer to what was asked last.
                let last = self.pending.iter().rposition(Pending::is_execution).unwrap_or(self.pending.len());
                self.pending.drain(..last);
                self.copying = false;
            }
        }
    }

    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let busy = self.in_transaction || !self.pending.is_empty();
        self.teller.busy(now, busy, out);
    }

    /// The connection is closed; `by_server` when that was the server's decision.
    pub fn closed(&mut self, at: Stamp, by_server: bool, out: &mut Vec<Observation>) {
        let front = self.pending.iter().find(|one| one.is_execution());
        if let Some(asked) = front.and_then(Pending::under_way)
            && !self.over
        {
            self.teller.lost(&asked, at, out);
        }
        self.pending.clear();
        self.leave_portals(out);
        if by_server && self.begun {
            self.teller.refused(at, out);
        }
        self.teller.closed(at, out);
        self.over = true;
    }

    fn asked(&mut self, message: &Message<'_, Stamp>, end: Stamp, out: &mut Vec<Observation>) {
        let &Message { kind, body, first, .. } = message;
        match kind {
            request::STARTUP => self.begun = true,
            request::CANCEL => {
                self.over = true;
                self.teller.cancel_request(end, out);
            }
            client::SYNC => {
                self.unit = None;
                self.skipping = false;
                if !self.copying {
                    self.push(Pending::Sync);
                }
            }
            client::COPY_DONE | client::COPY_FAIL => self.copying = false,
            // The client is done: what has no answer by now is nobody's any more.
            client::TERMINATE => self.pending.clear(),
            _ if self.skipping && kind != client::QUERY => {}
            client::QUERY => {
                self.teller.used(first, out);
                let found = statements(named(body).0, Dialect::Postgres);
                let statements = found.into_iter().map(Arc::new).collect();
                // It ends the transaction of a result that was fetched in parts, or leaves it alone.
                (self.unit, self.skipping) = (None, false);
                self.push(Pending::Query { statements, start: first, failed: false });
            }
            client::PARSE => {
                self.teller.used(first, out);
                self.unit.get_or_insert(first);
                let (name, rest) = named(body);
                let statement = statements(named(rest).0, Dialect::Postgres).into_iter().next().map(Arc::new);
                self.prepare(name_hash(name), statement.clone());
                self.push(Pending::Parse(statement, first));
            }
            client::BIND => {
                self.teller.used(first, out);
                let start = *self.unit.get_or_insert(first);
                let (portal, name) = two_names(body);
                let statement = self.prepared.get(&name_hash(name)).cloned();
                self.leave_portal(name_hash(portal), out);
                if self.portals.len() < MOST_PORTALS {
                    self.portals.insert(name_hash(portal), Portal { statement: statement.clone(), part: None });
                }
                self.push(Pending::Bind(statement, start));
            }
            client::EXECUTE => {
                let portal = name_hash(named(body).0);
                let start = self.unit.take().unwrap_or(first);
                let of = self.portals.get(&portal);
                let asked = Asked {
                    statement: of.and_then(|portal| portal.statement.clone()),
                    start,
                    before: of.and_then(|portal| portal.part),
                };
                self.push(Pending::Execute { portal, asked });
            }
            client::CLOSE => {
                if let Some((what, name)) = body.split_first() {
                    let name = name_hash(named(name).0);
                    if *what == b'S' {
                        self.prepared.remove(&name);
                    } else {
                        self.leave_portal(name, out);
                    }
                }
                self.push(Pending::Other);
            }
            client::DESCRIBE => self.push(Pending::Other),
            client::FUNCTION => self.push(Pending::Call(first)),
            _ => {}
        }
    }

    fn prepare(&mut self, name: u64, statement: Option<Arc<Statement>>) {
        // A name that is taken anew does not mean what it meant.
        self.prepared.remove(&name);
        if let Some(statement) = statement
            && self.prepared.len() < MOST_PREPARED
        {
            self.prepared.insert(name, statement);
        }
    }

    fn push(&mut self, pending: Pending) {
        if self.pending.len() < MOST_PENDING {
            self.pending.push_back(pending);
        }
    }

    fn answered(&mut self, message: &Message<'_, Stamp>, end: Stamp, out: &mut Vec<Observation>) {
        let body = message.body;
        match message.kind {
            answer::READY => self.ready(body, end, out),
            answer::ERROR => self.error(&Fault::of(body), end, out),
            answer::COMPLETE => {
                let Tag { text, rows } = Tag::of(body);
                self.complete(Ending { at: end, tag: text, rows, error: None }, out);
            }
            answer::EMPTY => {
                if let Some(at) = self.front(Pending::is_execution)
                    && matches!(self.pending.get(at), Some(Pending::Execute { .. }))
                {
                    self.pending.drain(..=at);
                }
            }
            answer::SUSPENDED => self.suspended(end),
            answer::ROW => self.rows = self.rows.saturating_add(1),
            answer::PARSED => self.pass(|one| matches!(one, Pending::Parse(..))),
            answer::BOUND => self.pass(|one| matches!(one, Pending::Bind(..))),
            answer::CLOSED | answer::NO_DATA | answer::COLUMNS => self.pass(|one| matches!(one, Pending::Other)),
            answer::COPY_IN => {
                // The server does not heed a `Sync` that was sent before the data.
                self.copying = true;
                if self.front(|one| matches!(one, Pending::Execute { .. })).is_some()
                    && let Some(at) = self.pending.iter().position(|one| matches!(one, Pending::Sync))
                {
                    self.pending.remove(at);
                }
            }
            answer::RESULT => {
                self.complete(Ending { at: end, tag: "CALL", rows: None, error: None }, out);
            }
            _ => {}
        }
    }

    /// Where the first of these is, with nothing before it that has an answer of its own to come after.
    fn front(&self, wanted: impl Fn(&Pending) -> bool) -> Option<usize> {
        let barrier = |one: &Pending| matches!(one, Pending::Sync | Pending::Query { .. });
        let at = self.pending.iter().position(|one| wanted(one) || barrier(one))?;
        self.pending.get(at).filter(|one| wanted(one)).map(|_| at)
    }

    /// A step is done of which nothing is told.
    fn pass(&mut self, wanted: impl Fn(&Pending) -> bool) {
        if let Some(at) = self.front(wanted) {
            self.pending.drain(..=at);
        }
    }

    fn complete(&mut self, ending: Ending<'_>, out: &mut Vec<Observation>) {
        // The server's count is the surer one; some statements have none but rows all the same.
        let counted = std::mem::take(&mut self.rows);
        let ending = Ending { rows: ending.rows.or((counted > 0).then_some(counted)), ..ending };
        self.copying = false;
        let Some(at) = self.front(Pending::is_execution) else {
            self.teller.done(None, ending, out);
            return;
        };
        self.pending.drain(..at);
        if let Some(Pending::Query { statements, start, .. }) = self.pending.front_mut() {
            let asked = Asked { statement: statements.pop_front(), start: *start, before: None };
            self.teller.done(Some(&asked), ending, out);
            return;
        }
        match self.pending.pop_front() {
            Some(Pending::Execute { portal, asked }) => {
                if let Some(portal) = self.portals.get_mut(&portal) {
                    portal.part = None;
                }
                self.teller.done(Some(&asked), ending, out);
            }
            Some(Pending::Call(start)) => {
                self.teller.done(Some(&Asked { statement: None, start, before: None }), ending, out);
                self.pending.push_front(Pending::Sync);
            }
            _ => {}
        }
    }

    fn suspended(&mut self, end: Stamp) {
        let rows = std::mem::take(&mut self.rows);
        let Some(at) = self.front(|one| matches!(one, Pending::Execute { .. })) else { return };
        if let Some(Pending::Execute { portal, asked }) = self.pending.drain(..=at).next_back()
            && let Some(portal) = self.portals.get_mut(&portal)
        {
            let now = end.since(asked.start);
            portal.part = Some(match asked.before {
                None => Part { start: asked.start, end, took: now, rows },
                Some(before) => {
                    let (took, rows) = (before.took.saturating_add(now), before.rows.saturating_add(rows));
                    Part { start: before.start, end, took, rows }
                }
            });
        }
    }

    fn error(&mut self, fault: &Fault, end: Stamp, out: &mut Vec<Observation>) {
        self.rows = 0;
        self.copying = false;
        if !self.teller.is_ready() {
            self.teller.failed(end, error(fault), out);
            return;
        }
        let ending = Ending { at: end, tag: "", rows: None, error: Some(error(fault)) };
        if let Some(Pending::Query { statements, start, failed }) = self.pending.front_mut() {
            if !std::mem::replace(failed, true) {
                let asked = Asked { statement: statements.pop_front(), start: *start, before: None };
                self.teller.done(Some(&asked), ending, out);
            }
            statements.clear();
        } else if let Some(asked) = self.pending.front().and_then(Pending::under_way) {
            self.teller.done(Some(&asked), ending, out);
            if let Some(call @ Pending::Call(_)) = self.pending.front_mut() {
                *call = Pending::Sync;
            }
            self.skip();
        } else if !fault.fatal {
            self.skip();
        }
        if fault.fatal {
            self.teller.failed(end, error(fault), out);
            self.pending.clear();
        }
    }

    /// Everything up to the next `Sync` is passed over.
    fn skip(&mut self) {
        let barrier = self.pending.iter().position(|one| matches!(one, Pending::Sync | Pending::Query { .. }));
        self.skipping = barrier.is_none() && !self.pending.is_empty();
        self.pending.drain(..barrier.unwrap_or(self.pending.len()));
    }

    fn ready(&mut self, body: &[u8], end: Stamp, out: &mut Vec<Observation>) {
        let seen = self.begun;
        self.teller.ready(end, seen, out);
        self.rows = 0;
        self.in_transaction = body.first().is_some_and(|status| *status != b'I');
        let answered = |one: &Pending| matches!(one, Pending::Sync | Pending::Query { .. });
        if let Some(at) = self.pending.iter().position(answered) {
            self.pending.drain(..=at);
        }
        if !self.in_transaction {
            self.leave_portals(out);
        }
    }

    fn leave_portal(&mut self, name: u64, out: &mut Vec<Observation>) {
        if let Some(Portal { statement, part: Some(part) }) = self.portals.remove(&name) {
            self.teller.left(statement.as_ref(), &part, out);
        }
    }

    /// The end of a transaction is that of its portals. Those of a pipeline that goes on are bound already.
    fn leave_portals(&mut self, out: &mut Vec<Observation>) {
        let mut left: Vec<(Part, Option<Arc<Statement>>)> = Vec::new();
        for portal in self.portals.values_mut() {
            if let Some(part) = portal.part.take() {
                left.push((part, portal.statement.clone()));
            }
        }
        if self.pending.is_empty() {
            self.portals.clear();
        }
        // A map has no order of its own.
        left.sort_by_key(|(part, _)| part.start);
        for (part, statement) in left {
            self.teller.left(statement.as_ref(), &part, out);
        }
    }
}

fn error(fault: &Fault) -> DatabaseError {
    DatabaseError { class: error_class(&fault.sqlstate), code: fault.sqlstate.clone() }
}

impl Pending {
    const fn is_execution(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::Execute { .. } | Self::Call(_))
    }

    /// The statement that a failure belongs to.
    fn under_way(&self) -> Option<Asked> {
        match self {
            Self::Query { failed: true, .. } | Self::Other | Self::Sync => None,
            Self::Query { statements, start, .. } => {
                Some(Asked { statement: Some(Arc::clone(statements.front()?)), start: *start, before: None })
            }
            Self::Parse(statement, start) | Self::Bind(statement, start) => {
                Some(Asked { statement: statement.clone(), start: *start, before: None })
            }
            Self::Execute { asked, .. } => Some(asked.clone()),
            Self::Call(start) => Some(Asked { statement: None, start: *start, before: None }),
        }
    }
}
