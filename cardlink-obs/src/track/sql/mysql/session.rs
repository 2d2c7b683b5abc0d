//! What is asked on a connection, and what comes of it.
//!
//! Answers come in the order of the commands, so that these wait in a queue. (MySQL documentation, "Command Phase")

use super::super::{Asked, Ending, Part, Teller};
use crate::{
    observation::{DatabaseError, DatabaseSystem, Observation, Stamp},
    protocol::{
        mysql::{Fault, Outcome, Secrecy, Told, command},
        sql::{Dialect, Statement, by_tag, statements},
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Prepared statements of a connection that are kept; of more only the answers are known.
const MOST_PREPARED: usize = 1024;
/// Commands without an answer; the protocol's side keeps no more either.
const MOST_PENDING: usize = 1025;
/// MariaDB's number of the statement that was prepared last.
const LAST_PREPARED: u32 = u32::MAX;

/// A command whose answer has not come.
#[derive(Debug)]
enum Pending {
    /// A text, with its statements that have no result.
    Query {
        statements: VecDeque<Arc<Statement>>,
        /// The rest of the text was not read: there may be more statements.
        cut: bool,
        start: Stamp,
    },
    Prepare(Option<Arc<Statement>>, Stamp),
    /// `fetch`: rows of a statement whose rows are fetched in parts.
    Execute {
        statement: u32,
        asked: Asked,
        fetch: bool,
    },
    /// Another user, or the same anew.
    Login,
    /// Everything that was prepared is forgotten.
    Reset,
    /// Its answer tells nothing.
    Other,
}

/// A statement with parameters.
#[derive(Debug)]
struct Prepared {
    statement: Option<Arc<Statement>>,
    /// What was fetched so far, when that is not all.
    part: Option<Part>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub teller: Teller,
    /// The client has logged in, or tried.
    begun: bool,
    over: bool,
    pending: VecDeque<Pending>,
    prepared: HashMap<u32, Prepared>,
    /// What was prepared last.
    latest: Option<Arc<Statement>>,
    in_transaction: bool,
    /// Rows of results before, of a statement that has several.
    rows: Option<u64>,
}

impl Session {
    pub fn new(teller: Teller) -> Self {
        Self {
            teller,
            begun: false,
            over: false,
            pending: VecDeque::new(),
            prepared: HashMap::new(),
            latest: None,
            in_transaction: false,
            rows: Some(0),
        }
    }

    /// Nothing more can come of it.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    pub fn is_bounded(&self) -> bool {
        self.pending.len() <= MOST_PENDING && self.prepared.len() <= MOST_PREPARED
    }

    /// It was open before it was seen.
    pub fn under_way(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.begun = true;
        self.teller.ready(at, false, out);
    }

    /// Takes what was found in the stream; `end` is when it was there.
    pub fn told(&mut self, told: Told<'_, Stamp>, end: Stamp, out: &mut Vec<Observation>) {
        match told {
            Told::Greeting { mariadb: true } => self.teller.set_system(DatabaseSystem::Mariadb),
            Told::Login => self.begun = true,
            Told::Secret(Secrecy::Encrypted) => self.teller.encrypted(end, out),
            Told::Secret(Secrecy::Compressed) => self.teller.compressed(end, out),
            Told::Greeting { mariadb: false } | Told::Secret(Secrecy::Foreign) => {}
            Told::Ready => self.teller.ready(end, true, out),
            Told::Command { command, body, whole, first } => self.asked(command, body, (whole, first), out),
            Told::Prepared { statement } => self.prepared(statement),
            Told::Result(outcome) => self.result(&outcome, end, out),
            Told::Fault(fault) => self.fault(&fault, end, out),
            Told::FoundAgain => {
                self.pending.clear();
                self.rows = Some(0);
            }
        }
    }

    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let busy = self.in_transaction || !self.pending.is_empty();
        self.teller.busy(now, busy, out);
    }

    /// The connection is closed; `by_server` when that was the server's decision.
    pub fn closed(&mut self, at: Stamp, by_server: bool, out: &mut Vec<Observation>) {
        if let Some(asked) = self.pending.iter().find_map(Pending::under_way)
            && !self.over
        {
            self.teller.lost(&asked, at, out);
        }
        self.pending.clear();
        self.forget(out);
        if by_server && self.begun {
            self.teller.refused(at, out);
        }
        self.teller.closed(at, out);
        self.over = true;
    }

    fn asked(&mut self, command: u8, body: &[u8], (whole, first): (bool, Stamp), out: &mut Vec<Observation>) {
        let number = || body.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let pending = match command {
            command::QUIT => {
                self.pending.clear();
                return;
            }
            command::CLOSE => {
                self.leave(number(), true, out);
                return;
            }
            command::LONG_DATA => return,
            command::QUERY => {
                self.teller.used(first, out);
                let statements = statements(body, Dialect::Mysql).into_iter().map(Arc::new).collect();
                Pending::Query { statements, cut: !whole, start: first }
            }
            command::INIT_DB => {
                self.teller.used(first, out);
                let statements = VecDeque::from([Arc::new(by_tag("USE"))]);
                Pending::Query { statements, cut: false, start: first }
            }
            command::PREPARE => {
                self.teller.used(first, out);
                self.latest = statements(body, Dialect::Mysql).into_iter().next().map(Arc::new);
                Pending::Prepare(self.latest.clone(), first)
            }
            command::EXECUTE | command::BULK_EXECUTE => {
                self.teller.used(first, out);
                let statement = number();
                self.leave(statement, false, out);
                let of = if statement == LAST_PREPARED {
                    self.latest.clone()
                } else {
                    self.prepared.get(&statement).and_then(|one| one.statement.clone())
                };
                let asked = Asked { statement: of, start: first, before: None };
                Pending::Execute { statement, asked, fetch: false }
            }
            command::FETCH => {
                let statement = number();
                let of = self.prepared.get(&statement);
                let asked = Asked {
                    statement: of.and_then(|one| one.statement.clone()),
                    start: first,
                    before: of.and_then(|one| one.part),
                };
                Pending::Execute { statement, asked, fetch: true }
            }
            command::RESET => {
                self.leave(number(), false, out);
                Pending::Other
            }
            command::CHANGE_USER => Pending::Login,
            command::RESET_CONNECTION => Pending::Reset,
            _ => Pending::Other,
        };
        if self.pending.len() < MOST_PENDING {
            self.pending.push_back(pending);
        }
    }

    fn prepared(&mut self, number: u32) {
        if let Some(Pending::Prepare(statement, _)) = self.pending.pop_front() {
            // A number that is taken anew does not mean what it meant.
            self.prepared.remove(&number);
            if self.prepared.len() < MOST_PREPARED {
                self.prepared.insert(number, Prepared { statement, part: None });
            }
        }
    }

    fn result(&mut self, outcome: &Outcome, end: Stamp, out: &mut Vec<Observation>) {
        self.in_transaction = outcome.in_transaction;
        let sum = self.rows.zip(outcome.rows).map(|(before, rows)| before.saturating_add(rows));
        if let Some(Pending::Query { statements, cut, .. }) = self.pending.front()
            && outcome.more
        {
            // A call has results of its own, and then says that it is done; what is the last has all that is left.
            let call = outcome.set && statements.front().is_some_and(|one| one.operation == "CALL");
            if call || (statements.len() <= 1 && !cut) {
                self.rows = sum;
                return;
            }
            self.rows = Some(0);
            let Some(Pending::Query { statements, start, .. }) = self.pending.front_mut() else { return };
            let asked = Asked { statement: statements.pop_front(), start: *start, before: None };
            let rows = counted(asked.statement.as_deref(), sum, outcome.set);
            self.teller.done(Some(&asked), Ending { at: end, tag: "", rows, error: None }, out);
            return;
        }
        if outcome.more {
            self.rows = sum;
            return;
        }
        self.rows = Some(0);
        match self.pending.pop_front() {
            Some(Pending::Query { mut statements, start, .. }) => {
                let asked = Asked { statement: statements.pop_front(), start, before: None };
                let rows = counted(asked.statement.as_deref(), sum, outcome.set);
                self.teller.done(Some(&asked), Ending { at: end, tag: "", rows, error: None }, out);
            }
            Some(Pending::Execute { statement, asked, fetch }) => {
                if outcome.cursor && (!fetch || asked.before.is_some()) && self.prepared.contains_key(&statement) {
                    self.part(statement, &asked, sum.unwrap_or(0), end);
                } else if !fetch || asked.before.is_some() {
                    if let Some(prepared) = self.prepared.get_mut(&statement) {
                        prepared.part = None;
                    }
                    let rows = counted(asked.statement.as_deref(), sum, outcome.set);
                    self.teller.done(Some(&asked), Ending { at: end, tag: "", rows, error: None }, out);
                }
            }
            Some(Pending::Login | Pending::Reset) => self.forget(out),
            Some(Pending::Prepare(..) | Pending::Other) | None => {}
        }
    }

    /// Some rows have come, and more may be fetched.
    fn part(&mut self, statement: u32, asked: &Asked, rows: u64, end: Stamp) {
        let Some(prepared) = self.prepared.get_mut(&statement) else { return };
        let now = end.since(asked.start);
        prepared.part = Some(match asked.before {
            None => Part { start: asked.start, end, took: now, rows },
            Some(before) => {
                let (took, rows) = (before.took.saturating_add(now), before.rows.saturating_add(rows));
                Part { start: before.start, end, took, rows }
            }
        });
    }

    fn fault(&mut self, fault: &Fault, end: Stamp, out: &mut Vec<Observation>) {
        self.rows = Some(0);
        let error = DatabaseError { class: fault.class(), code: fault.state().to_owned() };
        if !self.teller.is_ready() {
            self.teller.failed(end, error, out);
            return;
        }
        let front = self.pending.pop_front();
        if let Some(asked) = front.as_ref().and_then(Pending::under_way) {
            let ending = Ending { at: end, tag: "", rows: None, error: Some(error.clone()) };
            self.teller.done(Some(&asked), ending, out);
        }
        if let Some(Pending::Execute { statement, .. }) = front
            && let Some(prepared) = self.prepared.get_mut(&statement)
        {
            prepared.part = None;
        }
        if fault.is_fatal() || matches!(front, None | Some(Pending::Login)) {
            self.teller.failed(end, error, out);
            self.pending.clear();
        }
    }

    /// What was fetched in parts is fetched no further.
    fn leave(&mut self, number: u32, close: bool, out: &mut Vec<Observation>) {
        let Some(prepared) = self.prepared.get_mut(&number) else { return };
        if let Some(part) = prepared.part.take() {
            self.teller.left(prepared.statement.as_ref(), &part, out);
        }
        if close {
            self.prepared.remove(&number);
        }
    }

    /// The server has forgotten everything that was prepared.
    fn forget(&mut self, out: &mut Vec<Observation>) {
        let mut left: Vec<(Part, Option<Arc<Statement>>)> =
            self.prepared.drain().filter_map(|(_, one)| Some((one.part?, one.statement))).collect();
        // A map has no order of its own.
        left.sort_by_key(|(part, _)| part.start);
        for (part, statement) in left {
            self.teller.left(statement.as_ref(), &part, out);
        }
    }
}

/// Rows as far as the statement is about rows: of the others the server says 0.
fn counted(statement: Option<&Statement>, rows: Option<u64>, set: bool) -> Option<u64> {
    const CHANGING: [&str; 6] = ["DELETE", "INSERT", "LOAD", "MERGE", "REPLACE", "UPDATE"];
    let about = set || statement.is_some_and(|one| CHANGING.contains(&one.operation));
    rows.filter(|rows| about || *rows > 0)
}

impl Pending {
    /// The statement that a failure belongs to.
    fn under_way(&self) -> Option<Asked> {
        match self {
            Self::Login | Self::Reset | Self::Other => None,
            Self::Query { statements, start, .. } => {
                Some(Asked { statement: statements.front().cloned(), start: *start, before: None })
            }
            Self::Prepare(statement, start) => {
                Some(Asked { statement: statement.clone(), start: *start, before: None })
            }
            Self::Execute { asked, .. } => Some(asked.clone()),
        }
    }
}
