//! Masks a connection for a recording: keeps what the decoder reads, and of that no literals.

use super::{
    answer::MOST_COLUMNS,
    attributes::{Attributes, Part},
    frame::{Frames, Piece},
    lane::Kind,
    wire::command,
};
use crate::protocol::sql::{Dialect, Masker, Sender};

/// Masks both directions of one connection.
#[derive(Debug)]
pub struct MysqlRedactor {
    frames: Frames,
    client: Lane,
    server: Lane,
}

/// Where the masking of a packet stands.
#[derive(Debug)]
struct Lane {
    masker: Masker,
    attributes: Attributes,
    /// Position after the version in a greeting.
    after: Option<u64>,
    /// Numbers of variable length that have ended, and bytes of the one under way that are to come.
    numbers: u8,
    left: u8,
    /// An error has SQLSTATE.
    state: bool,
    /// Position in the packet; bytes before are missing when it is not the next.
    at: u64,
    broken: bool,
}

impl Lane {
    const fn new(attributes: bool) -> Self {
        Self {
            masker: Masker::new(Dialect::Mysql),
            attributes: Attributes::new(attributes),
            after: None,
            numbers: 0,
            left: 0,
            state: false,
            at: 0,
            broken: false,
        }
    }
}

impl MysqlRedactor {
    pub fn new(from_start: bool) -> Self {
        Self { frames: Frames::new(from_start), client: Lane::new(false), server: Lane::new(false) }
    }

    /// What the server says is not understood until the client asks something.
    pub fn lose_server(&mut self) {
        self.frames.lose_server();
    }

    pub fn mask(&mut self, sender: Sender, bytes: &mut [u8]) {
        let lane = match sender {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        let whole = bytes.to_vec();
        self.frames.split(sender, &whole, &mut |frames, range, piece| {
            let Some(part) = bytes.get_mut(range) else { return };
            match piece {
                Piece::Head => {}
                Piece::Unknown => part.fill(0),
                Piece::Body { kind, at, .. } => {
                    if at == 0 {
                        *lane = Lane::new(kind == Kind::Command(command::QUERY) && frames.has_attributes());
                    }
                    lane.broken |= at != lane.at;
                    lane.at = at + part.len() as u64;
                    for (byte, position) in part.iter_mut().zip(at..) {
                        *byte = if lane.broken { 0 } else { lane.byte(sender, kind, position, *byte) };
                    }
                }
            }
        });
    }

    /// So many bytes are not here.
    pub fn hole(&mut self, sender: Sender, len: u64) {
        self.frames.hole(sender, len, &mut |_, _, _| {});
    }
}

impl Lane {
    fn byte(&mut self, sender: Sender, kind: Kind, at: u64, byte: u8) -> u8 {
        let keep = |kept: bool| if kept { byte } else { 0 };
        match kind {
            Kind::Greeting => self.greeting(at, byte),
            Kind::Login => keep(at < 32),
            // The first byte says whether the server asks on.
            Kind::Authentication => keep(sender == Sender::Server && at == 0),
            Kind::Command(_) if at == 0 => byte,
            Kind::Command(command::QUERY | command::PREPARE) => match self.attributes.byte(byte) {
                Part::Text => self.masker.byte(byte),
                Part::Shape => byte,
                Part::Content | Part::Unknown => 0,
            },
            Kind::Command(command) => keep(at < read(command)),
            Kind::Ok | Kind::End => self.ending(at, byte),
            Kind::Eof | Kind::Between => keep(at < 5),
            Kind::Error => {
                self.state |= at == 3 && byte == b'#';
                keep(at < 3 || (self.state && at < 9))
            }
            Kind::Columns => keep(at < u64::from(MOST_COLUMNS)),
            Kind::Prepared => keep(at < 13),
            // `def`, which a connection under way is recognised by.
            Kind::Definition => keep(at < 4),
            Kind::LocalRequest | Kind::Other => keep(at == 0),
            Kind::Row | Kind::LocalData | Kind::Text => 0,
        }
    }

    /// All but what the password is mixed with.
    const fn greeting(&mut self, at: u64, byte: u8) -> u8 {
        let Some(after) = self.after else {
            if at > 0 && byte == 0 {
                self.after = Some(0);
            }
            return byte;
        };
        self.after = Some(after + 1);
        match after {
            12..31 => byte,
            _ => 0,
        }
    }

    /// How many rows were changed, and the status; not the number that a row was given.
    const fn ending(&mut self, at: u64, byte: u8) -> u8 {
        if at == 0 {
            return byte;
        }
        let id = self.numbers == 1;
        if self.left > 0 {
            self.left -= 1;
            if self.left == 0 {
                self.numbers += 1;
            }
            return if id { 0 } else { byte };
        }
        if self.numbers < 2 {
            self.left = match byte {
                0xfc => 2,
                0xfd => 3,
                0xfe => 8,
                _ => 0,
            };
            if self.left == 0 {
                self.numbers += 1;
                // What is no number stays none.
                return if id && byte < 0xfb { 0 } else { byte };
            }
            return byte;
        }
        // Status and warnings.
        self.numbers = self.numbers.saturating_add(1);
        if self.numbers <= 6 { byte } else { 0 }
    }
}

/// Bytes of a command that are read.
const fn read(command: u8) -> u64 {
    match command {
        // Statement, flags, how often.
        command::EXECUTE => 10,
        // Statement, flags; statement, parameter.
        command::BULK_EXECUTE | command::LONG_DATA => 7,
        // Statement, rows.
        command::FETCH => 9,
        command::CLOSE | command::RESET => 5,
        command::SET_OPTION => 3,
        _ => 1,
    }
}

pub(super) fn fuzz(data: &[u8]) {
    let mut script = crate::stream::Script::new(data);
    let control = script.byte();
    let from_start = control & 1 == 0;
    let (mut frames, mut masked) = (Frames::new(from_start), Frames::new(from_start));
    let mut redactor = MysqlRedactor::new(from_start);
    if control & 2 != 0 {
        frames.lose_server();
        masked.lose_server();
        redactor.lose_server();
    }
    while !script.is_empty() {
        let control = script.byte();
        let sender = if control & 1 == 0 { Sender::Client } else { Sender::Server };
        let len = usize::from(script.byte());
        if control & 0x1e == 0x1e {
            let len = len as u64 * if control & 0x20 == 0 { 1 } else { 70_000 };
            let known = frames.hole(sender, len, &mut |_, _, _| {});
            assert_eq!(masked.hole(sender, len, &mut |_, _, _| {}), known);
            redactor.hole(sender, len);
            continue;
        }
        let bytes = script.take(len);
        let mut pieces = Vec::new();
        let mut next = 0;
        frames.split(sender, bytes, &mut |_, range, piece| {
            assert!(range.start == next && range.end >= range.start && range.end <= bytes.len());
            next = range.end;
            pieces.push((range, piece));
        });
        assert_eq!(next, bytes.len());
        let mut hidden = bytes.to_vec();
        redactor.mask(sender, &mut hidden);
        let mut again = Vec::new();
        masked.split(sender, &hidden, &mut |_, range, piece| again.push((range, piece)));
        assert_eq!(pieces, again, "a masked stream is taken apart as the original");
    }
}
