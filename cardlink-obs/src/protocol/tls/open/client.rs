//! The client's side of a plain PSK handshake (RFC 4279, TLS 1.2), for a check that a server completes one.
//!
//! Bytes in, bytes out: no I/O, no clock, no source of randomness. It goes as far as the server's Finished, and says
//! goodbye. It carries no data, so that its keys protect nothing.

use super::Sender;
use super::keyring::Psk;
use super::lane::{Lane, Shape};
use super::prf::Prf;
use super::schedule::{FINISHED, Material};
use super::suite::{Access, Cipher, access};
use super::transcript::{Messages, split};
use crate::observation::TlsVersion;
use crate::protocol::tls::{AlertDescription, ContentType, HandshakeType, RecordHeader, ServerHello, cipher_suite};

/// TLS_PSK_WITH_AES_128_CBC_SHA256 first, which GlobalPlatform's Amendment B wants every server to have.
const SUITES: [u16; 10] = [0x00AE, 0x00A8, 0x008C, 0x00AF, 0x00A9, 0x008D, 0x008B, 0x00B0, 0x00B1, 0x002C];
/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746 §3.3).
const RENEGOTIATION: u16 = 0x00FF;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const HEADER: usize = 5;
const RANDOM: usize = 32;

/// Why the handshake does not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    #[error("the server answered with the alert {0}")]
    Alert(String),
    #[error("the server does not speak TLS")]
    NotTls,
    #[error("the server speaks another version than TLS 1.2")]
    Version,
    #[error("the server chose {0}, which was not offered")]
    Suite(String),
    #[error("the server sent {0:?} where it was not its turn")]
    Unexpected(HandshakeType),
    #[error("the server has another key for this identity")]
    Key,
    #[error("the server's messages do not add up")]
    Malformed,
}

/// How far it is.
#[derive(Debug)]
pub enum ClientStep {
    /// Send this (perhaps nothing) and read on.
    More(Vec<u8>),
    /// The server's Finished is right. Send this and close.
    Done { farewell: Vec<u8>, suite: String },
}

/// A client in the middle of a handshake.
#[derive(Debug)]
pub struct PskClient<'a> {
    identity: &'a [u8],
    psk: &'a Psk,
    random: [u8; RANDOM],
    /// Bytes of a record that is not complete.
    input: Vec<u8>,
    messages: Messages,
    transcript: Vec<u8>,
    hello: Option<(Shape, [u8; RANDOM], bool)>,
    protected: Option<Protected>,
    changed: bool,
}

#[derive(Debug)]
struct Protected {
    client: Lane,
    server: Lane,
    expected: [u8; FINISHED],
}

impl<'a> PskClient<'a> {
    /// `random` should be that.
    pub fn new(identity: &'a [u8], psk: &'a Psk, random: [u8; RANDOM]) -> Self {
        Self {
            identity,
            psk,
            random,
            input: Vec::new(),
            messages: Messages::default(),
            transcript: Vec::new(),
            hello: None,
            protected: None,
            changed: false,
        }
    }

    /// The ClientHello (RFC 5246 §7.4.1.2), to be sent first.
    pub fn hello(&mut self) -> Vec<u8> {
        let mut body = TlsVersion::TLS_1_2.0.to_be_bytes().to_vec();
        body.extend(self.random);
        body.push(0);
        let suites: Vec<u8> = SUITES.iter().chain([&RENEGOTIATION]).flat_map(|suite| suite.to_be_bytes()).collect();
        body.extend((suites.len() as u16).to_be_bytes());
        body.extend(suites);
        body.extend([1, 0]);
        let extensions: Vec<u8> = [ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET]
            .into_iter()
            .flat_map(|kind| kind.to_be_bytes().into_iter().chain([0, 0]))
            .collect();
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let message = message(HandshakeType::CLIENT_HELLO, &body);
        self.transcript.extend(&message);
        record(ContentType::HANDSHAKE, &message)
    }

