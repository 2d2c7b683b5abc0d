//! What server and card share of TLS: versions, the notes that OpenSSL's callbacks leave, and the verdict.

use crate::truth::HandshakeRecord;
use crate::wire::{Log, Trouble};
use nix::libc::c_int;
use openssl::error::ErrorStack;
use openssl::ssl::{Error, SslCipherRef, SslContextBuilder, SslOptions, SslRef, SslVersion};
use std::cell::RefCell;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Version {
    #[value(name = "1.0")]
    Tls10,
    #[value(name = "1.1")]
    Tls11,
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

impl Version {
    pub const fn of_openssl(self) -> SslVersion {
        match self {
            Self::Tls10 => SslVersion::TLS1,
            Self::Tls11 => SslVersion::TLS1_1,
            Self::Tls12 => SslVersion::TLS1_2,
            Self::Tls13 => SslVersion::TLS1_3,
        }
    }
}

/// The plain PSK suites that cards ask for, without the NULL ones.
pub const CIPHERS: &str = "PSK-AES128-CBC-SHA256:PSK-AES256-CBC-SHA384:PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:\
                           PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA";

/// Options of OpenSSL 3 that the bindings do not name.
pub const NO_ENCRYPT_THEN_MAC: SslOptions = SslOptions::from_bits_retain(1 << 19);
pub const NO_EXTENDED_MASTER_SECRET: SslOptions = SslOptions::from_bits_retain(1);

/// What the callbacks of the connection in hand had to say. A thread handles one connection at a time, and OpenSSL
/// calls back on the thread that called it.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    pub alert_sent: Option<u8>,
    pub alert_received: Option<u8>,
    pub identity: Option<String>,
    /// Server: there is a key for it. In TLS 1.3 a ticket may pass for an identity that is not known.
    pub known: bool,
    /// Card: there was a session to resume.
    pub offered_session: bool,
    pub compute_ns: u64,
    pub gave_up: bool,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Forgets the connection before.
pub fn clear_notes() {
    NOTES.take();
}

pub fn notes() -> Notes {
    NOTES.with_borrow(Clone::clone)
}

pub fn note(change: impl FnOnce(&mut Notes)) {
    NOTES.with_borrow_mut(change);
}

/// What server and card set alike.
pub fn prepare(builder: &mut SslContextBuilder, ciphers: &str, min: Version, max: Version) -> Result<(), ErrorStack> {
    builder.set_min_proto_version(Some(min.of_openssl()))?;
    builder.set_max_proto_version(Some(max.of_openssl()))?;
    builder.set_cipher_list(ciphers)?;
    // SAFETY: the context is valid, and the callback touches nothing but this thread's notes.
    unsafe { SSL_CTX_set_info_callback(builder.as_ptr(), Some(on_info)) };
    Ok(())
}

/// Lets OpenSSL pick parameters for the DHE suites.
pub fn allow_dhe(builder: &SslContextBuilder) {
    const SSL_CTRL_SET_DH_AUTO: c_int = 118;
    // SAFETY: the context is valid; this control takes a number and no pointer.
    unsafe { openssl_sys::SSL_CTX_ctrl(builder.as_ptr(), SSL_CTRL_SET_DH_AUTO, 1, std::ptr::null_mut()) };
}

/// Asks for records of at most 512, 1024, 2048 or 4096 bytes (RFC 6066 §4).
pub fn ask_for_fragments(builder: &SslContextBuilder, bytes: u16) -> bool {
    let mode = match bytes {
        512 => 1,
        1024 => 2,
        2048 => 3,
        4096 => 4,
        _ => return false,
    };
    // SAFETY: the context is valid.
    unsafe { SSL_CTX_set_tlsext_max_fragment_length(builder.as_ptr(), mode) == 1 }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Server,
    Card,
}

/// The record of a handshake that is over, one way or the other.
pub fn handshake_record(end: End, ssl: &SslRef, log: &Log, failure: Option<&Error>) -> HandshakeRecord {
    let notes = notes();
    // In TLS 1.3 OpenSSL calls it reused, too, when the key came from outside.
    let resumed = failure.is_none()
        && ssl.session_reused()
        && match end {
            End::Server => !notes.known,
            End::Card => notes.offered_session,
        };
    let version = failure.is_none().then(|| ssl.version_str().to_owned());
    let identity = notes.identity.clone().filter(|_| !resumed);
    HandshakeRecord {
        start_ns: match end {
            End::Server => log.first_read_ns,
            End::Card => log.first_write_ns,
        }
        .unwrap_or_default(),
        end_ns: match failure {
            None => last_finished(end, log, resumed || version.as_deref() == Some("TLSv1.3")),
            Some(_) => log.last_call_ns,
        },
        result: match failure {
            None => "ok".to_owned(),
            Some(_) => reason(&notes, log),
        },
        suite: ssl.current_cipher().and_then(SslCipherRef::standard_name).map(str::to_owned),
        version,
        identity,
        resumed,
        alert_sent: notes.alert_sent,
        alert_received: notes.alert_received,
        error: failure.map(ToString::to_string),
        compute_ns: notes.compute_ns + log.think_ns,
        not_ready_ns: log.not_ready_ns,
        wait_ns: match end {
            End::Server => log.wait_ns - log.wait_before_first_byte_ns,
            End::Card => log.wait_ns,
        },
    }
}

/// In a full handshake of TLS 1.2 the server sends the last Finished; in an abbreviated one, and in TLS 1.3, the client.
const fn last_finished(end: End, log: &Log, client_is_last: bool) -> u64 {
    match (end, client_is_last) {
        (End::Server, true) | (End::Card, false) => log.last_read_ns,
        (End::Server, false) | (End::Card, true) => log.last_write_ns,
    }
}

/// The first thing that went wrong: what the peer did comes before what this end answered to it.
fn reason(notes: &Notes, log: &Log) -> String {
    let trouble = match log.trouble {
        Some(Trouble::Cut) => Some("local_error"),
        Some(Trouble::TimedOut) => Some("timeout"),
        Some(Trouble::Reset) => Some("peer_reset"),
        Some(Trouble::Eof) => Some("peer_closed"),
        None => None,
    };
    match (notes.alert_received, trouble, notes.alert_sent) {
        (Some(alert), _, _) if !notes.gave_up => alert_reason(alert, log.bytes_read == ALERT_RECORD),
        (_, None, Some(alert)) if !notes.gave_up => alert_reason(alert, log.bytes_written == ALERT_RECORD),
        (_, Some(trouble), _) if !notes.gave_up => trouble.to_owned(),
        _ => "local_error".to_owned(),
    }
}

/// A header and two bytes: all that its sender sent, when there is nothing else.
const ALERT_RECORD: u64 = 7;

/// `at_once` says that the alert answers the `ClientHello`.
fn alert_reason(alert: u8, at_once: bool) -> String {
    match alert {
        20 | 51 => "wrong_key".to_owned(),
        22 => "record_overflow".to_owned(),
        40 if at_once => "no_shared_cipher".to_owned(),
        50 => "decode_error".to_owned(),
        70 => "protocol_version".to_owned(),
        115 => "unknown_psk_identity".to_owned(),
        other => format!("alert_{other}"),
    }
}

unsafe extern "C" {
    fn SSL_CTX_set_info_callback(
        ctx: *mut openssl_sys::SSL_CTX,
        callback: Option<unsafe extern "C" fn(*const openssl_sys::SSL, c_int, c_int)>,
    );
    fn SSL_CTX_set_tlsext_max_fragment_length(ctx: *mut openssl_sys::SSL_CTX, mode: u8) -> c_int;
}

/// Every alert passes here in the clear, under encryption too.
unsafe extern "C" fn on_info(_: *const openssl_sys::SSL, kind: c_int, value: c_int) {
    const READ_ALERT: c_int = 0x4004;
    const WRITE_ALERT: c_int = 0x4008;
    let alert = (value.cast_unsigned() & 0xFF) as u8;
    // A close_notify is no failure.
    if alert == 0 {
        return;
    }
    match kind {
        READ_ALERT => note(|notes| notes.alert_received = notes.alert_received.or(Some(alert))),
        WRITE_ALERT => note(|notes| notes.alert_sent = notes.alert_sent.or(Some(alert))),
        _ => {}
    }
}
