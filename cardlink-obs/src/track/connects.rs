//! Connections that are asked for and do not come about: why, and which of them count.
//!
//! A name may have addresses of both families (`localhost`: `::1` and `127.0.0.1`). A program that is refused at one and
//! taken at the other has its connection: so a failure at a port waits a moment for what the program does next.

use super::errno::{
    self, EACCES, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENETUNREACH,
    ENOENT, ENONET, ENOTDIR, EPERM, EPIPE, ETIMEDOUT,
};
use crate::observation::{ConnectFailed, ConnectReason, Connection, Observation, PeerAddress, Role, Stamp};
use std::{borrow::Cow, collections::VecDeque, net::SocketAddr, time::Duration};

/// How long a failure waits for the next attempt.
const NEXT: Duration = Duration::from_millis(250);
/// How long it waits for what becomes of that one.
const OUTCOME: Duration = Duration::from_mins(3);
/// Rounds of attempts that are waited for.
const MOST: usize = 1024;
/// Attempts that are kept in mind while others are under way beside them.
const MOST_BEGUN: usize = 256;

/// Sockets that the C library asks by itself, whether there is anybody or not (nscd(8)).
const ASKED_BY_LIBC: [&str; 2] = ["/var/run/nscd/socket", "/run/nscd/socket"];

/// Ports at which the adb server looks for emulators on this host, from time to time (adb(1)).
const EMULATORS: std::ops::RangeInclusive<u16> = 5554..=5585;

/// Whether there is often nobody, and nobody minds.
fn is_a_look(told: &ConnectFailed, address: SocketAddr) -> bool {
    &*told.process.comm == "adb" && address.ip().is_loopback() && EMULATORS.contains(&address.port())
}

/// Why a `connect` failed; 0 stands for a program that did not wait for the answer.
pub const fn reason(errno: i32) -> ConnectReason {
    match errno {
        ECONNREFUSED => ConnectReason::Refused,
        0 | ETIMEDOUT => ConnectReason::Timeout,
        EHOSTUNREACH | ENETUNREACH | EHOSTDOWN | ENETDOWN | ENONET => ConnectReason::Unreachable,
        ECONNRESET | EPIPE => ConnectReason::Reset,
        ENOENT | ENOTDIR => ConnectReason::NoSocket,
        EACCES | EPERM => ConnectReason::Permission,
        EAGAIN => ConnectReason::Busy,
        EADDRNOTAVAIL => ConnectReason::NoAddress,
        _ => ConnectReason::Other,
    }
}

/// The errno by its name.
pub fn error(errno: i32) -> Option<Cow<'static, str>> {
    match errno {
        0 => None,
        errno => Some(errno::name(errno).map_or_else(|| Cow::Owned(format!("errno {errno}")), Cow::Borrowed)),
    }
}

/// Whether the error of a socket through which no byte has moved is that of its `connect`.
pub const fn is_of_connect(errno: i32) -> bool {
    matches!(reason(errno), ConnectReason::Refused | ConnectReason::Timeout | ConnectReason::Unreachable)
        || errno == ECONNRESET
}

/// Failures that wait for what the program does next.
#[derive(Debug, Default)]
pub struct Connects {
    rounds: Vec<Round>,
    /// Connections that were asked for lately.
    begun: VecDeque<Begun>,
}

#[derive(Debug)]
struct Begun {
    number: u64,
    pid: u32,
    address: SocketAddr,
    at: Stamp,
}

/// Attempts at the addresses of one name, as far as they have failed.
#[derive(Debug)]
struct Round {
    tid: u32,
    failed: Vec<Attempt>,
    /// When the last one failed.
    last: Stamp,
    /// The number of the connection that is tried now, and whether that is by IPv6.
    next: Option<(u64, bool)>,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    told: Box<ConnectFailed>,
}

impl Connects {
    /// Nothing waits.
    pub const fn is_idle(&self) -> bool {
        self.rounds.is_empty()
    }

