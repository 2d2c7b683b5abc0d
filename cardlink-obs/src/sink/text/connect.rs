//! Connections that did not come about, for people.

use super::{BAD, DIM, HEAD, Heading, SAME, Text, duration};
use crate::observation::{ConnectFailed, DatabaseSystem};
use std::io::{self, Write};

impl<W: Write> Text<W> {
    pub(super) fn connect_failed(&mut self, failed: &ConnectFailed) -> io::Result<()> {
        match &failed.connection {
            Some(connection) => self.connection_heading(failed.at, connection)?,
            None => self.asking_heading(failed)?,
        }
        let error = failed.error.as_deref().map_or_else(String::new, |error| format!(" {error}"));
        let took = failed.took.map_or_else(String::new, |took| format!("   {}", duration(took)));
        let reason = failed.reason.as_str().replace('_', " ");
        let given_up = if failed.error.is_none() { ", and the program gave up" } else { "" };
        writeln!(
            self.out,
            "  CONN  {BAD}FAILED {reason}{error}{BAD:#}{took}   {}{given_up}{DIM}{}{DIM:#}",
            failed.reason.sentence(),
            note(failed)
        )
    }

    fn asking_heading(&mut self, failed: &ConnectFailed) -> io::Result<()> {
        let peer = failed.peer.as_ref().map_or_else(|| String::from("unknown peer"), ToString::to_string);
        let about = Heading::Device(failed.process.pid, peer.clone());
        if self.heading.as_ref().is_some_and(|(heading, said)| *heading == about && failed.at.since(*said) < SAME) {
            return Ok(());
        }
        self.heading = Some((about, failed.at));
        let time = self.time(failed.at);
        writeln!(self.out, "{time} {HEAD}{}{HEAD:#}({}) → {peer}", failed.process.comm, failed.process.pid)
    }
}

fn note(failed: &ConnectFailed) -> String {
    if failed.other_answered {
        return String::from(" · another address answered");
    }
    let name = match failed.database {
        None => return String::new(),
        Some(DatabaseSystem::Postgresql) => "PostgreSQL",
        Some(DatabaseSystem::Mysql) => "MySQL",
        Some(DatabaseSystem::Mariadb) => "MariaDB",
        Some(DatabaseSystem::Sqlite) => "SQLite",
    };
    format!(" · {name} is expected there")
}
