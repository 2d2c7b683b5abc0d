//! One operation, one count: both ends of a connection may be watched, and it is counted at the serving end.

use crate::observation::{Connection, PeerAddress, Role};
use std::{collections::HashMap, net::SocketAddr};

/// Nanoseconds for which a server's end is remembered after its close: the client's end may close later.
const REMEMBER: u64 = 10_000_000_000;

/// Serving ends that are watched, by their own address and their client's.
#[derive(Debug, Default)]
pub struct Pairs {
    /// When it was closed; `None` while it is open.
    serving: HashMap<(SocketAddr, SocketAddr), Option<u64>>,
}

impl Pairs {
    pub fn opened(&mut self, connection: &Connection) {
        if let (Some(Role::Server), Some(ends)) = (connection.role, ends(connection)) {
            self.serving.insert(ends, None);
        }
    }

    pub fn closed(&mut self, connection: &Connection, at: u64) {
        if let (Some(Role::Server), Some(ends)) = (connection.role, ends(connection))
            && let Some(closed) = self.serving.get_mut(&ends)
        {
            *closed = Some(at);
        }
    }

    /// Whether this is the client's end of a connection whose serving end is watched too.
    pub fn counted_elsewhere(&self, connection: &Connection) -> bool {
        connection.role == Some(Role::Client)
            && ends(connection).is_some_and(|(local, peer)| self.serving.contains_key(&(peer, local)))
    }

    pub fn tick(&mut self, now: u64) {
        self.serving.retain(|_, closed| closed.is_none_or(|at| now.saturating_sub(at) < REMEMBER));
    }
}

fn ends(connection: &Connection) -> Option<(SocketAddr, SocketAddr)> {
    match (&connection.local, &connection.peer) {
        (Some(PeerAddress::Ip(local)), Some(PeerAddress::Ip(peer))) => Some((plain(*local), plain(*peer))),
        _ => None,
    }
}

/// An IPv4 address in IPv6 clothes is that IPv4 address: the two ends may see it differently.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
