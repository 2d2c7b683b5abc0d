//! What the hellos say that keys depend on (RFC 5246 §7.4.1).

use super::resume::{SessionName, by_id, by_ticket};
use super::schedule::Random;
use crate::observation::{Extensions, TlsVersion};
use crate::protocol::tls::ServerHello;
use crate::protocol::tls::bytes::Bytes;
use crate::protocol::tls::extension;

/// RFC 5077 §3.2.
const SESSION_TICKET: u16 = 35;

/// Of a ClientHello.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) random: Random,
    /// The session that its ticket resumes, when the server takes it.
    pub(super) ticket: Option<SessionName>,
}

/// Of a ServerHello.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) random: Random,
    /// The session that its session id stands for, a new one or a resumed one.
    pub(super) session: Option<SessionName>,
    pub(super) version: TlsVersion,
    pub(super) suite: u16,
    pub(super) compression: u8,
    pub(super) extensions: Extensions,
}

impl Offer {
    /// `None`: the body does not add up.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Bytes::new(body);
        body.u16()?;
        let random = body.take(size_of::<Random>())?.try_into().ok()?;
        body.vec8()?;
        body.vec16()?;
        body.vec8()?;
        let mut ticket = None;
        if !body.is_empty() {
            let block = body.vec16()?;
            extension::walk(block, &mut Extensions::default(), |kind, body| {
                if kind == SESSION_TICKET {
                    ticket = by_ticket(&body.to_vec());
                }
            });
        }
        Some(Self { random, ticket })
    }
}

impl Choice {
    /// `None`: the body does not add up.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let hello = ServerHello::parse(body);
        let mut body = Bytes::new(body);
        body.u16()?;
        let random = body.take(size_of::<Random>())?.try_into().ok()?;
        let session = by_id(&body.vec8()?.to_vec());
        let suite = body.u16()?;
        let compression = body.u8()?;
        Some(Self { random, session, version: hello.version?, suite, compression, extensions: hello.extensions })
    }
}

/// The ticket of a NewSessionTicket (RFC 5077 §3.3).
pub(super) fn new_ticket(body: &[u8]) -> Option<SessionName> {
    let mut body = Bytes::new(body);
    body.u32()?;
    by_ticket(&body.vec16()?.to_vec())
}
