//! The administration session: asks with POSTs, answers command scripts.

use super::Shared;
use super::answers::answer;
use crate::scp81::http::{Message, PROTOCOL, RESPONSE_TYPE, Reader};
use crate::scp81::script;
use crate::truth::{ScriptApdu, SessionRecord};
use crate::wire::Wire;
use openssl::ssl::{ShutdownState, SslStream};
use std::io::{Read as _, Write as _};
use std::time::Duration;

const FROM: &str = "//se-id/eid/89001012012341234012345678901224;//aa-id/aid/A000000559/1010FFFFFFFF8900000100";

pub(super) fn talk(shared: &Shared, tls: &mut SslStream<Wire>) -> SessionRecord {
    let mut session = SessionRecord::default();
    let mut reader = Reader::default();
    session.end = if shared.options.handshake_only {
        say_goodbye(tls);
        "empty".to_owned()
    } else {
        match exchange(shared, tls, &mut reader, &mut session) {
            Ok(end) => end.to_owned(),
            Err(error) => format!("{error:#}"),
        }
    };
    session.bytes_read = reader.total;
    session
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

fn exchange(
    shared: &Shared,
    tls: &mut SslStream<Wire>,
    reader: &mut Reader,
    session: &mut SessionRecord,
) -> anyhow::Result<&'static str> {
    let mut uri = "/lab".to_owned();
    let mut responses: Option<Vec<Vec<u8>>> = None;
    loop {
        let request = post(shared, &uri, responses.as_deref());
        let bytes = request.to_bytes(shared.options.framing);
        tls.write_all(&bytes)?;
        session.bytes_written += bytes.len() as u64;
        let Some(answer) = reader.next(tls)? else {
            return Ok("peer closed before the 204");
        };
        if responses.is_some() {
            session.exchanges += 1;
        }
        match answer.status() {
            Some(200) if !answer.body.is_empty() => {}
            Some(204) => {
                say_farewell(tls);
                return Ok("complete");
            }
            _ => anyhow::bail!("the server answered {}", answer.start),
        }
        let run = run_script(shared, &script::parse_command(&answer.body)?, session);
        let Some(next) = answer.header("X-Admin-Next-URI") else {
            return Ok("complete");
        };
        next.clone_into(&mut uri);
        responses = Some(run);
    }
}

/// The server closes first: read its `close_notify` and its FIN.
fn say_farewell(tls: &mut SslStream<Wire>) {
    let mut rest = [0; 512];
    while tls.read(&mut rest).is_ok_and(|size| size > 0) {}
    // Otherwise OpenSSL takes the session for a broken one, and it cannot be resumed.
    tls.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
}

fn run_script(shared: &Shared, commands: &[Vec<u8>], session: &mut SessionRecord) -> Vec<Vec<u8>> {
    commands
        .iter()
        .map(|command| {
            std::thread::sleep(shared.options.apdu_time);
            let response = answer(&shared.answers, command);
            session.apdus.push(ScriptApdu::of(command, &response));
            response
        })
        .collect()
}

fn post(shared: &Shared, uri: &str, responses: Option<&[Vec<u8>]>) -> Message {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        header("Host", &shared.options.connect.to_string()),
        header("X-Admin-Protocol", PROTOCOL),
        header("X-Admin-From", FROM),
    ];
    if responses.is_some() {
        headers.push(header("Content-Type", RESPONSE_TYPE));
        headers.push(header("X-Admin-Script-Status", "ok"));
    }
    Message {
        start: format!("POST {uri} HTTP/1.1"),
        headers,
        body: responses.map(script::response).unwrap_or_default(),
    }
}
