//! Devices that answer a watched program on this host (readers, modems, phones): their APDUs, their errors, who is there.

use super::{Apdu, Cause, Connection, DeviceType, FindingKind, Process, Stamp, Tty};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A serial number: it names one device, and is never printed as it is unless asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The number itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({} bytes)", self.0.len())
    }
}

/// A device, by what stays the same when it is plugged in again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    pub kind: DeviceType,
    /// What it is called without its serial number: the reader's name, the model, the path of the tty.
    pub name: Arc<str>,
    pub serial: Option<SerialNumber>,
}

/// A C-APDU that a program handed to a device, and what came back. Unlike those of a script, each has its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceApdu {
    pub device: Arc<Device>,
    /// Who was watched.
    pub process: Arc<Process>,
    /// What it went over, when that is a connection.
    pub connection: Option<Arc<Connection>>,
    /// The AT command that carried it.
    pub carrier: Option<Box<Carrier>>,
    pub apdu: Apdu,
    /// It fetches or repeats what an earlier command was for (`61xx`, `9Fxx`, `6Cxx`).
    pub continues: Option<Continued>,
    /// When the command was handed over, and when the answer was there.
    pub start: Stamp,
    pub end: Stamp,
    /// What the program took between the answer before it and this command.
    pub program: Option<Duration>,
    /// How often the card asked for more time, where that is seen: at the reader's own driver.
    pub extensions: u32,
    /// Why there is no R-APDU, in a word.
    pub error: Option<&'static str>,
    pub incomplete: bool,
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

impl DeviceApdu {
    /// What the device took.
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// The AT command that an APDU went over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    pub tty: Arc<Tty>,
    /// Its name, and when it was written.
    pub command: String,
    pub start: Stamp,
    /// The modem's session with an application that it was for (`AT+CGLA`).
    pub session: Option<CardSession>,
}

/// A session with an application of the card, on a logical channel that the modem has chosen (TS 27.007 §8.45).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSession {
    /// The modem's own number for it.
    pub id: u32,
    /// AID in hex, where its opening was seen.
    pub application: Option<Arc<str>>,
}

/// What a GET RESPONSE or a repeat goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Continued {
    /// The name of the chain's first command.
    pub command: &'static str,
    /// Its place in the chain: 2 for the first that goes on.
    pub position: u32,
}

/// How a device is to be shared with other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Share {
    Exclusive,
    Shared,
    /// The device itself, whatever is in it.
    Direct,
}

impl Share {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
            Self::Direct => "direct",
        }
    }
}

/// Something that a program asked of a device beside APDUs, or that went wrong with the device by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOperation {
    pub device: Arc<Device>,
    pub process: Arc<Process>,
    pub connection: Option<Arc<Connection>>,
    /// Tells one use of the device from others over the same connection.
    pub usage: Option<u32>,
    /// `connect`, `begin_transaction`, `open`.
    pub operation: &'static str,
    pub start: Stamp,
    pub end: Stamp,
    pub share: Option<Share>,
    /// In a word, for labels: `sharing_violation`. `None` when it went well.
    pub error: Option<&'static str>,
    pub counted_elsewhere: bool,
}

impl DeviceOperation {
    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// What became of a device, or of the card in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceEvent {
    /// It is there.
    Connected,
    /// It is gone.
    Disconnected,
    CardInserted,
    CardRemoved,
    CardReset,
}

impl DeviceEvent {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::CardInserted => "card_inserted",
            Self::CardRemoved => "card_removed",
            Self::CardReset => "card_reset",
        }
    }
}

/// A device came or went, or its card did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChange {
    pub at: Stamp,
    pub device: Arc<Device>,
    /// Who was watched, when it was seen through a program.
    pub process: Option<Arc<Process>>,
    pub event: DeviceEvent,
}

/// Something about how a device is used that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFinding {
    pub kind: FindingKind,
    pub at: Stamp,
    pub device: Arc<Device>,
    pub process: Arc<Process>,
    pub connection: Option<Arc<Connection>>,
    /// What exactly, without secrets: `held by opensc-tool(812)`.
    pub detail: String,
    pub counted_elsewhere: bool,
}
