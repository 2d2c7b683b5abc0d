//! What crosses the boundary between the BPF programs and the agent: events of the ring and values of the maps.
//!
//! Every type is `#[repr(C)]` without implicit padding; sizes are asserted, because the two sides are compiled
//! by different compilers for different targets.

#![no_std]

use core::mem::size_of;

/// Version of the event layout: the first byte of every event.
pub const FORMAT_VERSION: u8 = 1;

/// What an event tells ([`EventHeader::kind`]).
pub mod kind {
    /// A descriptor was seen for the first time; the payload is a [`crate::Descriptor`].
    pub const OPEN: u8 = 1;
    /// Bytes moved; the payload is what was copied of them.
    pub const DATA: u8 = 2;
    /// A descriptor was closed: `offset` bytes were read and `total` written through its stream. Of TCP, `skipped` is
    /// the shortest round-trip time that the kernel measured, in microseconds, and `enter_ns` the segments that were sent again;
    /// where no byte had moved, `polled_ns` is the error that the program had not asked for (an errno), and
    /// [`crate::flag::UNANSWERED`] may be set.
    pub const CLOSE: u8 = 3;
    /// `close_range`: all descriptors from `fd` to `total` were closed.
    pub const CLOSE_RANGE: u8 = 4;
    /// The writing side was shut down.
    pub const SHUTDOWN: u8 = 5;
    /// The thread was in a poll that had this tty in its set.
    pub const POLL: u8 = 6;
    /// A watched process made a child: `total` is its pid.
    pub const FORK: u8 = 7;
    /// A process called exec; the payload is its new [`crate::Comm`].
    pub const EXEC: u8 = 8;
    /// A watched process ended. Of a program whose runs are told ([`PROGRAM`]) `offset` is 1 and `total` its status as
    /// `wait` has it.
    pub const EXIT: u8 = 9;
    /// A way past the probes was used: `total` is one of [`crate::blind`].
    pub const BLIND: u8 = 10;
    /// A call of a TLS library took in or gave out plaintext, which is the payload. `identity`, `generation` and `fd` are
    /// those of the connection that the session is bound to; when it is not bound, 0, the time at which this life of the
    /// session object was first seen, and -1. `offset` is the position in
    /// its direction as far as the probes told it, `total` the bytes that the event stands for: with [`crate::flag::CUT`]
    /// those after the payload are lost. `polled_ns` is the address of the library's session object, and `skipped` the
    /// library ([`crate::library`]).
    pub const PLAIN: u8 = 11;
    /// A connected unix-domain stream socket was seen for the first time; the payload is the `struct sockaddr_un` of the
    /// end that has a name. `total` is one of [`crate::how`], `skipped` 1 when that end is the process's own. `offset` and
    /// `polled_ns` are the same for one connection at both its ends, crosswise: the own end, and the peer's. `enter_ns` is the
    /// pid at the other end, where this one was accepted; else 0.
    pub const OPEN_UNIX: u8 = 12;
    /// A run of a program whose runs are told ([`crate::program`]): `offset` says what, the payload has it.
    pub const PROGRAM: u8 = 13;
    /// A function that the user named has returned: `total` is its number, `offset` 1 when another such call of its thread
    /// is still under way around it.
    pub const FUNCTION: u8 = 15;
    /// A transfer of usbfs, told when it was handed over (to the device) or came back (from it): `offset` is one of
    /// [`crate::usb`] with the endpoint's address in the lowest eight bits, `total` the bytes that moved; with
    /// [`crate::flag::ERROR`] a negative errno.
    pub const USB: u8 = 16;
    /// What tells of test runs: `offset` is one of [`crate::test`].
    pub const TEST: u8 = 18;
    /// A connection that was asked for did not come about: `total` is the negative errno. Where `connect` says so, the
    /// payload is the `struct sockaddr` that it was given and `enter_ns` is when it began; where `SO_ERROR` says so, there is
    /// no payload, and `skipped` is the segments that were sent again. `identity` and `generation` are those of the stream, when
    /// it had been told of; it ends with this.
    pub const NOT_CONNECTED: u8 = 19;
    /// The settings of a serial line were changed: the payload is the `struct termios2` that the program asked for, up to its
    /// speeds where the call has none ([`crate::line`]).
    pub const LINE: u8 = 21;
    /// What SQLite was asked: `offset` is one of the notes of [`crate::sqlite`], which say what stands where.
    pub const SQLITE: u8 = 17;
}

