//! PostgreSQL's protocol.

mod session;

use super::{
    Teller,
    wire::{self, Opens, Speech},
};
use crate::{
    observation::{DatabaseSystem, Observation, Stamp},
    protocol::postgres::{Messages, Opening, Sender, opening},
    track::dialogue::Kind,
};
use session::Session;

/// How it is recognised and followed.
pub const POSTGRES: Kind = Kind {
    name: "postgres",
    recognise: wire::recognise::<Postgres>,
    begin: |connection, _| wire::begin::<Postgres>(connection),
};

/// What is said on one connection.
#[derive(Debug)]
pub struct Postgres {
    messages: Messages<Stamp>,
    session: Session,
}

impl Speech for Postgres {
    const SYSTEM: DatabaseSystem = DatabaseSystem::Postgresql;
    const FIRST: Sender = Sender::Client;

    fn opens(bytes: &[u8], from_start: bool) -> Opens {
        match opening(bytes, from_start) {
            Opening::Start => Opens::Start(Sender::Client),
            Opening::More => Opens::More,
            Opening::UnderWay(sender) => Opens::UnderWay(sender),
            Opening::Other => Opens::Other,
        }
    }

    fn new(teller: Teller) -> Self {
        Self { messages: Messages::new(true), session: Session::new(teller) }
    }

    fn teller(&mut self) -> &mut Teller {
        &mut self.session.teller
    }

    fn under_way(&mut self, _by: Sender, at: Stamp, out: &mut Vec<Observation>) {
        self.messages = Messages::new(false);
        self.session.under_way(at, out);
    }

    fn feed(&mut self, sender: Sender, bytes: &[u8], (first, end): (Stamp, Stamp), out: &mut Vec<Observation>) {
        let session = &mut self.session;
        self.messages.feed(sender, first, bytes, &mut |told| session.told(told, end, out));
    }

    fn hole(&mut self, sender: Sender, len: u64, _times: (Stamp, Stamp), _out: &mut Vec<Observation>) {
        self.messages.hole(sender, len);
    }

    fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        self.session.tick(now, out);
    }

    fn closed(&mut self, at: Stamp, by_server: bool, out: &mut Vec<Observation>) {
        self.session.closed(at, by_server, out);
    }

    fn is_unwanted(&self) -> bool {
        self.messages.is_encrypted() || self.session.is_over()
    }

    fn is_bounded(&self) -> bool {
        self.session.is_bounded()
    }
}

/// Entry for a fuzzer: a script of what happens on a connection.
pub fn fuzz(data: &[u8]) {
    wire::fuzz::<Postgres>(data);
}
