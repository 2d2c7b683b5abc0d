//! AT commands, every one with another name.

use anyhow::{Context as _, ensure};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Instant;

/// A tty with a modem behind it, and the commands that were sent.
pub struct Modem {
    tty: File,
    sent: u32,
}

impl Modem {
    pub fn open(path: &str) -> anyhow::Result<Self> {
        let mut options = File::options();
        let tty = options.read(true).write(true).custom_flags(nix::libc::O_NOCTTY).open(path);
        let tty = tty.with_context(|| format!("cannot open {path}"))?;
        let mut modes = tcgetattr(&tty)?;
        cfmakeraw(&mut modes);
        tcsetattr(&tty, SetArg::TCSANOW, &modes)?;
        Ok(Self { tty, sent: 0 })
    }

    /// Sends so many commands, each after the answer to the one before; returns nanoseconds by the clock for each.
    pub fn send(&mut self, count: u32) -> anyhow::Result<f64> {
        ensure!(count > 0, "no commands were asked for");
        let start = Instant::now();
        for _ in 0..count {
            let line = format!("AT+X{}\r", word(self.sent));
            self.sent += 1;
            self.tty.write_all(line.as_bytes())?;
            self.final_result()?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(count))
    }

    fn final_result(&mut self) -> anyhow::Result<()> {
        let mut answer = Vec::new();
        let mut bytes = [0; 256];
        while !(answer.ends_with(b"ERROR\r\n") || answer.ends_with(b"OK\r\n")) {
            let read = self.tty.read(&mut bytes)?;
            ensure!(read > 0, "the modem is gone");
            answer.extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
        Ok(())
    }
}

/// A number in letters: command names have no digits at their end that could be arguments.
fn word(mut number: u32) -> String {
    let mut word = String::new();
    for _ in 0..5 {
        word.push(char::from(b'A' + (number % 26) as u8));
        number /= 26;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn words_differ() {
        let words: std::collections::HashSet<String> = (0..100_000).map(word).collect();
        assert_eq!(words.len(), 100_000);
    }
}
