//! HTTP/1.1 (RFC 9112), one direction of a connection at a time.
//!
//! [`HttpReader`] takes the bytes of a direction in whatever pieces they come and tells heads, bodies freed of their
//! chunks, and ends of messages. It is total: any input gives some output, and after a fault ([`HttpFault`]) the
//! direction stays silent, since where the next message starts cannot be known. Its memory is bounded by the head; a
//! body is handed on as it comes.

mod chunked;
mod detect;
mod event;
mod fault;
mod framing;
mod head;
mod reader;
#[cfg(test)]
mod tests;

pub use detect::{HttpVerdict, looks_like_http};
pub use event::{HttpEvent, Limits};
pub use fault::{HttpFault, HttpNote};
pub use framing::Framing;
pub use head::{Headers, Method, RequestHead, ResponseHead, Version};
pub use reader::HttpReader;
pub(in crate::protocol) use reader::{Part, Told};

/// Headers that a message can have at most, whatever the limits.
const MOST_HEADERS: usize = 128;

/// Entry for a fuzzer: the first byte says which side it is and how the rest is split. What comes out may not depend on
/// the split.
pub fn fuzz(data: &[u8]) {
    let Some((&control, stream)) = data.split_first() else { return };
    let step = usize::from(control >> 2).max(1);
    let whole = transcript(std::iter::once(stream), control);
    let split = transcript(stream.chunks(step), control);
    assert_eq!(whole, split, "the events depend on how the bytes were split");
}

/// All events of a direction, body bytes joined.
fn transcript<'a>(pieces: impl Iterator<Item = &'a [u8]>, control: u8) -> Vec<String> {
    let mut reader = if control & 1 == 0 {
        HttpReader::requests(Limits::default())
    } else {
        HttpReader::responses(Limits::default())
    };
    if control & 2 != 0 {
        reader.expect(Method::Head);
    }
    let mut told = Vec::new();
    let mut body = Vec::new();
    let mut out = |event: HttpEvent<'_>| {
        if let HttpEvent::Body(bytes) = event {
            body.extend_from_slice(bytes);
            return;
        }
        if !body.is_empty() {
            told.push(format!("{:?}", std::mem::take(&mut body)));
        }
        told.push(format!("{event:?}"));
    };
    for piece in pieces {
        reader.push(piece, &mut out);
    }
    reader.eof(&mut out);
    told
}
