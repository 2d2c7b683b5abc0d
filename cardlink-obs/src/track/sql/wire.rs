//! One connection to a database, whatever it speaks: who is the client, where it begins, how it ends.
//!
//! A database that is spoken to by a stream socket implements [`Speech`], and has a [`Kind`](crate::track::dialogue::Kind).

use super::Teller;
use crate::{
    observation::{Connection, DatabaseSystem, Observation, Process, Role, Stamp},
    protocol::sql::Sender,
    stream::{Chunk, Direction, Hole, Item, Script},
    track::dialogue::{Dialogue, First, Recognition},
};
use std::{fmt, sync::Arc, time::Duration};

/// What the first bytes are, as a protocol sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// The first bytes of a session, by this sender.
    Start(Sender),
    More,
    /// Of a session under way.
    UnderWay(Sender),
    Other,
}

/// What is said on one connection, and what is told of it.
pub(super) trait Speech: fmt::Debug + Send {
    const SYSTEM: DatabaseSystem;
    /// Who speaks first.
    const FIRST: Sender;

    /// Looks at the first bytes.
    fn opens(bytes: &[u8], from_start: bool) -> Opens;

    fn new(teller: Teller) -> Self;

    fn teller(&mut self) -> &mut Teller;

    /// It was open before it was seen; whose bytes were seen first.
    fn under_way(&mut self, by: Sender, at: Stamp, out: &mut Vec<Observation>);

    /// Takes the next bytes: when the first of them moved, and when all were there.
    fn feed(&mut self, sender: Sender, bytes: &[u8], times: (Stamp, Stamp), out: &mut Vec<Observation>);

    /// So many bytes are not here.
    fn hole(&mut self, sender: Sender, len: u64, times: (Stamp, Stamp), out: &mut Vec<Observation>);

    fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>);

    /// The connection is closed; `by_server` when that was the server's decision.
    fn closed(&mut self, at: Stamp, by_server: bool, out: &mut Vec<Observation>);

    /// Nothing more can be learnt from its bytes.
    fn is_unwanted(&self) -> bool;

    /// What is kept has its bounds.
    fn is_bounded(&self) -> bool;
}

/// Whether the first bytes are this protocol's.
pub(super) fn recognise<S: Speech>(first: &First<'_>) -> Recognition {
    let sent_by = |role| if client_of(role) == first.direction { Sender::Client } else { Sender::Server };
    match S::opens(first.bytes, first.from_start) {
        Opens::Start(sender) if first.connection.role.is_some_and(|role| sent_by(role) != sender) => Recognition::No,
        Opens::Start(_) | Opens::UnderWay(_) => Recognition::Yes,
        Opens::More => Recognition::More,
        Opens::Other => Recognition::No,
    }
}

pub(super) fn begin<S: Speech + 'static>(connection: Arc<Connection>) -> Box<dyn Dialogue> {
    Box::new(Wire::<S>::new(connection))
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
struct Wire<S> {
    connection: Arc<Connection>,
    client: Direction,
    speech: S,
    /// The first bytes were looked at.
    looked: bool,
    /// Bytes before those that were seen first are missing.
    lost_start: bool,
    /// The other end closed first.
    peer_closed: bool,
}

impl<S: Speech> Wire<S> {
    fn new(connection: Arc<Connection>) -> Self {
        let role = connection.role.unwrap_or(Role::Server);
        Self {
            client: client_of(role),
            speech: S::new(Teller::of(Arc::clone(&connection), S::SYSTEM, role)),
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
        let by = match S::opens(chunk.bytes, from_start) {
            Opens::Start(sender) | Opens::UnderWay(sender) => sender,
            Opens::More | Opens::Other => S::FIRST,
        };
        if self.connection.role.is_none() {
            self.client = if by == Sender::Server { chunk.direction.other() } else { chunk.direction };
            let role = if self.client == Direction::Read { Role::Server } else { Role::Client };
            self.speech.teller().set_role(role);
        }
        if !from_start {
            self.speech.under_way(self.sender(chunk.direction), chunk.call.exit, out);
        }
    }

    fn sender(&self, direction: Direction) -> Sender {
        if direction == self.client { Sender::Client } else { Sender::Server }
    }
}

impl<S: Speech> Dialogue for Wire<S> {
    fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        match *item {
            Item::Data(chunk) => {
                if !self.looked {
                    self.first(&chunk, out);
                }
                let Chunk { direction, call, bytes, .. } = chunk;
                let sender = self.sender(direction);
                self.speech.feed(sender, bytes, (call.start(direction), call.exit), out);
            }
            Item::Hole(Hole { direction, call, len, .. }) => {
                self.lost_start |= !self.looked;
                let times = (call.start(direction), call.exit);
                self.speech.hole(self.sender(direction), len, times, out);
            }
            Item::Eof(_) | Item::Error { direction: Direction::Read, .. } => self.peer_closed = true,
            Item::Tick { now } => self.speech.tick(now, out),
            Item::Closed { at } => {
                let by_server = self.peer_closed == (self.client == Direction::Write);
                self.speech.closed(at, by_server, out);
            }
            Item::Error { .. } | Item::Shutdown(_) | Item::Polled(_) | Item::Transport(_) => {}
        }
    }

    fn is_unwanted(&self) -> bool {
        self.speech.is_unwanted()
    }

    fn finish(&mut self, _at: Stamp, _out: &mut Vec<Observation>) {}
}

/// A script of what happens on a connection. What is kept is bounded, and a connection that was told to be ready is closed
/// once.
pub(super) fn fuzz<S: Speech>(data: &[u8]) {
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
    let mut wire = Wire::<S>::new(connection);
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
        wire.on(&item, &mut out);
        assert!(wire.speech.is_bounded());
        balance += balance_of(&out);
        assert!((0..=1).contains(&balance));
        out.clear();
    }
    wire.on(&Item::Closed { at: Stamp::from_nanos(now) + Duration::from_millis(1) }, &mut out);
    assert_eq!(balance + balance_of(&out), 0, "what was told to be ready is told to be closed");
}

fn balance_of(out: &[Observation]) -> i32 {
    use crate::observation::DatabaseChange::{Closed, Compressed, Encrypted, Ready};
    let of = |observation: &Observation| match observation {
        Observation::DatabaseConnection(told) => match told.change {
            Ready { .. } | Encrypted | Compressed => 1,
            Closed => -1,
            _ => 0,
        },
        _ => 0,
    };
    out.iter().map(of).sum()
}
