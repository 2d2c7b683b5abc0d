//! What capture hands on, and what a recording holds: kernel events, and what procfs added to them, as one ordered list.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::net::SocketAddr;

/// A descriptor in the hands of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    pub tgid: u32,
    pub fd: i32,
}

/// One life of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// The inode of a socket; the open file of a tty.
    pub identity: u64,
    /// When it was first seen by the probes, nanoseconds since boot; 0 when they have not seen it yet.
    pub generation: u64,
    pub tty: bool,
}

/// A system call: nanoseconds since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawCall {
    /// 0 when it is not known.
    pub enter: u64,
    pub exit: u64,
    pub tid: u32,
    /// Time that this thread has spent in polls in all.
    pub polled: u64,
}

/// How a process came to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessOrigin {
    /// It was running.
    Found,
    /// A watched process forked it.
    Forked { parent: u32 },
    /// It was started under a selector, or became another program.
    Exec,
}

/// How a descriptor came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It was open already.
    Existing,
    Accepted,
    Connected,
}

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    Tcp {
        local: SocketAddr,
        peer: SocketAddr,
    },
    Tty {
        path: String,
    },
    /// A unix-domain stream socket.
    Unix {
        /// Of the end that has a name; one of the abstract namespace starts with `@`.
        path: String,
        /// The end with the name is the process's own: it serves.
        named: bool,
        /// What tells the two ends apart; the same at both ends, crosswise.
        own: u64,
        peer: u64,
    },
    /// A device of usbfs.
    Usb {
        /// What it is called, when it is a card reader.
        name: String,
        serial: Option<String>,
        /// Its features as a reader (`dwFeatures` of CCID); `None` when it is none.
        reader: Option<u32>,
    },
}

/// Why bytes after those of an event are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rest {
    /// Nothing is missing, or the next event goes on.
    Whole,
    /// Left out on purpose.
    Elided,
    /// Lost.
    Cut,
}

/// Bytes that a call moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data<'a> {
    pub holder: Holder,
    pub stream: StreamId,
    pub call: RawCall,
    pub write: bool,
    pub offset: u64,
    /// Bytes that this event stands for; those that are not in `bytes` follow them.
    pub total: u64,
    pub rest: Rest,
    /// Bytes of this direction left out on purpose so far, without an event (wraps).
    pub skipped: u32,
    /// The first byte starts a TLS record.
    pub record_start: bool,
    #[serde(borrow)]
    pub bytes: Cow<'a, [u8]>,
}

/// Where plaintext comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PlainSource {
    /// The bytes of a connection without TLS.
    Clear,
    /// The records of a suite without encryption.
    NullSuite,
    /// Records that were decrypted.
    KeyFile,
    OpenSsl,
    GnuTls,
    MbedTls,
    WolfSsl,
}

/// Plaintext of a connection: from a call of a TLS library, or from the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain<'a> {
    pub holder: Holder,
    /// Identity 0: the library's session is not bound to a stream; the generation is then the session's own, and tells two
    /// lives of one session object apart.
    pub stream: StreamId,
    /// The library's session object in the process; 0 for what is from the wire.
    pub session: u64,
    /// The call of the library, or the system call that completed the record.
    pub call: RawCall,
    pub write: bool,
    pub source: PlainSource,
    /// Position of the first byte in its direction, as far as this source told of them.
    pub offset: u64,
    /// Bytes that the event stands for; those that are not in `bytes` follow them, and are lost.
    pub total: u64,
    #[serde(borrow)]
    pub bytes: Cow<'a, [u8]>,
}

/// What was found out about the plaintext of a connection, besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentNote {
    Readable(PlainSource),
    Sealed {
        reason: String,
        advice: String,
    },
    /// No more comes in this direction: `close_notify`, or the number of another alert.
    End {
        write: bool,
        alert: Option<u8>,
    },
    /// So many bytes are not here; 0 when it is not known how many.
    Gap {
        write: bool,
        len: u64,
    },
    /// A record was longer than what was agreed.
    Overlong {
        detail: String,
    },
    /// The PSK identity, which a resumed handshake does not show.
    Identity(Vec<u8>),
}

/// Figures of a process; times in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Figures {
    pub cpu: u64,
    pub rss: u64,
    pub vms: u64,
    pub open_fds: u64,
    pub threads: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub uptime: u64,
}

