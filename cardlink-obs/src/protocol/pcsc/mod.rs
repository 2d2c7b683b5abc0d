//! The protocol between libpcsclite and pcscd, on a unix-domain stream socket (pcsc-lite, protocol 4.x).
//!
//! A client sends a header, a structure, and for some commands data. The daemon answers with the structure, filled in, and
//! with data where there are some; its answers have no header, so that only the question tells how long they are. All
//! numbers are those of the host. Nothing of an APDU's data field, of an ATR or of an attribute is kept in any value.

mod code;
mod fuzzing;
mod message;
mod name;
mod redact;
mod talk;
#[cfg(test)]
mod tests;

pub use code::ReturnCode;
pub use fuzzing::fuzz;
pub use message::{Answer, Command, Disposition, ReaderState, Request};
pub use name::ReaderName;
pub use redact::PcscRedactor;
pub use talk::{Side, Talk, Told};

/// How a client begins: the header of the question for the version, which all versions of 4.x have in common.
pub const OPENING: [u8; 8] = [12, 0, 0, 0, Command::VERSION.0 as u8, 0, 0, 0];
