//! What is plugged into a guest: a serial modem and a card reader, with the lab's modem and card behind them.
//!
//! The job gives orders by a file in its share: `device_del ID` goes to QEMU, `insert` and `remove` to the
//! card. The file is gone when the order has been carried out.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// In the job's share.
const ORDER: &str = "order";
const MODEM: &str = "usb-serial,id=modem,chardev=modem,bus=xhci.0,port=1";
const READER: &str = "usb-ccid,id=reader,bus=xhci.0,port=2";
const CARD: &str = "ccid-card-passthru,id=card,chardev=card,bus=reader.0";
/// Before answers, milliseconds: long beside what the emulated machine takes to bring them.
const MODEM_DELAYS: [&str; 4] = ["--delay", "+CSQ=1000", "--delay", "+CGMI=1000"];
const CARD_DELAY: [&str; 2] = ["--delay", "1000"];
/// How long QEMU and the lab's programs may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lab's programs, while a guest runs.
#[derive(Debug)]
pub struct Usb {
    dir: PathBuf,
    share: PathBuf,
    modem: Child,
    card: Child,
}

impl Usb {
    /// Starts the lab's modem, which QEMU opens, and its card, which waits for QEMU.
    pub fn start(lab: &Path, dir: &Path, share: &Path) -> Result<Self> {
        for old in
            [dir.join("card"), dir.join("qmp"), dir.join("modem"), share.join("modem.json"), share.join("card.json")]
        {
            let _ = fs::remove_file(old);
        }
        let start = |program: &str, words: &[&Path], delays: &[&str]| {
            let mut command = Command::new(lab.join(program));
            command.arg("--truth").args(words).args(delays).stdin(Stdio::piped()).stdout(Stdio::null());
            command.spawn().with_context(|| format!("cannot start {}", lab.join(program).display()))
        };
        let words = [&*share.join("modem.json"), Path::new("--link"), &dir.join("modem")];
        let modem = start("lab-modem", &words, &MODEM_DELAYS)?;
        let words = [&*share.join("card.json"), Path::new("--vscard"), &dir.join("card")];
        let card = start("lab-reader-card", &words, &CARD_DELAY)?;
        let usb = Self { dir: dir.to_owned(), share: share.to_owned(), modem, card };
        let began = Instant::now();
        while !dir.join("modem").exists() {
            ensure!(began.elapsed() < PATIENCE, "the lab's modem does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(usb)
    }

    /// Adds the devices to QEMU's command line.
    pub fn plug(&self, qemu: &mut Command) {
        let socket = |name: &str| format!("path={},server=on,wait=off", self.dir.join(name).display());
        qemu.args(["-device", "qemu-xhci,id=xhci"])
            .args(["-chardev", &format!("serial,id=modem,path={}", self.dir.join("modem").display())])
            .args(["-device", MODEM])
            .args(["-chardev", &format!("socket,id=card,{}", socket("card"))])
            .args(["-device", READER, "-device", CARD])
            .args(["-chardev", &format!("socket,id=qmp,{}", socket("qmp")), "-mon", "chardev=qmp,mode=control"]);
    }

    /// Carries out what the job asks for, if it does.
    pub fn serve(&mut self) -> Result<()> {
        let file = self.share.join(ORDER);
        let Ok(order) = fs::read_to_string(&file) else { return Ok(()) };
        let Some(order) = order.strip_suffix('\n') else { return Ok(()) };
        match order.split_once(' ') {
            Some(("device_del", id)) => self.tell_qemu("device_del", &serde_json::json!({ "id": id }))?,
            None if matches!(order, "insert" | "remove") => {
                let input = self.card.stdin.as_mut().context("the card's input is a pipe")?;
                writeln!(input, "{order}").context("the card has ended")?;
            }
            _ => bail!("the job orders `{order}`"),
        }
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    /// One command of QMP.
    fn tell_qemu(&self, command: &str, arguments: &serde_json::Value) -> Result<()> {
        let mut stream = UnixStream::connect(self.dir.join("qmp")).context("QEMU does not listen")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut answer = || -> Result<serde_json::Value> {
            for line in lines.by_ref() {
                let value: serde_json::Value = serde_json::from_str(&line.context("QEMU does not answer")?)?;
                // What happens meanwhile is no answer.
                if value.get("event").is_none() {
                    return Ok(value);
                }
            }
            bail!("QEMU hung up")
        };
        answer()?;
        let commands = [
            serde_json::json!({ "execute": "qmp_capabilities" }),
            serde_json::json!({ "execute": command, "arguments": arguments }),
        ];
        for command in commands {
            writeln!(stream, "{command}")?;
            let answer = answer()?;
            ensure!(answer.get("error").is_none(), "QEMU refuses {command}: {answer}");
        }
        Ok(())
    }
}

impl Drop for Usb {
    fn drop(&mut self) {
        for child in [&mut self.modem, &mut self.card] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
