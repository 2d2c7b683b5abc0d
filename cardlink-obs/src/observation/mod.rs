//! The narrow waist: what was observed, as plain values.
//!
//! Everything nearer the kernel produces [`Observation`]s, everything further down consumes them. This
//! module uses nothing but `std`; a test checks that. See `docs/architecture.md`.

mod adb;
mod at;
mod cause;
mod connect;
mod connection;
mod database;
mod device;
mod finding;
mod function;
mod handshake;
mod line;
mod plaintext;
mod process;
mod session;
mod stamp;
mod test;
mod trace_parent;
mod trigger;

pub use adb::{AdbCommand, AdbOperation, AdbResult, AdbRun, Chosen, ListedPhone, PhoneList, RunStatus};
pub use at::{AtCommand, AtResult, AtUnsolicited, Interface, ProgramWait, Tty};
pub use cause::Cause;
pub use connect::{ConnectFailed, ConnectReason};
pub use connection::{Connection, ConnectionClosed, ConnectionOutcome, PeerAddress, Role};
pub use database::{DatabaseChange, DatabaseConnection, DatabaseError, DatabaseSystem, Query};
pub use device::{
    CardSession, Carrier, Continued, Device, DeviceApdu, DeviceChange, DeviceEvent, DeviceFinding, DeviceOperation,
    SerialNumber, Share,
};
pub use finding::{Finding, FindingKind, Severity};
pub use function::{Call, FunctionCall};
pub use handshake::{
    CipherSuite, Extensions, Failure, FailureReason, Flight, Handshake, Phases, PskIdentity, Side, TlsVersion,
};
pub use line::{FlowControl, LineChange, LineSettings, Parity};
pub use plaintext::{Plaintext, PlaintextWay, Sealed};
pub use process::{Process, ProcessSample, TargetChange, TargetEvent};
pub use session::{
    AgentId, Apdu, DeviceType, Exchange, NOT_FOLLOWED, Script, ScriptKind, Session, SessionOpened, SessionReason,
    SessionStatus, SessionTime, SessionType,
};
pub use stamp::Stamp;
pub use test::{Test, TestKey, TestOutcome, TestParameters, TestPhases, TestSource, TestStarted, TestSuite};
pub use trace_parent::{NoTraceParent, TraceParent, from_hex};
pub use trigger::{Trigger, TriggerType};

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
    /// Whether, and how, the connection can be read.
    Plaintext(Box<Plaintext>),
    /// An HTTP request and its response.
    Exchange(Box<Exchange>),
    /// A command script was answered, or never will be.
    Script(Box<Script>),
    /// A session of remote administration began.
    SessionOpened(Box<SessionOpened>),
    /// A session of remote administration ended.
    Session(Box<Session>),
    /// One side broke the specification, or does what it should not.
    Finding(Box<Finding>),
    /// An AT command got its final result code, or never will.
    AtCommand(Box<AtCommand>),
    /// The modem spoke without being asked (unsolicited result code).
    AtUnsolicited(Box<AtUnsolicited>),
    /// A program went on waiting after its answer was complete.
    ProgramWait(Box<ProgramWait>),
    /// A test ended.
    Test(Box<Test>),
    /// All tests of a suite have ended.
    TestSuite(Box<TestSuite>),
    /// Figures of a watched process, or of the agent itself.
    Process(Box<ProcessSample>),
    /// A target appeared or went away.
    Target(Box<TargetChange>),
    /// Bytes were lost; what is told about this source from here on may lack something.
    Incomplete(Box<Incomplete>),
    /// Something that the probes cannot see was detected (`io_uring`, kTLS, …).
    Blind(Box<Blind>),
    /// A function that the user named returned, and no other call is around it.
    Function(Box<FunctionCall>),
    /// A device answered an APDU, or did not.
    DeviceApdu(Box<DeviceApdu>),
    /// A program asked something else of a device, or it failed by itself.
    DeviceOperation(Box<DeviceOperation>),
    /// A device came or went, or its card did.
    DeviceChange(Box<DeviceChange>),
    /// A device is used as it should not be.
    DeviceFinding(Box<DeviceFinding>),
    /// A request to the adb server, or through it to a phone, has its result.
    AdbOperation(Box<AdbOperation>),
    /// A run of the program adb has ended.
    AdbCommand(Box<AdbCommand>),
    /// An adb server said which phones it knows.
    PhoneList(Box<PhoneList>),
    /// A message that asks a card for a session was handed to a modem.
    Trigger(Arc<Trigger>),
    /// A program changed the settings of a serial line.
    Line(Box<LineChange>),
    /// A database was asked something, and answered.
    Query(Box<Query>),
    /// A connection to a database became ready, failed, or ended.
    DatabaseConnection(Box<DatabaseConnection>),
    /// A test begins.
    TestStarted(Box<TestStarted>),
    /// A connection that a program asked for did not come about.
    ConnectFailed(Box<ConnectFailed>),
}

/// A loss that a stream noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    pub at: Stamp,
    pub target: Arc<str>,
    /// What lost bytes: `tls`, `at`, `tcp`, `pcsc`.
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
    /// A tty in multiplexed mode (`AT+CMUX`, TS 27.010): what goes on inside is not followed.
    Multiplexed,
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
            Self::Multiplexed => "cmux",
        }
    }
}
