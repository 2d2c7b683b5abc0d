//! SQLite: what its calls in a program tell, put together to connections and statements.

#[cfg(test)]
mod tests;

use crate::{
    event::SqliteNote,
    observation::{
        Cause, Connection, DatabaseChange, DatabaseConnection, DatabaseError, DatabaseSystem, Incomplete, Observation,
        Process, Query, Role, Stamp,
    },
    protocol::sql::{Dialect, SqliteCode, Statement, statements},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Statements of one program that are known at the same time; the oldest are forgotten first.
const MOST_STATEMENTS: usize = 16_384;
/// Connections of one program.
const MOST_DATABASES: usize = 4096;

/// The operation of a statement whose text was not seen.
const UNKNOWN: &str = "unknown";

/// All programs.
#[derive(Debug, Default)]
pub struct Sqlite {
    programs: HashMap<u32, Program>,
}

/// What is known of one program, by the addresses of its objects.
#[derive(Debug, Default)]
struct Program {
    databases: HashMap<u64, Database>,
    statements: HashMap<u64, Prepared>,
    /// Statements of which it is not known on which connection they are.
    queries: u64,
}

#[derive(Debug)]
struct Database {
    connection: Arc<Connection>,
    used: bool,
    queries: u64,
}

#[derive(Debug)]
struct Prepared {
    at: u64,
    database: u64,
    statement: Arc<Statement>,
}

/// A statement that ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    start: Stamp,
    end: Stamp,
    took: Duration,
    rows: Option<u64>,
    code: SqliteCode,
}

impl Sqlite {
    /// Takes in a call, made for `cause`. `connections` counts all connections of the pipeline.
    pub fn note(
        &mut self,
        process: &Arc<Process>,
        note: &SqliteNote<'_>,
        at: Stamp,
        cause: Cause,
        connections: &mut u64,
        out: &mut Vec<Observation>,
    ) {
        if *note == SqliteNote::Paused {
            // What is prepared meanwhile is not seen: an address says nothing any more.
            if let Some(program) = self.programs.get_mut(&process.pid) {
                program.statements.clear();
            }
            let (target, source) = (Arc::clone(&process.target), "sqlite");
            out.push(Observation::Incomplete(Box::new(Incomplete { at, target, source, bytes: 0 })));
            return;
        }
        let program = self.programs.entry(process.pid).or_default();
        let mut teller = Teller { process, program, cause, connections, out };
        match note {
            SqliteNote::Opened { enter, database, code } => {
                teller.opened(*database, SqliteCode(*code), Stamp::from_nanos(*enter), at);
            }
            SqliteNote::Closed { database, code } => {
                if SqliteCode(*code) == SqliteCode::OK {
                    teller.closed(*database, at);
                }
            }
            SqliteNote::Prepared { enter, database, statement, code, text } => {
                let read = statements(text, Dialect::Sqlite).into_iter().next();
                let prepared = Prepared {
                    at: at.as_nanos(),
                    database: *database,
                    statement: Arc::new(read.unwrap_or(Statement { operation: UNKNOWN, table: None })),
                };
                teller.prepared(*statement, prepared, SqliteCode(*code), Stamp::from_nanos(*enter), at);
            }
            SqliteNote::Ended { enter, statement, prepared, inside, rows, code } => {
                let ended = Ended {
                    start: Stamp::from_nanos(*enter),
                    end: at,
                    took: Duration::from_nanos(*inside),
                    rows: Some(*rows),
                    code: SqliteCode(*code),
                };
                teller.ended(*statement, *prepared, ended);
            }
            SqliteNote::Paused => {}
        }
    }

    /// A process is gone, or has become another program.
    pub fn process_ended(&mut self, process: &Arc<Process>, at: Stamp, out: &mut Vec<Observation>) {
        let Some(mut program) = self.programs.remove(&process.pid) else { return };
        let mut open: Vec<(u64, u64)> =
            program.databases.iter().map(|(address, database)| (database.connection.number, *address)).collect();
        open.sort_unstable();
        let mut teller = Teller { process, program: &mut program, cause: Cause::default(), connections: &mut 0, out };
        for (_, address) in open {
            teller.closed(address, at);
        }
    }
}

/// Takes in the calls of one program.
struct Teller<'a> {
    process: &'a Arc<Process>,
    program: &'a mut Program,
    cause: Cause,
    connections: &'a mut u64,
    out: &'a mut Vec<Observation>,
}