/// One event. Times are nanoseconds since boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event<'a> {
    ProcessSeen {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        comm: Cow<'a, str>,
        #[serde(borrow)]
        target: Cow<'a, str>,
        origin: ProcessOrigin,
    },
    ProcessEnded {
        at: u64,
        pid: u32,
    },
    Opened {
        at: u64,
        holder: Holder,
        stream: StreamId,
        endpoint: Endpoint,
        origin: Origin,
    },
    #[serde(borrow)]
    Data(Data<'a>),
    /// A read returned 0.
    Eof {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Failed {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
        write: bool,
        errno: i32,
    },
    Closed {
        at: u64,
        holder: Holder,
        stream: StreamId,
        /// No other descriptor anywhere refers to it.
        last: bool,
        bytes_read: u64,
        bytes_written: u64,
    },
    /// All descriptors from `first` to `last` were closed.
    ClosedRange {
        at: u64,
        tgid: u32,
        first: i32,
        last: i32,
    },
    /// These are all the descriptors that the process has (after an exec).
    Held {
        at: u64,
        tgid: u32,
        fds: Vec<i32>,
    },
    Shutdown {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Polled {
        holder: Holder,
        stream: StreamId,
        call: RawCall,
    },
    Blind {
        at: u64,
        pid: u32,
        /// One of `cardlink_obs_common::blind`.
        way: i64,
    },
    Sample {
        at: u64,
        pid: u32,
        /// The agent's own.
        own: bool,
        figures: Figures,
    },
    /// So many events found the ring full since this was last told.
    Lost {
        at: u64,
        events: u64,
    },
    /// Time passes.
    Tick {
        now: u64,
    },
    // Recordings know the variants above by their order: new ones come here.
    #[serde(borrow)]
    Plain(Plain<'a>),
    /// Written by a recorder, in the place of the bytes that the note was made from.
    Content {
        stream: StreamId,
        call: RawCall,
        note: ContentNote,
    },
    /// What TCP knew of a connection when it was closed.
    Transport {
        at: u64,
        stream: StreamId,
        /// The shortest round-trip time of the last minutes, nanoseconds; 0 when it is not known.
        round_trip: u64,
        /// Segments that were sent again.
        retransmits: u64,
    },
    /// `TRACEPARENT` of a process's environment; comes before what tells of the process.
    TraceContext {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        parent: Cow<'a, str>,
    },
    /// A function that the user named has returned.
    Called {
        at: u64,
        /// When it began.
        enter: u64,
        pid: u32,
        tid: u32,
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// Another such call of its thread is under way around it.
        nested: bool,
    },
    /// What is behind a tty; comes before its opening.
    TtyNamed {
        at: u64,
        #[serde(borrow)]
        path: Cow<'a, str>,
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        serial: Option<Cow<'a, str>>,
    },
    /// A tty that was opened is not there any more.
    TtyGone {
        at: u64,
        #[serde(borrow)]
        path: Cow<'a, str>,
    },
    /// What tells of a test run as it goes on.
    Test {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        note: TestNote<'a>,
    },
    /// A file that a process wrote and closed, or gave its name, and that is a report of a test run.
    Report {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        bytes: Cow<'a, [u8]>,
    },
    /// A phone on USB came, or went.
    Phone {
        at: u64,
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        serial: Option<Cow<'a, str>>,
        there: bool,
    },
    /// What SQLite was asked.
    Sqlite {
        at: u64,
        pid: u32,
        tid: u32,
        #[serde(borrow)]
        note: SqliteNote<'a>,
    },
    /// Who is at the other end of a connection that was accepted on this host.
    Peer {
        at: u64,
        stream: StreamId,
        pid: u32,
        #[serde(borrow)]
        comm: Cow<'a, str>,
    },
    /// A transfer of a USB device that a program drives by itself.
    #[serde(borrow)]
    Usb(UsbTransfer<'a>),
    /// A card reader on USB came, or went.
    Reader {
        at: u64,
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        serial: Option<Cow<'a, str>>,
        there: bool,
    },
    /// These have a tty open that a watched program uses.
    PortHeld {
        at: u64,
        #[serde(borrow)]
        path: Cow<'a, str>,
        #[serde(borrow)]
        holders: Vec<PortHolder<'a>>,
    },
    /// A connection that a program asked for did not come about.
    NotConnected {
        at: u64,
        /// When it was asked for; 0 when that is known from the stream, or not at all.
        enter: u64,
        holder: Holder,
        tid: u32,
        /// Where one had been told of as opened; it ends with this.
        stream: Option<StreamId>,
        /// Who was to be at the other end; that of the stream, when it is not said here.
        peer: Option<Sought>,
        /// 0: nobody had answered when the program gave up.
        errno: i32,
    },
    /// A run of a program that is followed by its runs (adb).
    Program {
        at: u64,
        pid: u32,
        #[serde(borrow)]
        note: ProgramNote<'a>,
    },
    /// A program changed the settings of a tty.
    Line {
        at: u64,
        holder: Holder,
        stream: StreamId,
        settings: Termios,
    },
}

/// Who a program asks for a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sought {
    Tcp(SocketAddr),
    /// A unix socket; a name of the abstract namespace starts with `@`.
    Unix(String),
}

/// What a program asked of a tty, as the kernel has it (asm-generic/termbits.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termios {
    /// `c_iflag`
    pub input: u32,
    /// `c_cflag`
    pub control: u32,
    /// `c_ospeed`, where the call has it.
    pub speed: Option<u32>,
}

/// What tells of a run of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramNote<'a> {
    /// It was started, with these arguments, each with a zero behind it; perhaps not all of them.
    #[serde(borrow)]
    Began(Cow<'a, [u8]>),
    /// It wrote this to its standard error, or as an error of its own to standard output; perhaps more.
    #[serde(borrow)]
    Said(Cow<'a, [u8]>),
    /// It ended, with this status, as `wait` has it.
    Ended(u32),
    /// The phone that is meant when its arguments name none: `ANDROID_SERIAL` of its environment.
    #[serde(borrow)]
    Phone(Cow<'a, [u8]>),
}

/// Calls of SQLite. Objects are known by their addresses in the process, results by the codes of `sqlite3.h`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SqliteNote<'a> {
    /// A connection was opened, or could not be; the call began at `enter`.
    Opened { enter: u64, database: u64, code: i32 },
    /// It was closed, or could not be.
    Closed { database: u64, code: i32 },
    /// A statement was prepared, or could not be: then its address is 0.
    Prepared {
        enter: u64,
        database: u64,
        statement: u64,
        code: i32,
        /// The beginning of its text, and perhaps of others behind it.
        #[serde(borrow)]
        text: Cow<'a, [u8]>,
    },
    /// A run of a statement ended, or was given up (`SQLITE_ROW`).
    Ended {
        /// When its first step began.
        enter: u64,
        statement: u64,
        /// When it was prepared: tells it from others that had its address; 0 when that was not seen.
        prepared: u64,
        /// Nanoseconds within its steps.
        inside: u64,
        rows: u64,
        code: i32,
    },
    /// What it asks is not told for a while: following it would cost it too much.
    Paused,
}

/// A transfer of usbfs: to the device when it was handed over, from it when the program took it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsbTransfer<'a> {
    pub at: u64,
    pub holder: Holder,
    pub stream: StreamId,
    /// To the device.
    pub write: bool,
    /// On an interrupt endpoint; otherwise on a bulk one.
    pub interrupt: bool,
    /// It failed, with this errno.
    pub errno: Option<i32>,
    /// Bytes that it moved; those that are not in `bytes` follow them.
    pub total: u64,
    #[serde(borrow)]
    pub bytes: Cow<'a, [u8]>,
}

/// A process that has a tty open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortHolder<'a> {
    pub pid: u32,
    #[serde(borrow)]
    pub comm: Cow<'a, str>,
    /// The eldest process that it descends from, among those that have the tty open.
    pub family: u32,
}

/// What a process does that runs tests with pytest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestNote<'a> {
    /// The value that `PYTEST_CURRENT_TEST` has from here on.
    #[serde(borrow)]
    Current(Cow<'a, str>),
    /// It has none any more.
    Over,
    /// The end of what it wrote to standard output.
    #[serde(borrow)]
    Output(Cow<'a, [u8]>),
    /// The beginning of a message to who started it.
    #[serde(borrow)]
    Message(Cow<'a, [u8]>),
}

impl Event<'_> {
    /// The time of the event, nanoseconds since boot.
    pub fn at(&self) -> u64 {
        match self {
            Self::ProcessSeen { at, .. }
            | Self::ProcessEnded { at, .. }
            | Self::Opened { at, .. }
            | Self::Closed { at, .. }
            | Self::ClosedRange { at, .. }
            | Self::Held { at, .. }
            | Self::Blind { at, .. }
            | Self::Sample { at, .. }
            | Self::Lost { at, .. }
            | Self::Transport { at, .. }
            | Self::TraceContext { at, .. }
            | Self::Called { at, .. }
            | Self::TtyNamed { at, .. }
            | Self::TtyGone { at, .. }
            | Self::Test { at, .. }
            | Self::Report { at, .. }
            | Self::Phone { at, .. }
            | Self::Sqlite { at, .. }
            | Self::PortHeld { at, .. }
            | Self::Program { at, .. }
            | Self::Line { at, .. }
            | Self::Peer { at, .. }
            | Self::Reader { at, .. }
            | Self::NotConnected { at, .. }
            | Self::Tick { now: at } => *at,
            Self::Data(data) => data.call.exit,
            Self::Plain(plain) => plain.call.exit,
            Self::Usb(transfer) => transfer.at,
            Self::Eof { call, .. }
            | Self::Failed { call, .. }
            | Self::Shutdown { call, .. }
            | Self::Polled { call, .. }
            | Self::Content { call, .. } => call.exit,
        }
    }
}