/// Bits of [`EventHeader::flags`].
pub mod flag {
    /// The bytes were written by the program; otherwise read.
    pub const WRITE: u16 = 1 << 0;
    /// The first byte starts a TLS record.
    pub const RECORD_START: u16 = 1 << 1;
    /// `total` is a negative errno.
    pub const ERROR: u16 = 1 << 2;
    /// A read returned 0.
    pub const EOF: u16 = 1 << 3;
    /// Bytes after the copied ones were left out on purpose (application data, not TLS).
    pub const ELIDED: u16 = 1 << 4;
    /// Bytes after the copied ones are lost (a fault, or more than an event can carry).
    pub const CUT: u16 = 1 << 5;
    /// The descriptor closed here was the last reference to its file.
    pub const LAST_REFERENCE: u16 = 1 << 6;
    /// The process is not watched (exec of a stranger, for selectors that look at programs).
    pub const STRANGER: u16 = 1 << 7;
    /// The stream is a tty.
    pub const TTY: u16 = 1 << 8;
    /// A connection was given up before the peer had answered.
    pub const UNANSWERED: u16 = 1 << 9;
}

/// What a descriptor is ([`Descriptor::class`], [`FdRef::class`]).
pub mod class {
    /// Nothing a decoder needs: two look-ups ever after.
    pub const IGNORED: u8 = 1;
    pub const TCP: u8 = 2;
    pub const TTY: u8 = 3;
    /// An epoll instance with a tty in its set.
    pub const EPOLL: u8 = 4;
    /// A unix-domain stream socket.
    pub const UNIX: u8 = 5;
    /// A USB device, by usbfs (`/dev/bus/usb`).
    pub const USB: u8 = 8;
    /// A file that may become a report of a test run.
    pub const REPORT: u8 = 10;
}

/// How a descriptor came to be seen ([`Descriptor::how`]).
pub mod how {
    /// It was there: opened before the agent looked, inherited, passed, or of a kind whose opening is not hooked.
    pub const SEEN: u8 = 0;
    pub const ACCEPTED: u8 = 1;
    pub const CONNECTED: u8 = 2;
}

/// What the agent wants of a stream (values of the map `POLICY`).
pub mod policy {
    /// Nothing: count only.
    pub const QUIET: u8 = 1;
    /// Every byte.
    pub const ALL: u8 = 2;
    /// Every byte that is written; those that are read are only counted.
    pub const QUIET_READ: u8 = 3;
    /// Every byte that is read; those that are written are only counted.
    pub const QUIET_WRITE: u8 = 4;
}

/// TLS libraries ([`kind::PLAIN`]).
pub mod library {
    pub const OPENSSL: u32 = 1;
    pub const GNUTLS: u32 = 2;
    pub const MBEDTLS: u32 = 3;
    pub const WOLFSSL: u32 = 4;
}

