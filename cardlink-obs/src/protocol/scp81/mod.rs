//! Remote administration over HTTP (SCP81): GlobalPlatform Amendment B (GPC_SPE_011), bodies after ETSI TS 102 226.
//!
//! [`Request`] and [`Response`] read heads, [`BodyReader`] reads bodies: scripts of C-APDUs one way, of R-APDUs the other.
//! Headers and status words of APDUs are kept, data fields are not. [`Mask`] hides what a recording must not hold.
//!
//! Dialects other than the standard's expanded format are read where one reading alone fits ([`Dialect`]). The compact
//! format of TS 102 226 §5.1 is not read: it has nothing that would tell it from other bytes.

mod body;
mod content;
mod ends;
mod fuzzing;
mod headers;
mod mask;
mod note;
mod script;
mod template;
#[cfg(test)]
mod tests;

pub use body::BodyReader;
pub use content::{Content, ContentKind};
pub use fuzzing::fuzz;
pub use headers::{AdminProtocol, Aid, NextUri, Request, Response, ScriptStatus};
pub use mask::{Direction as MaskDirection, Mask, MaskAgent};
pub use note::{FaultKind, Note, ScriptFault};
pub use script::{Apdu, CommandScript, Dialect, Form, OtherEntry, ResponseScript, Script, pair};
