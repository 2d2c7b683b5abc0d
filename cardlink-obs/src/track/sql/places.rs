//! Where a database is expected when nobody answers: by what was spoken there before, by the port or the name of the
//! socket, or because the user says so.

use crate::observation::{Connection, DatabaseSystem, PeerAddress, Role};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// Places that are kept in mind.
const MOST: usize = 4096;

/// Places of databases.
#[derive(Debug, Default)]
pub struct Places {
    known: HashMap<Place, DatabaseSystem>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Place {
    /// `None` for this host itself, by whatever address.
    Tcp(Option<IpAddr>, u16),
    Unix(Arc<str>),
}

impl Places {
    /// A database was spoken to on this connection, or spoke.
    pub fn learn(&mut self, connection: &Connection, role: Role, system: DatabaseSystem) {
        let server = match role {
            Role::Client => connection.peer.as_ref(),
            Role::Server => connection.local.as_ref(),
        };
        if let Some(place) = server.and_then(place)
            && (self.known.len() < MOST || self.known.contains_key(&place))
        {
            self.known.insert(place, system);
        }
    }

    /// The database that is expected there; `ports` are those that the user names.
    pub fn expected(&self, address: &PeerAddress, ports: &[(u16, DatabaseSystem)]) -> Option<DatabaseSystem> {
        let place = place(address)?;
        self.known.get(&place).copied().or_else(|| match &place {
            Place::Tcp(_, port) => {
                let named = ports.iter().find(|(known, _)| known == port).map(|(_, system)| *system);
                named.or_else(|| by_port(*port))
            }
            Place::Unix(path) => by_name(path),
        })
    }
}

fn place(address: &PeerAddress) -> Option<Place> {
    match address {
        PeerAddress::Ip(address) => {
            let ip = address.ip().to_canonical();
            Some(Place::Tcp((!ip.is_loopback()).then_some(ip), address.port()))
        }
        PeerAddress::Unix { path, .. } => path.clone().map(Place::Unix),
    }
}

/// Registered with IANA.
const fn by_port(port: u16) -> Option<DatabaseSystem> {
    match port {
        5432 => Some(DatabaseSystem::Postgresql),
        3306 => Some(DatabaseSystem::Mysql),
        _ => None,
    }
}

/// The names that these servers give their sockets: PostgreSQL has its port in it.
fn by_name(path: &str) -> Option<DatabaseSystem> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "mysqld.sock" | "mysql.sock" => Some(DatabaseSystem::Mysql),
        "mariadb.sock" => Some(DatabaseSystem::Mariadb),
        _ if name.starts_with(".s.PGSQL.") => Some(DatabaseSystem::Postgresql),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::observation::{Connection, DatabaseSystem, PeerAddress, Process, Role, Stamp};
    use std::sync::Arc;

    fn tcp(text: &str) -> PeerAddress {
        PeerAddress::Ip(text.parse().expect("an address"))
    }

    fn unix(path: &str) -> PeerAddress {
        PeerAddress::Unix { path: Some(Arc::from(path)), socket: 0 }
    }

    #[test]
    fn by_port_and_by_name() {
        let expected = |address: &PeerAddress| Places::default().expected(address, &[(6000, DatabaseSystem::Mariadb)]);
        assert_eq!(expected(&tcp("[::1]:5432")), Some(DatabaseSystem::Postgresql));
        assert_eq!(expected(&tcp("10.0.0.9:3306")), Some(DatabaseSystem::Mysql));
        assert_eq!(expected(&tcp("10.0.0.9:6000")), Some(DatabaseSystem::Mariadb));
        assert_eq!(expected(&tcp("10.0.0.9:6001")), None);
        assert_eq!(expected(&unix("/tmp/.s.PGSQL.5433")), Some(DatabaseSystem::Postgresql));
        assert_eq!(expected(&unix("/run/mysqld/mysqld.sock")), Some(DatabaseSystem::Mysql));
        assert_eq!(expected(&unix("@mysqld")), None);
    }

    #[test]
    fn what_was_spoken_there_is_expected_again() {
        let mut places = Places::default();
        let process = Arc::new(Process { pid: 1, comm: Arc::from("p"), target: Arc::from("p") });
        let at = Stamp::from_nanos(1);
        let mut connection = Connection {
            number: 1,
            process,
            local: Some(tcp("127.0.0.1:40000")),
            peer: Some(tcp("127.0.0.1:6543")),
            role: Some(Role::Client),
            opened: Some(at),
            first_seen: at,
        };
        places.learn(&connection, Role::Client, DatabaseSystem::Postgresql);
        // By another address of this host, too; of no other host.
        assert_eq!(places.expected(&tcp("[::1]:6543"), &[]), Some(DatabaseSystem::Postgresql));
        assert_eq!(places.expected(&tcp("10.0.0.1:6543"), &[]), None);
        assert_eq!(places.expected(&tcp("127.0.0.1:40000"), &[]), None);
        connection.local = Some(unix("/srv/db/socket"));
        places.learn(&connection, Role::Server, DatabaseSystem::Mariadb);
        assert_eq!(places.expected(&unix("/srv/db/socket"), &[]), Some(DatabaseSystem::Mariadb));
    }
}
