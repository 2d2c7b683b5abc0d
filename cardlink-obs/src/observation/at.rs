//! AT dialogues (ITU-T V.250, 3GPP TS 27.007, TS 27.005).

use super::{Cause, Device, DeviceType, Process, Stamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A terminal device in the hands of a watched program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tty {
    pub process: Arc<Process>,
    /// Its path, `/dev/ttyUSB2` or `/dev/pts/3`.
    pub path: Arc<str>,
    /// What is behind it: by its path, when nothing else tells it from others.
    pub device: Arc<Device>,
}

impl Tty {
    /// A tty of which no more is known than its path.
    pub fn new(process: Arc<Process>, path: &str) -> Self {
        let path: Arc<str> = Arc::from(path);
        let device = Device { kind: DeviceType::Modem, name: Arc::clone(&path), serial: None };
        Self { process, path, device: Arc::new(device) }
    }
}

/// The final result code of an AT command, or what took its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AtResult {
    Ok,
    Error,
    /// `+CME ERROR: n` (TS 27.007 §9.2).
    Cme(u16),
    /// `+CMS ERROR: n` (TS 27.005 §3.2.5).
    Cms(u16),
    /// `+CME ERROR: text`, where the text is not in the table.
    CmeText,
    /// `+CMS ERROR: text`, where the text is not in the table.
    CmsText,
    Connect,
    NoCarrier,
    Busy,
    NoAnswer,
    NoDialtone,
    /// `ABORTED`, or the program sent another command before the answer.
    Aborted,
    /// `COMMAND NOT SUPPORT`, seen on some modems.
    NotSupported,
    /// `SEND FAIL`, seen on some modems.
    SendFail,
    /// No final result code within the time limit, or the program closed the port while it waited.
    Timeout,
    /// The device went away (hang-up, I/O error) before the answer.
    Hangup,
}

impl AtResult {
    /// The command was not done.
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::Ok | Self::Connect)
    }
}

impl fmt::Display for AtResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cme(number) => return write!(f, "cme_{number}"),
            Self::Cms(number) => return write!(f, "cms_{number}"),
            Self::CmeText => "cme_text",
            Self::CmsText => "cms_text",
            Self::Connect => "connect",
            Self::NoCarrier => "no_carrier",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::NoDialtone => "no_dialtone",
            Self::Aborted => "aborted",
            Self::NotSupported => "not_supported",
            Self::SendFail => "send_fail",
            Self::Timeout => "timeout",
            Self::Hangup => "hangup",
        })
    }
}

/// One AT command line and its final result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtCommand {
    pub tty: Arc<Tty>,
    /// The name without arguments and without `?`, `=` or `=?`: `AT+CSQ`, `ATD`, `AT`. Several commands on one
    /// line (`AT+CMEE=1;+CREG?`) have the name of the first. `AT?` stands for what is no name (longer than 24 bytes,
    /// odd characters, a number).
    pub name: String,
    /// The names of all commands of the line, the first included.
    pub line: Vec<String>,
    pub result: AtResult,
    /// When the write that completed the command line returned.
    pub start: Stamp,
    /// When the first byte of the answer that is not the echo was read.
    pub first_byte: Option<Stamp>,
    /// When the final result code was read in full, or the dialogue was given up.
    pub end: Stamp,
    /// The part of the time that the `> ` prompt and the program's data took (`AT+CMGS`).
    pub prompt: Option<Duration>,
    /// How long the program had not looked at the tty (no poll, no read) when it read the end of the answer: the
    /// answer may have been there so much earlier. Zero when the program waited for it.
    pub unattended: Duration,
    /// Lines of information before the final result.
    pub information_lines: u32,
    pub incomplete: bool,
    /// What it was done for.
    pub cause: Cause,
}

impl AtCommand {
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// An unsolicited result code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtUnsolicited {
    pub tty: Arc<Tty>,
    pub at: Stamp,
    /// The code without its values: `+CREG`, `RING`, `+CMTI`; `?` for a line of text, which is not told.
    pub code: String,
}

/// What kind of answer a program waited on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    At,
    Apdu,
    Adb,
}

impl Interface {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::At => "at",
            Self::Apdu => "apdu",
            Self::Adb => "adb",
        }
    }
}

/// The answer was complete, and the program still polled or read that descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramWait {
    pub tty: Arc<Tty>,
    pub interface: Interface,
    /// The command whose answer was complete.
    pub command: String,
    /// When the answer was complete.
    pub answered: Stamp,
    /// Time inside polls and reads of that descriptor after the answer, until the program moved on.
    pub wait: Duration,
}
