//! The administration session: asks with POSTs, answers command scripts.

use super::Shared;
use super::answers::answer;
use super::deviation::Deviation;
use super::options::Drop;
use crate::scp81::http::{Message, PROTOCOL, RESPONSE_TYPE, Reader};
use crate::scp81::script;
use crate::truth::{ScriptApdu, SessionRecord};
use crate::wire::Wire;
use openssl::ssl::{ShutdownState, SslStream};
use std::io::{Read as _, Write as _};
use std::time::Duration;

const FROM: &str = "//se-id/eid/89001012012341234012345678901224;//aa-id/aid/A000000559/1010FFFFFFFF8900000100";

/// Of what R-APDU and end of the template have at least, more than the end.
const CUT_BYTES: usize = 3;

/// What a connection is for.
pub(super) struct Errand {
    /// It is to be dropped in the middle of the session.
    pub(super) drops: bool,
    /// Where it goes on.
    pub(super) resume: Option<Pending>,
}

/// A POST that was not sent, or whose answer was not read.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// The connection that was dropped.
    pub(super) conn: u64,
    uri: String,
    responses: Vec<Vec<u8>>,
}

/// The session as it went, and what is left for another connection.
pub(super) fn talk(shared: &Shared, tls: &mut SslStream<Wire>, errand: &Errand) -> (SessionRecord, Option<Pending>) {
    let mut record = SessionRecord::default();
    if shared.options.handshake_only {
        say_goodbye(tls);
        "empty".clone_into(&mut record.end);
        return (record, None);
    }
    record.resumes = errand.resume.as_ref().map(|pending| pending.conn);
    let mut session = Session { shared, tls, record, reader: Reader::default(), pending: None };
    session.record.end = match session.exchange(errand) {
        Ok(end) => end.to_owned(),
        Err(error) => format!("{error:#}"),
    };
    session.record.bytes_read = session.reader.total;
    (session.record, session.pending)
}

/// Closes the session first, and reads until the server has closed too, so that no reset overtakes a byte.
fn say_goodbye(tls: &mut SslStream<Wire>) {
    let mut rest = [0; 512];
    if tls.shutdown().is_err() || tls.get_mut().release().is_err() {
        return;
    }
    // A server that does not close does not keep the card.
    if tls.get_mut().limit(Duration::from_secs(1)).is_ok() {
        while tls.read(&mut rest).is_ok_and(|size| size > 0) {}
    }
}

/// The server closes first: read its `close_notify` and its FIN.
fn say_farewell(tls: &mut SslStream<Wire>) {
    let mut rest = [0; 512];
    while tls.read(&mut rest).is_ok_and(|size| size > 0) {}
    // Otherwise OpenSSL takes the session for a broken one, and it cannot be resumed.
    tls.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
}

struct Session<'a> {
    shared: &'a Shared,
    tls: &'a mut SslStream<Wire>,
    record: SessionRecord,
    reader: Reader,
    pending: Option<Pending>,
}

impl Session<'_> {
    fn exchange(&mut self, errand: &Errand) -> anyhow::Result<&'static str> {
        let drop_at = self.shared.options.drop_at;
        let mut uri = "/lab".to_owned();
        let mut responses: Option<Vec<Vec<u8>>> = None;
        let mut scripts = 0;
        if let Some(pending) = &errand.resume {
            pending.uri.clone_into(&mut uri);
            responses = Some(pending.responses.clone());
            scripts = drop_at;
            self.record.resume = true;
            if errand.drops {
                self.record.deviate(Deviation::ResumeLoop.name());
            }
        }
        loop {
            let drops = errand.drops && scripts == drop_at;
            if drops && self.shared.options.drop == Drop::Before && errand.resume.is_none() {
                self.leave(uri, responses);
                return Ok("dropped before its response");
            }
            let first = self.record.bytes_written == 0;
            let bytes = self.post(&uri, responses.as_deref(), first).to_bytes(self.shared.options.framing);
            self.tls.write_all(&bytes)?;
            self.record.bytes_written += bytes.len() as u64;
            if drops {
                self.leave(uri, responses);
                return Ok("dropped after its response");
            }
            let Some(answer) = self.reader.next(self.tls)? else {
                return Ok("peer closed before the 204");
            };
            if responses.is_some() {
                self.record.exchanges += 1;
            }
            match answer.status() {
                Some(200) if !answer.body.is_empty() => {}
                Some(204) => {
                    say_farewell(self.tls);
                    return Ok("complete");
                }
                _ => anyhow::bail!("the server answered {}", answer.start),
            }
            responses = Some(self.run(&script::parse_command(&answer.body)?));
            scripts += 1;
            match answer.header("X-Admin-Next-URI") {
                Some(next) => next.clone_into(&mut uri),
                None if self.deviates(Deviation::PostWithoutNextUri) => {}
                None => {
                    say_goodbye(self.tls);
                    return Ok("complete");
                }
            }
        }
    }

    fn leave(&mut self, uri: String, responses: Option<Vec<Vec<u8>>>) {
        // The number of the connection is its owner's to know.
        self.pending = responses.map(|responses| Pending { conn: 0, uri, responses });
    }

    fn run(&mut self, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        commands
            .iter()
            .map(|command| {
                std::thread::sleep(self.shared.options.apdu_time);
                let response = answer(&self.shared.answers, command);
                self.record.apdus.push(ScriptApdu::of(command, &response));
                response
            })
            .collect()
    }

    /// Whether the card is told to, now that it matters.
    fn deviates(&mut self, how: Deviation) -> bool {
        let told = self.shared.options.deviations.contains(&how);
        if told {
            self.record.deviate(how.name());
        }
        told
    }

    fn post(&mut self, uri: &str, responses: Option<&[Vec<u8>]>, first: bool) -> Message {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![header("Host", &self.shared.options.connect.to_string())];
        if !self.deviates(Deviation::NoAdminProtocol) {
            headers.push(header("X-Admin-Protocol", PROTOCOL));
        }
        headers.push(header("X-Admin-From", FROM));
        if self.record.resume && first {
            headers.push(header("X-Admin-Resume", "true"));
        }
        if responses.is_some() {
            headers.push(header("Content-Type", RESPONSE_TYPE));
            headers.push(header("X-Admin-Script-Status", self.script_status()));
        }
        let body = responses.map(|responses| self.body(responses)).unwrap_or_default();
        Message { start: format!("POST {uri} HTTP/1.1"), headers, body }
    }

    fn script_status(&mut self) -> &'static str {
        if self.deviates(Deviation::WrongScriptStatus) {
            "failed"
        } else if self.deviates(Deviation::ContradictingScriptStatus) {
            "unknown-application"
        } else {
            "ok"
        }
    }

    fn body(&mut self, responses: &[Vec<u8>]) -> Vec<u8> {
        let idle = self.shared.options.deviations.iter().find(|how| matches!(how, Deviation::Idle(_))).copied();
        if let Some(Deviation::Idle(time)) = idle.filter(|how| self.deviates(*how)) {
            std::thread::sleep(time);
        }
        let mut responses = responses;
        if self.deviates(Deviation::FewerResponses) {
            responses = responses.split_last().map_or(responses, |(_, fewer)| fewer);
        }
        let mut body = script::response(responses);
        if self.deviates(Deviation::TruncatedResponse) {
            body.truncate(body.len().saturating_sub(CUT_BYTES));
        }
        body
    }
}
