//! Connecting, without waiting for an agent that does not accept.

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials},
};
use std::{
    io,
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    path::Path,
};

/// A connection; `WouldBlock` when the agent has too many that it has not accepted.
pub(super) fn dial(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(UnixStream::from(socket))
}

/// The process that listens at the other end.
pub(super) fn pid_of_peer(stream: &UnixStream) -> Option<u32> {
    getsockopt(stream, PeerCredentials).ok().and_then(|peer| u32::try_from(peer.pid()).ok()).filter(|pid| *pid > 0)
}
