//! The messages of a handshake in the order in which they are hashed, however the two directions interleave.

use super::Sender;
use super::hash::Output;
use super::hello::{Choice, Offer, new_ticket};
use super::lane::Shape;
use super::prf::Prf;
use super::resume::SessionName;
use super::schedule::{FINISHED, Material};
use super::sealed::Sealed;
use crate::protocol::tls::{HandshakeType, identity};
use std::sync::Arc;

/// All messages of a handshake together. An identity may have 2^16 bytes, a ticket as many; no peer that means well comes
/// near.
const MAX_HANDSHAKE: usize = 80 * 1024;

/// Cuts one direction into messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    buffer: Vec<u8>,
    /// Where the next message begins.
    start: usize,
}

impl Messages {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Sealed> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() + bytes.len() > MAX_HANDSHAKE {
            return Err(Sealed::TooLong);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message, with its header.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.get(self.start..)?;
        let &[_, high, middle, low, ..] = rest else { return None };
        let len = HEADER + usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()?;
        let message = rest.get(..len)?.to_vec();
        self.start += len;
        Some(message)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

const HEADER: usize = 4;

/// Type and body of a message.
pub(super) fn split(message: &[u8]) -> Option<(HandshakeType, &[u8])> {
    let (kind, _) = message.split_first()?;
    Some((HandshakeType(*kind), message.get(HEADER..)?))
}

/// The clear part of a handshake.
///
/// The messages of each direction are kept apart and joined in the order of RFC 5246 §7.3 (RFC 5077 §3.1 with tickets):
/// what the client sent last may be reported after the answer to it.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// Without keys only the suite is looked for.
    keep: bool,
    len: usize,
    pub(super) offer: Option<Offer>,
    pub(super) choice: Option<Choice>,
    client_hello: Vec<u8>,
    /// From ServerHello to ServerHelloDone.
    server_flight: Vec<u8>,
    /// From ClientKeyExchange to the client's Finished.
    client_flight: Vec<u8>,
    new_session_ticket: Vec<u8>,
    pub(super) first_finished: Vec<u8>,
    /// A ServerHelloDone came: the handshake is a full one.
    pub(super) is_full: bool,
    /// Of the ClientKeyExchange.
    pub(super) identity: Option<Arc<[u8]>>,
    /// The session that a NewSessionTicket names.
    pub(super) ticket: Option<SessionName>,
}

impl Transcript {
    pub(super) fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Takes a message in the clear, in the order of its direction.
    pub(super) fn message(&mut self, sender: Sender, message: &[u8]) -> Result<(), Sealed> {
        let (kind, body) = split(message).ok_or(Sealed::NotTls)?;
        if kind == HandshakeType::HELLO_REQUEST {
            // Not part of any hash (RFC 5246 §7.4.1.1).
            return Ok(());
        }
        let place = match (sender, kind) {
            (Sender::Client, HandshakeType::CLIENT_HELLO) if self.offer.is_none() => {
                self.offer = Some(Offer::parse(body).ok_or(Sealed::NotTls)?);
                &mut self.client_hello
            }
            (Sender::Client, HandshakeType::CLIENT_HELLO) => return Err(Sealed::NotTls),
            (Sender::Client, _) if self.offer.is_some() => {
                if kind == HandshakeType::CLIENT_KEY_EXCHANGE && self.keep {
                    self.identity = identity(body).map(|identity| identity.expose().into());
                }
                &mut self.client_flight
            }
            (Sender::Server, HandshakeType::SERVER_HELLO) if self.choice.is_none() => {
                self.choice = Some(Choice::parse(body).ok_or(Sealed::NotTls)?);
                &mut self.server_flight
            }
            (Sender::Server, HandshakeType::NEW_SESSION_TICKET) if self.choice.is_some() => {
                self.ticket = new_ticket(body);
                &mut self.new_session_ticket
            }
            (Sender::Server, _) if self.choice.is_some() && !self.is_full => {
                self.is_full = kind == HandshakeType::SERVER_HELLO_DONE;
                &mut self.server_flight
            }
            _ => return Err(Sealed::NotTls),
        };
        if self.keep {
            self.len += message.len();
            if self.len > MAX_HANDSHAKE {
                return Err(Sealed::TooLong);
            }
            place.extend_from_slice(message);
        }
        Ok(())
    }

    /// What keys follow from, once all that they depend on is there. `None`: it is not.
    pub(super) fn material(&self, shape: Shape) -> Option<Material> {
        let (offer, choice) = (self.offer.as_ref()?, self.choice.as_ref()?);
        let prf = Prf::new(shape.version, shape.suite.prf);
        let messages = [&*self.client_hello, &*self.server_flight, &*self.client_flight];
        let (first, session_hash, finished_hash) = if self.is_full {
            self.identity.as_ref()?;
            let hash = prf.transcript(&messages);
            let session_hash = choice.extensions.extended_master_secret.then(|| hash.clone());
            (Sender::Client, session_hash, hash)
        } else {
            let messages = [&*self.client_hello, &*self.server_flight, &*self.new_session_ticket];
            (Sender::Server, None, prf.transcript(&messages))
        };
        Some(Material {
            shape,
            client_random: offer.random,
            server_random: choice.random,
            session_hash,
            first,
            finished_hash,
        })
    }

    /// The hash over all messages before the second Finished; `None` while the first one is not there.
    pub(super) fn second_finished_hash(&self, prf: Prf) -> Option<Output> {
        if self.first_finished.len() != FINISHED {
            return None;
        }
        let start = [&*self.client_hello, &*self.server_flight];
        let rest = if self.is_full {
            [&*self.client_flight, &*self.first_finished, &*self.new_session_ticket]
        } else {
            [&*self.new_session_ticket, &*self.first_finished, &[]]
        };
        Some(prf.transcript(&[start.as_slice(), rest.as_slice()].concat()))
    }
}
