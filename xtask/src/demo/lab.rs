//! The programs that the demo's agent watches.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::programs::Programs;

const IDENTITY: &str = "card-1";
const KEY: &str = "00112233445566778899aabbccddeeff";
/// What the server asks the cards for: GET STATUS, INSTALL [for install and make selectable], SELECT, READ BINARY.
const SCRIPT: &str = "80F24002024F00,80E60C0009A00000008710020100,00A40004023F00,00B0000009";
/// The INSTALL finds no load file.
const ANSWER: &str = "80E6=6A88";
/// What the cards do, in turn: mostly right, and wrong in the ways that cost people their days.
const FAULTS: &str = "none,hex-taken-for-text,drop-mid-script,unknown-identity,none,no-shared-cipher,close-after-server-hello,none,http,\
                      silent-mid-handshake,reset-mid-handshake";

/// A server, a modem, and the program that talks to it; they end with this value.
#[derive(Debug)]
pub struct Lab {
    server: Running,
    address: String,
    keys: PathBuf,
    // Ends before the modem does, and so without a complaint about it.
    tool: Running,
    _modem: Running,
}

impl Lab {
    /// Starts everything in `dir`.
    pub fn start(programs: &Programs, dir: &Path) -> Result<Self> {
        let keys = dir.join("keys");
        fs::write(&keys, format!("{IDENTITY}:{KEY}\n")).context("cannot write the demo's keys")?;
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).context("cannot protect the demo's keys")?;
        let mut server = Command::new(programs.lab.join("lab-server"));
        server.arg("--psk-file").arg(&keys).args(["--compute", "5", "--handshake-timeout", "1500"]);
        server.args(["--script", SCRIPT]);
        let (server, address) = Running::start_and_hear(&mut server, "listening on ")?;

        let mut modem = Command::new(programs.lab.join("lab-modem"));
        modem.args(["--delay", "20", "--delay", "AT+COPS=120", "--urc", "+CREG: 1:4000"]);
        let (modem, tty) = Running::start_and_hear(&mut modem, "modem on ")?;
        let tool = Running::start(Command::new(modem_tool(dir)?).arg("modem-tool").arg(tty))?;
        Ok(Self { server, address, keys, tool, _modem: modem })
    }

    /// Who is to be watched.
    pub fn pids(&self) -> [u32; 2] {
        [self.server.0.id(), self.tool.0.id()]
    }

    /// The server's keys: the agent reads the sessions with them.
    pub fn keys(&self) -> &Path {
        &self.keys
    }

    /// Cards that come one after the other, until this value ends.
    pub fn cards(&self, programs: &Programs) -> Result<Running> {
        let mut card = Command::new(programs.lab.join("lab-card"));
        card.args(["--connect", &self.address, "--identity", IDENTITY, "--key", KEY, "--fault", FAULTS]);
        card.args([
            "--sessions",
            "100000",
            "--rate",
            "2",
            "--think",
            "40",
            "--hold",
            "3000",
            "--apdu-time",
            "15",
            "--answer",
            ANSWER,
            "--drop",
            "before",
        ]);
        Running::start(&mut card)
    }
}

/// This program under the name that the demo shows.
fn modem_tool(dir: &Path) -> Result<PathBuf> {
    let name = dir.join("modem-tool");
    if name.symlink_metadata().is_ok() {
        fs::remove_file(&name).context("cannot replace the demo's modem program")?;
    }
    let this = std::env::current_exe().context("cannot name this program")?;
    symlink(this, &name).context("cannot name the demo's modem program")?;
    Ok(name)
}

/// A program that ends with this value.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// Starts a program and returns what follows `before` in its first line.
    fn start_and_hear(command: &mut Command, before: &str) -> Result<(Self, String)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let name = command.get_program().display().to_string();
        let mut running = Self(command.spawn().with_context(|| format!("cannot start {name}"))?);
        let output = running.0.stdout.take().with_context(|| format!("{name} has no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).with_context(|| format!("{name} says nothing"))?;
        let told = line.trim().strip_prefix(before).with_context(|| format!("{name} says `{}`", line.trim()))?;
        Ok((running, told.to_owned()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
