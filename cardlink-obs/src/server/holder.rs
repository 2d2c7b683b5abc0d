//! Says who has the port, where that can be found out.

use super::ServerError;
use crate::capture::{host, sockets};
use std::{io, net::SocketAddr};

pub(super) fn cannot_listen(address: SocketAddr, setting: &str, error: &io::Error) -> ServerError {
    let mut reason = error.to_string();
    if error.kind() == io::ErrorKind::AddrInUse {
        reason = match port_holder(address.port()) {
            Some((pid, comm)) => format!("{comm} (pid {pid}) has that port; choose another with {setting}"),
            None => format!("another program has that port; choose another with {setting}"),
        };
    }
    ServerError::Listen { address, reason }
}

fn port_holder(port: u16) -> Option<(u32, String)> {
    let own = std::process::id();
    let wanted = sockets::listeners(&[port], &[own]);
    host::pids().into_iter().find_map(|pid| {
        let holds = host::descriptors(pid)
            .iter()
            .any(|(_, link)| host::socket_inode(link).is_some_and(|inode| wanted.contains(&inode)));
        holds.then(|| Some((pid, host::comm(pid)?))).flatten()
    })
}