impl Teller<'_> {
    fn opened(&mut self, address: u64, code: SqliteCode, enter: Stamp, at: Stamp) {
        if let Some(error) = error(code) {
            self.tell(None, at, DatabaseChange::Failed(error));
            return;
        }
        // Its close was not seen.
        self.closed(address, at);
        self.begun(address, Some(enter), at);
    }

    /// A connection, from its opening on or from its first sight.
    fn begun(&mut self, address: u64, enter: Option<Stamp>, at: Stamp) {
        if self.program.databases.len() >= MOST_DATABASES {
            return;
        }
        *self.connections += 1;
        let connection = Arc::new(Connection {
            number: *self.connections,
            process: Arc::clone(self.process),
            local: None,
            peer: None,
            role: Some(Role::Client),
            opened: enter,
            first_seen: at,
        });
        let database = Database { connection: Arc::clone(&connection), used: enter.is_none(), queries: 0 };
        self.program.databases.insert(address, database);
        let after = enter.map(|enter| at.since(enter));
        self.tell(Some(connection), at, DatabaseChange::Ready { after });
    }

    fn closed(&mut self, address: u64, at: Stamp) {
        let Some(database) = self.program.databases.remove(&address) else { return };
        self.program.statements.retain(|_, prepared| prepared.database != address);
        self.tell(Some(database.connection), at, DatabaseChange::Closed);
    }

    fn prepared(&mut self, address: u64, prepared: Prepared, code: SqliteCode, enter: Stamp, at: Stamp) {
        if !self.program.databases.contains_key(&prepared.database) {
            self.begun(prepared.database, None, at);
        }
        if code.is_error() {
            let ended = Ended { start: enter, end: at, took: at.since(enter), rows: None, code };
            self.query(&prepared.statement, Some(prepared.database), ended);
            return;
        }
        let all = &mut self.program.statements;
        if all.len() >= MOST_STATEMENTS && !all.contains_key(&address) {
            let mut times: Vec<u64> = all.values().map(|known| known.at).collect();
            let (_, middle, _) = times.select_nth_unstable(MOST_STATEMENTS / 4);
            let oldest = *middle;
            all.retain(|_, known| known.at > oldest);
        }
        all.insert(address, prepared);
    }

    fn ended(&mut self, address: u64, prepared: u64, ended: Ended) {
        let known = self.program.statements.get(&address).filter(|known| known.at == prepared);
        let (statement, database) = match known {
            Some(known) => (Arc::clone(&known.statement), Some(known.database)),
            None => (Arc::new(Statement { operation: UNKNOWN, table: None }), None),
        };
        self.query(&statement, database, ended);
    }

    fn query(&mut self, statement: &Statement, database: Option<u64>, ended: Ended) {
        let database = database.and_then(|address| self.program.databases.get_mut(&address));
        let (connection, first, count) = match database {
            Some(Database { connection, used, queries }) => {
                (Some(Arc::clone(connection)), !std::mem::replace(used, true), queries)
            }
            None => (None, false, &mut self.program.queries),
        };
        *count += 1;
        let number = *count;
        if let Some(opened) = connection.as_ref().filter(|_| first).and_then(|connection| connection.opened) {
            let after = ended.start.since(opened);
            self.tell(connection.clone(), ended.start, DatabaseChange::FirstUse { after });
        }
        self.out.push(Observation::Query(Box::new(Query {
            number,
            process: Arc::clone(self.process),
            connection,
            system: DatabaseSystem::Sqlite,
            role: Role::Client,
            operation: statement.operation,
            table: statement.table.clone(),
            start: ended.start,
            end: ended.end,
            took: Some(ended.took),
            rows: ended.rows,
            error: error(ended.code),
            counted_elsewhere: false,
            cause: self.cause,
        })));
    }

    fn tell(&mut self, connection: Option<Arc<Connection>>, at: Stamp, change: DatabaseChange) {
        self.out.push(Observation::DatabaseConnection(Box::new(DatabaseConnection {
            at,
            process: Arc::clone(self.process),
            connection,
            system: DatabaseSystem::Sqlite,
            role: Role::Client,
            change,
            counted_elsewhere: false,
        })));
    }
}

fn error(code: SqliteCode) -> Option<DatabaseError> {
    code.is_error().then(|| DatabaseError { class: code.class(), code: code.to_string() })
}
