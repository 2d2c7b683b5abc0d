//! The lines of a truth file; the README describes each field.

use crate::psk::to_hex;
use serde::{Deserialize, Serialize};

/// What a connection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The client sent at least one byte of a `ClientHello`.
    Handshake,
    /// It ended without one byte from the client.
    NoClientHello,
    /// The client's first bytes are not TLS.
    NotTls,
}

/// One connection, as one of its two programs lived it. `program` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// `server` or `card`.
    pub program: String,
    /// Numbered from 1 within a program, in the order of accept or connect.
    pub conn: u64,
    pub pid: i32,
    pub tid: i32,
    pub local: String,
    pub peer: String,
    /// What the program was told to do wrong on this connection; `none` when nothing.
    pub fault: String,
    /// Server: accept returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_ns: Option<u64>,
    /// Card: connect was called, and returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connecting_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_ns: Option<u64>,
    /// The first read with at least one byte returned.
    pub first_read_ns: Option<u64>,
    /// The first write returned.
    pub first_write_ns: Option<u64>,
    pub outcome: Outcome,
    pub handshake: Option<HandshakeRecord>,
    pub session: SessionRecord,
    /// Time inside reads and polls of the socket, over the whole connection.
    pub wait_ns: u64,
    pub reads: u64,
    pub writes: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// How the peer's side ended as this end saw it: `eof`, `reset`, or nothing seen.
    pub peer_end: Option<String>,
    /// Just before the descriptor was closed, and just after.
    pub closing_ns: u64,
    pub closed_ns: u64,
    /// Every read and write, when `--truth-calls` asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeRecord {
    /// Return of the read (server) or write (card) with the first byte of the `ClientHello`.
    pub start_ns: u64,
    /// Return of the read or write with the last byte of the last Finished; after a failure, of the last call before it.
    pub end_ns: u64,
    /// `ok`, or the first thing that went wrong, in the words of `failure_reason`.
    pub result: String,
    /// IANA name.
    pub suite: Option<String>,
    /// `TLSv1.2`, as OpenSSL names it.
    pub version: Option<String>,
    pub identity: Option<String>,
    pub resumed: bool,
    pub alert_sent: Option<u8>,
    pub alert_received: Option<u8>,
    /// What OpenSSL or the system said.
    pub error: Option<String>,
    /// Time that this end spent on purpose before it answered: `--compute`, `--think`.
    pub compute_ns: u64,
    /// Time that this end spent on purpose before it looked for the peer's next bytes: `--not-ready`.
    pub not_ready_ns: u64,
    /// Time inside reads and polls after `start_ns`.
    pub wait_ns: u64,
}

/// The exchange after the handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Command scripts that were answered.
    pub exchanges: u32,
    /// The APDUs of all scripts, in order.
    pub apdus: Vec<ScriptApdu>,
    /// Plaintext bytes.
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// `complete` (the 204 went over, or a last script that wants no reply), `empty` (nothing was asked), or what broke it.
    pub end: String,
    /// The first POST said `X-Admin-Resume: true`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resume: bool,
    /// Card: the connection that was dropped, and that this one goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<u64>,
    /// What this end did otherwise than Amendment B says, as it was told to; in the order of the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<String>,
}

impl SessionRecord {
    /// This end deviates so, now.
    pub fn deviate(&mut self, name: String) {
        if !self.deviations.contains(&name) {
            self.deviations.push(name);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptApdu {
    /// The first bytes (CLA INS P1 P2) and the length of the C-APDU.
    pub header: String,
    pub command_bytes: usize,
    pub status_word: String,
    pub response_bytes: usize,
}

impl ScriptApdu {
    pub fn of(command: &[u8], response: &[u8]) -> Self {
        let status_word = response.len().checked_sub(2).and_then(|at| response.get(at..)).unwrap_or_default();
        Self {
            header: to_hex(command.get(..4).unwrap_or(command)),
            command_bytes: command.len(),
            status_word: to_hex(status_word),
            response_bytes: response.len(),
        }
    }
}

/// One system call on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `r` or `w`.
    pub way: char,
    pub enter_ns: u64,
    pub exit_ns: u64,
    /// Bytes moved, or the negated errno.
    pub result: i64,
}

/// One AT command line, as the modem lived it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModemRecord {
    /// `modem`.
    pub program: String,
    /// `command`, or `urc`.
    pub kind: String,
    pub number: u64,
    /// The line without its end; for a URC, its text.
    pub line: String,
    /// The answer was told to go wrong so; `none` when nothing.
    pub fault: String,
    /// Return of the read with the last byte of the line.
    pub received_ns: u64,
    /// Return of the first write of the answer that is not the echo.
    pub first_byte_written_ns: Option<u64>,
    /// Return of the write with the last byte of the final result code.
    pub final_written_ns: Option<u64>,
    /// `OK`, `ERROR`, `+CME ERROR: 10`, …, as it was written; `none` when there was no final result.
    pub result: String,
    /// Bytes of the answer, without the echo.
    pub bytes: u64,
    /// The `> ` prompt was written, and the data that answered it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_written_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_received_ns: Option<u64>,
    /// What stood after the prompt, and the lines of information that were written; with `--tell-data` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<String>,
}

/// What a card in a virtual reader did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderRecord {
    /// `reader-card`.
    pub program: String,
    /// `apdu`, or `reset`.
    pub kind: String,
    pub number: u64,
    /// CLA INS P1 P2.
    pub header: String,
    pub command_bytes: usize,
    pub status_word: String,
    pub response_bytes: usize,
    /// The command had been read.
    pub received_ns: u64,
    /// The write of the answer had returned.
    pub answered_ns: u64,
}

/// A service of the phone, or a request within `sync:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneRecord {
    /// `phone`.
    pub program: String,
    /// `service`, or `sync`.
    pub kind: String,
    /// The service as it was asked for: `shell,v2,raw:exit 3`; the request's four letters.
    pub name: String,
    /// The request was there.
    pub opened_ns: u64,
    /// The last of the answer was taken.
    pub ended_ns: u64,
    /// The exit code, where it was told.
    pub exit: Option<i32>,
    /// `ok`, `refused`, or what went wrong.
    pub result: String,
}
