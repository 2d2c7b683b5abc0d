//! Events of the ring: their head, what they tell, and how large they are.

use core::mem::size_of;

/// Version of the event layout: the first byte of every event.
pub const FORMAT_VERSION: u8 = 1;

/// What an event tells ([`crate::EventHeader::kind`]).
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

/// Bits of [`crate::EventHeader::flags`].
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
    /// Counts up by one per CPU (and [`crate::ledger`]); the CPU stands in the top 16 bits.
    pub sequence: u64,
}

/// A descriptor at its first sight (payload of [`crate::kind::OPEN`]).
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

/// The largest payload of one event: a TLS record of the largest size (RFC 5246 §6.2.3) and some more.
pub const MAX_PAYLOAD: usize = 20_480;

/// Sizes of payload that the ring holds.
pub const PAYLOAD_CLASSES: [usize; 5] = [64, 256, 1024, 4096, MAX_PAYLOAD];

const _: () = assert!(size_of::<EventHeader>() == 88);
const _: () = assert!(size_of::<Descriptor>() == 48);
const _: () = assert!(size_of::<Descriptor>() <= PAYLOAD_CLASSES[0]);
