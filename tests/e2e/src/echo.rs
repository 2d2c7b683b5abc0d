//! A TLS server that answers in capitals, and clients of it that know what they sent and got.

use crate::{
    IDENTITY, KEY, Result,
    peers::Server,
    place::{self, Place},
};
use anyhow::{Context as _, ensure};
use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream, SslVersion};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::Duration,
};

/// The suite's name for TLS 1.3 in the server's command line.
pub const TLS13: &str = "TLS1.3";

/// Compiles a C program of the folder `peers`.
pub fn compiled(place: &Place, name: &str, libraries: &[&str]) -> Result<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers").join(format!("{name}.c"));
    let program = place.path(name);
    let mut compiler = Command::new(place::peer("cc", "gcc")?);
    compiler.args(["-O2", "-Wno-deprecated-declarations", "-o"]).arg(&program).arg(source);
    compiler.args(libraries.iter().map(|library| format!("-l{library}"))).arg("-lpthread");
    ensure!(compiler.status()?.success(), "{name}.c does not compile (packages gcc, libssl-dev)");
    Ok(program)
}

impl Server {
    /// `echo_mbedtls` or `echo_wolfssl`.
    pub fn other_echo(place: &Place, name: &str, libraries: &[&str]) -> Result<Self> {
        let mut command = Command::new(compiled(place, name, libraries)?);
        Self::that_says_where(command.args([IDENTITY, KEY]))
    }

    /// `tls_echo` with a suite and more words.
    pub fn echo(place: &Place, suite: &str, words: &str) -> Result<Self> {
        let mut command = Command::new(compiled(place, "tls_echo", &["ssl", "crypto"])?);
        command.args([IDENTITY, KEY, suite]).args(words.split_whitespace());
        Self::that_says_where(&mut command)
    }
}

/// One connection as its client lived it.
#[derive(Debug, Default)]
pub struct Dialogue {
    pub port: u16,
    pub sent: Vec<u8>,
    pub received: Vec<u8>,
}

/// What messages a client sends, by its number: texts that no other sends, of many sizes.
pub fn messages(client: usize, sizes: &[usize]) -> Vec<Vec<u8>> {
    let message = |(index, size): (usize, &usize)| {
        format!("client {client} message {index} ").bytes().cycle().take(*size).collect()
    };
    sizes.iter().enumerate().map(message).collect()
}

/// Connects, sends each message and reads its answer.
pub fn talk(port: u16, suite: &str, messages: &[Vec<u8>]) -> Result<Dialogue> {
    let with_length = |message: &Vec<u8>| {
        let mut whole = u32::try_from(message.len()).unwrap_or_default().to_be_bytes().to_vec();
        whole.extend(message);
        whole
    };
    let whole: Vec<Vec<u8>> = messages.iter().map(with_length).collect();
    exchange(port, suite, &whole, |message| {
        let mut answer = message.to_vec();
        answer.iter_mut().skip(4).for_each(u8::make_ascii_uppercase);
        answer
    })
}

/// Connects, sends each message and reads what `answer` makes of it.
pub fn exchange(port: u16, suite: &str, messages: &[Vec<u8>], answer: impl Fn(&[u8]) -> Vec<u8>) -> Result<Dialogue> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    let mut dialogue = Dialogue { port: stream.local_addr()?.port(), ..Dialogue::default() };
    let context = context(suite)?;
    let mut tls = SslStream::new(Ssl::new(&context)?, stream)?;
    tls.connect().context("the handshake")?;
    for message in messages {
        tls.write_all(message)?;
        let wanted = answer(message);
        let mut got = vec![0; wanted.len()];
        tls.read_exact(&mut got)?;
        ensure!(got == wanted, "the server answered something else");
        dialogue.sent.extend(message);
        dialogue.received.extend(got);
    }
    let _ = tls.shutdown();
    Ok(dialogue)
}

/// So many clients at once.
pub fn crowd(port: u16, suite: &str, clients: usize, sizes: &[usize]) -> Vec<thread::JoinHandle<Result<Dialogue>>> {
    (0..clients)
        .map(|client| {
            let (suite, messages) = (suite.to_owned(), messages(client, sizes));
            thread::spawn(move || talk(port, &suite, &messages))
        })
        .collect()
}

pub fn context(suite: &str) -> Result<SslContext> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    if suite == TLS13 {
        builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
        builder.set_ciphersuites("TLS_AES_128_GCM_SHA256")?;
    } else {
        builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_cipher_list(suite)?;
    }
    builder.set_psk_client_callback(|_, _, identity, key| {
        let name = IDENTITY.as_bytes();
        let secret: Vec<u8> =
            (0..KEY.len() / 2).filter_map(|at| u8::from_str_radix(KEY.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        for (slot, byte) in identity.iter_mut().zip(name.iter().chain(&[0])) {
            *slot = *byte;
        }
        for (slot, byte) in key.iter_mut().zip(&secret) {
            *slot = *byte;
        }
        Ok(secret.len())
    });
    Ok(builder.build())
}
