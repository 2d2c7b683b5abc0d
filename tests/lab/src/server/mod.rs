//! The PSK-TLS server.

mod accept;
mod context;
mod options;
mod serve;
mod talk;

pub use options::{Deviation, Model, Options, ReadMode, Unknown};

use crate::psk::{parse_hex, read_keys};
use crate::truth::Truth;
use anyhow::Context;
use openssl::ssl::SslContext;
use std::io::Write;
use std::net::TcpListener;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) context: SslContext,
    pub(crate) script: Vec<Vec<u8>>,
    pub(crate) truth: Truth,
}

pub fn run(options: Options) -> anyhow::Result<()> {
    let keys = read_keys(&options.psk_file)?;
    let script = options.script.iter().map(|apdu| parse_hex(apdu)).collect::<Result<_, _>>().context("--script")?;
    let shared = Shared {
        context: context::build(&options, keys)?,
        truth: Truth::open(options.truth.as_deref())?,
        script,
        options,
    };
    let listener = TcpListener::bind(shared.options.listen).context("cannot listen")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    out.flush()?;
    drop(out);
    accept::run(&listener, shared)
}
