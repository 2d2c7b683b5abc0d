//! What a reader tells, and the bounds that it keeps.

use super::{Framing, HttpFault, HttpNote, RequestHead, ResponseHead};

/// Bounds of what is kept of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, and of the trailer of a chunked body.
    pub head: usize,
    /// Headers of a message, 128 at most.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 << 10, headers: 64 }
    }
}

/// What the bytes of a direction complete.
#[derive(Debug, PartialEq, Eq)]
pub enum HttpEvent<'a> {
    /// A deviation in the message that is being read; told once a message, before its head if it stands in the head.
    Note(HttpNote),
    Request(RequestHead),
    Response(ResponseHead),
    /// Bytes of the body, without the chunks' framing. How they are cut depends on how they came.
    Body(&'a [u8]),
    /// So many bytes of the body are missing.
    Missing(u64),
    /// The message is complete. `body_bytes` counts missing bytes, too; so does `bytes`, which is the whole message.
    End {
        body_bytes: u64,
        framing: Framing,
        bytes: u64,
    },
    /// Nothing more is told of this direction.
    Broken(HttpFault),
}
