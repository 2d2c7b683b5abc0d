//! Where a body ends (RFC 9112 §6.3), and which requests wait for a response.

use super::{HttpFault, HttpNote, Method, RequestHead, ResponseHead, head::Headers};

/// How a message said where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body.
    None,
    /// Content-Length.
    Length,
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

impl Framing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Length => "length",
            Self::Chunked => "chunked",
            Self::UntilClose => "until_close",
        }
    }
}

/// The body that a head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    None,
    Length(u64),
    Chunked,
    UntilClose,
    /// No body, and the connection is not HTTP from here on.
    Upgraded,
}

pub(super) fn of_request(head: &RequestHead) -> Result<(Announced, Option<HttpNote>), HttpFault> {
    match coding(&head.headers) {
        Some(true) => Ok((Announced::Chunked, both(&head.headers))),
        Some(false) => Err(HttpFault::BadTransferCoding),
        None => Ok((length(&head.headers)?.map_or(Announced::None, Announced::Length), None)),
    }
}

pub(super) fn of_response(head: &ResponseHead, request: Expected) -> Result<(Announced, Option<HttpNote>), HttpFault> {
    match (head.status, request) {
        (super::head::SWITCHING_PROTOCOLS, _) | (200..=299, Expected::Connect) => {
            return Ok((Announced::Upgraded, None));
        }
        (100..=199 | 204 | 304, _) | (_, Expected::Head) => return Ok((Announced::None, None)),
        _ => {}
    }
    match coding(&head.headers) {
        Some(true) => Ok((Announced::Chunked, both(&head.headers))),
        Some(false) => Ok((Announced::UntilClose, None)),
        None => Ok((length(&head.headers)?.map_or(Announced::UntilClose, Announced::Length), None)),
    }
}

fn both(headers: &Headers) -> Option<HttpNote> {
    headers.contains("Content-Length").then_some(HttpNote::LengthAndChunked)
}

/// Whether the last transfer coding is chunked; `None` without any.
fn coding(headers: &Headers) -> Option<bool> {
    let value = headers.all("Transfer-Encoding").last()?;
    let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
    Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

/// Several equal lengths are one (RFC 9110 §8.6).
pub(super) fn length(headers: &Headers) -> Result<Option<u64>, HttpFault> {
    let mut found = None;
    for value in headers.all("Content-Length").flat_map(|value| value.split(|&byte| byte == b',')) {
        let digits = value.trim_ascii();
        let number = std::str::from_utf8(digits)
            .ok()
            .filter(|_| digits.iter().all(u8::is_ascii_digit))
            .and_then(|text| text.parse().ok())
            .ok_or(HttpFault::BadLength)?;
        if found.is_some_and(|known| known != number) {
            return Err(HttpFault::ConflictingLength);
        }
        found = Some(number);
    }
    Ok(found)
}

/// What of a request decides whether its response has a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Usual,
    Head,
    Connect,
}

impl Expected {
    pub(super) const fn of(method: &Method) -> Self {
        match method {
            Method::Head => Self::Head,
            Method::Connect => Self::Connect,
            _ => Self::Usual,
        }
    }
}

/// Unanswered requests in order, two bits each. Past 64 of them the further ones count as usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pending {
    codes: u128,
    count: u32,
}

impl Pending {
    const MOST: u32 = u128::BITS / 2;

    pub(super) const fn push(&mut self, request: Expected) {
        let code: u128 = match request {
            Expected::Usual => 0,
            Expected::Head => 1,
            Expected::Connect => 2,
        };
        if self.count < Self::MOST {
            self.codes |= code << (2 * self.count);
        }
        self.count = self.count.saturating_add(1);
    }

    pub(super) const fn pop(&mut self) -> Expected {
        let first = self.first();
        self.codes >>= 2;
        self.count = self.count.saturating_sub(1);
        first
    }

    pub(super) const fn first(&self) -> Expected {
        match self.codes & 3 {
            1 => Expected::Head,
            2 => Expected::Connect,
            _ => Expected::Usual,
        }
    }
}