/// What a function of a TLS library is, told to the program by the cookie of its probe: [`crate::library`] in the lowest
/// eight bits, and these.
pub mod call {
    /// The plaintext goes out; otherwise it comes in.
    pub const WRITE: u64 = 1 << 8;
    /// Moves no plaintext, but reads and writes the connection.
    pub const HANDSHAKE: u64 = 1 << 9;
    /// Ends the session, or makes it ready for another connection.
    pub const END: u64 = 1 << 10;
    /// Bits that say where the number of bytes is found.
    pub const RESULT: u64 = 0xF << 12;
    /// It is returned, as an `int`.
    pub const RESULT_INT: u64 = 0;
    /// It is returned, as a `ssize_t`.
    pub const RESULT_LONG: u64 = 1 << 12;
    /// The fourth argument points at it, as a `size_t`; what is returned, an `int`, says whether the call succeeded.
    pub const RESULT_AT_FOURTH: u64 = 2 << 12;
    /// The same, by the fifth argument.
    pub const RESULT_AT_FIFTH: u64 = 3 << 12;
}

/// What tells of a test run ([`kind::TEST`]).
pub mod test {
    /// `PYTEST_CURRENT_TEST` was put into the environment; the payload is its value.
    pub const SET: u64 = 1;
    /// It was taken out.
    pub const UNSET: u64 = 2;
    /// Such a process wrote to its standard output; the payload is the end of it.
    pub const OUTPUT: u64 = 3;
    /// Such a process sent a message of execnet; the payload is its beginning.
    pub const MESSAGE: u64 = 4;
    /// `fd` was opened for writing, by a name that ends in `.xml`: the payload.
    pub const REPORT_OPENED: u64 = 5;
    /// It was closed.
    pub const REPORT_CLOSED: u64 = 6;
    /// A file was given a name that ends in `.xml`: the payload.
    pub const REPORT_NAMED: u64 = 7;
}

/// Programs whose runs are told ([`kind::PROGRAM`]).
pub mod program {
    /// It was started; the payload is the beginning of its arguments, each with a zero behind it.
    pub const ARGUMENTS: u64 = 1;
    /// It wrote this to its standard error, or it is an error of its own on standard output.
    pub const ERRORS: u64 = 2;

    /// The Android Debug Bridge ([`crate::TargetInfo::program`]).
    pub const ADB: u8 = 1;
    /// What its name begins with.
    pub const ADB_NAME: [u8; 3] = *b"adb";
    /// So many of these are told of a run.
    pub const MOST_ERRORS: u8 = 8;

    /// The program that a name is of; 0 for all whose runs are not told.
    #[must_use]
    pub const fn of(comm: &crate::Comm) -> u8 {
        let named = comm[0] == ADB_NAME[0] && comm[1] == ADB_NAME[1] && comm[2] == ADB_NAME[2];
        // `adb`, `adb-29`, and not `adbd`.
        if named && !comm[3].is_ascii_alphanumeric() { ADB } else { 0 }
    }
}

/// Calls of SQLite ([`kind::SQLITE`]). `skipped` is the result code that the call returned.
pub mod sqlite {
    /// A connection was opened, or could not be: `identity` is its address.
    pub const OPENED: u64 = 1;
    /// It was closed, or could not be.
    pub const CLOSED: u64 = 2;
    /// A statement was prepared, or could not be: `identity` is its address, 0 when there is none, `total` that of its
    /// connection; the payload is the beginning of its text. `exit_ns` tells it from others that had its address.
    pub const PREPARED: u64 = 3;
    /// A run of a statement ended, from the first step at `enter_ns` on: `identity` is the statement's address, `generation` when
    /// it was prepared (0 when that was not seen), `total` the rows that it gave, `polled_ns` the nanoseconds within the calls.
    /// The result is [`ROW`] when it was given up before its end.
    pub const ENDED: u64 = 4;

    /// What a function is, told to the program by the lowest eight bits of the cookie of its probe.
    pub const OPEN: u64 = 1;
    pub const CLOSE: u64 = 2;
    pub const PREPARE: u64 = 3;
    pub const STEP: u64 = 4;
    pub const RESET: u64 = 5;
    pub const FINALIZE: u64 = 6;
    pub const FUNCTION: u64 = 0xFF;
    /// Where the number (from 0) of the argument stands that points at where the new object will be.
    pub const OUT_SHIFT: u32 = 8;

