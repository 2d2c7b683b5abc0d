//! Whether a connection speaks HTTP, from its first bytes.

use super::head::METHODS;

/// What the first bytes of a direction are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpVerdict {
    Request,
    Response,
    /// Not HTTP/1.
    Other,
}

const VERSION: &[u8] = b"HTTP/1.";

/// Looks at the first bytes of a direction; `None` while they could become either. Eight bytes are enough.
pub fn looks_like_http(first: &[u8]) -> Option<HttpVerdict> {
    // Empty lines may stand before a message (RFC 9112 §2.2).
    let blank = first.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let first = first.get(blank..).unwrap_or_default();
    if starts(first, VERSION) {
        return (first.len() >= VERSION.len()).then_some(HttpVerdict::Response);
    }
    let mut possible = false;
    for (name, _) in METHODS {
        if starts(first, name.as_bytes()) {
            match first.get(name.len()) {
                Some(b' ') => return Some(HttpVerdict::Request),
                Some(_) => {}
                None => possible = true,
            }
        }
    }
    if possible { None } else { Some(HttpVerdict::Other) }
}

/// `bytes` and `wanted` do not differ as far as both go.
fn starts(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.iter().zip(wanted).all(|(byte, wanted)| byte == wanted)
}
