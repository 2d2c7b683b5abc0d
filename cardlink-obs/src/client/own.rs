//! Connections that the agent itself makes to what it watches. They are checks, not traffic: nobody is told of them.

use crate::observation::{Connection, Observation, PeerAddress};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// So long after its end a connection of ours may still be told by the kernel side.
const AFTERMATH: Duration = Duration::from_secs(10);

/// The ends of such connections, known before they are made.
#[derive(Debug, Clone, Default)]
pub struct OwnConnections {
    ends: Arc<Mutex<HashMap<SocketAddr, Option<Instant>>>>,
    /// Numbers of those that are open for the pipeline.
    open: HashSet<u64>,
}

/// A connection of ours while it lasts.
#[derive(Debug)]
pub struct Mark {
    ends: Arc<Mutex<HashMap<SocketAddr, Option<Instant>>>>,
    end: SocketAddr,
}

impl OwnConnections {
    /// From here on whoever has this peer has a check of ours.
    pub(super) fn mark(&self, end: SocketAddr) -> Mark {
        let end = plain(end);
        lock(&self.ends).insert(end, None);
        Mark { ends: Arc::clone(&self.ends), end }
    }

    /// Takes what belongs to our own connections away.
    pub fn leave_out(&mut self, observations: &mut Vec<Observation>) {
        if self.open.is_empty() && lock(&self.ends).is_empty() {
            return;
        }
        observations.retain(|observation| match observation {
            Observation::ConnectionOpened(connection) => {
                let ours = self.is_ours(connection);
                if ours {
                    self.open.insert(connection.number);
                }
                !ours
            }
            Observation::ConnectionClosed(closed) => !self.open.remove(&closed.connection.number),
            other => connection(other).is_none_or(|connection| !self.open.contains(&connection.number)),
        });
    }

    fn is_ours(&self, connection: &Connection) -> bool {
        let Some(PeerAddress::Ip(peer)) = &connection.peer else { return false };
        let mut ends = lock(&self.ends);
        ends.retain(|_, ended| ended.is_none_or(|at| at.elapsed() < AFTERMATH));
        ends.contains_key(&plain(*peer))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        lock(&self.ends).insert(self.end, Some(Instant::now()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An IPv4 peer of a dual-stack socket is an IPv4 peer.
fn plain(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(end, |v4| SocketAddr::new(IpAddr::V4(v4), end.port())),
        IpAddr::V4(_) => end,
    }
}

/// The connection that an observation is about.
fn connection(observation: &Observation) -> Option<&Arc<Connection>> {
    match observation {
        Observation::ConnectionOpened(connection) => Some(connection),
        Observation::ConnectionClosed(closed) => Some(&closed.connection),
        Observation::Handshake(handshake) => Some(&handshake.connection),
        Observation::Plaintext(plaintext) => Some(&plaintext.connection),
        Observation::Exchange(exchange) => Some(&exchange.connection),
        Observation::Script(script) => Some(&script.connection),
        Observation::SessionOpened(opened) => Some(&opened.connection),
        Observation::Session(session) => Some(&session.connection),
        Observation::Finding(finding) => Some(&finding.connection),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::OwnConnections;
    use crate::observation::{
        Cause, Connection, ConnectionClosed, ConnectionOutcome, Observation, PeerAddress, Process, Role, Stamp,
    };
    use std::{sync::Arc, time::Duration};

    fn opened(number: u64, peer: &str) -> Arc<Connection> {
        let process = Arc::new(Process { pid: 1, comm: Arc::from("server"), target: Arc::from("server") });
        let at = Stamp::from_nanos(1);
        let peer = Some(PeerAddress::Ip(peer.parse().expect("an address")));
        Arc::new(Connection {
            number,
            process,
            local: None,
            peer,
            role: Some(Role::Server),
            opened: Some(at),
            first_seen: at,
        })
    }

    fn closed(connection: &Arc<Connection>) -> Observation {
        Observation::ConnectionClosed(Box::new(ConnectionClosed {
            connection: Arc::clone(connection),
            at: Stamp::from_nanos(2),
            outcome: ConnectionOutcome::NoClientHello,
            spoke: None,
            lifetime: Duration::from_nanos(1),
            bytes_read: 0,
            bytes_written: 0,
            retransmits: 0,
            incomplete: false,
            counted_elsewhere: false,
            cause: Cause::default(),
        }))
    }

    #[test]
    fn ours_are_left_out_from_beginning_to_end() {
        let mut own = OwnConnections::default();
        let mark = own.mark("127.0.0.1:40000".parse().expect("an address"));
        let (ours, theirs) = (opened(1, "[::ffff:127.0.0.1]:40000"), opened(2, "127.0.0.1:40001"));
        let mut told =
            vec![Observation::ConnectionOpened(Arc::clone(&ours)), Observation::ConnectionOpened(Arc::clone(&theirs))];
        own.leave_out(&mut told);
        assert_eq!(told.len(), 1);
        drop(mark);
        let mut told = vec![closed(&ours), closed(&theirs)];
        own.leave_out(&mut told);
        assert!(matches!(told.as_slice(), [Observation::ConnectionClosed(one)] if one.connection.number == 2));
        // A later connection of the same number space is another.
        let mut told = vec![closed(&ours)];
        own.leave_out(&mut told);
        assert_eq!(told.len(), 1);
    }
}
