//! PostgreSQL's protocol, version 3 (PostgreSQL documentation, "Frontend/Backend Protocol").
//!
//! [`Frames`] tells messages apart, in both directions and past lost bytes; what a decoder and a recording make of them
//! differs, where they begin does not.

mod frame;
mod message;
mod recognise;
mod redact;
#[cfg(test)]
mod tests;

pub use frame::{Frames, Head, Piece, answer, client, request};
pub use message::{Fault, Message, Messages, Tag, Told, name_hash, named, two_names};
pub use recognise::{Opening, opening};
pub use redact::PostgresRedactor;

pub use super::sql::Sender;

/// Entry for a fuzzer: a script of bytes and holes of both directions. Whatever they are, the pieces of a chunk lie in order in
/// it, and a masked stream is taken apart as the original is.
pub fn fuzz(data: &[u8]) {
    redact::fuzz(data);
}
