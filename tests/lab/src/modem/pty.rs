//! The port that the modem is at: a pseudo-terminal that stands in for one, or the other side of one that is there.

use crate::clock::boot_ns;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::pty::openpty;
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::sys::time::TimeSpec;
use nix::unistd::{read, ttyname, write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at a port that nobody has open.
const IDLE: Duration = Duration::from_millis(1);

/// How long a full port is waited for, in milliseconds.
const FULL_MS: u8 = 100;
const MOST_REFUSALS: u32 = 10;

#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    pub path: PathBuf,
    link: Option<PathBuf>,
}

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes, and the return of the read that brought them.
    Bytes(Vec<u8>, u64),
    /// Time passed, or a signal came.
    Nothing,
}

impl Pty {
    /// In raw mode. Only programs that use the modem have the slave open, so its name tells them from this one.
    pub fn open(link: Option<&Path>) -> anyhow::Result<Self> {
        let pair = openpty(None, None).context("no pty")?;
        let mut mode = tcgetattr(&pair.slave)?;
        cfmakeraw(&mut mode);
        tcsetattr(&pair.slave, SetArg::TCSANOW, &mode)?;
        fcntl(&pair.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let path = ttyname(&pair.slave)?;
        if let Some(link) = link {
            let fresh = link.with_extension(format!("new-{}", std::process::id()));
            std::os::unix::fs::symlink(&path, &fresh).with_context(|| format!("cannot make {}", fresh.display()))?;
            std::fs::rename(&fresh, link).with_context(|| format!("cannot make {}", link.display()))?;
        }
        Ok(Self { master: pair.master, path, link: link.map(Path::to_owned) })
    }

    /// The other side of a port that is there, in raw mode.
    pub fn of(port: &Path) -> anyhow::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = open(port, flags, Mode::empty()).with_context(|| format!("cannot open {}", port.display()))?;
        let mut mode = tcgetattr(&file)?;
        cfmakeraw(&mut mode);
        tcsetattr(&file, SetArg::TCSANOW, &mode)?;
        Ok(Self { master: file, path: port.to_owned(), link: None })
    }

    /// Waits for input until `limit`.
    pub fn wait(&self, limit: Duration) -> anyhow::Result<Input> {
        let mut wanted = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut wanted, Some(TimeSpec::from_duration(limit)), None) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Input::Nothing),
            Ok(_) => {}
            Err(errno) => return Err(errno).context("cannot wait"),
        }
        let mut buffer = [0; 1024];
        let result = read(&self.master, &mut buffer);
        let at = boot_ns();
        match result {
            // Nobody has it open.
            Ok(0) | Err(Errno::EIO) => {
                std::thread::sleep(IDLE.min(limit));
                Ok(Input::Nothing)
            }
            Ok(size) => Ok(Input::Bytes(buffer.get(..size).unwrap_or_default().to_vec(), at)),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(Input::Nothing),
            Err(errno) => Err(errno).context("cannot read"),
        }
    }

    /// Whether a program has the slave open; of another port, whether there is a line.
    pub fn in_use(&self) -> bool {
        let mut state = [PollFd::new(self.master.as_fd(), PollFlags::empty())];
        poll(&mut state, PollTimeout::ZERO).is_ok()
            && !state.first().and_then(PollFd::revents).is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// Waits until somebody has read, if there is somebody.
    fn wait_for_room(&self) -> bool {
        let mut wanted = [PollFd::new(self.master.as_fd(), PollFlags::POLLOUT)];
        let ready = poll(&mut wanted, FULL_MS).is_ok_and(|ready| ready > 0);
        ready && wanted.first().and_then(PollFd::revents).is_some_and(|events| events == PollFlags::POLLOUT)
    }

    /// Writes in pieces of at most `piece` bytes; returns when the first and the last write returned.
    pub fn write(&self, bytes: &[u8], piece: Option<usize>, pause: Duration) -> anyhow::Result<(u64, u64)> {
        let size = piece.unwrap_or(bytes.len()).max(1);
        let (mut first, mut last) = (None, boot_ns());
        let mut rest = bytes;
        let mut refused = 0;
        while !rest.is_empty() {
            match write(&self.master, rest.get(..size).unwrap_or(rest)) {
                Ok(done) => {
                    last = boot_ns();
                    first.get_or_insert(last);
                    rest = rest.get(done..).unwrap_or_default();
                    refused = 0;
                }
                // The kernel may say that there is room and then have none.
                Err(Errno::EAGAIN) if refused < MOST_REFUSALS && self.wait_for_room() => refused += 1,
                // Nobody reads, and there is no flow control: the bytes are lost.
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("cannot write"),
            }
            if !rest.is_empty() && !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
        Ok((first.unwrap_or(last), last))
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.path)
        {
            // A link that cannot be removed leads nowhere by now.
            let _ = std::fs::remove_file(link);
        }
    }
}
