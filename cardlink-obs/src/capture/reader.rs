//! Reads one record of the ring into what it means.

use super::{reports, ttys, unix, usb_devices};
use crate::event::{
    Data, Endpoint, Event, Holder, Origin, Plain, PlainSource, ProgramNote, RawCall, Rest, SqliteNote, StreamId,
    Termios, TestNote, UsbTransfer,
};
use cardlink_obs_common::{
    Descriptor, EventHeader, FORMAT_VERSION, class, flag, how, kind, library, program, sqlite, test, usb,
};
use std::{
    borrow::Cow,
    ffi::OsStr,
    mem::size_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

const AF_INET: u16 = 2;

/// A record of the ring.
#[derive(Debug)]
pub enum Record<'a> {
    /// Ready to be handed on.
    Event(Event<'a>),
    /// A TCP connection ends, as far as a descriptor goes: what TCP knew of it, that it had never come about, and the close.
    Ended {
        transport: Event<'a>,
        failed: Option<Box<Event<'a>>>,
        closed: Option<Event<'a>>,
    },
    Forked {
        at: u64,
        parent: u32,
        child: u32,
    },
    Exec {
        at: u64,
        pid: u32,
        comm: String,
        stranger: bool,
    },
    Exited {
        at: u64,
        pid: u32,
        /// Of a program whose runs are told: as `wait` has it.
        status: Option<u32>,
    },
    /// A function that the user named, by its number.
    Called {
        at: u64,
        enter: u64,
        pid: u32,
        tid: u32,
        number: usize,
        nested: bool,
    },
    Report(reports::Notice),
    /// A connection on this host was accepted from this process.
    Accepted {
        opened: Event<'a>,
        peer: u32,
    },
}

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    Short,
    Version(u8),
    Kind(u8),
    Library(u32),
    Test(u64),
    Program(u64),
    Sqlite(u64),
}

/// Reads a record.
pub fn read(record: &[u8]) -> Result<Record<'_>, Unreadable> {
    let header: EventHeader = plain(record).ok_or(Unreadable::Short)?;
    if header.version != FORMAT_VERSION {
        return Err(Unreadable::Version(header.version));
    }
    let body = record.get(size_of::<EventHeader>()..).unwrap_or_default();
    let payload = body.get(..header.len as usize).ok_or(Unreadable::Short)?;
    let holder = Holder { tgid: header.tgid, fd: header.fd };
    let stream =
        StreamId { identity: header.identity, generation: header.generation, tty: header.flags & flag::TTY != 0 };
    let call = RawCall { enter: header.enter_ns, exit: header.exit_ns, tid: header.tid, polled: header.polled_ns };
    let at = header.exit_ns;
    Ok(match header.kind {
        kind::OPEN => {
            let descriptor: Descriptor = plain(payload).ok_or(Unreadable::Short)?;
            let (endpoint, origin) = (endpoint(&descriptor), origin(descriptor.how));
            Record::Event(Event::Opened { at, holder, stream, endpoint, origin })
        }
        kind::OPEN_UNIX => {
            let endpoint = unix::endpoint(&header, payload);
            let origin = origin(u8::try_from(header.total).unwrap_or_default());
            let opened = Event::Opened { at, holder, stream, endpoint, origin };
            match u32::try_from(header.enter_ns).unwrap_or_default() {
                0 => Record::Event(opened),
                peer => Record::Accepted { opened, peer },
            }
        }
        kind::DATA => Record::Event(data(&header, holder, stream, call, payload)),
        kind::CLOSE => closed(&header, holder, stream),
        kind::NOT_CONNECTED => not_connected(&header, holder, stream, payload),
        kind::CLOSE_RANGE => Record::Event(Event::ClosedRange {
            at,
            tgid: header.tgid,
            first: header.fd,
            last: i32::try_from(header.total).unwrap_or(i32::MAX),
        }),
        kind::SHUTDOWN => Record::Event(Event::Shutdown { holder, stream, call }),
        kind::POLL => Record::Event(Event::Polled { holder, stream, call }),
        kind::FORK => {
            Record::Forked { at, parent: header.tgid, child: u32::try_from(header.total).unwrap_or_default() }
        }
        kind::EXEC => {
            Record::Exec { at, pid: header.tgid, comm: comm(payload), stranger: header.flags & flag::STRANGER != 0 }
        }
        kind::EXIT => {
            let status = (header.offset != 0).then(|| u32::try_from(header.total).unwrap_or_default());
            Record::Exited { at, pid: header.tgid, status }
        }
        kind::PROGRAM => {
            let note = match header.offset {
                program::ARGUMENTS => ProgramNote::Began(Cow::Borrowed(payload)),
                program::ERRORS => ProgramNote::Said(Cow::Borrowed(payload)),
                other => return Err(Unreadable::Program(other)),
            };
            Record::Event(Event::Program { at, pid: header.tgid, note })
        }
        kind::PLAIN => Record::Event(plaintext(&header, holder, stream, call, payload)?),
        kind::FUNCTION => Record::Called {
            at,
            enter: header.enter_ns,
            pid: header.tgid,
            tid: header.tid,
            number: usize::try_from(header.total).unwrap_or(usize::MAX),
            nested: header.offset != 0,
        },
        kind::BLIND => Record::Event(Event::Blind { at, pid: header.tgid, way: header.total }),
        kind::TEST => test_run(&header, payload)?,
        kind::SQLITE => Record::Event(of_sqlite(&header, payload)?),
        kind::LINE => {
            Record::Event(Event::Line { at, holder, stream, settings: termios(payload).ok_or(Unreadable::Short)? })
        }
        kind::USB => Record::Event(Event::Usb(transfer(&header, holder, stream, payload))),
        other => return Err(Unreadable::Kind(other)),
    })
}

