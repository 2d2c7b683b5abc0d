//! `trace` of what a running agent sees: nothing is attached, and no root is needed.

use super::CliError;
use crate::{
    agent::Signals,
    control::{Client, Following, Request, Show},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    io::{self, ErrorKind, Write},
    os::fd::AsFd as _,
};

/// A trace that has begun.
pub struct Followed {
    following: Following,
    signals: Signals,
}

/// When this returns nothing that happens is missed any more.
pub fn begin(client: Client, show: Show) -> Result<Followed, CliError> {
    let signals = Signals::block(false)?;
    Ok(Followed { following: client.follow(&Request::Trace(show))?, signals })
}

impl Followed {
    /// Prints what the agent tells until one of the two ends, or nobody reads it any more.
    pub fn until_stopped(mut self, out: &mut dyn Write, on_stdout: bool) -> Result<i32, CliError> {
        loop {
            if !self.following.has_line() {
                written(out.flush())?;
                if let Woken::Over = self.wait(on_stdout)? {
                    return Ok(0);
                }
            }
            let Some(text) = self.following.line()? else {
                tracing::info!("the agent stops");
                written(out.flush())?;
                return Ok(0);
            };
            if !written(out.write_all(text.as_bytes()))? {
                return Ok(0);
            }
        }
    }

    /// Waits for a line, for a signal, or for the end of who reads what is printed.
    fn wait(&self, on_stdout: bool) -> Result<Woken, CliError> {
        let stdout = io::stdout();
        let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
        let heard = PollFlags::POLLIN;
        let mut asked = vec![PollFd::new(self.following.as_fd(), heard), PollFd::new(self.signals.as_fd(), heard)];
        if on_stdout {
            asked.push(PollFd::new(stdout.as_fd(), PollFlags::empty()));
        }
        match poll(&mut asked, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let found = |index: usize| asked.get(index).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
        let over = !found(1).is_empty() || found(2).intersects(gone);
        Ok(if over { Woken::Over } else { Woken::Told })
    }
}

enum Woken {
    Told,
    Over,
}

/// Whether somebody still reads it.
fn written(result: io::Result<()>) -> Result<bool, CliError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::File { what: String::from("the output"), error }),
    }
}
