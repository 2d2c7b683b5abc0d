//! What is told of a connection to a database, whatever it speaks.

use crate::{
    observation::{
        Cause, Connection, DatabaseChange, DatabaseConnection, DatabaseError, DatabaseSystem, Observation, Process,
        Query, Role, Stamp,
    },
    protocol::sql::{Statement, by_tag},
};
use std::{sync::Arc, time::Duration};

/// Tells of one connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that is told once")]
pub(super) struct Teller {
    process: Arc<Process>,
    /// `None` where no socket leads to the database.
    connection: Option<Arc<Connection>>,
    system: DatabaseSystem,
    role: Role,
    /// It is known that it can be used.
    ready: bool,
    used: bool,
    /// It was told why it failed.
    failed: bool,
    /// What was told last.
    busy: bool,
    closed: bool,
    queries: u64,
}

/// A statement, and when it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// `None` when its text was not seen.
    pub statement: Option<Arc<Statement>>,
    pub start: Stamp,
    /// What was fetched of its result before.
    pub before: Option<Part>,
}

/// A part of a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The beginning of the first part.
    pub start: Stamp,
    /// The end of this one.
    pub end: Stamp,
    /// Time that was spent on all parts so far, and rows that came with them.
    pub took: Duration,
    pub rows: u64,
}

/// How a statement ended.
#[derive(Debug, Clone)]
pub(super) struct Ending<'a> {
    pub at: Stamp,
    /// What the server says it was, for statements whose text was not seen.
    pub tag: &'a str,
    pub rows: Option<u64>,
    pub error: Option<DatabaseError>,
}

impl Teller {
    /// Of one end of a connection.
    pub fn of(connection: Arc<Connection>, system: DatabaseSystem, role: Role) -> Self {
        Self::new(Arc::clone(&connection.process), Some(connection), system, role)
    }

    pub const fn new(
        process: Arc<Process>,
        connection: Option<Arc<Connection>>,
        system: DatabaseSystem,
        role: Role,
    ) -> Self {
        Self {
            process,
            connection,
            system,
            role,
            ready: false,
            used: false,
            failed: false,
            busy: false,
            closed: false,
            queries: 0,
        }
    }

    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// The server has said what it is.
    pub const fn set_system(&mut self, system: DatabaseSystem) {
        self.system = system;
    }

    pub const fn set_role(&mut self, role: Role) {
        self.role = role;
    }

    /// It can be used. `seen`: it has just become so.
    pub fn ready(&mut self, at: Stamp, seen: bool, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.ready, true) {
            let after = self.opened().filter(|_| seen).map(|opened| at.since(opened));
            self.used |= !seen;
            self.tell(at, DatabaseChange::Ready { after }, out);
        }
    }

    pub fn encrypted(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.ready, true) {
            self.used = true;
            self.tell(at, DatabaseChange::Encrypted, out);
        }
    }

    pub fn compressed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.ready, true) {
            self.used = true;
            self.tell(at, DatabaseChange::Compressed, out);
        }
    }

    /// Something is asked.
    pub fn used(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.used, true)
            && let Some(opened) = self.opened()
        {
            self.tell(at, DatabaseChange::FirstUse { after: at.since(opened) }, out);
        }
    }

    /// Whether something is under way, as it is now.
    pub fn busy(&mut self, at: Stamp, busy: bool, out: &mut Vec<Observation>) {
        if self.ready && self.busy != busy {
            self.busy = busy;
            self.tell(at, DatabaseChange::Busy(busy), out);
        }
    }

    pub fn failed(&mut self, at: Stamp, error: DatabaseError, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.failed, true) {
            self.tell(at, DatabaseChange::Failed(error), out);
        }
    }

    /// It ended without an answer, before it could be used.
    pub fn refused(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if !self.ready && !std::mem::replace(&mut self.failed, true) {
            self.tell(at, DatabaseChange::Failed(lost()), out);
        }
    }

    pub fn cancel_request(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.failed = true;
        self.tell(at, DatabaseChange::CancelRequest, out);
    }

    pub fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        if !std::mem::replace(&mut self.closed, true) && self.ready {
            self.tell(at, DatabaseChange::Closed, out);
        }
    }

    /// A statement has its result; `None` when its beginning was not seen.
    pub fn done(&mut self, asked: Option<&Asked>, ending: Ending<'_>, out: &mut Vec<Observation>) {
        let Ending { error, .. } = ending;
        let statement = asked.and_then(|asked| asked.statement.clone()).unwrap_or_else(|| Arc::new(by_tag(ending.tag)));
        let Some(asked) = asked else {
            self.query(&statement, (ending.at, ending.at), None, ending.rows, error, out);
            return;
        };
        let before = asked.before.as_ref();
        let took = ending.at.since(asked.start) + before.map_or(Duration::ZERO, |part| part.took);
        let rows = ending.rows.map(|rows| rows.saturating_add(before.map_or(0, |part| part.rows)));
        let start = before.map_or(asked.start, |part| part.start);
        self.query(&statement, (start, ending.at), Some(took), rows, error, out);
    }

    /// What was fetched in parts is fetched no further.
    pub fn left(&mut self, statement: Option<&Arc<Statement>>, part: &Part, out: &mut Vec<Observation>) {
        let statement = statement.cloned().unwrap_or_else(|| Arc::new(by_tag("")));
        self.query(&statement, (part.start, part.end), Some(part.took), Some(part.rows), None, out);
    }

    /// A statement never gets its result.
    pub fn lost(&mut self, asked: &Asked, at: Stamp, out: &mut Vec<Observation>) {
        let statement = asked.statement.clone().unwrap_or_else(|| Arc::new(by_tag("")));
        self.query(&statement, (asked.start, at), Some(at.since(asked.start)), None, Some(lost()), out);
    }

    fn opened(&self) -> Option<Stamp> {
        self.connection.as_ref()?.opened
    }

    fn query(
        &mut self,
        statement: &Statement,
        (start, end): (Stamp, Stamp),
        took: Option<Duration>,
        rows: Option<u64>,
        error: Option<DatabaseError>,
        out: &mut Vec<Observation>,
    ) {
        self.queries += 1;
        out.push(Observation::Query(Box::new(Query {
            number: self.queries,
            process: Arc::clone(&self.process),
            connection: self.connection.clone(),
            system: self.system,
            role: self.role,
            operation: statement.operation,
            table: statement.table.clone(),
            start,
            end,
            took,
            rows,
            error,
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
    }

    fn tell(&self, at: Stamp, change: DatabaseChange, out: &mut Vec<Observation>) {
        out.push(Observation::DatabaseConnection(Box::new(DatabaseConnection {
            at,
            process: Arc::clone(&self.process),
            connection: self.connection.clone(),
            system: self.system,
            role: self.role,
            change,
            counted_elsewhere: false,
        })));
    }
}

/// The end of a connection in place of an answer.
fn lost() -> DatabaseError {
    DatabaseError { class: "lost", code: String::new() }
}