    /// Result codes (`sqlite3.h`).
    pub const OK: i32 = 0;
    pub const ROW: i32 = 100;
    pub const DONE: i32 = 101;
}

/// Kinds of transfers of usbfs ([`kind::USB`]), as its `struct usbdevfs_urb` has them, moved up by eight bits.
pub mod usb {
    pub const INTERRUPT: u64 = 1 << 8;
    pub const BULK: u64 = 3 << 8;
}

/// Settings of serial lines ([`kind::LINE`]).
pub mod line {
    /// Bytes of `struct termios` of the kernel (asm-generic/termbits.h).
    pub const TERMIOS: u32 = 36;
    /// Bytes of `struct termios2`, which has the two speeds behind that.
    pub const TERMIOS2: u32 = 44;
}

/// Ways past the probes ([`kind::BLIND`]).
pub mod blind {
    pub const IO_URING: i64 = 1;
    pub const KERNEL_TLS: i64 = 2;
    pub const SENDFILE: i64 = 3;
    pub const SPLICE: i64 = 4;
}

/// Programs that others continue in (indices of the map `TAILS`).
pub mod tail {
    pub const VECTORS: u32 = 0;
    pub const COUNT: u32 = 1;
}

/// Who keeps accounts on a CPU (indices of the map `LEDGER`).
pub mod ledger {
    /// Programs that run to their end.
    pub const HOOKS: u32 = 0;
    /// Programs in TLS libraries, which others may interrupt. The top bit of their sequence numbers is set.
    pub const LIBRARY: u32 = 1;
    pub const COUNT: u32 = 2;
}

/// Fates of an event (indices of the per-CPU ledger). `SEEN` is the sum of all others.
pub mod fate {
    pub const SEEN: u32 = 0;
    pub const SUBMITTED: u32 = 1;
    pub const FILTERED: u32 = 2;
    pub const RING_FULL: u32 = 3;
    pub const OVERSIZED: u32 = 4;
    pub const READ_FAULT: u32 = 5;
    pub const RESTARTED: u32 = 6;
    pub const PEEKED: u32 = 7;
    pub const TABLE_FULL: u32 = 8;
    pub const COUNT: u32 = 9;

    /// Names for labels, by index.
    pub const NAMES: [&str; COUNT as usize] =
        ["seen", "submitted", "filtered", "ring_full", "oversized", "read_fault", "restarted", "peeked", "table_full"];
}

/// Value of the per-CPU map `LEDGER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Accounts {
    /// By [`fate`].
    pub fates: [u64; fate::COUNT as usize],
    /// Number of the next event of this CPU.
    pub sequence: u64,
}

/// Head of every event.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    pub version: u8,
    pub kind: u8,
    pub flags: u16,
    /// Bytes of payload that follow and mean something.
    pub len: u32,
    /// Entry of the system call, nanoseconds since boot; 0 when it is not known.
    pub enter_ns: u64,
    /// Exit of the system call, or the time of the event.
    pub exit_ns: u64,
    pub tgid: u32,
    pub tid: u32,
    pub fd: i32,
    /// Bytes of this direction that were left out on purpose so far, without an event (wraps).
    pub skipped: u32,
    /// When this stream was first seen, nanoseconds since boot: tells two lives of one identity apart.
    pub generation: u64,
    /// The inode of a socket; the open file of a tty.
    pub identity: u64,
    /// Position of the first byte in its direction.
    pub offset: u64,
    /// The result of the call for `DATA`; see [`kind`] for the others.
    pub total: i64,
    /// Nanoseconds that this thread has spent in polls in all.
    pub polled_ns: u64,
    /// Counts up by one per CPU (and [`ledger`]); the CPU stands in the top 16 bits.
    pub sequence: u64,
}

