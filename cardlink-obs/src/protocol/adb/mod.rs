//! The smart-socket protocol between a client and the adb server (TCP 5037; AOSP `OVERVIEW.TXT`, `SERVICES.TXT`,
//! `SYNC.TXT`), with what goes through it: `shell,v2` packets and file synchronisation.
//!
//! A request is four hexadecimal digits of length and a service; the answer is `OKAY`, or `FAIL` with a length and a
//! text. [`Reader`] takes the bytes of both directions in the order in which they are told and says what they complete. It
//! keeps names from closed lists, numbers and the serial number of the device; arguments, texts and file contents are
//! passed over. Its memory is bounded whatever comes.

mod arguments;
mod command_line;
mod devices;
mod frame;
mod reader;
mod reason;
mod redact;
mod service;
mod shell;
mod sync;
#[cfg(test)]
mod tests;

pub use arguments::{Arguments, command, keep_said, said, said_reduced};
pub use devices::{Listed, MOST_LISTED};
pub use reader::{Asked, Event, Outcome, Reader};
pub use reason::Reason;
pub use redact::AdbRedactor;
pub use service::{Selector, looks_like_adb, operation};

/// Entry point of the fuzzer: each byte of input says how many bytes follow and which way they go.
///
/// The same bytes in one piece and byte by byte say the same, and what ends has begun.
pub fn fuzz(data: &[u8]) {
    arguments::check(data);
    let (mut whole, mut split) = (Reader::new(), Reader::new());
    let (mut told, mut told_split) = (Vec::new(), Vec::new());
    each(data, &mut |from_client, piece| match piece {
        Piece::Gap(len) => {
            whole.gap(from_client, len, &mut |event| told.push(event));
            split.gap(from_client, len, &mut |event| told_split.push(event));
        }
        Piece::Bytes(bytes) => {
            whole.feed(from_client, bytes, &mut |event| told.push(event));
            for byte in bytes {
                split.feed(from_client, std::slice::from_ref(byte), &mut |event| told_split.push(event));
            }
        }
    });
    assert_eq!(told, told_split, "pieces tell something else than the whole");
    let begun = told.iter().filter(|event| matches!(event, Event::Asked(_))).count();
    let ended = told.iter().filter(|event| matches!(event, Event::Ended(_))).count();
    assert!(ended <= begun, "{ended} ends of {begun} requests");
    redact::check(data);
}

/// What one side sends in the fuzzer's script.
enum Piece<'a> {
    Bytes(&'a [u8]),
    Gap(u64),
}

/// Goes through the script: each byte says how many follow and which way they go, or that some are missing.
fn each(data: &[u8], on: &mut dyn FnMut(bool, Piece<'_>)) {
    let mut rest = data;
    while let Some((&control, bytes)) = rest.split_first() {
        let (chunk, remaining) = bytes.split_at(usize::from(control >> 1).min(bytes.len()));
        rest = remaining;
        on(control & 1 == 0, if control == 0xFF { Piece::Gap(100) } else { Piece::Bytes(chunk) });
    }
}
