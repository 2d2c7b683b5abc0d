//! Masks what is spoken on a stream socket for a recording, when it is one of the protocols that are followed.

use crate::{
    event::{Data, Endpoint, Origin},
    protocol::{
        adb::{AdbRedactor, looks_like_adb},
        mysql::{self, MysqlRedactor},
        postgres::{self, PostgresRedactor},
        sql::Sender,
    },
    sink::names::Names,
};

/// Bytes that are kept until it is known what is spoken: a request to the adb server needs nine.
const HEARD: usize = 9;

/// One stream.
pub struct DialogueMask {
    state: State,
    from_start: bool,
    /// What the client says is written by the watched program, or read.
    client_writes: Option<bool>,
    next: [u64; 2],
    names: Names,
}

enum State {
    /// The first bytes, and whether they were written.
    Listening(Option<(bool, Vec<u8>)>),
    Known(Redactor),
    Foreign,
}

enum Redactor {
    Adb(Box<AdbRedactor>),
    Postgres(Box<PostgresRedactor>),
    Mysql(Box<MysqlRedactor>),
}

/// What the first bytes are.
enum Opening {
    /// The first of a session, by this sender.
    Start(Sender, Redactor),
    More,
    /// Of a session under way.
    UnderWay(Sender, Redactor),
    Other,
}

fn opening(bytes: &[u8], from_start: bool, names: &Names) -> Opening {
    let postgres = || Redactor::Postgres(Box::new(PostgresRedactor::new(from_start)));
    let mut more = false;
    match looks_like_adb(bytes) {
        Some(true) => {
            let names = names.clone();
            let mask = AdbRedactor::new(Box::new(move |serial| names.mask_serial(serial)));
            return Opening::Start(Sender::Client, Redactor::Adb(Box::new(mask)));
        }
        Some(false) => {}
        None => more = true,
    }
    match postgres::opening(bytes, from_start) {
        postgres::Opening::Start => return Opening::Start(Sender::Client, postgres()),
        postgres::Opening::UnderWay(sender) => return Opening::UnderWay(sender, postgres()),
        postgres::Opening::More => more = true,
        postgres::Opening::Other => {}
    }
    let mut mysql = MysqlRedactor::new(from_start);
    match mysql::opening(bytes, from_start) {
        mysql::Opening::Start => return Opening::Start(Sender::Server, Redactor::Mysql(Box::new(mysql))),
        mysql::Opening::UnderWay(sender) => {
            if sender == Sender::Server {
                mysql.lose_server();
            }
            return Opening::UnderWay(sender, Redactor::Mysql(Box::new(mysql)));
        }
        mysql::Opening::More => more = true,
        mysql::Opening::Other => {}
    }
    if more { Opening::More } else { Opening::Other }
}

impl Redactor {
    fn mask(&mut self, sender: Sender, bytes: &mut [u8]) {
        match self {
            Self::Adb(redactor) => redactor.mask(sender == Sender::Client, bytes),
            Self::Postgres(redactor) => redactor.mask(sender, bytes),
            Self::Mysql(redactor) => redactor.mask(sender, bytes),
        }
    }

    fn hole(&mut self, sender: Sender, len: u64) {
        match self {
            Self::Adb(redactor) => redactor.hole(sender == Sender::Client, len),
            Self::Postgres(redactor) => redactor.hole(sender, len),
            Self::Mysql(redactor) => redactor.hole(sender, len),
        }
    }
}

impl DialogueMask {
    pub fn new(endpoint: &Endpoint, origin: Origin, names: Names) -> Self {
        let client_writes = match (origin, endpoint) {
            (Origin::Accepted, _) | (Origin::Existing, Endpoint::Unix { named: true, .. }) => Some(false),
            (Origin::Connected, _) | (Origin::Existing, Endpoint::Unix { named: false, .. }) => Some(true),
            (Origin::Existing, _) => None,
        };
        Self {
            state: State::Listening(None),
            from_start: origin != Origin::Existing,
            client_writes,
            next: [0; 2],
            names,
        }
    }

    /// Masks the bytes of an event; `false` when that is not its business.
    pub fn mask(&mut self, data: &Data<'_>, bytes: &mut [u8]) -> bool {
        if let State::Listening(heard) = &self.state {
            // The second direction tells nothing that the first has not.
            let before = match heard {
                Some((write, before)) if *write == data.write => before.clone(),
                Some(_) => Vec::new(),
                None => {
                    self.from_start &= data.offset == 0;
                    Vec::new()
                }
            };
            if heard.as_ref().is_none_or(|(write, _)| *write == data.write) {
                self.listen(data, before, bytes);
            }
        }
        if let State::Listening(Some((write, _))) = &self.state {
            // They are too few to hold anything but the beginning of a length.
            return *write == data.write;
        }
        let Self { state: State::Known(redactor), client_writes, next, .. } = self else { return false };
        let sender = if *client_writes == Some(data.write) { Sender::Client } else { Sender::Server };
        let [read, written] = next;
        let next = if data.write { written } else { read };
        if data.offset > *next {
            redactor.hole(sender, data.offset - *next);
        }
        // What was told already is told once.
        let again = usize::try_from(next.saturating_sub(data.offset)).unwrap_or(usize::MAX).min(bytes.len());
        let (old, new) = bytes.split_at_mut(again);
        old.fill(0);
        redactor.mask(sender, new);
        let missing = data.total.saturating_sub(data.bytes.len() as u64);
        if missing > 0 {
            redactor.hole(sender, missing);
        }
        *next = (*next).max(data.offset.saturating_add(data.total));
        true
    }

    fn listen(&mut self, data: &Data<'_>, mut before: Vec<u8>, bytes: &[u8]) {
        let (write, heard) = (data.write, before.len());
        before.extend(bytes.iter().take(1 << 16));
        self.state = match opening(&before, self.from_start, &self.names) {
            Opening::Start(sender, mut redactor) if self.client_writes.is_none_or(|is| is == writes(sender, write)) => {
                self.client_writes = Some(writes(sender, write));
                before.truncate(heard);
                redactor.mask(sender, &mut before);
                State::Known(redactor)
            }
            Opening::UnderWay(sender, redactor) => {
                self.client_writes.get_or_insert(writes(sender, write));
                State::Known(redactor)
            }
            Opening::More if before.len() < HEARD => {
                self.next = if write { [0, before.len() as u64] } else { [before.len() as u64, 0] };
                State::Listening(Some((write, before)))
            }
            Opening::Start(..) | Opening::More | Opening::Other => State::Foreign,
        };
        if matches!(self.state, State::Known(_)) && heard == 0 {
            self.next = if write { [0, data.offset] } else { [data.offset, 0] };
        }
    }
}

/// Whether the client's bytes are written, when those of `sender` are, or are not.
fn writes(sender: Sender, write: bool) -> bool {
    write == (sender == Sender::Client)
}
