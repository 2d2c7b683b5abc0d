//! Standard output, the same way for every command: a reader that goes away (`| head -1`) ends what is written, quietly.

use super::{CliError, narrow::Narrow};
use anstream::AutoStream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Stdout, Write},
    os::fd::AsFd as _,
};

/// Standard output for people: with colours where it may have them, and lines that fit a narrow terminal.
pub type Out = Narrow<AutoStream<Stdout>>;

pub fn stdout() -> Out {
    let stdout = io::stdout();
    let columns = stdout.is_terminal().then_some(columns as fn() -> _);
    Narrow::new(AutoStream::auto(stdout), columns)
}

/// Of the terminal that standard output is.
fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(columns, _)| usize::from(columns.0))
}

/// Writes all of it, for people. That nobody reads it any more is no error: the exit code stays what it would have been.
pub fn print(write: impl FnOnce(&mut Out) -> io::Result<()>) -> Result<(), CliError> {
    let mut out = stdout();
    quietly(write(&mut out).and_then(|()| out.flush()))
}

/// A line as it is.
pub fn line(line: impl Display) -> Result<(), CliError> {
    text(&format!("{line}\n"))
}

/// A text as it is.
pub fn text(text: &str) -> Result<(), CliError> {
    let mut out = AutoStream::auto(io::stdout());
    quietly(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A line on standard error, if somebody reads it.
pub fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "cardlink-obs: {text}");
}

fn quietly(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::File { what: String::from("standard output"), error }),
        Ok(()) => Ok(()),
    }
}

/// Whether the reader of standard output has gone, found without writing.
pub fn reader_is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let answered = poll(&mut asked, PollTimeout::ZERO).unwrap_or(0);
    // So is a pipe without a reader, and a socket without a peer; a file never is.
    let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
    answered > 0 && asked.iter().any(|one| one.revents().is_some_and(|found| found.intersects(gone)))
}

#[cfg(test)]
mod tests {
    use super::{CliError, quietly};
    use std::io;

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is_one() {
        assert!(quietly(Ok(())).is_ok());
        assert!(quietly(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        let full = quietly(Err(io::ErrorKind::StorageFull.into()));
        assert!(matches!(&full, Err(CliError::File { what, .. }) if what == "standard output"), "{full:?}");
    }
}
