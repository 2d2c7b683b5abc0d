//! The administration session: answers POSTs with command scripts, then with 204.

use super::Shared;
use super::options::Deviation;
use crate::scp81::http::{COMMAND_TYPE, Message, PROTOCOL, Reader};
use crate::scp81::script;
use crate::truth::{ScriptApdu, SessionRecord};
use crate::wire::Wire;
use openssl::ssl::SslStream;
use std::io::Write;

/// A Next-URI ends in the number of scripts that were left, so that a card may resume on another connection.
const SCRIPTS: &str = "/lab/scripts/";

pub(super) fn talk(shared: &Shared, tls: &mut SslStream<Wire>) -> SessionRecord {
    let mut session = SessionRecord::default();
    let mut reader = Reader::default();
    session.end = match exchange(shared, tls, &mut reader, &mut session) {
        Ok(end) => end.to_owned(),
        Err(error) => format!("{error:#}"),
    };
    session.bytes_read = reader.total;
    // It closes next; a peer that is gone already does not need to hear it.
    let _ = tls.shutdown();
    session
}

fn exchange(
    shared: &Shared,
    tls: &mut SslStream<Wire>,
    reader: &mut Reader,
    session: &mut SessionRecord,
) -> anyhow::Result<&'static str> {
    let mut left = shared.options.exchanges;
    let mut asked = false;
    while let Some(request) = reader.next(tls)? {
        if let Some(before) = resumed(&request).filter(|_| !asked) {
            session.resume = true;
            left = before.saturating_sub(1);
            asked = true;
        }
        if asked {
            take_responses(shared, &request, session)?;
        }
        let answer = if left > 0 { command(shared, left, session) } else { goodbye(shared, session) };
        let bytes = answer.to_bytes(shared.options.framing);
        tls.write_all(&bytes)?;
        session.bytes_written += bytes.len() as u64;
        if left == 0 {
            return Ok("complete");
        }
        if left == 1 && shared.options.deviations.contains(&Deviation::BodyWithoutNextUri) {
            // The card closes.
            let replied = reader.next(tls)?.is_some();
            return Ok(if replied { "a reply that was not asked for" } else { "complete" });
        }
        left -= 1;
        asked = true;
    }
    Ok(if asked { "peer closed before the 204" } else { "empty" })
}

/// The scripts that were left when the request's URI was handed out, when the card resumes.
fn resumed(request: &Message) -> Option<u32> {
    request.header("X-Admin-Resume").filter(|value| value.eq_ignore_ascii_case("true"))?;
    request.uri()?.strip_prefix(SCRIPTS)?.parse().ok()
}

fn command(shared: &Shared, left: u32, session: &mut SessionRecord) -> Message {
    let mut deviates = deviates(shared, session);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![header("X-Admin-Protocol", PROTOCOL)];
    let silent = deviates(Deviation::MissingNextUri) || (left == 1 && deviates(Deviation::BodyWithoutNextUri));
    if !silent {
        headers.push(header("X-Admin-Next-URI", &format!("{SCRIPTS}{left}")));
    }
    if deviates(Deviation::WrongContentType) {
        headers.push(header("Content-Type", "text/plain"));
    } else if !deviates(Deviation::NoContentType) {
        headers.push(header("Content-Type", COMMAND_TYPE));
    }
    headers.push(header("X-Admin-Targeted-Application", "//aid/A000000151/000000"));
    Message { start: "HTTP/1.1 200 OK".to_owned(), headers, body: script::command(&shared.script) }
}

fn goodbye(shared: &Shared, session: &mut SessionRecord) -> Message {
    let body = if deviates(shared, session)(Deviation::BodyIn204) { b"nothing more".to_vec() } else { Vec::new() };
    Message {
        start: "HTTP/1.1 204 No Content".to_owned(),
        headers: vec![("X-Admin-Protocol".to_owned(), PROTOCOL.to_owned())],
        body,
    }
}

/// Whether the server is told to, now that it matters.
fn deviates(shared: &Shared, session: &mut SessionRecord) -> impl FnMut(Deviation) -> bool {
    |how| {
        let told = shared.options.deviations.contains(&how);
        if told {
            session.deviate(how.name());
        }
        told
    }
}

/// Never inlined: a test measures its calls from outside.
#[inline(never)]
fn take_responses(shared: &Shared, request: &Message, session: &mut SessionRecord) -> anyhow::Result<()> {
    let responses = script::parse_response(&request.body)?;
    session.exchanges += 1;
    session
        .apdus
        .extend(shared.script.iter().zip(&responses).map(|(command, response)| ScriptApdu::of(command, response)));
    Ok(())
}