    /// A connection did not come about, for this thread.
    pub fn failed(&mut self, tid: u32, failed: ConnectFailed, out: &mut Vec<Observation>) {
        let told = Box::new(failed);
        let address = match &told.peer {
            Some(PeerAddress::Ip(address)) => plain(*address),
            Some(PeerAddress::Unix { path: Some(path), .. }) if ASKED_BY_LIBC.contains(&&**path) => return,
            Some(PeerAddress::Unix { .. }) | None => {
                out.push(Observation::ConnectFailed(told));
                return;
            }
        };
        if is_a_look(&told, address) {
            return;
        }
        let number = told.connection.as_ref().map(|connection| connection.number);
        let (pid, last) = (told.process.pid, told.at);
        self.begun.retain(|one| Some(one.number) != number);
        let known = self.rounds.iter().position(|round| match (round.next, number) {
            (Some((next, _)), Some(number)) => next == number,
            _ => round.tid == tid && round.pid() == Some(pid) && round.port() == Some(address.port()),
        });
        if let Some(at) = known
            && let Some(round) = self.rounds.get_mut(at)
        {
            if !round.has_tried(address) {
                round.failed.push(Attempt { address, told });
                (round.last, round.next) = (last, None);
                return;
            }
            // It begins anew.
            self.rounds.remove(at).tell(None, out);
        }
        if self.rounds.len() >= MOST {
            self.rounds.remove(0).tell(None, out);
        }
        let next = told.connection.as_ref().and_then(|connection| self.beside(connection, address));
        self.rounds.push(Round { tid, failed: vec![Attempt { address, told }], last, next });
    }

    /// An attempt at an address of the other family that was begun while this one was under way ("Happy Eyeballs", RFC 8305).
    fn beside(&self, connection: &Connection, address: SocketAddr) -> Option<(u64, bool)> {
        let opened = connection.opened?;
        let found = self.begun.iter().find(|one| {
            one.pid == connection.process.pid
                && one.address.port() == address.port()
                && one.address.is_ipv6() != address.is_ipv6()
                && one.at > opened
        });
        found.map(|one| (one.number, one.address.is_ipv6()))
    }

    /// A connection is tried, or has come about.
    pub fn opened(&mut self, connection: &Connection) {
        let Some(PeerAddress::Ip(address)) = &connection.peer else { return };
        let (address, pid) = (plain(*address), connection.process.pid);
        let round = self.rounds.iter_mut().find(|round| {
            round.next.is_none()
                && round.pid() == Some(pid)
                && round.port() == Some(address.port())
                && !round.has_tried(address)
                && round.failed.iter().any(|one| one.address.is_ipv6() != address.is_ipv6())
        });
        if let Some(round) = round {
            round.next = Some((connection.number, address.is_ipv6()));
        }
        if connection.role == Some(Role::Client)
            && let Some(at) = connection.opened
        {
            if self.begun.len() >= MOST_BEGUN {
                self.begun.pop_front();
            }
            self.begun.push_back(Begun { number: connection.number, pid, address, at });
        }
    }

    /// A connection is there: bytes move on it, or it was closed and had not failed.
    pub fn answered(&mut self, number: u64, out: &mut Vec<Observation>) {
        let is_next = |round: &Round| round.next.is_some_and(|(next, _)| next == number);
        for round in self.rounds.extract_if(.., |round| is_next(round)) {
            let by = round.next.map(|(_, v6)| v6);
            round.tell(by, out);
        }
    }

    /// Time passes.
    pub fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let is_over = |round: &Round| now.since(round.last) > if round.next.is_some() { OUTCOME } else { NEXT };
        for round in self.rounds.extract_if(.., |round| is_over(round)) {
            let by = round.next.map(|(_, v6)| v6);
            round.tell(by, out);
        }
    }

    /// A process ended.
    pub fn process_ended(&mut self, pid: u32, out: &mut Vec<Observation>) {
        self.begun.retain(|one| one.pid != pid);
        for round in self.rounds.extract_if(.., |round| round.pid() == Some(pid)) {
            round.tell(None, out);
        }
    }

    /// The agent stops.
    pub fn finish(&mut self, out: &mut Vec<Observation>) {
        for round in self.rounds.drain(..) {
            round.tell(None, out);
        }
    }
}

impl Round {
    fn pid(&self) -> Option<u32> {
        self.failed.first().map(|one| one.told.process.pid)
    }

    fn port(&self) -> Option<u16> {
        self.failed.first().map(|one| one.address.port())
    }

    fn has_tried(&self, address: SocketAddr) -> bool {
        self.failed.iter().any(|one| one.address == address)
    }

    /// `answered`: an address answered at last, and whether it is one of IPv6.
    fn tell(self, answered: Option<bool>, out: &mut Vec<Observation>) {
        for Attempt { address, mut told } in self.failed {
            told.other_answered = answered.is_some_and(|v6| v6 != address.is_ipv6());
            out.push(Observation::ConnectFailed(told));
        }
    }
}

/// An IPv4 address in IPv6's clothes is one of IPv4.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
#[path = "connects_tests.rs"]
mod tests;
