//! Debian's adb, its server, and the lab's phone behind it.

use crate::{
    Result,
    agent::Tracer,
    peers::{self, Server},
    place::{self, Place},
    trace, wait,
};
use anyhow::Context as _;
use cardlink_lab::truth::{self, PhoneRecord};
use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// The name that the client and the server run under: other programs named adb are none of a test's business.
pub const NAME: &str = "adb-e2e";

/// An adb server of its own, with nothing behind it at first.
pub struct Bridge {
    program: PathBuf,
    home: PathBuf,
    pub server: Server,
    pub phone: Server,
}

impl Bridge {
    pub fn start(place: &Place) -> Result<Self> {
        let phone = phone(place, "phone")?;
        let program = program(place, NAME)?;
        let home = place.path("");
        let port = peers::free_port()?;
        let mut command = Command::new(&program);
        command.args(["-P", &port.to_string(), "nodaemon", "server"]).env("HOME", &home);
        let server = Server::on(&mut command, port)?;
        Ok(Self { program, home, server, phone })
    }

    /// `adb WORDS…`, as a command to start.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-P", &self.server.port.to_string()]).args(words).env("HOME", &self.home);
        command
    }

    /// The same, to its end.
    pub fn adb(&self, words: &[&str]) -> Result<Output> {
        self.client(words).output().with_context(|| format!("adb {words:?}"))
    }

    /// The probes go in when the first program of the name is seen: uses adb until the trace tells of it.
    pub fn until_told(&self, tracer: &Tracer) -> Result {
        wait::until("an operation that is seen", wait::PATIENCE, || {
            self.adb(&["host-features"])?;
            Ok(trace::of(&tracer.told()?, "adb_operation").next().is_some().then_some(()))
        })
    }

    /// The serial number that the phone has for the server.
    pub fn serial(&self) -> String {
        format!("127.0.0.1:{}", self.phone.port)
    }

    pub fn connect(&self) -> Result {
        let output = self.adb(&["connect", &self.serial()])?;
        let said = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(said.starts_with("connected to"), "{said}");
        Ok(())
    }
}

/// Debian's adb under this name.
pub fn program(place: &Place, name: &str) -> Result<PathBuf> {
    let program = place.path(name);
    if !program.exists() {
        // The file itself: Debian's command is a link to it.
        std::os::unix::fs::symlink(std::fs::canonicalize(place::peer("adb", "adb")?)?, &program)?;
    }
    Ok(program)
}

/// `lab-phone`, with its truth in this file of the place.
pub fn phone(place: &Place, name: &str) -> Result<Server> {
    Server::that_says_where(Command::new(place::program("lab-phone")?).arg("--truth").arg(place.path(name)))
}

/// What the phone says that happened.
pub fn services(place: &Place, name: &str) -> Result<Vec<PhoneRecord>> {
    truth::read(&place.path(name))
}
