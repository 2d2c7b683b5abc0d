//! The agent under test.

use crate::{
    Result,
    page::{Counts, Page, more},
    place::{self, Place},
    program::Program,
    trace,
    wait::{self, PATIENCE},
};
use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, ExitStatus, Output},
    thread,
    time::{Duration, Instant},
};

/// Longer than a page may be old.
const SETTLED: Duration = Duration::from_millis(700);

/// A running `cardlink-obs run`.
pub struct Agent {
    pub program: Program,
    address: SocketAddr,
}

/// What one step of a test brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub connections: Vec<String>,
    pub handshakes: Vec<String>,
}

impl Agent {
    /// `cardlink-obs run` with these words on a free port, once it has attached and serves its page.
    pub fn run(place: &Place, words: &str) -> Result<Self> {
        let mut command = command(place)?;
        command.args(["run", "--listen", "127.0.0.1:0"]).args(words.split_whitespace());
        Self::started(&mut command)
    }

    /// The same, with a recording in the file `recording` of the place.
    pub fn recording(place: &Place, words: &str) -> Result<Self> {
        let mut command = command(place)?;
        command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
        command.args(words.split_whitespace());
        Self::started(&mut command)
    }

    pub fn started(command: &mut Command) -> Result<Self> {
        let mut program = Program::start(command)?;
        let address = program.line("where its metrics are", |line| {
            // http or https, and whatever path.
            let url = line.split_once("metrics at http")?.1;
            url.split_once("://")?.1.split_once('/')?.0.parse().ok()
        })?;
        Ok(Self { program, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page as it is now.
    pub fn page(&self) -> Result<Page> {
        Page::parse(&self.text()?)
    }

    pub fn text(&self) -> Result<String> {
        get(self.address, "/metrics")
    }

    /// Waits for a page that is as wanted.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Page) -> bool) -> Result<Page> {
        let mut last = Page::default();
        let waited = wait::until(what, PATIENCE, || {
            if let Some(status) = self.program.ended()? {
                bail!("the agent ended ({status}):{}", self.program.said());
            }
            last = self.page()?;
            Ok(wanted(&last).then(|| last.clone()))
        });
        waited.with_context(|| {
            format!(
                "the page has {:?}, {:?}, {} active, {:?}, {:?}",
                last.connections(),
                last.handshakes(),
                last.active(),
                last.commands(),
                last.fates()
            )
        })
    }

    /// Waits for so many ended connections with none left open, and then whether more come.
    pub fn settled(&mut self, closed: u64) -> Result<Page> {
        self.until(&format!("{closed} ended connections"), |page| page.closed() >= closed && page.active() == 0)?;
        thread::sleep(wait::scaled(SETTLED));
        self.page()
    }

    /// Waits until the ledger balances. It is read once a second, and a page on which nothing happens is renewed every
    /// few seconds: right after a load the two sides of it are of different times.
    pub fn balanced(&mut self) -> Result<Page> {
        let page = self.until("a ledger that balances", |page| page.ledger_balances().is_ok());
        match page {
            Ok(page) => Ok(page),
            Err(error) => Err(self.page()?.ledger_balances().err().unwrap_or(error)),
        }
    }

    /// Does something that ends in `connections` closed connections, and says what the agent counted of it.
    pub fn step(&mut self, connections: u64, act: impl FnOnce() -> Result) -> Result<Step> {
        let before = self.page()?;
        act()?;
        let wanted = before.closed() + connections;
        let after = self.until("the end of the connection", |page| page.closed() >= wanted && page.active() == 0)?;
        Ok(Step {
            connections: listed(&more(&before.connections(), &after.connections())),
            handshakes: listed(&more(&before.handshakes(), &after.handshakes())),
        })
    }

    /// Ends it as a service manager does; how long that took.
    pub fn stop(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let status = self.program.stop(Signal::SIGTERM)?;
        let took = began.elapsed();
        ensure!(status.code() == Some(0), "the agent ended with {status}:{}", self.program.said());
        Ok(took)
    }
}

/// A running `cardlink-obs trace --json`.
pub struct Tracer {
    pub program: Program,
}

impl Tracer {
    /// Starts it; it is ready when it has told of its first target.
    pub fn start(place: &Place, words: &str) -> Result<Self> {
        Self::hashed(place, &format!("--clear-identities {words}"))
    }

    /// The same, with identities as hashes.
    pub fn hashed(place: &Place, words: &str) -> Result<Self> {
        let mut command = command(place)?;
        command.args(["trace", "--json", "--all"]).args(words.split_whitespace());
        let mut program = Program::start(&mut command)?;
        program.line("that it found its target", |line| line.contains("\"type\":\"target\"").then_some(()))?;
        Ok(Self { program })
    }

    /// Starts it for a target that is not there yet.
    pub fn waiting(place: &Place, words: &str) -> Result<Self> {
        let mut command = command(place)?;
        command.args(["trace", "--json", "--all", "--clear-identities"]).args(words.split_whitespace());
        let mut program = Program::start(&mut command)?;
        program.line("that it waits", |line| line.contains("waiting for it").then_some(()))?;
        Ok(Self { program })
    }

    /// What it has told so far.
    pub fn told(&self) -> Result<Vec<Value>> {
        trace::parse(&self.program.out())
    }

    /// Waits until it has told so many of one type, and returns these.
    pub fn until(&mut self, kind: &str, count: usize) -> Result<Vec<Value>> {
        let found = wait::until(&format!("{count} × {kind} in the trace"), PATIENCE, || {
            let told: Vec<Value> = trace::of(&self.told()?, kind).cloned().collect();
            Ok((told.len() >= count).then_some(told))
        });
        found.with_context(|| self.program.said())
    }

    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.program.stop(Signal::SIGINT)
    }
}

/// The agent's command line, with a hashing key that is this test's own, and no control socket unless one is named.
pub fn command(place: &Place) -> Result<Command> {
    let mut command = Command::new(place::program("cardlink-obs")?);
    command.env("CARDLINK_OBS_HASH_KEY", place.path("hash-key")).env_remove("SUDO_UID").env_remove("SUDO_GID");
    command.env("CARDLINK_OBS_CONTROL_SOCKET", "none");
    Ok(command)
}

/// Runs the agent to its end.
pub fn output(place: &Place, words: &str) -> Result<Output> {
    let mut program = Program::start(command(place)?.args(words.split_whitespace()))?;
    program.close_input();
    let status = program.wait()?;
    let bytes = |lines: Vec<String>| (lines.join("\n") + "\n").into_bytes();
    Ok(Output { status, stdout: bytes(program.out()), stderr: bytes(program.err()) })
}

/// What `replay --json` says of a recording.
pub fn replayed(place: &Place, file: &Path) -> Result<Vec<Value>> {
    let output = output(place, &format!("replay --json --all {}", file.display()))?;
    ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    trace::parse(&lines)
}

fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, wait::scaled(Duration::from_secs(5)))?;
    stream.set_read_timeout(Some(wait::scaled(Duration::from_secs(5))))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an answer of HTTP")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    Ok(body.to_owned())
}

fn listed(counts: &Counts) -> Vec<String> {
    counts.iter().flat_map(|(what, count)| (0..*count).map(|_| what.clone())).collect()
}
