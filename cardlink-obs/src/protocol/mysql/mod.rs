//! The protocol of MySQL and MariaDB, version 10 of the handshake (MySQL documentation, "Client/Server Protocol"; MariaDB
//! documentation, "Client/Server Protocol").
//!
//! A packet does not say what it is: that follows from what was asked and what was answered so far. [`Frames`] follows that, in
//! both directions and past lost bytes; a decoder and a recording both build on it.

mod answer;
mod attributes;
mod fault;
mod frame;
mod lane;
mod message;
mod recognise;
mod redact;
#[cfg(test)]
mod tests;
mod wire;

pub use fault::Fault;
pub use frame::{Frames, Piece, Secrecy};
pub use lane::Kind;
pub use message::{Messages, Outcome, Told};
pub use recognise::{Opening, opening};
pub use redact::MysqlRedactor;
pub use wire::{command, status};

/// Entry for a fuzzer: a script of bytes and holes of both directions. Whatever they are, the pieces of a chunk lie in order in
/// it, and a masked stream is taken apart as the original is.
pub fn fuzz(data: &[u8]) {
    redact::fuzz(data);
}
