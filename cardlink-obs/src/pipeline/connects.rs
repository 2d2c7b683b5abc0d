//! Connections that are asked for and do not come about.

use super::Pipeline;
use crate::{
    event::{Holder, Sought, StreamId},
    observation::{Cause, ConnectFailed, Connection, DatabaseChange, Observation, PeerAddress, Role, Stamp},
    track::connects,
};
use std::sync::Arc;

/// A connection that failed, as an event tells it.
pub(super) struct Failure {
    pub at: u64,
    pub enter: u64,
    pub holder: Holder,
    pub tid: u32,
    pub errno: i32,
}

impl Pipeline {
    pub(super) fn not_connected(
        &mut self,
        failure: &Failure,
        stream: Option<StreamId>,
        peer: Option<&Sought>,
        out: &mut Vec<Observation>,
    ) {
        // What `connect` returned is its own; an error that was found on the socket may be of another kind.
        let connection = stream.and_then(|stream| self.fails(stream, peer.is_some(), failure.errno));
        if peer.is_some() || connection.is_some() {
            let known = connection.as_ref().and_then(|connection| connection.peer.clone());
            self.connect_failed(failure, peer.map(address).or(known), connection, out);
        }
        if let Some(ended) = stream.and_then(|stream| self.streams.close(failure.holder, stream, failure.at, true)) {
            // The kernel side has forgotten it already.
            self.ended(ended, None, false, out);
        }
    }

    /// A read or write failed: perhaps because there never was a connection.
    pub(super) fn failed_late(&mut self, failure: &Failure, stream: StreamId, out: &mut Vec<Observation>) {
        if !connects::is_of_connect(failure.errno) {
            return;
        }
        let unused = self.streams.find(stream).is_some_and(|entry| entry.assembler.positions() == (0, 0));
        if unused && let Some(connection) = self.fails(stream, false, failure.errno) {
            self.connect_failed(failure, connection.peer.clone(), Some(connection), out);
        }
    }

    /// A connection of this number is there: no failure before it matters any more.
    pub(super) fn answered(&mut self, number: Option<u64>, out: &mut Vec<Observation>) {
        if !self.connects.is_idle()
            && let Some(number) = number
        {
            self.connects.answered(number, out);
        }
    }

    /// The connection of a stream, as one that did not come about; `None` when it is none, or when that is known. Unless it is
    /// certain, the error decides, and who asked.
    fn fails(&mut self, stream: StreamId, certain: bool, errno: i32) -> Option<Arc<Connection>> {
        let tracker = self.streams.find(stream)?.value.connection()?;
        let connection = Arc::clone(tracker.connection());
        let is_failure = certain || is_client(&connection, errno);
        (is_failure && tracker.not_connected()).then_some(connection)
    }

    fn connect_failed(
        &mut self,
        failure: &Failure,
        peer: Option<PeerAddress>,
        connection: Option<Arc<Connection>>,
        out: &mut Vec<Observation>,
    ) {
        let at = Stamp::from_nanos(failure.at);
        let began = if failure.enter > 0 {
            Some(Stamp::from_nanos(failure.enter))
        } else {
            connection.as_ref().and_then(|connection| connection.opened)
        };
        let failed = ConnectFailed {
            at,
            process: self.process(failure.holder.tgid),
            connection,
            peer,
            reason: connects::reason(failure.errno),
            error: connects::error(failure.errno),
            took: began.map(|began| at.since(began)),
            database: None,
            other_answered: false,
            cause: Cause { session: self.session_of_thread(failure.holder.tgid, failure.tid), test: None },
        };
        self.connects.failed(failure.tid, failed, out);
    }

    /// Which database is missed, and where databases are, from `before` on.
    pub(super) fn place_databases(&mut self, out: &mut [Observation], before: usize) {
        for observation in out.iter_mut().skip(before) {
            match observation {
                Observation::ConnectFailed(failed) => {
                    let peer = failed.peer.as_ref();
                    failed.database = peer.and_then(|peer| self.places.expected(peer, &self.settings.databases));
                }
                Observation::DatabaseConnection(told) => {
                    let told_now = !matches!(told.change, DatabaseChange::Busy(_) | DatabaseChange::Closed);
                    if let Some(connection) = told.connection.as_ref().filter(|_| told_now) {
                        self.places.learn(connection, told.role, told.system);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether it was this end that asked, and whether this error is that of asking.
fn is_client(connection: &Connection, errno: i32) -> bool {
    connection.role == Some(Role::Client) && connection.opened.is_some() && connects::is_of_connect(errno)
}

fn address(sought: &Sought) -> PeerAddress {
    match sought {
        Sought::Tcp(address) => PeerAddress::Ip(*address),
        Sought::Unix(path) => PeerAddress::Unix { path: Some(Arc::from(path.as_str())), socket: 0 },
    }
}
