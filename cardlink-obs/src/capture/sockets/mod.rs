//! TCP sockets in the network namespace of a given process.

mod listening;

use super::host;
use procfs::{net::TcpState, process::Process};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

/// The two ends of a connected socket.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub local: SocketAddr,
    pub peer: SocketAddr,
}

/// Sockets in the network namespace of `pid`: connected ones by inode, and listeners.
#[derive(Debug, Default)]
pub struct Sockets {
    pub connected: HashMap<u64, Ends>,
    pub listening: HashMap<u64, SocketAddr>,
}

/// Reads the socket tables that a process sees.
pub fn of(pid: u32) -> Sockets {
    let mut sockets = Sockets::default();
    let Ok(process) = i32::try_from(pid).map_err(|_| ()).and_then(|pid| Process::new(pid).map_err(|_| ())) else {
        return sockets;
    };
    let v4 = process.tcp().unwrap_or_default();
    let v6 = process.tcp6().unwrap_or_default();
    for entry in v4.into_iter().chain(v6) {
        match entry.state {
            TcpState::Listen => {
                sockets.listening.insert(entry.inode, entry.local_address);
            }
            TcpState::Established
            | TcpState::CloseWait
            | TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::SynSent => {
                sockets.connected.insert(entry.inode, Ends { local: entry.local_address, peer: entry.remote_address });
            }
            _ => {}
        }
    }
    sockets
}

/// Sockets that listen in the network namespace of `pid`, by inode.
pub fn listening(pid: u32) -> HashMap<u64, SocketAddr> {
    // The kernel answers for the namespace that asks.
    let own = host::network_namespace(std::process::id());
    let told = if own.is_some() && host::network_namespace(pid) == own { listening::here().ok() } else { None };
    told.unwrap_or_else(|| of(pid).listening)
}

/// Inodes of all sockets that listen on one of the ports, in every network namespace that has a process.
pub fn listeners(ports: &[u16], pids: &[u32]) -> HashSet<u64> {
    let mut seen = HashSet::new();
    let mut found = HashSet::new();
    for pid in pids {
        let Some(namespace) = host::network_namespace(*pid) else { continue };
        if !seen.insert(namespace) {
            continue;
        }
        found.extend(listening(*pid).iter().filter(|(_, at)| ports.contains(&at.port())).map(|(inode, _)| *inode));
    }
    found
}
