//! What two runs are compared by: how long each thing took, and what went wrong.

use crate::{
    observation::{
        AdbOperation, AdbResult, Apdu, AtCommand, AtResult, ConnectFailed, DatabaseSystem, DeviceApdu, Exchange,
        Handshake, Observation, Query, Script, Session, SessionStatus, Test, TestOutcome,
    },
    protocol::apdu::{Category, StatusWord},
    sink::Sink,
};
use std::{collections::BTreeMap, time::Duration};

/// So many different names are told apart; later ones are `other`.
const MAX_NAMES: usize = 20_000;
/// So many commands of a script are in its name.
const MAX_COMMANDS: usize = 4;

/// What was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A TLS handshake, and its phases.
    Handshake,
    /// HTTP exchanges: the server's and the peer's part.
    Exchange,
    Session,
    /// A C-APDU that was sent alone, or a script of several.
    Apdu,
    AtCommand,
    /// A C-APDU that a reader or modem handed to its card.
    DeviceApdu,
    Adb,
    /// A connection that nobody took, by the database that was asked for.
    Connect,
    /// A statement: what it does, and the first table that it names.
    Query,
    /// A test; those of one name with other parameters together.
    Test,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Exchange => "exchange",
            Self::Session => "session",
            Self::Apdu => "apdu",
            Self::AtCommand => "at",
            Self::DeviceApdu => "device_apdu",
            Self::Adb => "adb",
            Self::Connect => "connect",
            Self::Query => "query",
            Self::Test => "test",
        }
    }
}

/// Something that has a time in both runs: `at AT+CSQ`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: Kind,
    pub name: String,
}

/// All that one run tells. It is a sink, so that a recording can be read into it.
#[derive(Debug, Default)]
pub struct Series {
    /// Seconds, of what went well.
    pub times: BTreeMap<Key, Vec<f64>>,
    /// How often, by what it is called.
    pub errors: BTreeMap<(Key, String), u64>,
}

impl Series {
    fn time(&mut self, kind: Kind, name: &str, took: Duration) {
        let key = self.key(kind, name);
        self.times.entry(key).or_default().push(took.as_secs_f64());
    }

    fn error(&mut self, kind: Kind, name: &str, what: String) {
        let key = self.key(kind, name);
        let full = self.errors.len() >= MAX_NAMES;
        let what =
            if full && !self.errors.contains_key(&(key.clone(), what.clone())) { String::from("other") } else { what };
        *self.errors.entry((key, what)).or_default() += 1;
    }

    fn key(&self, kind: Kind, name: &str) -> Key {
        let key = Key { kind, name: name.to_owned() };
        if self.times.len() < MAX_NAMES || self.times.contains_key(&key) {
            return key;
        }
        Key { kind, name: String::from("other") }
    }

    /// The values in order, as the statistics want them.
    pub fn sort(&mut self) {
        for values in self.times.values_mut() {
            values.sort_by(f64::total_cmp);
        }
    }

