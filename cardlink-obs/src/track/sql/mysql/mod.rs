//! The protocol of MySQL and MariaDB.

mod session;
#[cfg(test)]
mod tests;

use super::{
    Teller,
    wire::{self, Opens, Speech},
};
use crate::{
    observation::{DatabaseSystem, Observation, Stamp},
    protocol::{
        mysql::{Messages, Opening, opening},
        sql::Sender,
    },
    track::dialogue::Kind,
};
use session::Session;

/// How it is recognised and followed.
pub const MYSQL: Kind = Kind {
    name: "mysql",
    recognise: wire::recognise::<Mysql>,
    begin: |connection, _| wire::begin::<Mysql>(connection),
};

/// What is said on one connection.
#[derive(Debug)]
pub struct Mysql {
    messages: Messages<Stamp>,
    session: Session,
}

impl Speech for Mysql {
    const SYSTEM: DatabaseSystem = DatabaseSystem::Mysql;
    const FIRST: Sender = Sender::Server;

    fn opens(bytes: &[u8], from_start: bool) -> Opens {
        match opening(bytes, from_start) {
            Opening::Start => Opens::Start(Sender::Server),
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

    fn under_way(&mut self, by: Sender, at: Stamp, out: &mut Vec<Observation>) {
        self.messages = Messages::new(false);
        if by == Sender::Server {
            self.messages.lose_server();
        }
        self.session.under_way(at, out);
    }

    fn feed(&mut self, sender: Sender, bytes: &[u8], (first, end): (Stamp, Stamp), out: &mut Vec<Observation>) {
        let session = &mut self.session;
        self.messages.feed(sender, first, bytes, &mut |told| session.told(told, end, out));
    }

    fn hole(&mut self, sender: Sender, len: u64, (first, end): (Stamp, Stamp), out: &mut Vec<Observation>) {
        let session = &mut self.session;
        self.messages.hole(sender, first, len, &mut |told| session.told(told, end, out));
    }

    fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        self.session.tick(now, out);
    }

    fn closed(&mut self, at: Stamp, by_server: bool, out: &mut Vec<Observation>) {
        self.session.closed(at, by_server, out);
    }

    fn is_unwanted(&self) -> bool {
        self.messages.secrecy().is_some() || self.session.is_over()
    }

    fn is_bounded(&self) -> bool {
        self.session.is_bounded()
    }
}

/// Entry for a fuzzer: a script of what happens on a connection.
pub fn fuzz(data: &[u8]) {
    wire::fuzz::<Mysql>(data);
}
