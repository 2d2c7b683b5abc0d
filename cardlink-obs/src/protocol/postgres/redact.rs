//! Masks a connection for a recording: keeps what the decoder reads, and of that no literals.

use super::Sender;
use super::frame::{Frames, Piece, answer, client};
use crate::protocol::sql::{Dialect, Masker};

/// Masks both directions of one connection.
#[derive(Debug)]
pub struct PostgresRedactor {
    frames: Frames,
    client: Lane,
    server: Lane,
}

/// Where the masking of a message stands.
#[derive(Debug)]
struct Lane {
    masker: Masker,
    /// Strings of the message that have ended.
    strings: u32,
    /// The next byte says what field of an error begins.
    field: Option<u8>,
    /// Position in the message; bytes before are missing when it is not the next.
    at: u32,
    broken: bool,
}

impl Lane {
    const fn new() -> Self {
        Self { masker: Masker::new(Dialect::Postgres), strings: 0, field: None, at: 0, broken: false }
    }
}

impl PostgresRedactor {
    pub const fn new(from_start: bool) -> Self {
        Self { frames: Frames::new(from_start), client: Lane::new(), server: Lane::new() }
    }

    pub fn mask(&mut self, sender: Sender, bytes: &mut [u8]) {
        let lane = match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        let whole = bytes.to_vec();
        self.frames.split(sender, &whole, &mut |range, piece| {
            let Some(part) = bytes.get_mut(range) else { return };
            match piece {
                Piece::Head(_) | Piece::Answer(_) => {}
                Piece::Unknown => part.fill(0),
                Piece::Body { head, at, .. } => {
                    if at == 0 {
                        *lane = Lane::new();
                    }
                    lane.broken |= at != lane.at;
                    lane.at = at.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
                    for (byte, position) in part.iter_mut().zip(at..) {
                        *byte = if lane.broken { 0 } else { lane.byte(sender, head.kind, position, *byte) };
                    }
                }
            }
        });
    }

    /// So many bytes are not here.
    pub fn hole(&mut self, sender: Sender, len: u64) {
        self.frames.hole(sender, len);
    }
}

impl Lane {
    fn byte(&mut self, sender: Sender, kind: u8, at: u32, byte: u8) -> u8 {
        let string = self.strings;
        if byte == 0 {
            self.strings = self.strings.saturating_add(1);
        }
        match (sender, kind) {
            (Sender::Client, client::QUERY) if string == 0 && byte != 0 => self.masker.byte(byte),
            (Sender::Client, client::PARSE) if string == 1 && byte != 0 => self.masker.byte(byte),
            (Sender::Server, answer::ERROR | answer::NOTICE) => match self.field {
                _ if byte == 0 => {
                    self.field = None;
                    0
                }
                None => {
                    self.field = Some(byte);
                    byte
                }
                // Severity and SQLSTATE.
                Some(b'S' | b'V' | b'C') => byte,
                Some(_) => b'x',
            },
            _ if is_kept(sender, kind, at, string, byte) => byte,
            _ => 0,
        }
    }
}

/// What is no text and no error and stays as it is: names of statements and portals, and the server's words.
const fn is_kept(sender: Sender, kind: u8, at: u32, string: u32, byte: u8) -> bool {
    match (sender, kind) {
        (Sender::Client, client::PARSE | client::EXECUTE | client::DESCRIBE | client::CLOSE) => string == 0,
        (Sender::Client, client::BIND) => string < 2,
        (Sender::Server, answer::READY) => true,
        (Sender::Server, answer::AUTHENTICATION) => at < 4,
        (Sender::Server, answer::COMPLETE) => matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '),
        _ => false,
    }
}

pub(super) fn fuzz(data: &[u8]) {
    let mut script = crate::stream::Script::new(data);
    let from_start = script.byte() & 1 == 0;
    let (mut frames, mut masked) = (Frames::new(from_start), Frames::new(from_start));
    let mut redactor = PostgresRedactor::new(from_start);
    while !script.is_empty() {
        let control = script.byte();
        let sender = if control & 1 == 0 { Sender::Client } else { Sender::Server };
        let len = usize::from(script.byte());
        if control & 0x1e == 0x1e {
            let len = len as u64 * if control & 0x20 == 0 { 1 } else { 1000 };
            let known = frames.hole(sender, len);
            assert_eq!(masked.hole(sender, len), known);
            redactor.hole(sender, len);
            continue;
        }
        let bytes = script.take(len);
        let mut pieces = Vec::new();
        let mut next = 0;
        frames.split(sender, bytes, &mut |range, piece| {
            assert!(range.start == next && range.end >= range.start && range.end <= bytes.len());
            next = range.end;
            pieces.push((range, piece));
        });
        assert_eq!(next, bytes.len());
        let mut hidden = bytes.to_vec();
        redactor.mask(sender, &mut hidden);
        let mut again = Vec::new();
        masked.split(sender, &hidden, &mut |range, piece| again.push((range, piece)));
        assert_eq!(pieces, again, "a masked stream is taken apart as the original");
    }
}
