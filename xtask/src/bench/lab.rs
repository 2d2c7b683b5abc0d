//! The lab's server, and cards that come to it.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::running::Running;
use super::{Bench, system};
use crate::project::capture;

const IDENTITY: &str = "card-1";
const KEY: &str = "00112233445566778899aabbccddeeff";
/// As many cards as the server has workers: more would only wait.
const PARALLEL: &str = "4";
const SERVER_CPU: &str = "1";
const CARD_CPUS: &str = "0";

/// What the cards do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A handshake, and the connection is closed.
    Handshake,
    /// A handshake, and a command script over HTTP.
    Session,
}

/// What some connections cost the server.
#[derive(Debug, Clone, Copy)]
pub struct Lap {
    /// CPU time of the server for each of them, in microseconds.
    pub cpu_us: f64,
    pub per_second: f64,
    pub took: Duration,
}

/// The server: a pool of threads.
#[derive(Debug)]
pub struct Server {
    running: Running,
    pub address: String,
}

impl Server {
    pub fn start(bench: &Bench) -> Result<Self> {
        let keys = bench.dir.join("keys");
        fs::write(&keys, format!("{IDENTITY}:{KEY}\n")).context("cannot write the lab's keys")?;
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).context("cannot protect the lab's keys")?;
        let mut command = on_cpus(SERVER_CPU, &bench.programs.lab.join("lab-server"));
        command.arg("--psk-file").arg(keys).args(["--workers", PARALLEL]);
        let (running, mut out) = Running::start_talking(&mut command)?;
        let mut line = String::new();
        out.read_line(&mut line).context("the server says nothing")?;
        let address = line.trim().strip_prefix("listening on ").context("the server does not say where it listens")?;
        Ok(Self { address: address.to_owned(), running })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub fn port(&self) -> Result<&str> {
        Ok(self.address.rsplit_once(':').context("an address has a port")?.1)
    }

    /// Lets cards come, as fast as they can or `rate` a second, and waits for the last.
    pub fn lap(&self, bench: &Bench, load: Load, connections: u32, rate: Option<u32>) -> Result<Lap> {
        let mut card = on_cpus(CARD_CPUS, &bench.programs.lab.join("lab-card"));
        card.args(["--connect", &self.address, "--identity", IDENTITY, "--key", KEY, "--parallel", PARALLEL]);
        card.args(["--sessions", &connections.to_string()]);
        if load == Load::Handshake {
            card.arg("--handshake-only");
        }
        if let Some(rate) = rate {
            card.args(["--rate", &rate.to_string()]);
        }
        let before = system::cpu(self.pid())?;
        let start = Instant::now();
        let said = capture(&mut card)?;
        let took = start.elapsed();
        // The server's side of the last close.
        thread::sleep(Duration::from_millis(30));
        let cpu = system::cpu(self.pid())?.saturating_sub(before);
        let wanted = format!("{connections} sessions, {connections} good");
        ensure!(said.trim() == wanted, "the cards say `{}` instead of `{wanted}`", said.trim());
        let count = f64::from(connections);
        Ok(Lap { cpu_us: cpu.as_secs_f64() * 1e6 / count, per_second: count / took.as_secs_f64(), took })
    }

    /// Cards that the server does not know, each with an identity of its own.
    pub fn strangers(&self, bench: &Bench, count: u32) -> Result<()> {
        let mut card = on_cpus(CARD_CPUS, &bench.programs.lab.join("lab-card"));
        card.args(["--connect", &self.address, "--identity", "stranger", "--numbered", "--key", KEY]);
        card.args(["--parallel", PARALLEL, "--handshake-only", "--sessions", &count.to_string()]);
        // That they fail is what they are for.
        let output = card.output().context("cannot run lab-card")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let wanted = format!("{count} sessions, 0 good");
        ensure!(said.trim().starts_with(&wanted), "the cards say `{}` instead of `{wanted}`", said.trim());
        Ok(())
    }

    /// The least CPU time and the highest speed of several laps: what other programs do to a lap only makes it worse.
    pub fn best_lap(&self, bench: &Bench, load: Load) -> Result<Lap> {
        let lap = || self.lap(bench, load, bench.sizes.connections, None);
        let mut best = lap()?;
        for _ in 1..bench.sizes.laps {
            let lap = lap()?;
            best.cpu_us = best.cpu_us.min(lap.cpu_us);
            best.per_second = best.per_second.max(lap.per_second);
        }
        Ok(best)
    }
}

/// Server and cards do not move about, and do not share a CPU where there are two.
fn on_cpus(cpus: &str, program: &Path) -> Command {
    if thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cpus]).arg(program);
        return command;
    }
    Command::new(program)
}
