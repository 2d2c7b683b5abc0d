//! A socket that times its system calls, and tears, delays and cuts when it is told to.
//!
//! OpenSSL reads and writes through it, one system call for each of its own reads. All times of the ground truth are
//! taken here, right before and right after the call.

mod plan;
mod raw;

pub use plan::{Calls, Cut, Plan, Wait};

use crate::clock::{Spend, boot_ns, spend};
use crate::stop;
use crate::truth::Call;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Duration;

/// What a wire has seen.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub first_byte: Option<u8>,
    pub first_read_ns: Option<u64>,
    pub first_write_ns: Option<u64>,
    pub last_read_ns: u64,
    pub last_write_ns: u64,
    /// Return of the last call, whatever it did.
    pub last_call_ns: u64,
    pub wait_ns: u64,
    /// The part of `wait_ns` up to the first byte read.
    pub wait_before_first_byte_ns: u64,
    pub not_ready_ns: u64,
    pub think_ns: u64,
    pub reads: u64,
    pub writes: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// The first thing that stood in the way.
    pub trouble: Option<Trouble>,
    /// Bytes wait to be written.
    pub held_back: bool,
    /// Return of the first write of bytes that had been held back, since this was cleared.
    pub released_ns: Option<u64>,
    pub calls: Vec<Call>,
}

impl Log {
    /// How the peer's side ended, as far as this end saw it.
    pub fn peer_end(&self) -> Option<String> {
        match self.trouble? {
            Trouble::Eof => Some("eof".to_owned()),
            Trouble::Reset => Some("reset".to_owned()),
            Trouble::TimedOut | Trouble::Cut => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A read returned 0.
    Eof,
    /// A call returned `ECONNRESET` or `EPIPE`.
    Reset,
    /// The limit passed.
    TimedOut,
    /// The plan cut it off.
    Cut,
}

#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    plan: Plan,
    pub log: Log,
    deadline_ns: Option<u64>,
    held_back: Vec<u8>,
    turn: Turn,
}

/// How far the conversation is: enough to know the first flights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Turn {
    /// Nothing is written yet.
    #[default]
    Opening,
    /// This end's first flight is being written, or is out.
    Spoke,
    /// The peer's answer to it is being read.
    Heard,
    /// This end went on.
    Answered,
}

impl Wire {
    pub fn new(stream: TcpStream, plan: Plan) -> Self {
        Self { stream, plan, log: Log::default(), deadline_ns: None, held_back: Vec::new(), turn: Turn::default() }
    }

    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// From now on, reads give up when `limit` has passed.
    pub fn limit(&mut self, limit: Duration) -> io::Result<()> {
        self.deadline_ns = Some(boot_ns() + limit.as_nanos() as u64);
        self.stream.set_read_timeout(Some(limit.max(Duration::from_millis(1))))
    }

