//! Unix-domain stream sockets: which two ends a connection has, and the name that one of them bears.

use crate::{
    emit::{Source, emit},
    kernel::{self, File},
    maps::LAYOUT,
};
use cardlink_obs_common::{EventHeader, kind};

const AF_UNIX: u16 = 1;
const SOCK_STREAM: u16 = 1;
const LISTEN: u8 = 10;

/// The largest `struct sockaddr_un`.
const NAME_BYTES: u32 = 110;

/// A connection. Addresses of the kernel: they tell ends apart, nothing more.
#[derive(Clone, Copy)]
pub struct Connection {
    own: u64,
    peer: u64,
    name: u64,
    name_len: u32,
    named: bool,
    /// Who connected, when this end was accepted.
    peer_pid: u32,
}

/// The connection of a socket, when it is one between a named end and another.
#[inline(always)]
pub fn connected(file: File) -> Option<Connection> {
    let layout = LAYOUT.load();
    let (socket_type, own) = file.sock()?;
    let family: u16 = kernel::read(own, layout.sk_family)?;
    if family != AF_UNIX || socket_type != SOCK_STREAM {
        return None;
    }
    let state: u8 = kernel::read(own, layout.sk_state)?;
    let peer: u64 = kernel::read(own, layout.unix_peer)?;
    if state == LISTEN || peer == 0 {
        return None;
    }
    // A socket that was accepted bears the name of its listener; who connects rarely has one.
    let mut address: u64 = kernel::read(own, layout.unix_addr)?;
    let named = address != 0;
    if !named {
        address = kernel::read(peer, layout.unix_addr)?;
    }
    if address == 0 {
        return None;
    }
    let length: u32 = kernel::read(address, layout.unix_address_len)?;
    Some(Connection {
        own,
        peer,
        name: address + u64::from(layout.unix_address_name),
        name_len: if length < NAME_BYTES { length } else { NAME_BYTES },
        named,
        peer_pid: if named { peer_pid(own) } else { 0 },
    })
}

/// Of a socket that was accepted, the kernel keeps who connected; 0 when it does not.
#[inline(always)]
fn peer_pid(sk: u64) -> u32 {
    let layout = LAYOUT.load();
    if layout.sk_peer_pid == 0 {
        return 0;
    }
    let pid: u64 = kernel::read(sk, layout.sk_peer_pid).unwrap_or(0);
    if pid == 0 { 0 } else { kernel::read(pid, layout.pid_number).unwrap_or(0) }
}

/// Tells of it.
#[inline(always)]
pub fn tell(header: &mut EventHeader, connection: &Connection, how: u8) {
    header.kind = kind::OPEN_UNIX;
    header.total = i64::from(how);
    header.skipped = u32::from(connection.named);
    header.offset = connection.own;
    header.polled_ns = connection.peer;
    header.enter_ns = u64::from(connection.peer_pid);
    emit(header, Source::Kernel(connection.name as *const u8), connection.name_len);
}
