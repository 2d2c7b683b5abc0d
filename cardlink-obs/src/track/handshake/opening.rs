//! Is it TLS? The first bytes of a connection tell.

use crate::stream::Direction;

/// Bytes of each direction that are looked at.
const HEAD: usize = 16;

/// What the first bytes say so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::track) enum Decision {
    /// More bytes are needed. `hello`: what there is can be the start of a `ClientHello`.
    Undecided {
        hello: bool,
    },
    /// A `ClientHello` begins, in this direction.
    ClientHello(Direction),
    /// TLS records, but not from the beginning.
    UnderWay,
    NotTls,
}

/// Keeps the first bytes of both directions until they tell.
///
/// A connection that was seen from its opening is TLS if and only if the client's first bytes are a handshake record with
/// a `ClientHello` in it (RFC 8446 §4.1.2); as long as nothing contradicts that, it is believed. A server that speaks first and
/// not in TLS records settles it, too. On a connection that was open before (or whose beginning was lost) any
/// TLS record will do, and bytes that are none prove nothing: they may be the middle of a record.
#[derive(Debug, Clone)]
pub(in crate::track) struct Opening {
    client: Option<Direction>,
    mid_stream: bool,
    read: Vec<u8>,
    write: Vec<u8>,
}

impl Opening {
    pub(in crate::track) const fn new(client: Option<Direction>, mid_stream: bool) -> Self {
        Self { client, mid_stream, read: Vec::new(), write: Vec::new() }
    }

    /// The direction of the client's bytes, when it is known.
    pub(in crate::track) const fn client(&self) -> Option<Direction> {
        self.client
    }

    pub(in crate::track) const fn is_mid_stream(&self) -> bool {
        self.mid_stream
    }

    /// The beginning of the connection was lost.
    pub(in crate::track) const fn lost_start(&mut self) {
        self.mid_stream = true;
    }

    pub(in crate::track) fn feed(&mut self, direction: Direction, bytes: &[u8]) -> Decision {
        let mid_stream = self.mid_stream;
        let client = self.client.unwrap_or(direction);
        if !mid_stream {
            self.client = Some(client);
        }
        let head = match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        };
        head.extend(bytes.iter().take(HEAD.saturating_sub(head.len())));
        match (look(head), mid_stream) {
            // Also against the direction of the connect: there are protocols that turn the roles around.
            (Look::ClientHello, _) => Decision::ClientHello(direction),
            (Look::Record, true) => Decision::UnderWay,
            (Look::Record, false) if direction == client => Decision::NotTls,
            (Look::More { handshake }, false) if direction == client => Decision::Undecided { hello: handshake },
            (Look::Foreign, false) => Decision::NotTls,
            _ => Decision::Undecided { hello: false },
        }
    }

    /// The client sent something.
    pub(in crate::track) fn client_spoke(&self) -> bool {
        match self.client {
            Some(Direction::Read) => !self.read.is_empty(),
            Some(Direction::Write) => !self.write.is_empty(),
            None => false,
        }
    }

    /// What it is instead of TLS, in a word.
    pub(in crate::track) fn spoke(&self) -> &'static str {
        [&self.read, &self.write].into_iter().find_map(|head| protocol(head)).unwrap_or(UNKNOWN)
    }
}

pub(in crate::track) const UNKNOWN: &str = "unknown";

enum Look {
    More { handshake: bool },
    ClientHello,
    Record,
    Foreign,
}

/// Content type, major version 3, minor version up to 4, two bytes of length, type of the first message.
fn look(head: &[u8]) -> Look {
    let mut bytes = head.iter().copied();
    let Some(content) = bytes.next() else { return Look::More { handshake: false } };
    if !(20..=24).contains(&content) {
        return Look::Foreign;
    }
    let handshake = content == 22;
    match (bytes.next(), bytes.next()) {
        (Some(major), _) if major != 3 => return Look::Foreign,
        (_, Some(minor)) if minor > 4 => return Look::Foreign,
        (Some(_), Some(_)) => {}
        _ => return Look::More { handshake },
    }
    match bytes.nth(2) {
        _ if !handshake => Look::Record,
        None => Look::More { handshake },
        Some(1) => Look::ClientHello,
        Some(_) => Look::Record,
    }
}

fn protocol(head: &[u8]) -> Option<&'static str> {
    const PREFIXES: [(&[u8], &str); 24] = [
        (b"GET ", "http"),
        (b"POST ", "http"),
        (b"HEAD ", "http"),
        (b"PUT ", "http"),
        (b"DELETE ", "http"),
        (b"OPTIONS ", "http"),
        (b"PATCH ", "http"),
        (b"TRACE ", "http"),
        (b"CONNECT ", "http"),
        (b"PRI * HTTP/2", "http"),
        (b"HTTP/1.", "http"),
        (b"SSH-", "ssh"),
        (b"PROXY ", "proxy_protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n", "proxy_protocol"),
        (b"EHLO ", "smtp"),
        (b"HELO ", "smtp"),
        (b"220 ", "smtp_or_ftp"),
        (b"220-", "smtp_or_ftp"),
        (b"* OK", "imap"),
        (b"+OK", "pop3"),
        (b"SIP/2.0", "sip"),
        (b"RTSP/1.0", "rtsp"),
        (b"\x03\0\0", "rdp"),
        (b"\0\0\0\x08\x04\xd2\x16/", "postgres"),
    ];
    PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)).map(|(_, name)| *name)
}
