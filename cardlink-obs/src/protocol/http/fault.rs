//! What stops a direction from being read, and what is read although it should not be there.

use crate::observation::NOT_FOLLOWED;
use std::fmt;

/// Why a direction is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpFault {
    NotHttp,
    HeadTooLong,
    TooManyHeaders,
    BadHead,
    BadLength,
    ConflictingLength,
    BadTransferCoding,
    BadChunk,
    TrailerTooLong,
    Truncated,
    Lost,
    Upgraded,
    NotFollowed,
}

impl HttpFault {
    pub const ALL: [Self; 13] = [
        Self::NotHttp,
        Self::HeadTooLong,
        Self::TooManyHeaders,
        Self::BadHead,
        Self::BadLength,
        Self::ConflictingLength,
        Self::BadTransferCoding,
        Self::BadChunk,
        Self::TrailerTooLong,
        Self::Truncated,
        Self::Lost,
        Self::Upgraded,
        Self::NotFollowed,
    ];

    /// The name in metrics and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::HeadTooLong => "head_too_long",
            Self::TooManyHeaders => "too_many_headers",
            Self::BadHead => "bad_head",
            Self::BadLength => "bad_length",
            Self::ConflictingLength => "conflicting_length",
            Self::BadTransferCoding => "bad_transfer_coding",
            Self::BadChunk => "bad_chunk",
            Self::TrailerTooLong => "trailer_too_long",
            Self::Truncated => "truncated",
            Self::Lost => "lost",
            Self::Upgraded => "upgraded",
            Self::NotFollowed => NOT_FOLLOWED,
        }
    }

    /// For people: one sentence, with the clause.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotHttp => "The bytes do not start an HTTP/1.1 message (RFC 9112 §3, §4).",
            Self::HeadTooLong => "The start line and the headers are longer than is read.",
            Self::TooManyHeaders => "The message has more headers than are read.",
            Self::BadHead => "A line of the head is malformed (RFC 9112 §5).",
            Self::BadLength => "Content-Length is not a number (RFC 9112 §6.3).",
            Self::ConflictingLength => "Content-Length is given twice, with different values (RFC 9112 §6.3).",
            Self::BadTransferCoding => "The request's last transfer coding is not chunked (RFC 9112 §6.3).",
            Self::BadChunk => "A chunk does not start with its size or does not end where it says (RFC 9112 §7.1).",
            Self::TrailerTooLong => "The trailer after the last chunk is longer than is read (RFC 9112 §7.1.2).",
            Self::Truncated => "The stream ended within a message (RFC 9112 §8).",
            Self::Lost => "Bytes are missing, and where the next message starts is not known.",
            Self::Upgraded => "The connection went on with another protocol (RFC 9110 §7.8, §9.3.6).",
            Self::NotFollowed => "The rest was not looked at: it is not remote administration.",
        }
    }

    /// Nothing is wrong with the peers: the bytes were missed, or are another protocol's by agreement.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Lost | Self::Upgraded | Self::NotFollowed)
    }
}

impl fmt::Display for HttpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A deviation that is read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HttpNote {
    /// A line ends in a line feed alone (RFC 9112 §2.2).
    BareLineFeed,
    /// Both Content-Length and chunked; chunked counts (RFC 9112 §6.3).
    LengthAndChunked,
}

impl HttpNote {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare_line_feed",
            Self::LengthAndChunked => "length_and_chunked",
        }
    }

    /// For people: one sentence, with the clause.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BareLineFeed => "A line ends in a line feed without a carriage return (RFC 9112 §2.2).",
            Self::LengthAndChunked => "The message has both Content-Length and chunked coding (RFC 9112 §6.3).",
        }
    }
}
