//! Reads one record of the ring into what it means.

use super::ttys;
use crate::event::{Data, Endpoint, Event, Holder, Origin, RawCall, Rest, StreamId};
use cardlink_obs_common::{Descriptor, EventHeader, FORMAT_VERSION, class, flag, how, kind};
use std::{
    borrow::Cow,
    mem::size_of,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

const AF_INET: u16 = 2;

/// A record of the ring.
#[derive(Debug)]
pub enum Record<'a> {
    /// Ready to be handed on.
    Event(Event<'a>),
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
    },
}

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    Short,
    Version(u8),
    Kind(u8),
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
            let origin = match descriptor.how {
                how::ACCEPTED => Origin::Accepted,
                how::CONNECTED => Origin::Connected,
                _ => Origin::Existing,
            };
            Record::Event(Event::Opened { at, holder, stream, endpoint: endpoint(&descriptor), origin })
        }
        kind::DATA => Record::Event(data(&header, holder, stream, call, payload)),
        kind::CLOSE => Record::Event(Event::Closed {
            at,
            holder,
            stream,
            last: header.flags & flag::LAST_REFERENCE != 0,
            bytes_read: header.offset,
            bytes_written: header.total.unsigned_abs(),
        }),
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
        kind::EXIT => Record::Exited { at, pid: header.tgid },
        kind::BLIND => Record::Event(Event::Blind { at, pid: header.tgid, way: header.total }),
        other => return Err(Unreadable::Kind(other)),
    })
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

fn endpoint(descriptor: &Descriptor) -> Endpoint {
    if descriptor.class == class::TTY {
        return Endpoint::Tty { path: ttys::path_of(descriptor.rdev) };
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
    String::from_utf8_lossy(payload.get(..end).unwrap_or_default()).into_owned()
}

/// The `T` at the start of `bytes`.
fn plain<T: aya::Pod>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, `T` is plain data of which every bit pattern is valid, and alignment does not matter.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
