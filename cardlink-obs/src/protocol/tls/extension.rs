//! The extensions that matter to a card and to a verdict.

use super::bytes::Bytes;
use crate::observation::{Extensions, TlsVersion};

const MAX_FRAGMENT_LENGTH: u16 = 1;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
pub(super) const PRE_SHARED_KEY: u16 = 41;
pub(super) const EARLY_DATA: u16 = 42;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;

/// Walks an extension block (RFC 8446 §4.2), notes the flags and hands every extension to `each`.
/// `false` when the block ends in the middle of an extension.
pub(super) fn walk<'a>(mut block: Bytes<'a>, flags: &mut Extensions, mut each: impl FnMut(u16, Bytes<'a>)) -> bool {
    while !block.is_empty() {
        let (Some(kind), Some(mut body)) = (block.u16(), block.vec16()) else { return false };
        each(kind, body);
        match kind {
            MAX_FRAGMENT_LENGTH => flags.max_fragment_length = body.u8().and_then(fragment_length),
            ENCRYPT_THEN_MAC => flags.encrypt_then_mac = true,
            EXTENDED_MASTER_SECRET => flags.extended_master_secret = true,
            SESSION_TICKET => flags.session_ticket = true,
            _ => {}
        }
    }
    true
}

/// RFC 6066 §4.
const fn fragment_length(code: u8) -> Option<u16> {
    match code {
        1 => Some(512),
        2 => Some(1024),
        3 => Some(2048),
        4 => Some(4096),
        _ => None,
    }
}

/// The highest version of a client's `supported_versions` (RFC 8446 §4.2.1), GREASE and drafts aside.
pub(super) fn highest_version(mut body: Bytes<'_>) -> Option<TlsVersion> {
    let mut list = body.vec8()?;
    let mut highest = None;
    while let Some(version) = list.u16() {
        if version >> 8 == 3 {
            highest = highest.max(Some(TlsVersion(version)));
        }
    }
    highest
}
