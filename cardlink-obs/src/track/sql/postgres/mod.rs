//! One connection that speaks PostgreSQL's protocol.

mod session;

use super::Teller;
use crate::{
    observation::{Connection, DatabaseSystem, Observation, Process, Role, Stamp},
    protocol::postgres::{Messages, Opening, Sender, opening},
    stream::{Chunk, Direction, Hole, Item, Script},
    track::dialogue::{Dialogue, First, Kind, Recognition},
};
use session::Session;
use std::{sync::Arc, time::Duration};

/// How it is recognised and followed.
pub const POSTGRES: Kind =
    Kind { name: "postgres", recognise, begin: |connection, _| Box::new(Postgres::new(connection)) };

fn recognise(first: &First<'_>) -> Recognition {
    match opening(first.bytes, first.from_start) {
        Opening::Start if first.connection.role.is_some_and(|role| client_of(role) != first.direction) => {
            Recognition::No
        }
        Opening::Start | Opening::UnderWay(_) => Recognition::Yes,
        Opening::More => Recognition::More,
        Opening::Other => Recognition::No,
    }
}

/// The direction in which the client's bytes go, by the end that is watched.
const fn client_of(role: Role) -> Direction {
    match role {
        Role::Server => Direction::Read,
        Role::Client => Direction::Write,
    }
}

/// Follows one connection.
#[derive(Debug)]
pub struct Postgres {
    connection: Arc<Connection>,
    client: Direction,
    messages: Messages<Stamp>,
    session: Session,
    /// The first bytes were looked at.
    looked: bool,
    /// Bytes before those that were seen first are missing.
    lost_start: bool,
    /// The other end closed first.
    peer_closed: bool,
}

impl Postgres {
    fn new(connection: Arc<Connection>) -> Self {
        let role = connection.role.unwrap_or(Role::Server);
        Self {
            client: client_of(role),
            messages: Messages::new(true),
            session: Session::new(Teller::new(Arc::clone(&connection), DatabaseSystem::Postgresql, role)),
            connection,
            looked: false,
            lost_start: false,
            peer_closed: false,
        }
    }

    /// The first bytes tell who the client is, and whether they are the first of the connection.
    fn first(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Observation>) {
        self.looked = true;
        let from_start = self.connection.opened.is_some() && !self.lost_start;
        let server_spoke = !from_start && opening(chunk.bytes, false) == Opening::UnderWay(Sender::Server);
        if self.connection.role.is_none() {
            self.client = if server_spoke { chunk.direction.other() } else { chunk.direction };
            let role = if self.client == Direction::Read { Role::Server } else { Role::Client };
            self.session.teller.set_role(role);
        }
        if !from_start {
            self.messages = Messages::new(false);
            self.session.under_way(chunk.call.exit, out);
        }
    }

    fn sender(&self, direction: Direction) -> Sender {
        if direction == self.client { Sender::Client } else { Sender::Server }
    }
}

impl Dialogue for Postgres {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match *item {
            Item::Data(chunk) => {
                if !self.looked {
                    self.first(&chunk, out);
                }
                let Chunk { direction, call, bytes, .. } = chunk;
                let (sender, session) = (self.sender(direction), &mut self.session);
                let first = call.start(direction);
                self.messages.feed(sender, first, bytes, &mut |told| session.told(told, call.exit, out));
            }
            Item::Hole(Hole { direction, len, .. }) => {
                self.lost_start |= !self.looked;
                self.messages.hole(self.sender(direction), len);
            }
            Item::Eof(_) | Item::Error { direction: Direction::Read, .. } => self.peer_closed = true,
            Item::Tick { now } => self.session.tick(now, out),
            Item::Closed { at } => {
                let by_server = self.peer_closed == (self.client == Direction::Write);
                self.session.closed(at, by_server, out);
            }
            Item::Error { .. } | Item::Shutdown(_) | Item::Polled(_) | Item::Transport(_) => {}
        }
    }

    fn is_unwanted(&self) -> bool {
        self.messages.is_encrypted() || self.session.is_over()
    }

    fn finish(&mut self, _at: Stamp, _out: &mut Vec<Observation>) {}
}

/// Entry for a fuzzer: a script of what happens on a connection. What is kept is bounded, and a connection that was told to be
/// ready is closed once.
pub fn fuzz(data: &[u8]) {
    let mut script = Script::new(data);
    let control = script.byte();
    let at = Stamp::from_nanos(1 << 40);
    let connection = Arc::new(Connection {
        number: 1,
        process: Arc::new(Process { pid: 1, comm: "fuzz".into(), target: "fuzz".into() }),
        local: None,
        peer: None,
        role: [None, Some(Role::Server), Some(Role::Client)].get(usize::from(control & 3)).copied().flatten(),
        opened: (control & 4 == 0).then_some(at),
        first_seen: at,
    });
    let mut postgres = Postgres::new(connection);
    let (mut now, mut out, mut balance) = (1 << 40, Vec::new(), 0i32);
    while !script.is_empty() {
        let control = script.byte();
        let direction = if control & 1 == 0 { Direction::Write } else { Direction::Read };
        let call = script.call(&mut now);
        let len = usize::from(script.byte());
        let hole = |len| Item::Hole(Hole { direction, call, offset: 0, len, lost: true, resync: false });
        let item = match (control >> 1) & 15 {
            0 => hole(len as u64),
            1 => Item::Eof(call),
            2 => Item::Error { direction, call, errno: 104 },
            3 => Item::Tick { now: Stamp::from_nanos(now) },
            4 => hole(len as u64 * 10_000),
            _ => Item::Data(Chunk { direction, call, offset: 0, bytes: script.take(len) }),
        };
        postgres.on(&item, &mut out);
        assert!(postgres.session.is_bounded());
        balance += balance_of(&out);
        assert!((0..=1).contains(&balance));
        out.clear();
    }
    postgres.on(&Item::Closed { at: Stamp::from_nanos(now) + Duration::from_millis(1) }, &mut out);
    assert_eq!(balance + balance_of(&out), 0, "what was told to be ready is told to be closed");
}

fn balance_of(out: &[Observation]) -> i32 {
    use crate::observation::DatabaseChange::{Closed, Encrypted, Ready};
    let of = |observation: &Observation| match observation {
        Observation::DatabaseConnection(told) => match told.change {
            Ready { .. } | Encrypted => 1,
            Closed => -1,
            _ => 0,
        },
        _ => 0,
    };
    out.iter().map(of).sum()
}