/// A descriptor was closed.
fn closed(header: &EventHeader, holder: Holder, stream: StreamId) -> Record<'static> {
    let at = header.exit_ns;
    let closed = Event::Closed {
        at,
        holder,
        stream,
        last: header.flags & flag::LAST_REFERENCE != 0,
        bytes_read: header.offset,
        bytes_written: header.total.unsigned_abs(),
    };
    if header.skipped == 0 && header.enter_ns == 0 {
        return Record::Event(closed);
    }
    let measured = header.skipped != u32::MAX;
    let round_trip = if measured { u64::from(header.skipped) * 1000 } else { 0 };
    let transport = Event::Transport { at, stream, round_trip, retransmits: header.enter_ns };
    let errno = i32::try_from(header.polled_ns).unwrap_or_default();
    let failed = (errno != 0 || header.flags & flag::UNANSWERED != 0).then(|| {
        Box::new(Event::NotConnected { at, enter: 0, holder, tid: header.tid, stream: Some(stream), peer: None, errno })
    });
    Record::Ended { transport, failed, closed: Some(closed) }
}

/// A connection that was asked for did not come about.
fn not_connected(header: &EventHeader, holder: Holder, stream: StreamId, payload: &[u8]) -> Record<'static> {
    let at = header.exit_ns;
    let failed = Event::NotConnected {
        at,
        enter: header.enter_ns,
        holder,
        tid: header.tid,
        stream: (header.identity != 0).then_some(stream),
        peer: unix::sought(payload),
        errno: i32::try_from(-header.total).unwrap_or_default(),
    };
    match u64::from(header.skipped) {
        0 => Record::Event(failed),
        retransmits => {
            let transport = Event::Transport { at, stream, round_trip: 0, retransmits };
            Record::Ended { transport, failed: Some(Box::new(failed)), closed: None }
        }
    }
}

/// `struct termios` of the kernel: four words of flags, the line discipline, the control characters, and the speeds in a
/// `struct termios2`.
fn termios(payload: &[u8]) -> Option<Termios> {
    let word = |at: usize| payload.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    Some(Termios { input: word(0)?, control: word(8)?, speed: word(40) })
}

/// A transfer of usbfs.
fn transfer<'a>(header: &EventHeader, holder: Holder, stream: StreamId, payload: &'a [u8]) -> UsbTransfer<'a> {
    let failed = header.flags & flag::ERROR != 0;
    UsbTransfer {
        at: header.exit_ns,
        holder,
        stream,
        write: header.flags & flag::WRITE != 0,
        interrupt: header.offset & !0xFF == usb::INTERRUPT,
        errno: failed.then(|| i32::try_from(-header.total).unwrap_or_default()),
        total: if failed { 0 } else { header.total.unsigned_abs() },
        bytes: Cow::Borrowed(payload),
    }
}

/// What tells of a test run.
fn test_run<'a>(header: &EventHeader, payload: &'a [u8]) -> Result<Record<'a>, Unreadable> {
    let (at, pid, fd) = (header.exit_ns, header.tgid, header.fd);
    let path = || PathBuf::from(OsStr::from_bytes(payload));
    let note = match header.offset {
        test::SET => TestNote::Current(String::from_utf8_lossy(payload)),
        test::UNSET => TestNote::Over,
        test::OUTPUT => TestNote::Output(Cow::Borrowed(payload)),
        test::MESSAGE => TestNote::Message(Cow::Borrowed(payload)),
        test::REPORT_OPENED => return Ok(Record::Report(reports::Notice::Opened { pid, fd, path: path() })),
        test::REPORT_CLOSED => return Ok(Record::Report(reports::Notice::Closed { at, pid, fd })),
        test::REPORT_NAMED => return Ok(Record::Report(reports::Notice::Named { at, pid, path: path() })),
        other => return Err(Unreadable::Test(other)),
    };
    Ok(Record::Event(Event::Test { at, pid, note }))
}

