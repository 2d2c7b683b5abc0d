//! The demo's modem program: small, without a library, and with a flaw that the agent makes visible.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::project::run as run_command;

/// The modem must not become the program's controlling terminal.
const O_NOCTTY: i32 = 0o400;

/// Commands, and how long the program goes on reading after the final result code.
const COMMANDS: &[(&str, Duration)] = &[
    ("AT", Duration::ZERO),
    ("AT+CPIN?", Duration::ZERO),
    ("AT+CSQ", Duration::ZERO),
    ("AT+CREG?", Duration::ZERO),
    // The flaw: it waits for something that the modem never says.
    ("AT+COPS?", Duration::from_millis(1500)),
    ("AT+CMGF=0", Duration::ZERO),
    ("AT+WIND=1", Duration::ZERO),
];

/// `modem-tool`
#[derive(Debug, Args)]
pub struct Options {
    /// The modem's tty.
    tty: PathBuf,
}

/// Talks to the modem until it is ended, or the modem is gone.
pub fn run(options: &Options) -> Result<()> {
    // Raw, and a read gives up after a tenth of a second.
    run_command(Command::new("stty").arg("-F").arg(&options.tty).args(["raw", "-echo", "min", "0", "time", "1"]))?;
    let mut tty = open(&options.tty)?;
    loop {
        for &(command, linger) in COMMANDS {
            tty.write_all(format!("{command}\r").as_bytes()).context("the modem is gone")?;
            read_result(&mut tty)?;
            let start = Instant::now();
            while start.elapsed() < linger {
                read(&mut tty)?;
            }
            thread::sleep(Duration::from_millis(300));
        }
    }
}

fn open(tty: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(O_NOCTTY);
    options.open(tty).with_context(|| format!("cannot open {}", tty.display()))
}

/// Reads up to the final result code, or two seconds.
fn read_result(tty: &mut File) -> Result<()> {
    let mut answer = String::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        answer.push_str(&read(tty)?);
        if answer.lines().any(|line| line == "OK" || line == "ERROR" || line.starts_with("+CM")) {
            break;
        }
    }
    Ok(())
}

fn read(tty: &mut File) -> Result<String> {
    let mut buffer = [0; 256];
    let len = tty.read(&mut buffer).context("the modem is gone")?;
    Ok(buffer.get(..len).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default())
}
