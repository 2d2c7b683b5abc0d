//! CCID, the protocol of card readers on USB (USB-IF CCID Rev 1.1): messages in bulk transfers, and slot changes.

mod block;
mod features;
mod message;
mod redact;
#[cfg(test)]
mod tests;

pub use block::Block;
pub use features::Level;
pub use message::{Framer, Header, Message, MessageType, Outcome, Status, slot_error};
pub use redact::mask;

/// A slot change (`RDR_to_PC_NotifySlotChange`, §6.3.1).
const NOTIFY: u8 = 0x50;

/// The slots whose card came or went, and whether there is one now.
pub fn slot_changes(bytes: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let states = match bytes.split_first() {
        Some((&NOTIFY, states)) => states,
        _ => &[],
    };
    let slots = states.iter().flat_map(|four| (0..4).map(move |slot| (four >> (2 * slot)) & 3));
    slots.take(256).enumerate().filter_map(|(slot, bits)| {
        let slot = u8::try_from(slot).ok()?;
        (bits & 2 != 0).then_some((slot, bits & 1 != 0))
    })
}

/// Entry point of the fuzzer: messages, slot changes, and what a recording keeps.
pub fn fuzz(data: &[u8]) {
    for (slot, _) in slot_changes(data) {
        assert!(usize::from(slot) < data.len() * 4, "a slot that was not told of");
    }
    for (level, write) in [(Level::Apdu, true), (Level::Apdu, false), (Level::Tpdu, true), (Level::Tpdu, false)] {
        let mut once = data.to_vec();
        mask(level, write, &mut once);
        let mut twice = once.clone();
        mask(level, write, &mut twice);
        assert_eq!(once, twice, "what is masked stays as it is");
    }
    let mut framer = Framer::default();
    let mut seen = 0;
    for piece in data.chunks(64) {
        framer.feed(piece, 0, &mut |message| seen += 10 + message.data.len() + message.missing);
    }
    assert!(seen <= data.len(), "more than there was");
}
