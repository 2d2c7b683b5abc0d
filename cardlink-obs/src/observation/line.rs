//! Settings of serial lines.

use super::{Stamp, Tty};
use std::fmt;
use std::sync::Arc;

/// A program changed the settings of a tty on which AT is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineChange {
    pub at: Stamp,
    pub tty: Arc<Tty>,
    pub settings: LineSettings,
    /// The tty is a pseudo-terminal: nothing of this takes effect.
    pub pseudo: bool,
    /// A command waited for its answer.
    pub during_command: bool,
}

/// How characters go over a line (termios(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSettings {
    /// Bits in a second; 0 hangs up, `None` for a number that stands for no known one.
    pub baud: Option<u32>,
    pub data_bits: u8,
    pub parity: Parity,
    pub stop_bits: u8,
    pub flow: FlowControl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    None,
    Even,
    Odd,
    /// The bit is always 1.
    Mark,
    /// The bit is always 0.
    Space,
}

impl Parity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
            Self::Mark => "mark",
            Self::Space => "space",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::None => 'N',
            Self::Even => 'E',
            Self::Odd => 'O',
            Self::Mark => 'M',
            Self::Space => 'S',
        }
    }
}

/// What holds a sender back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowControl {
    /// RTS and CTS.
    pub hardware: bool,
    /// The other side's XOFF stops what is sent.
    pub software_out: bool,
    /// An XOFF is sent when too much comes.
    pub software_in: bool,
}

impl FlowControl {
    pub const fn as_str(self) -> &'static str {
        match (self.hardware, self.software_out, self.software_in) {
            (false, false, false) => "none",
            (true, false, false) => "rts_cts",
            (false, true, true) => "xon_xoff",
            (false, true, false) => "xon_xoff_out",
            (false, false, true) => "xon_xoff_in",
            (true, _, _) => "rts_cts_and_xon_xoff",
        }
    }
}

impl fmt::Display for LineSettings {
    /// `115200 8N1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.baud {
            Some(baud) => write!(f, "{baud}")?,
            None => f.write_str("unknown speed")?,
        }
        write!(f, " {}{}{}", self.data_bits, self.parity.letter(), self.stop_bits)
    }
}
