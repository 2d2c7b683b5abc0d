//! One operation, one count: both ends of a connection may be watched, and it is counted at the serving end.

use crate::observation::{Connection, PeerAddress, Process, Role};
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

/// Nanoseconds for which a server's end is remembered after its close: the client's end may close later.
const REMEMBER: u64 = 10_000_000_000;

/// Serving ends that are watched, by their own address and their client's.
#[derive(Debug, Default)]
pub struct Pairs {
    /// When it was closed; `None` while it is open.
    serving: HashMap<(End, End), Option<u64>>,
    /// Local connections, by number: the program at the client's end, or where to look for it.
    users: HashMap<u64, User>,
    /// Clients' ends of local connections that are watched.
    clients: HashMap<u64, Arc<Process>>,
}

/// Connections whose users are kept in mind at most.
const MOST_USERS: usize = 65_536;

#[derive(Debug)]
enum User {
    /// This end is the client's.
    Here { socket: u64 },
    /// The socket of the client's end.
    There { socket: u64 },
}

/// An end of a connection, the same whichever end sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Ip(SocketAddr),
    Unix(u64),
}

impl Pairs {
    pub fn opened(&mut self, connection: &Connection) {
        if let (Some(Role::Server), Some(ends)) = (connection.role, ends(connection)) {
            self.serving.insert(ends, None);
        }
        if let (Some(PeerAddress::Unix { socket, .. }), Some(PeerAddress::Unix { socket: peer, .. })) =
            (&connection.local, &connection.peer)
            && self.users.len() < MOST_USERS
        {
            if connection.role == Some(Role::Client) {
                self.clients.insert(*socket, Arc::clone(&connection.process));
                self.users.insert(connection.number, User::Here { socket: *socket });
            } else {
                self.users.insert(connection.number, User::There { socket: *peer });
            }
        }
    }

    /// The program at the client's end of a local connection, when that is watched.
    pub fn user(&self, connection: u64) -> Option<Arc<Process>> {
        let (User::Here { socket } | User::There { socket }) = self.users.get(&connection)?;
        self.clients.get(socket).cloned()
    }

    pub fn closed(&mut self, connection: &Connection, at: u64) {
        if let (Some(Role::Server), Some(ends)) = (connection.role, ends(connection))
            && let Some(closed) = self.serving.get_mut(&ends)
        {
            *closed = Some(at);
        }
        if let Some(User::Here { socket }) = self.users.remove(&connection.number) {
            self.clients.remove(&socket);
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

fn ends(connection: &Connection) -> Option<(End, End)> {
    Some((end(connection.local.as_ref()?), end(connection.peer.as_ref()?)))
}

fn end(address: &PeerAddress) -> End {
    match address {
        // An IPv4 address in IPv6 clothes is that IPv4 address: the two ends may see it differently.
        PeerAddress::Ip(address) => End::Ip(SocketAddr::new(address.ip().to_canonical(), address.port())),
        PeerAddress::Unix { socket, .. } => End::Unix(*socket),
    }
}
