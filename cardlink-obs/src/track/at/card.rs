//! APDUs that AT commands carry, with their answers and their time.
//!
//! An APDU begins when the command line was written, or when the one before it on the same line was answered, and ends when
//! the line with its answer was read. A modem stops at the first command of a line that fails: those after it were not done.

use super::pending::{Answer, Pending};
use crate::observation::{Apdu, AtResult, CardSession, Carrier, Cause, DeviceApdu, Observation, Stamp, Tty};
use crate::protocol::apdu::{CommandApdu, ResponseApdu};
use crate::protocol::at::{Carried, Returned};
use crate::track::chain::Chains;
use std::sync::Arc;

/// Sessions of a modem that are kept in mind: a UICC has 20 logical channels (TS 102 221 §8.7).
const SESSIONS_LIMIT: usize = 20;

/// The card behind one tty.
#[derive(Debug, Default)]
pub(super) struct Card {
    /// The chains of `AT+CSIM`.
    basic: Chains,
    sessions: Vec<Session>,
    /// When the last command was answered.
    answered: Option<Stamp>,
}

#[derive(Debug)]
struct Session {
    id: u32,
    application: Option<Arc<str>>,
    chains: Chains,
}

impl Card {
    /// A command was answered, or given up: tells the APDUs that it carried.
    pub(super) fn answered(
        &mut self,
        tty: &Arc<Tty>,
        pending: &Pending,
        (result, end): (&AtResult, Stamp),
        answer: &Answer,
        out: &mut Vec<Observation>,
    ) {
        let before = self.answered.replace(end);
        let mut returned = pending.partial.returned.iter().chain(&answer.returned);
        let mut start = pending.start;
        for carried in &pending.line.carried {
            let (session, command) = match carried {
                Carried::Apdu { session, command } => (*session, *command),
                Carried::Restricted(command) => (None, *command),
                Carried::Open { application } => {
                    let number = returned.find_map(|(returned, _)| match returned {
                        Returned::Number(number) => Some(*number),
                        Returned::Apdu(_) => None,
                    });
                    self.opened(number.filter(|_| *result == AtResult::Ok), application);
                    continue;
                }
                Carried::Close { session } => {
                    self.sessions.retain(|open| open.id != *session || *result != AtResult::Ok);
                    continue;
                }
                Carried::Stored { .. } => continue,
            };
            let found = returned.find_map(|(returned, at)| match returned {
                Returned::Apdu(response) => Some((*response, *at)),
                Returned::Number(_) => None,
            });
            let (response, at) = found.unwrap_or((None, end));
            let program = before.filter(|_| start == pending.start).map(|before| start.since(before));
            let error = response.is_none().then(|| if found.is_some() { "undecodable" } else { why(result) });
            let continues = match (carried, session) {
                (Carried::Restricted(_), _) => None,
                (_, None) => self.basic.push(&command, response.map(|response| response.sw)),
                (_, Some(id)) => self.session(id).chains.push(&command, response.map(|response| response.sw)),
            };
            out.push(Observation::DeviceApdu(Box::new(DeviceApdu {
                device: Arc::clone(&tty.device),
                process: Arc::clone(&tty.process),
                connection: None,
                carrier: Some(Box::new(Carrier {
                    tty: Arc::clone(tty),
                    command: pending.name().to_owned(),
                    start: pending.start,
                    session: session.map(|id| CardSession { id, application: self.session(id).application.clone() }),
                })),
                apdu: told(command, response),
                continues,
                start,
                end: at.max(start),
                program,
                extensions: 0,
                error,
                incomplete: pending.incomplete,
                counted_elsewhere: false,
                cause: Cause::default(),
            })));
            start = at.max(start);
            if found.is_none() {
                return;
            }
        }
    }

    fn opened(&mut self, id: Option<u32>, application: &str) {
        let Some(id) = id else { return };
        self.sessions.retain(|open| open.id != id);
        self.session(id).application = Some(Arc::from(application));
    }

    /// A session by its id, which is the modem's own (TS 27.007 §8.45); the oldest gives way.
    fn session(&mut self, id: u32) -> &mut Session {
        let at = self.sessions.iter().position(|open| open.id == id).unwrap_or_else(|| {
            if self.sessions.len() >= SESSIONS_LIMIT {
                self.sessions.remove(0);
            }
            self.sessions.push(Session { id, application: None, chains: Chains::default() });
            self.sessions.len() - 1
        });
        &mut self.sessions[at]
    }
}

/// Why there is no R-APDU.
const fn why(result: &AtResult) -> &'static str {
    match result {
        AtResult::Ok => "unanswered",
        AtResult::Cme(_) | AtResult::CmeText => "cme_error",
        AtResult::Cms(_) | AtResult::CmsText => "cms_error",
        AtResult::Timeout => "timeout",
        AtResult::Hangup => "hangup",
        AtResult::Aborted => "aborted",
        _ => "error",
    }
}

fn told(command: CommandApdu, response: Option<ResponseApdu>) -> Apdu {
    let CommandApdu { cla, ins, p1, p2, .. } = command;
    Apdu {
        name: command.name().as_str(),
        detail: command.detail(),
        header: [cla, ins, p1, p2],
        channel: command.channel(),
        command_bytes: command.len,
        status_word: response.map(|response| response.sw.0),
        response_bytes: response.map_or(0, |response| response.len()),
        commands: 1,
    }
}
