//! Operations of the Android Debug Bridge.

use super::{Cause, Connection, Device, Process, Stamp};
use std::sync::Arc;
use std::time::Duration;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdbResult {
    Ok,
    /// The shell command ran and ended with this code, which is not 0; of a run of adb, adb itself did, and no reason is known.
    Exit(u8),
    /// The server or the phone refused it; a word of a closed list.
    Failed(&'static str),
    /// The client closed before it was over.
    Aborted,
    /// The server closed before it had answered.
    Hangup,
    /// Bytes were lost, or the agent stopped before it was over.
    Unknown,
}

impl AdbResult {
    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Exit(_) => "exit_code",
            Self::Failed(reason) => reason,
            Self::Aborted => "aborted",
            Self::Hangup => "hangup",
            Self::Unknown => "unknown",
        }
    }

    /// The bridge, or the phone, could not do it. A command that ran and did not succeed is its caller's business.
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Failed(_) | Self::Hangup => Some(self.as_str()),
            Self::Ok | Self::Exit(_) | Self::Aborted | Self::Unknown => None,
        }
    }
}

/// A request to the adb server, or through it to a phone, and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdbOperation {
    pub connection: Arc<Connection>,
    /// The phone that it was for, where that is known.
    pub device: Option<Arc<Device>>,
    /// It is for a phone: the one with this number, or the only one.
    pub chosen: Option<Chosen>,
    /// A word of a closed list: `shell`, `sync_send`, `devices`.
    pub operation: &'static str,
    /// The program that a shell command runs, when it is one of Android's own.
    pub program: Option<&'static str>,
    /// Names of the AT commands in a shell command.
    pub at: Vec<String>,
    pub result: AdbResult,
    /// The first byte of the request, that of the choice of the phone included.
    pub start: Stamp,
    /// The first byte of the answer.
    pub first_byte: Option<Stamp>,
    /// The answer is complete.
    pub end: Stamp,
    /// Its start is known.
    pub timed: bool,
    pub incomplete: bool,
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
    /// The run of adb that asked.
    pub run: Option<AdbRun>,
}

/// A run of the program adb, told apart by its process and when that began to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdbRun {
    pub pid: u32,
    pub began: Stamp,
}

/// A run of the program adb as a client, from its arguments and its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdbCommand {
    pub process: Arc<Process>,
    /// The phone that it was for, where that is known.
    pub device: Option<Arc<Device>>,
    /// A word of a closed list: `shell`, `push`, `devices`.
    pub operation: &'static str,
    pub result: AdbResult,
    pub status: RunStatus,
    /// It was forked, where that was seen; else its program began.
    pub start: Stamp,
    /// Its program began.
    pub began: Stamp,
    pub end: Stamp,
    /// What it asked the adb server was seen, and counts.
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

impl AdbCommand {
    /// With the time that it took to start it.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }

    pub fn run(&self) -> AdbRun {
        AdbRun { pid: self.process.pid, began: self.began }
    }
}

/// How a run of a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    Exit(u8),
    /// A signal ended it.
    Signal(u8),
}

impl RunStatus {
    /// From the status that `wait` has (`bits/waitstatus.h`).
    pub const fn of(status: u32) -> Self {
        match status & 0x7F {
            0 => Self::Exit(((status >> 8) & 0xFF) as u8),
            signal => Self::Signal(signal as u8),
        }
    }
}

impl AdbOperation {
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// Which phone was meant, when it was not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The only one.
    Any,
    /// By a number that the server gave it.
    Transport(u64),
}

/// What an adb server says of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPhone {
    pub device: Arc<Device>,
    /// A word of a closed list: `device`, `offline`, `unauthorized`.
    pub state: &'static str,
    /// The server's number for it.
    pub transport: Option<u64>,
}

/// The phones that an adb server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneList {
    pub at: Stamp,
    pub connection: Arc<Connection>,
    /// Tells servers apart; the same at both ends of their connections.
    pub server: Arc<str>,
    pub phones: Vec<ListedPhone>,
}
