//! AT commands and result codes (ITU-T V.250, 3GPP TS 27.007, TS 27.005).
//!
//! [`Dialogue`] takes the bytes of both directions, one at a time and in the order in which they are told, and says
//! what they complete: a command line, a final result code, a line with a code, a prompt. It keeps names only, never
//! an argument, and its memory is bounded whatever comes. [`AtRedactor`] is the same machine with another output.
//!
//! A final result line is complete with its carriage return (or line feed, whichever is first). Lines are of any
//! length; command lines of more than 4 KiB are none.

mod answer;
mod carried;
mod command;
mod detect;
mod dialogue;
mod errors;
mod mask;
mod redact;
mod word;

#[cfg(test)]
mod tests;

pub use answer::{Heard, Line};
pub use carried::{Carried, Returned};
pub use command::{CommandLine, Fingerprint, Prompts, Setting, Settings, UNNAMEABLE};
pub use detect::AtVerdict;
pub use dialogue::{Dialogue, Mode, Written};
pub use redact::AtRedactor;

/// Entry point of the fuzzer: each byte of input says how many bytes follow and which way they go.
pub fn fuzz(data: &[u8]) {
    let mut once = AtRedactor::new();
    let mut twice = AtRedactor::new();
    let mut rest = data;
    while let Some((&control, bytes)) = rest.split_first() {
        let (chunk, remaining) = bytes.split_at(usize::from(control >> 1).min(bytes.len()));
        rest = remaining;
        let mut first = chunk.to_vec();
        if control & 1 == 0 {
            once.write(&mut first);
        } else {
            once.read(&mut first);
        }
        let mut second = first.clone();
        if control & 1 == 0 {
            twice.write(&mut second);
        } else {
            twice.read(&mut second);
        }
        assert!(first == second, "masking what is masked changed it");
    }
}
