//! Who listens, without the thousands that are connected or wait to be forgotten: the kernel is asked for listeners alone
//! (`sock_diag(7)`). Its tables in procfs take 20 ms to read on a busy server, and listeners are looked for all the time.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use netlink_sys::{Socket, protocols::NETLINK_SOCK_DIAG};
use nix::libc::MSG_DONTWAIT;
use std::{collections::HashMap, io, net::SocketAddr};

/// Answers come in pieces of at most this size (`NLMSG_GOODSIZE` and more).
const PIECE: usize = 32 * 1024;

/// TCP sockets that listen in the network namespace of the agent, by inode.
pub(super) fn here() -> io::Result<HashMap<u64, SocketAddr>> {
    let mut found = HashMap::new();
    let socket = Socket::new(NETLINK_SOCK_DIAG)?;
    for family in [AF_INET, AF_INET6] {
        socket.send(&question(family), 0)?;
        collect(&socket, &mut found)?;
    }
    Ok(found)
}

/// "All listeners of this family."
fn question(family: u8) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let socket_id = if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() };
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads until the kernel says that this was all.
fn collect(socket: &Socket, found: &mut HashMap<u64, SocketAddr>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        // Each piece is made as the one before is read: there is nothing to wait for.
        let size = socket.recv(&mut piece.as_mut_slice(), MSG_DONTWAIT)?;
        let mut rest = piece.get(..size).unwrap_or_default();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(one)) => {
                    let id = &one.header.socket_id;
                    found.insert(one.header.inode.into(), SocketAddr::new(id.source_address, id.source_port));
                }
                NetlinkPayload::Done(done) if done.code < 0 => return Err(io::Error::from_raw_os_error(-done.code)),
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages begin at multiples of four.
            let length = (message.header.length as usize).next_multiple_of(4).max(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::here;
    use std::{collections::BTreeMap, net::TcpListener};

    /// As procfs has them: the same sockets, by the same numbers.
    #[test]
    fn the_kernel_and_procfs_tell_of_the_same() {
        let v4 = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let v6 = TcpListener::bind("[::1]:0").expect("there is a port");
        let mine = [v4.local_addr().expect("bound"), v6.local_addr().expect("bound")];
        let of_mine = |all: std::collections::HashMap<u64, std::net::SocketAddr>| -> BTreeMap<_, _> {
            all.into_iter().filter(|(_, at)| mine.contains(at)).collect()
        };
        let told = of_mine(here().expect("the kernel answers"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told, of_mine(super::super::of(std::process::id()).listening));
        let connected = std::net::TcpStream::connect(mine[0]).expect("it listens");
        let own = connected.local_addr().expect("connected");
        assert!(here().expect("the kernel answers").values().all(|at| *at != own), "listeners alone");
    }

    /// More than one piece.
    #[test]
    fn many_listeners() {
        let many: Vec<TcpListener> = (0..600).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let told = here().expect("the kernel answers");
        for one in &many {
            let at = one.local_addr().expect("bound");
            assert!(told.values().any(|found| *found == at), "{at} is missing");
        }
    }
}
