//! Start lines and headers (RFC 9112 §3 to §5).

use super::{HttpFault, MOST_HEADERS, framing};
use std::fmt;

/// A request method (RFC 9110 §9).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other(Box<str>),
}

/// All methods with a name of their own.
pub(super) const METHODS: [(&str, Method); 9] = [
    ("GET", Method::Get),
    ("HEAD", Method::Head),
    ("POST", Method::Post),
    ("PUT", Method::Put),
    ("DELETE", Method::Delete),
    ("CONNECT", Method::Connect),
    ("OPTIONS", Method::Options),
    ("TRACE", Method::Trace),
    ("PATCH", Method::Patch),
];

impl Method {
    pub fn of(name: &str) -> Self {
        let known = METHODS.into_iter().find(|(method, _)| *method == name);
        known.map_or_else(|| Self::Other(name.into()), |(_, method)| method)
    }

    /// As it stands on the wire: not bounded, a peer may write any token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `HTTP/1.0` or `HTTP/1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    pub minor: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP/1.{}", self.minor)
    }
}

/// The headers of a message, in order. Values do not show in `Debug`: some identify a card.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of a header; names do not differ by case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of a header when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }

    /// All values of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The length of the body when Content-Length decides it (RFC 9112 §6.3).
    pub fn content_length(&self) -> Option<u64> {
        if self.contains("Transfer-Encoding") { None } else { framing::length(self).ok().flatten() }
    }

    /// A body follows, by what the headers say of it.
    pub fn announces_body(&self) -> bool {
        self.contains("Transfer-Encoding") || self.content_length().is_some_and(|length| length > 0)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn read(parsed: &[httparse::Header<'_>]) -> Self {
        Self(parsed.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect())
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, value.len()))).finish()
    }
}

/// A request line and its headers. The target does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    /// The request target as it stands (RFC 9112 §3.2).
    pub target: String,
    pub version: Version,
    pub headers: Headers,
    /// Bytes from the start line to the empty line, both with their line ends.
    pub bytes: usize,
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("target", &self.target.len())
            .field("version", &self.version)
            .field("headers", &self.headers)
            .field("bytes", &self.bytes)
            .finish()
    }
}

/// A status line and its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: u16,
    pub version: Version,
    pub headers: Headers,
    /// Bytes from the start line to the empty line, both with their line ends.
    pub bytes: usize,
}

impl ResponseHead {
    /// Another response to the same request follows (RFC 9110 §15.2).
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != SWITCHING_PROTOCOLS
    }
}

/// The one 1xx that no final response follows.
pub(super) const SWITCHING_PROTOCOLS: u16 = 101;

pub(super) fn request(head: &[u8], most_headers: usize) -> Result<RequestHead, HttpFault> {
    let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let room = room.get_mut(..most_headers).unwrap_or_default();
    let mut parsed = httparse::Request::new(room);
    whole(parsed.parse(head), head)?;
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(HttpFault::BadHead);
    };
    Ok(RequestHead {
        method: Method::of(method),
        target: target.to_owned(),
        version: Version { minor },
        headers: Headers::read(parsed.headers),
        bytes: head.len(),
    })
}

pub(super) fn response(head: &[u8], most_headers: usize) -> Result<ResponseHead, HttpFault> {
    let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let room = room.get_mut(..most_headers).unwrap_or_default();
    let mut parsed = httparse::Response::new(room);
    whole(parsed.parse(head), head)?;
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else { return Err(HttpFault::BadHead) };
    let headers = Headers::read(parsed.headers);
    Ok(ResponseHead { status, version: Version { minor }, headers, bytes: head.len() })
}

fn whole(parsed: httparse::Result<usize>, head: &[u8]) -> Result<(), HttpFault> {
    match parsed {
        Ok(httparse::Status::Complete(taken)) if taken == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HttpFault::TooManyHeaders),
        Err(httparse::Error::Token | httparse::Error::Version | httparse::Error::Status) => Err(HttpFault::NotHttp),
        Ok(_) | Err(_) => Err(HttpFault::BadHead),
    }
}
