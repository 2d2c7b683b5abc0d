//! The server's command line.

use crate::cli::{Io, millis};
use crate::clock::Spend;
use crate::scp81::http::Framing;
use crate::scp81::script::DEFAULT_SCRIPT;
use crate::tls::{CIPHERS, Version};
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A PSK-TLS server that says what really happened.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-server")]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
pub struct Options {
    /// Where to listen; port 0 picks one. The first line on stdout names it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Lines of `identity:hexkey`.
    #[arg(long)]
    pub psk_file: PathBuf,
    /// OpenSSL's cipher list; NULL suites need `@SECLEVEL=0` at its end.
    #[arg(long, default_value = CIPHERS)]
    pub ciphers: String,
    #[arg(long, default_value = "1.2")]
    pub min_version: Version,
    #[arg(long, default_value = "1.2")]
    pub max_version: Version,
    /// Sent to the client in a `ServerKeyExchange`.
    #[arg(long)]
    pub identity_hint: Option<String>,
    /// Resume by session id instead of by ticket.
    #[arg(long)]
    pub no_tickets: bool,
    #[arg(long)]
    pub no_encrypt_then_mac: bool,
    #[arg(long)]
    pub no_extended_master_secret: bool,
    /// Do without `TCP_NODELAY`.
    #[arg(long)]
    pub nagle: bool,

    /// Who serves a connection.
    #[arg(long, value_enum, default_value_t = Model::Threads)]
    pub model: Model,
    /// Threads of the pool.
    #[arg(long, default_value_t = 4)]
    pub workers: usize,
    /// End after this many connections.
    #[arg(long)]
    pub max_connections: Option<u64>,
    /// How long connections may go on after SIGTERM.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "1000")]
    pub grace: Duration,

    /// Time to spend between the `ClientHello` and its answer.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "0")]
    pub compute: Duration,
    /// How to spend it.
    #[arg(long, value_enum, default_value_t = Spend::Busy)]
    pub compute_how: Spend,
    /// Time to be away after the first flight is written, though the client's bytes are there.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "0")]
    pub not_ready: Duration,
    /// Close when the handshake takes longer.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "10000")]
    pub handshake_timeout: Duration,
    /// Close when the session after the handshake takes longer.
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "30000")]
    pub session_timeout: Duration,
    /// What to do with an identity that is not in the file.
    #[arg(long, value_enum, default_value_t = Unknown::Alert115)]
    pub unknown_identity: Unknown,
    /// Read the `ClientHello` and close instead of answering.
    #[arg(long)]
    pub give_up_after_hello: bool,

    /// Answer a client that closes within the handshake with an alert, `decode_error`, as OpenSSL does on a socket.
    #[arg(long)]
    pub alert_at_eof: bool,

    #[command(flatten)]
    pub io: Io,
    /// How records are read.
    #[arg(long, value_enum, default_value_t = ReadMode::Exact)]
    pub read_mode: ReadMode,

    /// Command scripts of a session, before the 204.
    #[arg(long, default_value_t = 1)]
    pub exchanges: u32,
    /// The C-APDUs of each script, in hex.
    #[arg(long, value_name = "HEX", value_delimiter = ',', default_values_t = DEFAULT_SCRIPT.map(String::from))]
    pub script: Vec<String>,
    #[arg(long, value_enum, default_value_t = Framing::Length)]
    pub framing: Framing,
    /// What to do otherwise than Amendment B says.
    #[arg(long = "deviate", value_name = "A,B", value_enum, value_delimiter = ',')]
    pub deviations: Vec<Deviation>,

    /// Append the truth to this file.
    #[arg(long)]
    pub truth: Option<PathBuf>,
}

/// What a server may do otherwise than Amendment B says (`GPC_SPE_011` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deviation {
    /// Scripts without a `Content-Type`.
    NoContentType,
    /// Scripts as `text/plain`.
    WrongContentType,
    /// The 204 carries a body.
    #[value(name = "204-with-body")]
    BodyIn204,
    /// The last script has no Next-URI: the card runs it and does not reply, and there is no 204. No fault by itself, but
    /// what the card made of it stays unknown.
    BodyWithoutNextUri,
    /// No script has a Next-URI, though their responses are waited for.
    MissingNextUri,
}

impl Deviation {
    /// Its name on the command line and in the truth.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Model {
    /// One thread accepts, a pool serves.
    Threads,
    /// A child for each connection.
    Fork,
    /// One thread does all, one connection at a time.
    Inline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unknown {
    /// Say so.
    Alert115,
    /// Go on with a random key, so that it looks like a wrong one.
    Hide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadMode {
    /// Header and body of a record apart.
    Exact,
    /// As much as there is.
    Ahead,
    /// One byte at a time.
    One,
}
