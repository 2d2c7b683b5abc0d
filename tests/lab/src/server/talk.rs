//! The administration session: answers POSTs with command scripts, then with 204.

use super::Shared;
use crate::scp81::http::{COMMAND_TYPE, Message, PROTOCOL, Reader};
use crate::scp81::script;
use crate::truth::{ScriptApdu, SessionRecord};
use crate::wire::Wire;
use openssl::ssl::SslStream;
use std::io::Write;

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
        if asked {
            take_responses(shared, &request, session)?;
        }
        let answer = if left > 0 { command(shared, left) } else { goodbye() };
        let bytes = answer.to_bytes(shared.options.framing);
        tls.write_all(&bytes)?;
        session.bytes_written += bytes.len() as u64;
        if left == 0 {
            return Ok("complete");
        }
        left -= 1;
        asked = true;
    }
    Ok(if asked { "peer closed before the 204" } else { "empty" })
}

fn command(shared: &Shared, left: u32) -> Message {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Message {
        start: "HTTP/1.1 200 OK".to_owned(),
        headers: vec![
            header("X-Admin-Protocol", PROTOCOL),
            header("X-Admin-Next-URI", &format!("/lab/scripts/{left}")),
            header("Content-Type", COMMAND_TYPE),
            header("X-Admin-Targeted-Application", "//aid/A000000151/000000"),
        ],
        body: script::command(&shared.script),
    }
}

fn goodbye() -> Message {
    Message {
        start: "HTTP/1.1 204 No Content".to_owned(),
        headers: vec![("X-Admin-Protocol".to_owned(), PROTOCOL.to_owned())],
        body: Vec::new(),
    }
}

fn take_responses(shared: &Shared, request: &Message, session: &mut SessionRecord) -> anyhow::Result<()> {
    let responses = script::parse_response(&request.body)?;
    session.exchanges += 1;
    session
        .apdus
        .extend(shared.script.iter().zip(&responses).map(|(command, response)| ScriptApdu::of(command, response)));
    Ok(())
}
