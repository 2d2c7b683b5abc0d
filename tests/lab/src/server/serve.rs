//! One connection, from accept to close, and its line of truth.

use super::Shared;
use super::options::ReadMode;
use super::talk::talk;
use crate::clock::boot_ns;
use crate::tls::{End, clear_notes, handshake_record};
use crate::truth::{ConnectionRecord, HandshakeRecord, Outcome, SessionRecord};
use crate::wire::{Log, Plan, Trouble, Wire};
use nix::unistd::{getpid, gettid};
use openssl::ssl::{Ssl, SslStream};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

/// The content type of a handshake record (RFC 5246 §6.2.1).
const HANDSHAKE: u8 = 0x16;

/// A fatal alert, number 50, in a record of its own.
const DECODE_ERROR: [u8; 7] = [0x15, 0x03, 0x03, 0, 2, 2, 50];

pub(super) struct Accepted {
    pub(super) conn: u64,
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) at_ns: u64,
}

pub(super) fn serve(shared: &Shared, accepted: Accepted) {
    let Accepted { conn, stream, peer, at_ns } = accepted;
    let local = stream.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string());
    // Without it the last bytes of a torn flight wait for the peer's acknowledgement.
    if let Err(error) = stream.set_nodelay(!shared.options.nagle) {
        eprintln!("connection {conn}: {error}");
    }
    let lived = match live(shared, stream) {
        Ok(lived) => lived,
        Err(error) => {
            eprintln!("connection {conn}: {error:#}");
            return;
        }
    };
    let log = lived.log;
    shared.truth.tell(&ConnectionRecord {
        program: "server".to_owned(),
        conn,
        pid: getpid().as_raw(),
        tid: gettid().as_raw(),
        local,
        peer: peer.to_string(),
        fault: fault(shared).to_owned(),
        accepted_ns: Some(at_ns),
        connecting_ns: None,
        connected_ns: None,
        first_read_ns: log.first_read_ns,
        first_write_ns: log.first_write_ns,
        outcome: match log.first_byte {
            None => Outcome::NoClientHello,
            Some(HANDSHAKE) => Outcome::Handshake,
            Some(_) => Outcome::NotTls,
        },
        handshake: lived.handshake.filter(|_| log.first_byte == Some(HANDSHAKE)),
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
}

fn fault(shared: &Shared) -> &'static str {
    if shared.options.give_up_after_hello { "give-up-after-hello" } else { "none" }
}

struct Lived {
    log: Log,
    handshake: Option<HandshakeRecord>,
    session: SessionRecord,
    closing_ns: u64,
    closed_ns: u64,
}

fn live(shared: &Shared, stream: TcpStream) -> anyhow::Result<Lived> {
    let options = &shared.options;
    let plan = Plan {
        read_at_most: (options.read_mode == ReadMode::One).then_some(1),
        not_ready: options.not_ready,
        ..options.io.plan()
    };
    let mut wire = Wire::new(stream, plan);
    wire.limit(options.handshake_timeout)?;
    clear_notes();
    let mut tls = SslStream::new(Ssl::new(&shared.context)?, wire)?;
    let outcome = tls.accept();
    let mut handshake = handshake_record(End::Server, tls.ssl(), &tls.get_ref().log, outcome.as_ref().err());
    let session = if outcome.is_ok() {
        tls.get_mut().limit(options.session_timeout)?;
        talk(shared, &mut tls)
    } else {
        if options.alert_at_eof && tls.get_ref().log.trouble == Some(Trouble::Eof) {
            // A client that is gone for good does not take it.
            let _ = tls.get_mut().write_all(&DECODE_ERROR);
            handshake.alert_sent = handshake.alert_sent.or(DECODE_ERROR.last().copied());
        }
        SessionRecord::default()
    };
    let log = std::mem::take(&mut tls.get_mut().log);
    let closing_ns = boot_ns();
    drop(tls);
    Ok(Lived { log, handshake: Some(handshake), session, closing_ns, closed_ns: boot_ns() })
}
