//! What a service manager is told (`sd_notify(3)`): ready, reloading, stopping, still alive.
//!
//! The protocol is one datagram of lines to the socket that `NOTIFY_SOCKET` names. Without one nothing is told.

use nix::time::{ClockId, clock_gettime};
use std::{
    cell::Cell,
    ffi::OsString,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::{Duration, Instant},
};

/// The service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// Between two signs of life: a third of what the manager waits for.
    beat_every: Option<Duration>,
    last_beat: Cell<Option<Instant>>,
}

impl Manager {
    /// The one that the environment names.
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let to = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()).and_then(|name| {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&name),
            };
            let opened = address.and_then(|address| Ok((UnixDatagram::unbound()?, address)));
            opened.inspect_err(|error| tracing::warn!("the service manager cannot be told anything: {error}")).ok()
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let of_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let limit = number("WATCHDOG_USEC").filter(|micros| of_us && *micros > 0).map(Duration::from_micros);
        Self { beat_every: limit.filter(|_| to.is_some()).map(|limit| limit / 3), to, last_beat: Cell::new(None) }
    }

    /// Everything is attached and served.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read again; `ready` ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration again", now.as_micros()));
    }

    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=sending and writing what is left");
    }

    /// A sign of life, when it is time for one. To be called by what must not hang.
    pub fn alive(&self) {
        let Some(every) = self.beat_every else { return };
        if self.last_beat.get().is_none_or(|last| last.elapsed() >= every) {
            self.last_beat.set(Some(Instant::now()));
            self.tell("WATCHDOG=1");
        }
    }

    /// A manager that does not listen any more is no reason to stop.
    fn tell(&self, text: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            tracing::debug!("the service manager was not told {text:?}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Manager;
    use std::{
        ffi::OsString,
        os::{
            linux::net::SocketAddrExt as _,
            unix::net::{SocketAddr, UnixDatagram},
        },
        time::Duration,
    };

    fn manager(variables: &[(&str, &str)]) -> Manager {
        Manager::of(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    fn said(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 512];
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let len = socket.recv(&mut bytes).expect("a datagram");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    #[test]
    fn a_socket_in_the_file_system_and_one_without_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("cardlink-obs-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let cases = [
            (path.display().to_string(), UnixDatagram::bind(&path).expect("a socket")),
            (format!("@{name}"), UnixDatagram::bind_addr(&address).expect("a socket")),
        ];
        for (name, socket) in cases {
            let manager = manager(&[("NOTIFY_SOCKET", &name)]);
            manager.ready("metrics at x");
            assert_eq!(said(&socket), "READY=1\nSTATUS=metrics at x");
            manager.reloading();
            let text = said(&socket);
            let micros = text.split("MONOTONIC_USEC=").nth(1).and_then(|rest| rest.lines().next()?.parse::<u64>().ok());
            assert!(text.starts_with("RELOADING=1\n") && micros.is_some_and(|micros| micros > 0), "{text}");
            manager.stopping();
            assert!(said(&socket).starts_with("STOPPING=1\n"));
        }
    }

    #[test]
    fn signs_of_life_come_three_times_in_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify").display().to_string();
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let pid = std::process::id().to_string();
        let manager = manager(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", &pid)]);
        assert_eq!(manager.beat_every, Some(Duration::from_secs(1)));
        manager.alive();
        manager.alive();
        assert_eq!(said(&socket), "WATCHDOG=1");
        socket.set_nonblocking(true).expect("no waiting");
        assert!(socket.recv(&mut [0; 8]).is_err(), "one sign, not two at once");
    }

    #[test]
    fn without_a_manager_nothing_is_told() {
        for variables in [
            &[][..],
            &[("NOTIFY_SOCKET", "")],
            &[("WATCHDOG_USEC", "3000000")],
            &[("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "1")],
        ] {
            let manager = manager(variables);
            manager.ready("");
            manager.alive();
            assert_eq!(manager.beat_every, None, "{variables:?}");
        }
    }
}
