//! Statements and connections of databases, for people.

use super::{BAD, DIM, GOOD, Heading, SAME, Text, WARN, duration};
use crate::observation::{Connection, DatabaseChange, DatabaseConnection, DatabaseError, Process, Query, Stamp};
use std::io::{self, Write};

impl<W: Write> Text<W> {
    fn database_heading(&mut self, at: Stamp, connection: Option<&Connection>, process: &Process) -> io::Result<()> {
        // SQLite is in the program: there is nobody at the other end.
        let connection = connection.filter(|connection| connection.local.is_some() || connection.peer.is_some());
        if let Some(connection) = connection {
            return self.connection_heading(at, connection);
        }
        let about = Heading::Device(process.pid, String::from("database"));
        if self.heading.as_ref().is_some_and(|(heading, said)| *heading == about && at.since(*said) < SAME) {
            return Ok(());
        }
        self.heading = Some((about, at));
        writeln!(self.out, "{} {}({})", self.clock.time_of_day(at), process.comm, process.pid)
    }

    pub(super) fn query(&mut self, query: &Query) -> io::Result<()> {
        self.database_heading(query.end, query.connection.as_deref(), &query.process)?;
        let what = query.name();
        let mut took = query.took.map_or_else(|| String::from("beginning not seen"), duration);
        if query.between() > query.took.unwrap_or_default() {
            took = format!("{took} (+ {} of the program's own)", duration(query.between()));
        }
        let rows = match query.rows {
            None => String::new(),
            Some(1) => String::from("   1 row"),
            Some(rows) => format!("   {rows} rows"),
        };
        let elsewhere = if query.counted_elsewhere { "   counted at the server's end" } else { "" };
        match &query.error {
            None => writeln!(self.out, "  SQL   {GOOD}ok{GOOD:#}  {what:<24} {took}{rows}{DIM}{elsewhere}{DIM:#}"),
            Some(error) => {
                let error = words(error);
                writeln!(self.out, "  SQL   {BAD}FAILED {error}{BAD:#}  {what}   {took}{DIM}{elsewhere}{DIM:#}")
            }
        }
    }

    pub(super) fn database(&mut self, told: &DatabaseConnection) -> io::Result<()> {
        let system = told.system.as_str();
        let line = match &told.change {
            DatabaseChange::Failed(error) => format!("{BAD}{system} FAILED {}{BAD:#}", words(error)),
            DatabaseChange::Encrypted => {
                format!("{WARN}{system} is encrypted{WARN:#}: statements are not seen")
            }
            DatabaseChange::Compressed => {
                format!("{WARN}{system} is compressed{WARN:#}: statements are not seen")
            }
            DatabaseChange::CancelRequest => format!("{system}: a statement of another connection is to be cancelled"),
            _ if !self.filter.all => return Ok(()),
            DatabaseChange::Ready { after: Some(after) } => format!("{system} ready after {}", duration(*after)),
            DatabaseChange::Ready { after: None } => format!("{system} connection was open before"),
            DatabaseChange::FirstUse { after } => format!("{system} used first after {}", duration(*after)),
            DatabaseChange::Busy(true) => format!("{DIM}{system} in use{DIM:#}"),
            DatabaseChange::Busy(false) => format!("{DIM}{system} idle{DIM:#}"),
            DatabaseChange::Closed => format!("{DIM}{system} connection closed{DIM:#}"),
        };
        self.database_heading(told.at, told.connection.as_deref(), &told.process)?;
        writeln!(self.out, "  DB    {line}")
    }
}

fn words(error: &DatabaseError) -> String {
    let class = error.class.replace('_', " ");
    if error.code.is_empty() { class } else { format!("{class} {}", error.code) }
}
