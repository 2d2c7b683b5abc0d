//! What a command takes longer while the agent watches the program that sends it: AT commands to the lab's modem, and APDUs through
//! pcscd to the lab's card in a virtual reader.

use std::fs;
use std::io::BufRead as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::page::{link, modem};
use super::report::Report;
use super::running::Running;
use super::turns::{Watched, in_turns};
use super::worker::Worker;
use crate::project::{step, which};

/// Commands of one measurement are so many calls of the others.
const SHARE: u32 = 500;
/// An APDU through vpcd takes some 45 ms, the same with and without the agent: fewer of them are enough.
const APDU_SHARE: u32 = 40;
/// The modem of this part: the page has those before it.
const MODEM: usize = 8;
/// vsmartcard's driver for pcscd.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const READY: Duration = Duration::from_secs(10);

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.sizes.calls / SHARE;
    report.section(format!(
        "What a command to a device takes longer with the agent ({count} AT commands each, fewer APDUs)"
    ));
    let _modem = modem(bench, MODEM)?;
    let mut program = Worker::start(bench)?;
    let words = format!("at {} {count}", link(bench, MODEM).display());
    let pid = program.pid();
    let watched = Watched { pids: &[pid], words: &[], counted: "cardlink_at_commands_total{" };
    in_turns(bench, report, &watched, "AT command on a pty", &mut || program.ask(&words))?;

    if which("pcscd").is_none() || which("python3").is_none() || !Path::new(DRIVER).exists() {
        step("APDUs are left out: they need pcscd, vsmartcard-vpcd and python3 (cargo xtask setup peers)");
        return Ok(());
    }
    let mut card = Card::start(bench)?;
    let pids = [card.daemon.pid(), card.program.pid()];
    let watched = Watched { pids: &pids, words: &[], counted: "cardlink_apdu_commands_total{" };
    let words = (count / APDU_SHARE).max(5).to_string();
    in_turns(bench, report, &watched, "APDU through pcscd, both ends watched", &mut || card.program.ask(&words))
}

/// pcscd in a mount namespace of its own, a card in its virtual reader, and a program that uses it.
struct Card {
    program: Worker,
    daemon: Running,
    _inserted: Running,
}

impl Card {
    fn start(bench: &Bench) -> Result<Self> {
        // vpcd takes this port and the next, for two slots.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port() & !1;
        let folder = bench.dir.join("reader.conf.d");
        fs::create_dir_all(&folder)?;
        let configuration = format!(
            "FRIENDLYNAME \"Lab Reader\"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:X}\n"
        );
        fs::write(folder.join("lab"), configuration).context("cannot write the configuration of pcscd")?;
        let script = format!(
            "mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && exec pcscd --foreground --config {}",
            folder.display()
        );
        let mut unshare = Command::new("unshare");
        let mut daemon = Running::start(unshare.args(["--mount", "--propagation", "private", "sh", "-c", &script]))?;
        let mut card = Command::new(bench.programs.lab.join("lab-reader-card"));
        let (card, mut out) = Running::start_talking(card.args(["--vpcd", &port.to_string()]))?;
        let mut line = String::new();
        out.read_line(&mut line).context("the card says nothing")?;
        ensure!(line.trim() == "inserted", "the card says `{}`: {}", line.trim(), card.said().trim());
        let socket = format!("/proc/{}/root/run/pcscd/pcscd.comm", daemon.pid());
        daemon.wait_until(READY, |_| Path::new(&socket).exists().then_some(()))?;
        let file = bench.dir.join("apdus.py");
        fs::write(&file, include_str!("apdus.py")).context("cannot write the program for APDUs")?;
        let mut program = Command::new("nsenter");
        program.arg(format!("--mount=/proc/{}/ns/mnt", daemon.pid())).args(["--", "python3"]).arg(file);
        Ok(Self { program: Worker::with(&mut program)?, daemon, _inserted: card })
    }
}
