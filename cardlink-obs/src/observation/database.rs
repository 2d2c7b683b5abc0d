//! Databases: connections to them, and what was asked.

use super::{Cause, Connection, Process, Role, Stamp};
use std::{sync::Arc, time::Duration};

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatabaseSystem {
    Postgresql,
    /// What speaks MySQL's protocol and has not said that it is MariaDB.
    Mysql,
    Mariadb,
    Sqlite,
}

impl DatabaseSystem {
    /// The word of OpenTelemetry's conventions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    /// It is a library in the program, not a server.
    pub const fn is_embedded(self) -> bool {
        matches!(self, Self::Sqlite)
    }
}

/// What a server, or the end of a connection, has against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseError {
    /// The word for labels, one of a fixed set: `constraint`, `authentication`, `too_many_connections`, `lost`, …
    pub class: &'static str,
    /// SQLSTATE, where there is one.
    pub code: String,
}

/// A statement that was carried out, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Counted on its connection, from 1.
    pub number: u64,
    pub process: Arc<Process>,
    pub connection: Option<Arc<Connection>>,
    pub system: DatabaseSystem,
    /// The end of the connection that the process holds.
    pub role: Role,
    /// `SELECT`, `INSERT`, …: one of a fixed set.
    pub operation: &'static str,
    /// The first table that it names.
    pub table: Option<Arc<str>>,
    /// The first byte of the request.
    pub start: Stamp,
    /// The last byte of its result.
    pub end: Stamp,
    /// The time that it took: less than from start to end when its rows were fetched in parts. `None` when its beginning was
    /// not seen.
    pub took: Option<Duration>,
    /// Rows that were returned or changed, as the server says.
    pub rows: Option<u64>,
    pub error: Option<DatabaseError>,
    /// The serving end is watched too: it is counted there.
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

impl Query {
    /// What it does, and the first table that it names: `SELECT cards`.
    pub fn name(&self) -> String {
        match &self.table {
            Some(table) => format!("{} {table}", self.operation),
            None => self.operation.to_owned(),
        }
    }

    /// Time from start to end that the program spent on other things, between the parts of the result.
    pub fn between(&self) -> Duration {
        self.took.map_or(Duration::ZERO, |took| self.end.since(self.start).saturating_sub(took))
    }
}

/// What became of a connection to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConnection {
    pub at: Stamp,
    pub process: Arc<Process>,
    pub connection: Option<Arc<Connection>>,
    pub system: DatabaseSystem,
    pub role: Role,
    pub change: DatabaseChange,
    /// The serving end is watched too: it is counted there.
    pub counted_elsewhere: bool,
}

/// A change of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseChange {
    /// It can be used; how long that took from connect or accept, when that was seen.
    Ready { after: Option<Duration> },
    /// It is encrypted: what is asked is not seen.
    Encrypted,
    /// The first statement, so long after connect or accept.
    FirstUse { after: Duration },
    /// A statement or a transaction is under way, or none is; looked at a few times a second.
    Busy(bool),
    /// The server refused or ended it.
    Failed(DatabaseError),
    /// It was for nothing but to ask that a statement of another connection be cancelled.
    CancelRequest,
    /// It was ready, encrypted or compressed, and has ended.
    Closed,
    /// It can be used, and is compressed: what is asked is not seen.
    Compressed,
}
