//! The card's command line.

use super::deviation::Deviation;
use crate::cli::{Io, millis};
use crate::scp81::http::Framing;
use crate::tls::Version;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A card that opens PSK-TLS sessions and says what really happened.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-card")]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
pub struct Options {
    #[arg(long)]
    pub connect: SocketAddr,
    #[arg(long)]
    pub identity: String,
    /// Put a number behind the identity, another one in each handshake.
    #[arg(long)]
    pub numbered: bool,
    /// The pre-shared key, in hex.
    #[arg(long)]
    pub key: String,
    /// OpenSSL's cipher list; NULL suites need `@SECLEVEL=0` at its end.
    #[arg(long)]
    pub ciphers: Option<String>,
    /// The suites of TLS 1.3, which OpenSSL has in a list of their own.
    #[arg(long)]
    pub ciphersuites: Option<String>,
    #[arg(long, default_value = "1.2")]
    pub min_version: Version,
    #[arg(long, default_value = "1.2")]
    pub max_version: Version,
    /// Ask for records of at most 512, 1024, 2048 or 4096 bytes.
    #[arg(long, value_name = "BYTES")]
    pub max_fragment: Option<u16>,
    #[arg(long)]
    pub no_encrypt_then_mac: bool,
    #[arg(long)]
    pub no_extended_master_secret: bool,
    /// Resume the session before (of the same `--parallel` lane).
    #[arg(long)]
    pub resume: bool,
    /// Do not offer to take a ticket.
    #[arg(long)]
    pub no_tickets: bool,

    #[arg(long, default_value_t = 1)]
    pub sessions: u64,
    /// Sessions at the same time.
    #[arg(long, default_value_t = 1)]
    pub parallel: usize,
    /// Sessions begun per second; 0 for as many as go.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0.0)]
    pub rate: f64,
    /// Close after the handshake.
    #[arg(long)]
    pub handshake_only: bool,

    /// Time between the server's first flight and the card's answer to it.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "0")]
    pub think: Duration,
    /// Time for each APDU.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "0")]
    pub apdu_time: Duration,
    /// An answer of the card: the first bytes of the C-APDU, and the R-APDU, in hex.
    #[arg(long = "answer", value_name = "PREFIX=RAPDU")]
    pub answers: Vec<String>,
    #[arg(long, value_enum, default_value_t = Framing::Length)]
    pub framing: Framing,
    #[command(flatten)]
    pub io: Io,

    /// What to do wrong; with several, sessions take turns.
    #[arg(long = "fault", value_enum, value_delimiter = ',', default_value = "none")]
    pub faults: Vec<Fault>,
    /// `drop-mid-script`: the script of the session at which the link is dropped.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub drop_at: u32,
    /// `drop-mid-script`: before or after the response to that script is sent.
    #[arg(long, value_enum, default_value_t = Drop::After)]
    pub drop: Drop,
    /// What to do otherwise than Amendment B says: no-admin-protocol, truncated-response, fewer-responses,
    /// wrong-script-status, contradicting-script-status, resume-loop, post-without-next-uri, idle:MS.
    #[arg(long = "deviate", value_name = "A,B", value_delimiter = ',')]
    pub deviations: Vec<Deviation>,
    /// How long to stay silent; less when the server closes first.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "1000")]
    pub hold: Duration,
    /// Give up when the server takes longer.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "10000")]
    pub timeout: Duration,

    /// Append the truth to this file.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Fault {
    None,
    WrongKey,
    /// Takes the hex digits of the key for the key itself.
    HexTakenForText,
    UnknownIdentity,
    /// Offers one suite that needs a certificate; `--ciphers` overrides it.
    NoSharedCipher,
    /// Offers TLS 1.1 at most.
    OldVersion,
    CloseAfterConnect,
    CloseAfterClientHello,
    /// Closes with the server's first flight read: a FIN.
    CloseAfterServerHello,
    /// Closes with the server's first flight unread: a reset.
    CloseUnread,
    /// Resets when it should answer the server's first flight.
    ResetMidHandshake,
    SilentAfterConnect,
    SilentAfterClientHello,
    SilentMidHandshake,
    /// Sends a plain GET.
    Http,
    /// Sends bytes that are no protocol.
    Garbage,
    /// Sends its Finished in the same segment as its first request, where its Finished is the last.
    Coalesce,
    /// Closes the connection in the middle of a session, connects again and resumes (`X-Admin-Resume: true`).
    DropMidScript,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drop {
    /// The response never leaves.
    Before,
    /// The response is sent, its answer not read.
    After,
}

impl Fault {
    /// Its name on the command line and in the truth.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