    fn handshake(&mut self, handshake: &Handshake) {
        if let Some(failure) = &handshake.failure {
            let what = format!("{} ({})", failure.reason, failure.side.as_str());
            self.error(Kind::Handshake, "handshake", what);
        } else if !handshake.partial && !handshake.incomplete {
            self.time(Kind::Handshake, "whole", handshake.duration());
            self.time(Kind::Handshake, "local_compute", handshake.phases.local_compute);
            self.time(Kind::Handshake, "peer_wait", handshake.phases.peer_wait);
            self.time(Kind::Handshake, "not_ready", handshake.phases.not_ready);
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        if let Some((word, _)) = exchange.broken() {
            self.error(Kind::Exchange, "exchange", word.to_owned());
            return;
        }
        match (exchange.status, exchange.server()) {
            (Some(status @ 400..), _) => self.error(Kind::Exchange, "exchange", status.to_string()),
            (_, Some(server)) if exchange.fault.is_none() => self.time(Kind::Exchange, "server", server),
            _ => {}
        }
        if let Some(peer) = exchange.peer {
            self.time(Kind::Exchange, "peer", peer);
        }
    }

    fn session(&mut self, session: &Session) {
        if session.status() != SessionStatus::Completed {
            self.error(Kind::Session, "session", session.reason.as_str().to_owned());
        } else if !session.incomplete {
            self.time(Kind::Session, "session", session.duration());
        }
    }

    fn script(&mut self, script: &Script) {
        for apdu in &script.apdus {
            match apdu.status_word.map(StatusWord) {
                Some(word) if word.category() == Category::Error => {
                    self.error(Kind::Apdu, apdu.name, word.folded().to_string());
                }
                Some(_) => {}
                None => self.error(Kind::Apdu, apdu.name, String::from("no_answer")),
            }
        }
        if let Some(answered) = script.answered
            && !script.apdus.is_empty()
        {
            self.time(Kind::Apdu, &name_of(&script.apdus), answered.since(script.sent));
        }
    }

    fn test(&mut self, test: &Test) {
        let name = format!("{}::{}", test.suite, test.name);
        match (test.outcome, test.duration) {
            (TestOutcome::Failed | TestOutcome::Error | TestOutcome::Rerun | TestOutcome::Xpassed, _) => {
                self.error(Kind::Test, &name, test.outcome.as_str().to_owned());
            }
            (TestOutcome::Passed | TestOutcome::Xfailed, Some(took)) => self.time(Kind::Test, &name, took),
            _ => {}
        }
    }

    fn device_apdu(&mut self, one: &DeviceApdu) {
        // The AT command that carried it has its errors.
        if let Some(error) = one.error.filter(|_| one.carrier.is_none()) {
            self.error(Kind::DeviceApdu, one.apdu.name, error.to_owned());
        }
        if one.error.is_some() || one.incomplete {
            return;
        }
        self.time(Kind::DeviceApdu, one.apdu.name, one.duration());
        if let Some(word) = one.apdu.status_word.map(StatusWord)
            && word.category() == Category::Error
        {
            self.error(Kind::DeviceApdu, one.apdu.name, word.folded().to_string());
        }
    }

    fn adb(&mut self, operation: &AdbOperation) {
        let took = (operation.timed && !operation.incomplete).then(|| operation.duration());
        self.adb_result(operation.operation, operation.result, took);
    }

    fn adb_result(&mut self, name: &str, result: AdbResult, took: Option<Duration>) {
        match result {
            AdbResult::Ok => {
                if let Some(took) = took {
                    self.time(Kind::Adb, name, took);
                }
            }
            AdbResult::Aborted | AdbResult::Unknown => {}
            AdbResult::Exit(code) => self.error(Kind::Adb, name, format!("exit code {code}")),
            AdbResult::Failed(_) | AdbResult::Hangup => self.error(Kind::Adb, name, result.as_str().to_owned()),
        }
    }

    fn connect_failed(&mut self, failed: &ConnectFailed) {
        let name = failed.database.map_or("other", DatabaseSystem::as_str);
        self.error(Kind::Connect, name, failed.reason.as_str().to_owned());
    }

    fn query(&mut self, query: &Query) {
        let name = query.name();
        match (&query.error, query.took) {
            (Some(error), _) => self.error(Kind::Query, &name, error.class.to_owned()),
            (None, Some(took)) => self.time(Kind::Query, &name, took),
            (None, None) => {}
        }
    }

    fn at(&mut self, command: &AtCommand) {
        if !matches!(command.result, AtResult::Ok | AtResult::Connect) {
            self.error(Kind::AtCommand, &command.name, command.result.to_string());
        } else if !command.incomplete {
            self.time(Kind::AtCommand, &command.name, command.duration());
        }
    }
}

/// `SELECT`, or of a script the names in order: there is one time for all of it.
fn name_of(apdus: &[Apdu]) -> String {
    let names = apdus.iter().take(MAX_COMMANDS).map(|apdu| apdu.name).collect::<Vec<_>>().join(" + ");
    match apdus.len().saturating_sub(MAX_COMMANDS) {
        0 => names,
        more => format!("{names} + {more} more"),
    }
}

impl Sink for Series {
    fn take(&mut self, observation: &Observation) {
        match observation {
            Observation::Handshake(handshake) if !handshake.counted_elsewhere => self.handshake(handshake),
            Observation::Exchange(exchange) if !exchange.counted_elsewhere => self.exchange(exchange),
            Observation::Session(session) if !session.counted_elsewhere => self.session(session),
            Observation::Script(script) if !script.counted_elsewhere => self.script(script),
            Observation::AtCommand(command) => self.at(command),
            Observation::DeviceApdu(one) if !one.counted_elsewhere => self.device_apdu(one),
            Observation::AdbOperation(operation) if !operation.counted_elsewhere => self.adb(operation),
            // What it asked the adb server was not seen.
            Observation::AdbCommand(run) if !run.counted_elsewhere => {
                self.adb_result(run.operation, run.result, Some(run.duration()));
            }
            Observation::ConnectFailed(failed) if !failed.other_answered => self.connect_failed(failed),
            Observation::Query(query) if !query.counted_elsewhere => self.query(query),
            Observation::Test(test) => self.test(test),
            _ => {}
        }
    }
}