    /// Whether there may be something to read; a signal came otherwise.
    fn wait_for_bytes(&mut self) -> io::Result<bool> {
        let left = match self.deadline_ns {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_sub(boot_ns()).div_ceil(1_000_000);
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        let before = boot_ns();
        let ready = poll(&mut [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)], left);
        self.waited(boot_ns() - before);
        match ready {
            Ok(0) => Err(self.timed_out()),
            Ok(_) => Ok(true),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn waited(&mut self, nanos: u64) {
        self.log.wait_ns += nanos;
        if self.log.first_read_ns.is_none() {
            self.log.wait_before_first_byte_ns += nanos;
        }
    }

    fn timed_out(&mut self) -> io::Error {
        self.log.trouble.get_or_insert(Trouble::TimedOut);
        self.log.last_call_ns = boot_ns();
        // Not `WouldBlock`: OpenSSL would take that for a socket that does not block.
        io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
    }

    fn cut_here(&mut self) -> io::Error {
        self.log.trouble.get_or_insert(Trouble::Cut);
        io::Error::other("cut off on purpose")
    }

    fn note(&mut self, way: char, enter_ns: u64, exit_ns: u64, result: nix::Result<usize>) {
        self.log.last_call_ns = exit_ns;
        if self.plan.keep_calls {
            let result = match result {
                Ok(bytes) => bytes.cast_signed() as i64,
                Err(errno) => -i64::from(errno as i32),
            };
            self.log.calls.push(Call { way, enter_ns, exit_ns, result });
        }
    }

    fn write_piece(&mut self, piece: &[u8]) -> io::Result<usize> {
        loop {
            let enter = boot_ns();
            let result = raw::write(&self.stream, piece, self.plan.calls);
            let exit = boot_ns();
            self.log.writes += 1;
            self.note('w', enter, exit, result);
            match result {
                Ok(bytes) => {
                    self.log.first_write_ns.get_or_insert(exit);
                    self.log.last_write_ns = exit;
                    self.log.bytes_written += bytes as u64;
                    return Ok(bytes);
                }
                Err(Errno::EINTR) if !stop::requested() => {}
                Err(errno) => {
                    if matches!(errno, Errno::ECONNRESET | Errno::EPIPE) {
                        self.log.trouble.get_or_insert(Trouble::Reset);
                    }
                    return Err(errno.into());
                }
            }
        }
    }

    fn write_out(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = self.plan.tear.unwrap_or(bytes.len()).max(1);
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.get(..size).unwrap_or(rest);
            let done = self.write_piece(piece)?;
            rest = rest.get(done..).unwrap_or_default();
            if !rest.is_empty() && !self.plan.tear_delay.is_zero() {
                std::thread::sleep(self.plan.tear_delay);
            }
        }
        Ok(())
    }

    /// Writes what is held back.
    pub fn release(&mut self) -> io::Result<()> {
        if self.held_back.is_empty() {
            return Ok(());
        }
        let held_back = std::mem::take(&mut self.held_back);
        self.write_out(&held_back)?;
        self.log.held_back = false;
        self.log.released_ns.get_or_insert(self.log.last_write_ns);
        Ok(())
    }

    /// The first write that answers the peer's first flight.
    fn before_answer(&mut self) -> io::Result<()> {
        if self.turn == Turn::Opening {
            self.turn = Turn::Spoke;
        }
        if self.turn == Turn::Heard {
            self.turn = Turn::Answered;
            if self.plan.cut == Some(Cut::BeforeSecondFlight) {
                return Err(self.cut_here());
            }
            if !self.plan.think.is_zero() {
                self.log.think_ns += spend(self.plan.think, Spend::Sleep);
            }
        }
        Ok(())
    }

    fn before_read(&mut self) -> io::Result<()> {
        self.release()?;
        if self.turn != Turn::Spoke {
            return Ok(());
        }
        if self.plan.cut == Some(Cut::AfterFirstFlight) {
            return Err(self.cut_here());
        }
        if !self.plan.not_ready.is_zero() && self.log.not_ready_ns == 0 {
            self.log.not_ready_ns = spend(self.plan.not_ready, Spend::Sleep);
        }
        Ok(())
    }
}

impl io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.before_answer()?;
        if self.plan.coalesce {
            self.held_back.extend_from_slice(bytes);
            self.log.held_back = true;
        } else {
            self.write_out(bytes)?;
        }
        Ok(bytes.len())
    }

    /// OpenSSL flushes at the end of each flight; what is held back waits for the next read or for `release`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.before_read()?;
        let size = buffer.len().min(self.plan.read_at_most.unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..size).unwrap_or_default();
        loop {
            if stop::requested() {
                return Err(io::Error::other("told to stop"));
            }
            if self.deadline_ns.is_some_and(|deadline| boot_ns() >= deadline) {
                return Err(self.timed_out());
            }
            if self.plan.wait == Wait::Poll && !self.wait_for_bytes()? {
                continue;
            }
            let enter = boot_ns();
            let result = raw::read(&self.stream, buffer, self.plan.calls);
            let exit = boot_ns();
            self.log.reads += 1;
            self.waited(exit - enter);
            self.note('r', enter, exit, result);
            match result {
                Ok(0) => {
                    self.log.trouble.get_or_insert(Trouble::Eof);
                    return Ok(0);
                }
                Ok(bytes) => {
                    self.log.first_byte = self.log.first_byte.or_else(|| buffer.first().copied());
                    self.log.first_read_ns.get_or_insert(exit);
                    self.log.last_read_ns = exit;
                    self.log.bytes_read += bytes as u64;
                    if self.turn == Turn::Spoke {
                        self.turn = Turn::Heard;
                    }
                    return Ok(bytes);
                }
                Err(Errno::EAGAIN) => return Err(self.timed_out()),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    if errno == Errno::ECONNRESET {
                        self.log.trouble.get_or_insert(Trouble::Reset);
                    }
                    return Err(errno.into());
                }
            }
        }
    }
}