/// A descriptor at its first sight (payload of [`kind::OPEN`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub class: u8,
    pub how: u8,
    /// `AF_INET` or `AF_INET6` for sockets.
    pub family: u16,
    /// Ports in host order.
    pub local_port: u16,
    pub peer_port: u16,
    /// Device number of a tty as the kernel holds it (major << 20 | minor).
    pub rdev: u32,
    /// `f_flags` of the open file.
    pub file_flags: u32,
    pub local: [u8; 16],
    pub peer: [u8; 16],
}

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

/// What a stream speaks, as far as the kernel side cares ([`StreamState::mode`]).
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
    /// [`call`], and [`library`].
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
    /// [`sqlite`]; 0 when no call is under way.
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

/// Offsets of kernel structure members, from BTF; a global that the loader sets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelLayout {
    pub task_files: u32,
    pub files_fdt: u32,
    pub fdt_max_fds: u32,
    pub fdt_fd: u32,
    pub file_inode: u32,
    pub file_private: u32,
    pub file_flags: u32,
    pub file_count: u32,
    /// The value of the reference count when one reference is left: 1 for `f_count`, 0 for `f_ref`.
    pub file_count_one: u32,
    pub inode_number: u32,
    pub inode_mode: u32,
    pub inode_rdev: u32,
    pub socket_sk: u32,
    pub socket_type: u32,
    pub sk_family: u32,
    pub sk_state: u32,
    pub sk_peer_port: u32,
    pub sk_local_port: u32,
    pub sk_peer_v4: u32,
    pub sk_local_v4: u32,
    pub sk_peer_v6: u32,
    pub sk_local_v6: u32,
    pub sk_error: u32,
    /// The shortest round trip of the last minutes, microseconds.
    pub tcp_least_rtt: u32,
    pub tcp_retransmits: u32,
    pub task_exit_live: u32,
    pub task_signal: u32,
    pub unix_addr: u32,
    pub unix_peer: u32,
    pub unix_address_len: u32,
    pub unix_address_name: u32,
    /// 0 where the kernel has none.
    pub sk_peer_pid: u32,
    pub pid_number: u32,
    pub task_exit_code: u32,
    pub task_mm: u32,
    pub mm_arg_start: u32,
    pub mm_arg_end: u32,
    pub task_tgid: u32,
}

/// The largest payload of one event: a TLS record of the largest size (RFC 5246 §6.2.3) and some more.
pub const MAX_PAYLOAD: usize = 20_480;

/// Sizes of payload that the ring holds.
pub const PAYLOAD_CLASSES: [usize; 5] = [64, 256, 1024, 4096, MAX_PAYLOAD];

const _: () = assert!(size_of::<EventHeader>() == 88);
const _: () = assert!(size_of::<Accounts>() == 80);
const _: () = assert!(size_of::<Descriptor>() == 48);
const _: () = assert!(size_of::<Descriptor>() <= PAYLOAD_CLASSES[0]);
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
const _: () = assert!(size_of::<KernelLayout>() == 38 * 4);

#[cfg(feature = "user")]
mod user {
    // SAFETY: all are `#[repr(C)]`, `Copy`, without padding and without references.
    unsafe impl aya::Pod for super::Accounts {}
    unsafe impl aya::Pod for super::EventHeader {}
    unsafe impl aya::Pod for super::Descriptor {}
    unsafe impl aya::Pod for super::FdKey {}
    unsafe impl aya::Pod for super::FdRef {}
    unsafe impl aya::Pod for super::TargetInfo {}
    unsafe impl aya::Pod for super::StreamState {}
    unsafe impl aya::Pod for super::ThreadState {}
    unsafe impl aya::Pod for super::SessionKey {}
    unsafe impl aya::Pod for super::SessionState {}
    unsafe impl aya::Pod for super::KernelLayout {}
    unsafe impl aya::Pod for super::SqliteCall {}
    unsafe impl aya::Pod for super::StatementKey {}
    unsafe impl aya::Pod for super::StatementState {}
}