    /// Takes what the server sent.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<ClientStep, ClientFault> {
        self.input.extend_from_slice(bytes);
        let mut answer = Vec::new();
        while let Some((header, mut body)) = self.next_record()? {
            match header.content {
                ContentType::ALERT if self.changed => return Err(ClientFault::Key),
                ContentType::ALERT => return Err(ClientFault::Alert(alert(&body))),
                ContentType::CHANGE_CIPHER_SPEC => self.changed = true,
                ContentType::HANDSHAKE if self.changed => {
                    let Some(protected) = &mut self.protected else { return Err(ClientFault::Malformed) };
                    let content = protected.server.open(header, &mut body).map_err(|_| ClientFault::Key)?;
                    if body.get(content) != Some(protected.expected.as_slice()) {
                        return Err(ClientFault::Key);
                    }
                    let farewell = protected.client.seal(ContentType::ALERT, &[1, 0], 0);
                    let suite = self.hello.map_or(0, |(shape, ..)| shape.suite.id);
                    return Ok(ClientStep::Done { farewell, suite: cipher_suite(suite).to_string() });
                }
                ContentType::HANDSHAKE => {
                    self.messages.push(&body).map_err(|_| ClientFault::Malformed)?;
                    while let Some(message) = self.messages.next() {
                        answer.extend(self.message(&message)?);
                    }
                }
                _ => return Err(ClientFault::Malformed),
            }
        }
        Ok(ClientStep::More(answer))
    }

    fn next_record(&mut self) -> Result<Option<(RecordHeader, Vec<u8>)>, ClientFault> {
        let Some(&[content, major, minor, high, low]) = self.input.first_chunk::<HEADER>() else { return Ok(None) };
        let header = RecordHeader {
            content: ContentType(content),
            version: TlsVersion(u16::from_be_bytes([major, minor])),
            len: u16::from_be_bytes([high, low]),
        };
        if !header.content.is_known() || major != 3 {
            return Err(ClientFault::NotTls);
        }
        let end = HEADER + usize::from(header.len);
        let Some(body) = self.input.get(HEADER..end).map(<[u8]>::to_vec) else { return Ok(None) };
        self.input.drain(..end);
        Ok(Some((header, body)))
    }

    fn message(&mut self, message: &[u8]) -> Result<Vec<u8>, ClientFault> {
        let (kind, body) = split(message).ok_or(ClientFault::Malformed)?;
        if self.protected.is_some() {
            return Err(ClientFault::Unexpected(kind));
        }
        self.transcript.extend(message);
        match (kind, self.hello) {
            (HandshakeType::SERVER_HELLO, None) => {
                self.hello = Some(server_hello(body)?);
                Ok(Vec::new())
            }
            // It holds a hint at the identity, of which there is only one here.
            (HandshakeType::SERVER_KEY_EXCHANGE, Some(_)) => Ok(Vec::new()),
            (HandshakeType::SERVER_HELLO_DONE, Some((shape, random, extended))) => {
                Ok(self.flight(shape, random, extended))
            }
            _ => Err(ClientFault::Unexpected(kind)),
        }
    }

    /// ClientKeyExchange (RFC 4279 §2), ChangeCipherSpec, Finished.
    fn flight(&mut self, shape: Shape, server_random: [u8; RANDOM], extended: bool) -> Vec<u8> {
        let identity = self.identity.get(..usize::from(u16::MAX)).unwrap_or(self.identity);
        let mut body = (identity.len() as u16).to_be_bytes().to_vec();
        body.extend(identity);
        let exchange = message(HandshakeType::CLIENT_KEY_EXCHANGE, &body);
        self.transcript.extend(&exchange);
        let prf = Prf::new(shape.version, shape.suite.prf);
        let hash = prf.transcript(&[&self.transcript]);
        let material = Material {
            shape,
            client_random: self.random,
            server_random,
            session_hash: extended.then(|| hash.clone()),
            first: Sender::Client,
            finished_hash: hash.clone(),
        };
        let master = material.master(self.psk.expose());
        let [mut client, server] = material.lanes(&master);
        let finished = material.finished(&master, Sender::Client, &hash);
        self.transcript.extend(finished);
        let hash = prf.transcript(&[&self.transcript]);
        let expected = material.finished(&master, Sender::Server, &hash);
        let mut out = record(ContentType::HANDSHAKE, &exchange);
        out.extend(record(ContentType::CHANGE_CIPHER_SPEC, &[1]));
        out.extend(client.seal(ContentType::HANDSHAKE, &finished, 0));
        self.protected = Some(Protected { client, server, expected });
        out
    }
}

/// How records are protected, the server's random, and whether the master secret is an extended one.
fn server_hello(body: &[u8]) -> Result<(Shape, [u8; RANDOM], bool), ClientFault> {
    let hello = ServerHello::parse(body);
    let random = body.get(2..2 + RANDOM).and_then(|random| random.try_into().ok());
    let (Some(random), Some(id), false) = (random, hello.suite, hello.malformed) else {
        return Err(ClientFault::Malformed);
    };
    if hello.version != Some(TlsVersion::TLS_1_2) {
        return Err(ClientFault::Version);
    }
    let suite = match access(id, TlsVersion::TLS_1_2) {
        Access::ByKey(suite) | Access::Null { suite, keyed: true } if SUITES.contains(&id) => suite,
        _ => return Err(ClientFault::Suite(cipher_suite(id).to_string())),
    };
    let encrypt_then_mac = hello.extensions.encrypt_then_mac && matches!(suite.cipher, Cipher::Cbc(_));
    let shape = Shape { suite, version: TlsVersion::TLS_1_2, encrypt_then_mac };
    Ok((shape, random, hello.extensions.extended_master_secret))
}

fn message(kind: HandshakeType, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind.0];
    message.extend((body.len() as u32).to_be_bytes().iter().skip(1));
    message.extend(body);
    message
}

/// In one record: what is sent here is far below 2^14 bytes, but for an identity that no server takes.
fn record(content: ContentType, fragment: &[u8]) -> Vec<u8> {
    fragment
        .chunks(1 << 14)
        .flat_map(|part| {
            let mut record = vec![content.0, 3, 3];
            record.extend((part.len() as u16).to_be_bytes());
            record.extend(part);
            record
        })
        .collect()
}

fn alert(body: &[u8]) -> String {
    let Some(&number) = body.get(1) else { return String::from("without a number") };
    AlertDescription(number).name().map_or_else(|| number.to_string(), |name| format!("{number} {name}"))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
