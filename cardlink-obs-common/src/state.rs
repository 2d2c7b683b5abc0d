//! Values of the maps: descriptors, targets, streams, threads, and calls under way.

use crate::{event::EventHeader, vocabulary::program};
use core::mem::size_of;

/// A process name as the kernel keeps it, padded with zeros.
pub type Comm = [u8; 16];

/// Key of the map `FDS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FdKey {
    pub tgid: u32,
    pub fd: i32,
}

/// Value of the map `FDS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FdRef {
    pub identity: u64,
    /// The epoch of the process when this was found; another one means: look again.
    pub epoch: u64,
    pub class: u8,
    pub reserved: [u8; 7],
}

/// Value of the map `TARGETS`, by tgid.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TargetInfo {
    /// Changes when descriptors may have changed without a call that is hooked (exec, `close_range`).
    pub epoch: u64,
    /// Ttys of this process, -1 where there is none: polls on them are told.
    pub tty_fds: [i32; 4],
    /// One of [`program`], when its runs are told; else 0.
    pub program: u8,
    /// Errors that it writes, and that are still to be told.
    pub errors: u8,
    pub reserved: [u8; 6],
}

impl TargetInfo {
    /// Of a process that has this name from now (nanoseconds since boot) on.
    #[must_use]
    pub const fn new(epoch: u64, comm: &Comm) -> Self {
        let program = program::of(comm);
        let errors = if program == 0 { 0 } else { program::MOST_ERRORS };
        Self { epoch, tty_fds: [-1; 4], program, errors, reserved: [0; 6] }
    }
}

/// TLS record framing of one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecordState {
    /// Bytes of the record body still to come.
    pub remaining: u32,
    /// Header of the current record, as far as it is there (RFC 8446 §5.1); longer than five bytes so that the
    /// verifier need not be told where it ends.
    pub header: [u8; 16],
    /// Bytes of the header seen so far (0 to 4), when `remaining` is 0.
    pub header_have: u8,
    /// The framing was lost.
    pub lost: u8,
    /// Bytes of pure application data that were told, while there are few.
    pub told_bytes: u16,
    /// Chunks of pure application data that were told.
    pub told: u32,
    /// Bytes that were left out without an event (wraps).
    pub skipped: u32,
    /// Bytes of the chunk under way that are still to be followed.
    pub left: u32,
    /// Not zero when the chunk under way holds anything but application data.
    pub interesting: u32,
    /// The body of the current record has not begun.
    pub fresh: u8,
    pub reserved: [u8; 3],
}

/// Value of the map `STREAMS`, by identity.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StreamState {
    pub generation: u64,
    pub read_offset: u64,
    pub write_offset: u64,
    pub class: u8,
    /// One of [`mode`].
    pub mode: u8,
    /// The cipher suite that a `ServerHello` chose; 0 before.
    pub suite: u16,
    pub reserved: [u8; 4],
    pub rx: RecordState,
    pub tx: RecordState,
}

/// What a stream speaks, as far as the kernel side cares ([`crate::StreamState::mode`]).
pub mod mode {
    pub const UNDECIDED: u8 = 0;
    pub const TLS: u8 = 1;
    pub const OTHER: u8 = 2;
    /// A tty: every byte.
    pub const BYTES: u8 = 3;
    /// HTTP in the clear: every byte.
    pub const HTTP: u8 = 4;
    /// What is known by its first bytes and told whole: requests to an adb server, and sessions of PostgreSQL and MySQL.
    pub const WHOLE: u8 = 5;
}

/// A vectored transfer on its way from the hook of its system call to the program that walks the vectors.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PendingTransfer {
    /// Address of the array of `struct iovec`, and its length.
    pub vectors: u64,
    pub count: u64,
    pub result: i64,
    pub fd: i32,
    pub write: u8,
    pub peek: u8,
    pub reserved: [u8; 2],
}

