//! Short messages that a program sends: SMS-SUBMIT PDUs (TS 23.040 §9.2.2.2) and, where one is an SMS-PP data download, the
//! command packet in it (TS 31.115 §4, TS 102 225 §5.1) and what it asks the card for.
//!
//! [`SubmitScan`] takes a PDU one hexadecimal digit at a time, as it stands after the prompt of `AT+CMGS` (TS 27.005 §4.3:
//! the service centre's address comes first), and gives each digit back as a recording may hold it. Kept are lengths,
//! types, identifiers, the header of the command packet without its counter, and the tags of a trigger; addresses, text,
//! counters, checksums and values are not. What is understood depends on what is kept alone, so that a recording says the
//! same.

mod content;
mod header;
mod submit;
#[cfg(test)]
mod tests;

pub use content::{Content, TriggerTags};
pub use submit::{CommandPacket, Message, Part, SubmitScan};

/// Entry for a fuzzer: masking what is masked changes nothing, and both say the same.
pub fn fuzz(data: &[u8]) {
    let scan = |bytes: &[u8]| {
        let mut scan = SubmitScan::new();
        let masked: Vec<u8> = bytes.iter().map(|&byte| scan.feed(byte)).collect();
        (masked, scan.finish())
    };
    let (masked, message) = scan(data);
    assert!(scan(&masked) == (masked.clone(), message), "a masked message says something else");
}
