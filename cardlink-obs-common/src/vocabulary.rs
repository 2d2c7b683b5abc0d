//! Words that stand in events and in values of maps.

/// Numbers of system calls that are looked at: all that there are so far, and some more.
pub const SYSTEM_CALLS: u32 = 512;

/// What a descriptor is ([`crate::Descriptor::class`], [`crate::FdRef::class`]).
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

/// How a descriptor came to be seen ([`crate::Descriptor::how`]).
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

/// TLS libraries ([`crate::kind::PLAIN`]).
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

/// What tells of a test run ([`crate::kind::TEST`]).
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

/// Programs whose runs are told ([`crate::kind::PROGRAM`]).
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

/// Calls of SQLite ([`crate::kind::SQLITE`]). `skipped` is the result code that the call returned.
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

/// Kinds of transfers of usbfs ([`crate::kind::USB`]), as its `struct usbdevfs_urb` has them, moved up by eight bits.
pub mod usb {
    pub const INTERRUPT: u64 = 1 << 8;
    pub const BULK: u64 = 3 << 8;
}

/// Settings of serial lines ([`crate::kind::LINE`]).
pub mod line {
    /// Bytes of `struct termios` of the kernel (asm-generic/termbits.h).
    pub const TERMIOS: u32 = 36;
    /// Bytes of `struct termios2`, which has the two speeds behind that.
    pub const TERMIOS2: u32 = 44;
}

/// Ways past the probes ([`crate::kind::BLIND`]).
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