/// A call of a TLS library under way (the outermost one of its thread).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LibraryCall {
    /// The session object; 0 when no call is under way.
    pub session: u64,
    /// The stack pointer at the entry: whoever runs at or above it has left the call, whether its return was seen or not.
    pub stack: u64,
    /// The same of a call for another session, made from within (a callback); 0 for none.
    pub inner_stack: u64,
    pub buffer: u64,
    /// Where the number of bytes will be put, for functions that do so.
    pub count_at: u64,
    pub enter_ns: u64,
    /// When the last system call of the same direction within it ended; 0 before one did.
    pub moved_ns: u64,
    /// [`crate::call`], and [`crate::library`].
    pub what: u64,
}

/// Key of the map `SESSIONS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    pub session: u64,
    pub tgid: u32,
    pub reserved: u32,
}

/// Value of the map `SESSIONS`: which connection a session of a TLS library is, and how far it has come.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SessionState {
    /// Of the stream; 0 when it is not known.
    pub identity: u64,
    /// Of the stream; of the session itself, when the stream is not known.
    pub generation: u64,
    pub read_offset: u64,
    pub write_offset: u64,
    pub fd: i32,
    pub reserved: u32,
}

/// Key of the map `CALLS`: a call of a function that the user named.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// The stack pointer at its beginning.
    pub stack: u64,
    pub tid: u32,
    pub tgid: u32,
}

/// Value of the map `CALLS`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CallStart {
    pub enter_ns: u64,
    /// The function's number.
    pub cookie: u64,
}

/// Value of the map `SQLITE_CALLS`, by thread: the outermost call of SQLite that is under way.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SqliteCall {
    /// The stack pointer at its beginning: whoever runs at or above it has left the call, whether its return was seen or not.
    pub stack: u64,
    /// [`crate::sqlite`]; 0 when no call is under way.
    pub what: u64,
    /// The connection or the statement.
    pub object: u64,
    pub text: u64,
    /// Bytes of the text; negative when it ends with a zero.
    pub text_len: i64,
    /// Where the new object will be.
    pub out: u64,
    pub enter_ns: u64,
    /// Steps of this thread so far.
    pub steps: u64,
}

/// Key of the map `SQLITE_STATEMENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementKey {
    pub statement: u64,
    pub tgid: u32,
    pub reserved: u32,
}

/// Value of the map `SQLITE_STATEMENTS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct StatementState {
    /// When it was prepared; 0 when that was not seen.
    pub prepared_ns: u64,
    /// When the run under way began; 0 when none is.
    pub first_ns: u64,
    /// Time within its steps.
    pub inside_ns: u64,
    pub rows: u64,
}

/// Value of the map `THREADS`, by thread.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ThreadState {
    pub enter_ns: u64,
    pub polled_ns: u64,
    pub poll_enter_ns: u64,
    /// The tty in the set of the poll under way, or -1.
    pub poll_fd: i32,
    pub reserved: u32,
    /// The event under way: here, and not on the program's stack, the verifier does not follow each of its values.
    pub event: EventHeader,
    pub pending: PendingTransfer,
    pub library: LibraryCall,
    /// Where the stack of the outermost call of a named function begins; 0 when none is under way.
    pub outermost: u64,
}

const _: () = assert!(size_of::<FdKey>() == 8);
const _: () = assert!(size_of::<FdRef>() == 24);
const _: () = assert!(size_of::<TargetInfo>() == 32);
const _: () = assert!(size_of::<RecordState>() == 44);
const _: () = assert!(size_of::<StreamState>() == 120);
const _: () = assert!(size_of::<ThreadState>() == 224);
const _: () = assert!(size_of::<CallKey>() == 16);
const _: () = assert!(size_of::<CallStart>() == 16);
const _: () = assert!(size_of::<SqliteCall>() == 64);
const _: () = assert!(size_of::<StatementKey>() == 16);
const _: () = assert!(size_of::<StatementState>() == 32);
const _: () = assert!(size_of::<SessionKey>() == 16);
const _: () = assert!(size_of::<SessionState>() == 40);
