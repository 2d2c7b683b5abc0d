//! Real servers, clients, and the lab's programs.

use crate::{
    IDENTITY, KEY, Result,
    place::{self, Place},
    program::Program,
    wait::{self, PATIENCE},
};
use anyhow::Context as _;
use cardlink_lab::truth::{self, ConnectionRecord, ModemRecord};
use nix::sys::signal::Signal;
use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
};

/// A program that listens on a port of the loopback interface.
pub struct Server {
    pub program: Program,
    pub port: u16,
}

impl Server {
    /// `lab-server`, with its truth in the file `server` of the place.
    pub fn lab(place: &Place, words: &str) -> Result<Self> {
        let mut command = Command::new(place::program("lab-server")?);
        command.arg("--psk-file").arg(place.path("psk")).arg("--truth").arg(place.path("server"));
        Self::that_says_where(command.args(words.split_whitespace()))
    }

    /// `openssl s_server`.
    pub fn openssl(words: &str) -> Result<Self> {
        let mut command = Command::new(place::peer("openssl", "openssl")?);
        command.args(["s_server", "-accept", "127.0.0.1:0", "-nocert"]);
        command.args(["-psk", KEY, "-psk_identity", IDENTITY]).args(words.split_whitespace());
        Self::that_says_where(&mut command)
    }

    /// `gnutls-serv` with this priority string.
    pub fn gnutls(place: &Place, priority: &str) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(place::peer("gnutls-serv", "gnutls-bin")?);
        command.arg("--quiet").args(["--echo", "--port", &port.to_string()]);
        command.arg("--pskpasswd").arg(place.path("psk")).arg(format!("--priority={priority}"));
        Self::on(&mut command, port)
    }

    /// A Python program that is given a port to listen on, as its first argument.
    pub fn python(place: &Place, script: &str, name: &str, words: &str) -> Result<Self> {
        let port = free_port()?;
        let file = place.path(name);
        std::fs::write(&file, script)?;
        let mut command = Command::new(place::plain_python()?);
        Self::on(command.arg(file).arg(port.to_string()).args(words.split_whitespace()), port)
    }

    /// Starts a program that will listen on a port that is known, and waits until it does.
    pub fn on(command: &mut Command, port: u16) -> Result<Self> {
        let mut program = Program::start(command)?;
        let listening = wait::until("a listening server", PATIENCE, || {
            anyhow::ensure!(program.ended()?.is_none(), "the server ended");
            Ok(listens(port)?.then_some(()))
        });
        listening.with_context(|| program.said())?;
        Ok(Self { program, port })
    }

    /// Starts a program that says so itself, in its first lines.
    pub fn that_says_where(command: &mut Command) -> Result<Self> {
        let mut program = Program::start(command)?;
        let port = program.line("where it listens", |line| {
            let address = line.strip_prefix("listening on ").or_else(|| line.strip_prefix("ACCEPT "))?;
            address.rsplit(':').next()?.parse().ok()
        })?;
        Ok(Self { program, port })
    }

    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Ends it, so that its truth is complete.
    pub fn stop(&mut self) -> Result {
        self.program.stop(Signal::SIGTERM).map(|_| ())
    }
}

/// `lab-card` to its end, with its truth in the file `card` of the place.
pub fn card(place: &Place, port: u16, words: &str) -> Result {
    start_card(place, port, words)?.success()
}

pub fn start_card(place: &Place, port: u16, words: &str) -> Result<Program> {
    let mut command = Command::new(place::program("lab-card")?);
    command.args(["--connect", &format!("127.0.0.1:{port}"), "--identity", IDENTITY, "--key", KEY]);
    command.arg("--truth").arg(place.path("card")).args(words.split_whitespace());
    Program::start(&mut command)
}

/// `openssl s_client`, which leaves when its input ends; whether it got in.
pub fn openssl_client(port: u16, words: &str) -> Result<bool> {
    let mut command = Command::new(place::peer("openssl", "openssl")?);
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-brief"]);
    let mut program = Program::start(command.args(words.split_whitespace()))?;
    program.close_input();
    Ok(program.wait()?.success())
}

/// `gnutls-cli` with this key, which leaves when its input ends; whether it got in.
pub fn gnutls_client(port: u16, identity: &str, key: &str, priority: &str) -> Result<bool> {
    let mut command = Command::new(place::peer("gnutls-cli", "gnutls-bin")?);
    command.args(["--port", &port.to_string(), "--pskusername", identity, "--pskkey", key, "--no-ca-verification"]);
    let mut program = Program::start(command.arg(format!("--priority={priority}")).arg("127.0.0.1"))?;
    program.close_input();
    Ok(program.wait()?.success())
}

/// `lab-modem`, with its truth in the file `modem` of the place and its port in `tty`.
pub fn modem(place: &Place, words: &str) -> Result<Program> {
    let mut command = Command::new(place::program("lab-modem")?);
    command.arg("--truth").arg(place.path("modem")).arg("--link").arg(place.path("tty"));
    let mut program = Program::start(command.args(words.split_whitespace()))?;
    program.line("where its port is", |line| line.starts_with("modem on ").then_some(()))?;
    Ok(program)
}

/// What `lab-server` (`server`) or `lab-card` (`card`) say that happened.
pub fn connections(place: &Place, name: &str) -> Result<Vec<ConnectionRecord>> {
    truth::read(&place.path(name))
}

/// What the modem says that happened.
pub fn commands(place: &Place) -> Result<Vec<ModemRecord>> {
    let all: Vec<ModemRecord> = truth::read(&place.path("modem"))?;
    Ok(all.into_iter().filter(|record| record.kind == "command").collect())
}

/// A port that nobody had a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether someone listens there; found out without a connection, which would be counted.
fn listens(port: u16) -> Result<bool> {
    const LISTEN: &str = "0A";
    let tables =
        std::fs::read_to_string("/proc/net/tcp")? + &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let local = format!(":{port:04X}");
    Ok(tables.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|address| address.ends_with(&local)) && fields.nth(1) == Some(LISTEN)
    }))
}
