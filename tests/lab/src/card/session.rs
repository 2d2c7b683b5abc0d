//! One connection, from connect to close, and its line of truth.

use super::Shared;
use super::deviation::{Deviation, RESUME_LOOP};
use super::options::Fault;
use super::talk::{Errand, Pending, talk};
use crate::clock::boot_ns;
use crate::tls::{End, clear_notes, handshake_record, note};
use crate::truth::{ConnectionRecord, HandshakeRecord, Outcome, SessionRecord};
use crate::wire::{Cut, Log, Plan, Wire};
use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::{getpid, gettid};
use openssl::ssl::{Ssl, SslSession, SslStream};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PEER_CLOSED: PollFlags = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n";
/// Neither TLS nor anything else.
const GARBAGE: [u8; 48] = {
    let mut bytes = [0; 48];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = 0xE7_u8.wrapping_mul(at as u8).wrapping_add(0x9B);
        at += 1;
    }
    bytes
};

/// Holds session number `index` (from 0), on as many connections as it takes, and says whether their handshakes went as
/// they should without a fault.
pub(super) fn hold_one(shared: &Shared, index: u64, resumable: &mut Option<SslSession>) -> bool {
    let faults = &shared.options.faults;
    let fault = faults.get(index as usize % faults.len().max(1)).copied().unwrap_or(Fault::None);
    let loops = shared.options.deviations.contains(&Deviation::ResumeLoop);
    let mut drops = match fault {
        Fault::DropMidScript if loops => RESUME_LOOP,
        Fault::DropMidScript => 1,
        _ => 0,
    };
    let mut errand = Errand { drops: drops > 0, resume: None };
    loop {
        let (good, pending) = hold_connection(shared, fault, &errand, resumable);
        let Some(pending) = pending.filter(|_| good) else { return good };
        drops = drops.saturating_sub(1);
        errand = Errand { drops: drops > 0, resume: Some(pending) };
    }
}

/// One connection, and what it left to be done on another.
fn hold_connection(
    shared: &Shared,
    fault: Fault,
    errand: &Errand,
    resumable: &mut Option<SslSession>,
) -> (bool, Option<Pending>) {
    let conn = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let connecting_ns = boot_ns();
    let connected = TcpStream::connect_timeout(&shared.options.connect, shared.options.timeout);
    let connected_ns = boot_ns();
    let (local, lived) = match connected {
        Ok(stream) => {
            let local = stream.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
            (local, live(shared, fault, errand, stream, resumable))
        }
        Err(error) => (String::new(), Err(error.into())),
    };
    let lived = match lived {
        Ok(lived) => lived,
        Err(error) => {
            eprintln!("connection {conn}: {error:#}");
            return (false, None);
        }
    };
    let log = lived.log;
    let tls = !matches!(fault, Fault::Http | Fault::Garbage);
    let good = lived.handshake.as_ref().is_some_and(|handshake| handshake.result == "ok");
    shared.truth.tell(&ConnectionRecord {
        program: "card".to_owned(),
        conn,
        pid: getpid().as_raw(),
        tid: gettid().as_raw(),
        local,
        peer: shared.options.connect.to_string(),
        fault: match fault {
            Fault::DropMidScript if !errand.drops => Fault::None.name(),
            _ => fault.name(),
        },
        accepted_ns: None,
        connecting_ns: Some(connecting_ns),
        connected_ns: Some(connected_ns),
        first_read_ns: log.first_read_ns,
        first_write_ns: log.first_write_ns,
        outcome: match log.first_write_ns {
            None => Outcome::NoClientHello,
            Some(_) if tls => Outcome::Handshake,
            Some(_) => Outcome::NotTls,
        },
        handshake: lived.handshake,
        session: lived.session,
        wait_ns: log.wait_ns,
        reads: log.reads,
        writes: log.writes,
        bytes_read: log.bytes_read,
        bytes_written: log.bytes_written,
        peer_end: log.peer_end(),
        closing_ns: lived.closing_ns,
        closed_ns: lived.closed_ns,
        calls: log.calls,
    });
    let mut pending = lived.pending;
    if let Some(pending) = &mut pending {
        pending.conn = conn;
    }
    (good, pending)
}

struct Lived {
    log: Log,
    handshake: Option<HandshakeRecord>,
    session: SessionRecord,
    pending: Option<Pending>,
    closing_ns: u64,
    closed_ns: u64,
}

