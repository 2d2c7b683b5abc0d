//! The narrow waist: what was observed, as plain values.
//!
//! Everything nearer the kernel produces [`Observation`]s, everything further down consumes them. This
//! module uses nothing but `std`; a test checks that. See `docs/architecture.md`.

mod at;
mod connection;
mod handshake;
mod process;
mod stamp;

pub use at::{AtCommand, AtResult, AtUnsolicited, Interface, ProgramWait, Tty};
pub use connection::{Connection, ConnectionClosed, ConnectionOutcome, PeerAddress, Role};
pub use handshake::{
    CipherSuite, Extensions, Failure, FailureReason, Flight, Handshake, Phases, PskIdentity, Side, TlsVersion,
};
pub use process::{Process, ProcessSample, TargetChange, TargetEvent};
pub use stamp::Stamp;

use std::sync::Arc;

/// One thing that happened, told once.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A connection of a watched program was seen for the first time.
    ConnectionOpened(Arc<Connection>),
    /// A connection ended, or the agent stopped watching it.
    ConnectionClosed(Box<ConnectionClosed>),
    /// A TLS handshake ended, well or badly.
    Handshake(Box<Handshake>),
    /// An AT command got its final result code, or never will.
    AtCommand(Box<AtCommand>),
    /// The modem spoke without being asked (unsolicited result code).
    AtUnsolicited(Box<AtUnsolicited>),
    /// A program went on waiting after its answer was complete.
    ProgramWait(Box<ProgramWait>),
    /// Figures of a watched process, or of the agent itself.
    Process(Box<ProcessSample>),
    /// A target appeared or went away.
    Target(Box<TargetChange>),
    /// Bytes were lost; what is told about this source from here on may lack something.
    Incomplete(Box<Incomplete>),
    /// Something that the probes cannot see was detected (`io_uring`, kTLS, …).
    Blind(Box<Blind>),
}

/// A loss that a stream noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    pub at: Stamp,
    pub target: Arc<str>,
    /// What lost bytes: `tls`, `at`, `tcp`.
    pub source: &'static str,
    /// How many bytes are missing; 0 when it cannot be known.
    pub bytes: u64,
}

/// A way in which a watched program moves bytes past the probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blind {
    pub at: Stamp,
    pub process: Arc<Process>,
    pub way: BlindWay,
}

/// The ways that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlindWay {
    IoUring,
    KernelTls,
    Sendfile,
    Splice,
    Compat32,
}

impl BlindWay {
    /// The word for labels and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::KernelTls => "ktls",
            Self::Sendfile => "sendfile",
            Self::Splice => "splice",
            Self::Compat32 => "compat_32bit",
        }
    }
}
