//! pcscd with a virtual reader, and the lab's card in it. It has a mount namespace of its own, so that its socket is
//! nobody else's.

use crate::{
    Result,
    place::{self, Place},
    program::Program,
    wait::{self, PATIENCE},
};
use anyhow::ensure;
use std::{fs, net::TcpListener, path::PathBuf, process::Command};

/// The reader that has the card.
pub const READER: &str = "Lab Reader 00 00";

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// A daemon and a card.
pub struct Reader {
    pub daemon: Program,
    pub card: Program,
    truth: PathBuf,
}

impl Reader {
    /// With a card that takes `options` of `lab-reader-card`.
    pub fn start(place: &Place, options: &str) -> Result<Self> {
        let daemon = place::peer("pcscd", "pcscd")?;
        ensure!(
            fs::exists(DRIVER)?,
            "{DRIVER} is not here: install vsmartcard-vpcd (or run `cargo xtask setup peers`)"
        );
        // vpcd takes this port and the next, for two slots.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port() & !1;
        let folder = place.path("reader.conf.d");
        fs::create_dir_all(&folder)?;
        let configuration = format!(
            "FRIENDLYNAME \"Lab Reader\"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {DRIVER}\nCHANNELID 0x{port:X}\n"
        );
        fs::write(folder.join("lab"), configuration)?;
        let script = format!(
            "mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && exec {} --foreground --config {}",
            daemon.display(),
            folder.display()
        );
        let mut unshare = Command::new(place::peer("unshare", "util-linux")?);
        let daemon = Program::start(unshare.args(["--mount", "--propagation", "private", "sh", "-c", &script]))?;
        let truth = place.path("reader.json");
        let mut card = Command::new(place::program("lab-reader-card")?);
        card.arg("--vpcd").arg(port.to_string()).arg("--truth").arg(&truth).args(options.split_whitespace());
        let card = Program::start(&mut card)?;
        let mut reader = Self { daemon, card, truth };
        if !options.contains("--out") {
            reader.card.line("that it is inserted", |line| (line == "inserted").then_some(()))?;
        }
        let socket = PathBuf::from(format!("/proc/{}/root/run/pcscd/pcscd.comm", reader.daemon.pid()));
        wait::until("pcscd's socket", PATIENCE, || Ok(fs::exists(&socket)?.then_some(())))?;
        Ok(reader)
    }

    /// A command within the daemon's namespace.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(place::peer("nsenter", "util-linux")?);
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.daemon.pid())).arg("--").arg(program);
        Ok(command)
    }

    /// A program on libpcsclite, with the steps that it does.
    pub fn client(&self, place: &Place, steps: &str) -> Result<Command> {
        let script = place.path("pcsc_client.py");
        fs::write(&script, include_str!("../peers/pcsc_client.py"))?;
        let mut command = self.command(&place::python()?.display().to_string())?;
        command.arg(script).arg(READER).args(steps.split_whitespace());
        Ok(command)
    }

    /// What the card did.
    pub fn truth(&self) -> Result<Vec<cardlink_lab::truth::ReaderRecord>> {
        if !fs::exists(&self.truth)? {
            return Ok(Vec::new());
        }
        cardlink_lab::truth::read(&self.truth)
    }
}
