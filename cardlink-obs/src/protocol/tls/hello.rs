//! `ClientHello` and `ServerHello` (RFC 5246 §7.4.1, RFC 8446 §4.1).

use super::bytes::Bytes;
use super::extension::{self, EARLY_DATA, PRE_SHARED_KEY, SUPPORTED_VERSIONS};
use crate::observation::{Extensions, PskIdentity, TlsVersion};

/// More suites than any client has use for; the rest of a longer list is not kept.
const MAX_SUITES: usize = 512;
/// More identities than any client offers at once.
const MAX_IDENTITIES: usize = 16;

/// What a client offers. A hello that ends too early or does not add up keeps what came before that place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`.
    pub version: Option<TlsVersion>,
    /// The highest of `supported_versions`, when that extension is there.
    pub supported: Option<TlsVersion>,
    pub suites: Vec<u16>,
    pub extensions: Extensions,
    /// The identities of `pre_shared_key` (RFC 8446 §4.2.11).
    pub identities: Vec<OfferedIdentity>,
    pub early_data: bool,
    /// It does not add up.
    pub malformed: bool,
}

/// One entry of a client's `pre_shared_key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedIdentity {
    pub identity: PskIdentity,
    /// 0 for a key that was established outside TLS; for a ticket an obfuscated age (RFC 8446 §4.2.11.1).
    pub ticket_age: u32,
}

impl OfferedIdentity {
    pub const fn is_ticket(&self) -> bool {
        self.ticket_age != 0
    }
}

impl ClientHello {
    /// Reads the body of the message.
    pub fn parse(body: &[u8]) -> Self {
        let mut hello = Self::default();
        hello.malformed = hello.read(Bytes::new(body)).is_none();
        hello
    }

    /// The highest version that the client takes.
    pub fn highest_version(&self) -> Option<TlsVersion> {
        self.supported.max(self.version)
    }

    pub fn offers_tls13(&self) -> bool {
        self.supported >= Some(TlsVersion::TLS_1_3)
    }

    fn read(&mut self, mut body: Bytes<'_>) -> Option<()> {
        self.version = Some(TlsVersion(body.u16()?));
        body.take(RANDOM)?;
        body.vec8()?;
        let mut suites = body.vec16()?;
        while let Some(suite) = suites.u16() {
            if self.suites.len() < MAX_SUITES {
                self.suites.push(suite);
            }
        }
        body.vec8()?;
        if body.is_empty() {
            return Some(());
        }
        let block = body.vec16()?;
        let Self { extensions, supported, identities, early_data, .. } = self;
        extension::walk(block, extensions, |kind, body| match kind {
            SUPPORTED_VERSIONS => *supported = extension::highest_version(body),
            PRE_SHARED_KEY => *identities = offered_identities(body),
            EARLY_DATA => *early_data = true,
            _ => {}
        })
        .then_some(())
    }
}

fn offered_identities(mut body: Bytes<'_>) -> Vec<OfferedIdentity> {
    let mut offered = Vec::new();
    let Some(mut list) = body.vec16() else { return offered };
    while offered.len() < MAX_IDENTITIES
        && let Some(identity) = list.vec16()
        && let Some(ticket_age) = list.u32()
    {
        offered.push(OfferedIdentity { identity: PskIdentity::new(identity.to_vec()), ticket_age });
    }
    offered
}

/// What a server chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// `supported_versions` if it is there, else `legacy_version`.
    pub version: Option<TlsVersion>,
    pub suite: Option<u16>,
    pub extensions: Extensions,
    /// Index into the identities that the client offered (RFC 8446 §4.2.11).
    pub selected_identity: Option<u16>,
    /// It asks for another `ClientHello` (RFC 8446 §4.1.3, §4.1.4).
    pub is_retry: bool,
    /// It does not add up.
    pub malformed: bool,
}

impl ServerHello {
    /// Reads the body of the message.
    pub fn parse(body: &[u8]) -> Self {
        let mut hello = Self::default();
        hello.malformed = hello.read(Bytes::new(body)).is_none();
        hello
    }

    fn read(&mut self, mut body: Bytes<'_>) -> Option<()> {
        self.version = Some(TlsVersion(body.u16()?));
        self.is_retry = body.take(RANDOM)? == RETRY_RANDOM.as_slice();
        body.vec8()?;
        self.suite = Some(body.u16()?);
        body.u8()?;
        if body.is_empty() {
            return Some(());
        }
        let block = body.vec16()?;
        let Self { extensions, version, selected_identity, .. } = self;
        extension::walk(block, extensions, |kind, mut body| match kind {
            SUPPORTED_VERSIONS => *version = body.u16().map(TlsVersion).or(*version),
            PRE_SHARED_KEY => *selected_identity = body.u16(),
            _ => {}
        })
        .then_some(())
    }
}

const RANDOM: usize = 32;

/// The SHA-256 of "`HelloRetryRequest`" (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; RANDOM] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11,
    0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];