/// A call of SQLite, or the end of a run of a statement.
fn of_sqlite<'a>(header: &EventHeader, payload: &'a [u8]) -> Result<Event<'a>, Unreadable> {
    let (enter, code) = (header.enter_ns, header.skipped.cast_signed());
    let note = match header.offset {
        sqlite::OPENED => SqliteNote::Opened { enter, database: header.identity, code },
        sqlite::CLOSED => SqliteNote::Closed { database: header.identity, code },
        sqlite::PREPARED => SqliteNote::Prepared {
            enter,
            database: header.total.cast_unsigned(),
            statement: header.identity,
            code,
            text: Cow::Borrowed(payload),
        },
        sqlite::ENDED => SqliteNote::Ended {
            enter,
            statement: header.identity,
            prepared: header.generation,
            inside: header.polled_ns,
            rows: header.total.cast_unsigned(),
            code,
        },
        other => return Err(Unreadable::Sqlite(other)),
    };
    Ok(Event::Sqlite { at: header.exit_ns, pid: header.tgid, tid: header.tid, note })
}

const fn origin(how: u8) -> Origin {
    match how {
        how::ACCEPTED => Origin::Accepted,
        how::CONNECTED => Origin::Connected,
        _ => Origin::Existing,
    }
}

fn data<'a>(header: &EventHeader, holder: Holder, stream: StreamId, call: RawCall, payload: &'a [u8]) -> Event<'a> {
    let write = header.flags & flag::WRITE != 0;
    if header.flags & flag::EOF != 0 {
        return Event::Eof { holder, stream, call };
    }
    if header.flags & flag::ERROR != 0 {
        let errno = i32::try_from(-header.total).unwrap_or_default();
        return Event::Failed { holder, stream, call, write, errno };
    }
    let rest = if header.flags & flag::CUT != 0 {
        Rest::Cut
    } else if header.flags & flag::ELIDED != 0 {
        Rest::Elided
    } else {
        Rest::Whole
    };
    Event::Data(Data {
        holder,
        stream,
        call,
        write,
        offset: header.offset,
        total: header.total.unsigned_abs(),
        rest,
        skipped: header.skipped,
        record_start: header.flags & flag::RECORD_START != 0,
        bytes: Cow::Borrowed(payload),
    })
}

/// Of a call of a TLS library: its session stands where others have the time in polls.
fn plaintext<'a>(
    header: &EventHeader,
    holder: Holder,
    stream: StreamId,
    call: RawCall,
    payload: &'a [u8],
) -> Result<Event<'a>, Unreadable> {
    let source = match header.skipped {
        library::OPENSSL => PlainSource::OpenSsl,
        library::GNUTLS => PlainSource::GnuTls,
        library::MBEDTLS => PlainSource::MbedTls,
        library::WOLFSSL => PlainSource::WolfSsl,
        other => return Err(Unreadable::Library(other)),
    };
    Ok(Event::Plain(Plain {
        holder,
        stream,
        session: header.polled_ns,
        call: RawCall { polled: 0, ..call },
        write: header.flags & flag::WRITE != 0,
        source,
        offset: header.offset,
        total: header.total.unsigned_abs(),
        bytes: Cow::Borrowed(payload),
    }))
}

fn endpoint(descriptor: &Descriptor) -> Endpoint {
    if descriptor.class == class::TTY {
        return Endpoint::Tty { path: ttys::path_of(descriptor.rdev) };
    }
    if descriptor.class == class::USB {
        return usb_devices::endpoint(descriptor.rdev);
    }
    Endpoint::Tcp {
        local: SocketAddr::new(address(descriptor.family, descriptor.local), descriptor.local_port),
        peer: SocketAddr::new(address(descriptor.family, descriptor.peer), descriptor.peer_port),
    }
}

fn address(family: u16, bytes: [u8; 16]) -> IpAddr {
    if family == AF_INET {
        let [a, b, c, d, ..] = bytes;
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from(bytes))
    }
}

fn comm(payload: &[u8]) -> String {
    let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
    super::host::printable(payload.get(..end).unwrap_or_default())
}

/// The `T` at the start of `bytes`.
fn plain<T: aya::Pod>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, `T` is plain data of which every bit pattern is valid, and alignment does not matter.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