fn live(
    shared: &Shared,
    fault: Fault,
    errand: &Errand,
    stream: TcpStream,
    resumable: &mut Option<SslSession>,
) -> anyhow::Result<Lived> {
    let options = &shared.options;
    // Without it the last bytes of a torn flight wait for the peer's acknowledgement.
    stream.set_nodelay(true)?;
    let plan = Plan {
        think: options.think,
        cut: match fault {
            Fault::CloseAfterClientHello | Fault::CloseUnread | Fault::SilentAfterClientHello => {
                Some(Cut::AfterFirstFlight)
            }
            Fault::CloseAfterServerHello | Fault::ResetMidHandshake | Fault::SilentMidHandshake => {
                Some(Cut::BeforeSecondFlight)
            }
            _ => None,
        },
        coalesce: fault == Fault::Coalesce,
        ..options.io.plan()
    };
    let mut wire = Wire::new(stream, plan);
    wire.limit(options.timeout)?;
    match fault {
        Fault::CloseAfterConnect => Ok(close(wire, None, SessionRecord::default())),
        Fault::SilentAfterConnect => {
            hold(wire.stream(), options.hold, PEER_CLOSED);
            Ok(close(wire, None, SessionRecord::default()))
        }
        Fault::Http => Ok(speak(wire, GET)),
        Fault::Garbage => Ok(speak(wire, &GARBAGE)),
        _ => speak_tls(shared, fault, errand, wire, resumable),
    }
}

fn close(mut wire: Wire, handshake: Option<HandshakeRecord>, session: SessionRecord) -> Lived {
    let log = std::mem::take(&mut wire.log);
    let closing_ns = boot_ns();
    drop(wire);
    Lived { log, handshake, session, pending: None, closing_ns, closed_ns: boot_ns() }
}

/// Sends something that is not TLS, and reads until the server has had enough.
fn speak(mut wire: Wire, bytes: &[u8]) -> Lived {
    let mut answer = [0; 512];
    if wire.write_all(bytes).is_ok() {
        while wire.read(&mut answer).is_ok_and(|size| size > 0) {}
    }
    close(wire, None, SessionRecord::default())
}

fn speak_tls(
    shared: &Shared,
    fault: Fault,
    errand: &Errand,
    wire: Wire,
    resumable: &mut Option<SslSession>,
) -> anyhow::Result<Lived> {
    let options = &shared.options;
    let Some(context) = shared.contexts.get(&fault) else { anyhow::bail!("no context for {fault:?}") };
    clear_notes();
    let mut ssl = Ssl::new(context)?;
    if let Some(session) = resumable.as_ref().filter(|_| options.resume) {
        // SAFETY: contexts of this program differ in nothing that a session depends on but the fault, and a session
        // of another context is only refused.
        unsafe { ssl.set_session(session)? };
        note(|notes| notes.offered_session = true);
    }
    let mut tls = SslStream::new(ssl, wire)?;
    let outcome = tls.connect();
    let mut handshake = handshake_record(End::Card, tls.ssl(), &tls.get_ref().log, outcome.as_ref().err());
    let (session, pending) = if outcome.is_ok() {
        let holds_finished = tls.get_ref().log.held_back;
        tls.get_mut().log.released_ns = None;
        let talked = talk(shared, &mut tls, errand);
        if let Some(released) = tls.get_ref().log.released_ns.filter(|_| holds_finished) {
            handshake.end_ns = released;
        }
        if options.resume {
            *resumable = tls.ssl().session().map(ToOwned::to_owned);
        }
        talked
    } else {
        end_badly(shared, fault, tls.get_ref().stream());
        (SessionRecord::default(), None)
    };
    let log = std::mem::take(&mut tls.get_mut().log);
    let closing_ns = boot_ns();
    drop(tls);
    let handshake = Some(handshake).filter(|handshake| handshake.start_ns > 0);
    Ok(Lived { log, handshake, session, pending, closing_ns, closed_ns: boot_ns() })
}

/// What stands between the cut and the close.
fn end_badly(shared: &Shared, fault: Fault, stream: &TcpStream) {
    match fault {
        Fault::CloseUnread => hold(stream, shared.options.timeout, PollFlags::POLLIN),
        Fault::SilentAfterClientHello | Fault::SilentMidHandshake => {
            hold(stream, shared.options.hold, PEER_CLOSED);
        }
        Fault::ResetMidHandshake => {
            if let Err(errno) = setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }) {
                eprintln!("cannot ask for a reset: {errno}");
            }
        }
        _ => {}
    }
}

/// Waits until `time` has passed or the socket has what is wanted.
fn hold(stream: &TcpStream, time: Duration, wanted: PollFlags) {
    let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    if let Err(errno) = poll(&mut [PollFd::new(stream.as_fd(), wanted)], time) {
        eprintln!("cannot wait: {errno}");
    }
}
