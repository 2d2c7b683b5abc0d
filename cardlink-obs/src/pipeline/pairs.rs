//! One operation, one count: both ends of a connection may be watched, and it is counted at the serving end.

use crate::observation::{Connection, PeerAddress, Process, Role};
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

/// Nanoseconds for which a server's end is remembered after its close: the client's end may close later.
const REMEMBER: u64 = 10_000_000_000;

/// Serving ends that are watched, by their own address and their client's.
#[derive(Debug, Default)]
pub struct Pairs {
    /// When it was closed (nanoseconds); `None` while it is open.
    serving: HashMap<(End, End), Option<u64>>,
    /// Clients' ends that are watched, by their own address and their server's.
    clients: HashMap<(End, End), Client>,
    /// Local connections, by number: the addresses of the client's end.
    users: HashMap<u64, (End, End)>,
    /// Who is at the other end of connections that were accepted, as the kernel knows it.
    peers: HashMap<u64, Arc<Process>>,
}

/// Connections whose users are kept in mind at most.
const MOST_USERS: usize = 65_536;

/// A client's end.
#[derive(Debug)]
struct Client {
    connection: Arc<Connection>,
    closed: Option<u64>,
}

/// An end of a connection, the same whichever end sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Ip(SocketAddr),
    Unix(u64),
}

impl Pairs {
    pub fn opened(&mut self, connection: &Arc<Connection>) {
        let Some((local, peer)) = ends(connection) else { return };
        let client = match connection.role {
            Some(Role::Client) => (local, peer),
            Some(Role::Server) => {
                self.serving.insert((local, peer), None);
                (peer, local)
            }
            None => return,
        };
        if connection.role == Some(Role::Client) && self.clients.len() < MOST_USERS {
            self.clients.insert(client, Client { connection: Arc::clone(connection), closed: None });
        }
        if matches!(local, End::Unix(_)) && self.users.len() < MOST_USERS {
            self.users.insert(connection.number, client);
        }
    }

    /// Who is at the client's end of a connection.
    pub fn met(&mut self, connection: u64, pid: u32, comm: &str) {
        if self.users.contains_key(&connection) {
            let name: Arc<str> = Arc::from(comm);
            self.peers.insert(connection, Arc::new(Process { pid, comm: Arc::clone(&name), target: name }));
        }
    }

    /// The program at the client's end of a local connection, when that is watched, or the kernel told of it.
    pub fn user(&self, connection: u64) -> Option<Arc<Process>> {
        let watched = self.clients.get(self.users.get(&connection)?).map(|client| &client.connection.process);
        watched.or_else(|| self.peers.get(&connection)).cloned()
    }

    /// The client's end of a connection of which this is the serving end, when it is watched.
    pub fn client(&self, connection: &Connection) -> Option<&Arc<Connection>> {
        if connection.role == Some(Role::Client) || self.clients.is_empty() {
            return None;
        }
        let (local, peer) = ends(connection)?;
        self.clients.get(&(peer, local)).map(|client| &client.connection)
    }

    pub fn closed(&mut self, connection: &Connection, at: u64) {
        let Some(ends) = ends(connection) else { return };
        match connection.role {
            Some(Role::Server) => {
                if let Some(closed) = self.serving.get_mut(&ends) {
                    *closed = Some(at);
                }
            }
            Some(Role::Client) => {
                // Its address may be another's by now.
                if let Some(client) = self.clients.get_mut(&ends).filter(|of| of.connection.number == connection.number)
                {
                    client.closed = Some(at);
                }
            }
            None => {}
        }
        self.users.remove(&connection.number);
        self.peers.remove(&connection.number);
    }

    /// Whether this is the client's end of a connection whose serving end is watched too.
    pub fn counted_elsewhere(&self, connection: &Connection) -> bool {
        connection.role == Some(Role::Client)
            && ends(connection).is_some_and(|(local, peer)| self.serving.contains_key(&(peer, local)))
    }

    pub fn tick(&mut self, now: u64) {
        let recent = |closed: Option<u64>| closed.is_none_or(|at| now.saturating_sub(at) < REMEMBER);
        self.serving.retain(|_, closed| recent(*closed));
        self.clients.retain(|_, client| recent(client.closed));
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
