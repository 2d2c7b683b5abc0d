//! A conversation with a database, for tests.

use crate::{
    observation::{Connection, DatabaseChange, Observation, Process, Role, Stamp},
    stream::{Call, Chunk, Direction, Item},
    track::dialogue::{Dialogues, Settings},
};
use std::{sync::Arc, time::Duration};

/// A conversation at one end; a millisecond passes with each piece.
pub struct Talk {
    pub dialogues: Dialogues,
    role: Role,
    pub now: u64,
    pub out: Vec<Observation>,
}

impl Talk {
    pub fn new(role: Role, opened: bool) -> Self {
        let at = Stamp::from_nanos(1_000_000);
        let connection = Connection {
            number: 1,
            process: Arc::new(Process { pid: 1, comm: Arc::from("p"), target: Arc::from("p") }),
            local: None,
            peer: None,
            role: opened.then_some(role),
            opened: opened.then_some(at),
            first_seen: at,
        };
        let dialogues = Dialogues::new(Arc::new(connection), Settings::default());
        Self { dialogues, role, now: 1_000_000, out: Vec::new() }
    }

    pub fn call(&mut self) -> Call {
        let enter = Stamp::from_nanos(self.now);
        self.now += 1_000_000;
        Call { enter, exit: Stamp::from_nanos(self.now), polled: Duration::ZERO, tid: 1 }
    }

    pub fn on(&mut self, item: &Item<'_>) -> &mut Self {
        self.dialogues.on(item, &mut self.out);
        self
    }

    pub fn bytes(&mut self, direction: Direction, bytes: &[u8]) -> &mut Self {
        let call = self.call();
        self.on(&Item::Data(Chunk { direction, call, offset: 0, bytes }))
    }

    pub fn client(&mut self, messages: &[Vec<u8>]) -> &mut Self {
        let direction = if self.role == Role::Server { Direction::Read } else { Direction::Write };
        self.bytes(direction, &messages.concat())
    }

    pub fn server(&mut self, messages: &[Vec<u8>]) -> &mut Self {
        let direction = if self.role == Role::Server { Direction::Write } else { Direction::Read };
        self.bytes(direction, &messages.concat())
    }

    pub fn close(&mut self) -> Vec<String> {
        let at = Stamp::from_nanos(self.now);
        self.on(&Item::Closed { at });
        self.told()
    }

    pub fn tick(&mut self) -> Vec<String> {
        let now = Stamp::from_nanos(self.now);
        self.on(&Item::Tick { now });
        self.told()
    }

    /// What was told since this was last asked.
    pub fn told(&mut self) -> Vec<String> {
        let told: Vec<String> = std::mem::take(&mut self.out).iter().map(words).collect();
        // Its time is another test's.
        told.into_iter().filter(|one| one != "first use").collect()
    }
}

fn words(observation: &Observation) -> String {
    match observation {
        Observation::Query(query) => {
            let table = query.table.as_deref().map_or_else(String::new, |table| format!(" {table}"));
            let took = query.took.map_or_else(|| String::from(" ?"), |took| format!(" {}ms", took.as_millis()));
            let rows = query.rows.map_or_else(String::new, |rows| format!(" {rows} rows"));
            let error = query.error.as_ref().map_or_else(String::new, |error| format!(" {}", error.class));
            format!("{}{table}{took}{rows}{error}", query.operation)
        }
        Observation::DatabaseConnection(told) => match &told.change {
            DatabaseChange::Ready { .. } => String::from("ready"),
            DatabaseChange::Encrypted => String::from("encrypted"),
            DatabaseChange::FirstUse { .. } => String::from("first use"),
            DatabaseChange::Busy(true) => String::from("busy"),
            DatabaseChange::Busy(false) => String::from("idle"),
            DatabaseChange::Failed(error) => format!("failed {} {}", error.class, error.code),
            DatabaseChange::CancelRequest => String::from("cancel"),
            DatabaseChange::Closed => String::from("closed"),
            DatabaseChange::Compressed => String::from("compressed"),
        },
        other => format!("{other:?}"),
    }
}
