//! Connections with a deadline, whose local end is known before they are made.

use super::own::{Mark, OwnConnections};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, connect, getsockname, getsockopt, socket,
        sockopt::SocketError,
    },
};
use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};

/// When everything has to be over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left; an error when nothing is.
    pub fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A connection of the agent's own.
#[derive(Debug)]
pub struct Dialed {
    stream: TcpStream,
    deadline: Deadline,
    _mark: Option<Mark>,
}

impl Read for Dialed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Dialed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A time-out of a socket is told as "would block".
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

/// Connects to `HOST:PORT`; one address after the other.
pub fn dial(address: &str, deadline: Deadline, own: Option<&OwnConnections>) -> io::Result<Dialed> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match one(address, deadline, own) {
            Ok(dialed) => return Ok(dialed),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn one(address: SocketAddr, deadline: Deadline, own: Option<&OwnConnections>) -> io::Result<Dialed> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    let mark = match own {
        Some(own) => {
            bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrStorage::from(SocketAddr::new(source(address)?, 0)))?;
            local(&fd).map(|end| own.mark(end))
        }
        None => None,
    };
    match connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrStorage::from(address)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => wait(&fd, deadline)?,
        Err(errno) => return Err(errno.into()),
    }
    let stream = TcpStream::from(fd);
    stream.set_nonblocking(false)?;
    Ok(Dialed { stream, deadline, _mark: mark })
}

/// The address that the kernel would take for a connection there: nothing is sent.
fn source(address: SocketAddr) -> io::Result<IpAddr> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let probe = UdpSocket::bind(any)?;
    probe.connect(address)?;
    Ok(probe.local_addr()?.ip())
}

fn local(fd: &OwnedFd) -> Option<SocketAddr> {
    let name: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(fd)).ok()?;
    let v4 = name.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| name.as_sockaddr_in6().map(|v6| SocketAddr::from((v6.ip(), v6.port()))))
}

fn wait(fd: &OwnedFd, deadline: Deadline) -> io::Result<()> {
    loop {
        let left = deadline.left()?;
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)], timeout) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => {
                return match getsockopt(fd, SocketError)? {
                    0 => Ok(()),
                    errno => Err(io::Error::from_raw_os_error(errno)),
                };
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Connects to a unix socket.
pub fn dial_unix(path: &Path, deadline: Deadline) -> io::Result<UnixStream> {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    loop {
        match connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &UnixAddr::new(path)?) {
            Ok(()) => break,
            // Its queue is full: unix sockets do not tell when there is room.
            Err(Errno::EAGAIN) => std::thread::sleep(deadline.left()?.min(Duration::from_millis(10))),
            Err(errno) => return Err(errno.into()),
        }
    }
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false)?;
    let left = deadline.left()?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::{Deadline, OwnConnections, dial};
    use std::{
        io::{ErrorKind, Read as _},
        net::TcpListener,
        time::{Duration, Instant},
    };

    #[test]
    fn a_silent_peer_ends_with_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let began = Instant::now();
        let own = OwnConnections::default();
        let mut dialed = dial(&address, Deadline::after(Duration::from_millis(200)), Some(&own)).expect("connected");
        let error = dialed.read(&mut [0; 1]).expect_err("a time-out");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(2));
        drop(listener);
        let error = dial(&address, Deadline::after(Duration::from_secs(1)), None).expect_err("nobody there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}
