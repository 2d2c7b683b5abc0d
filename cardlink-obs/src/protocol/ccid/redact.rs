//! Masks the transfers of a reader for a recording: of APDUs the headers, lengths and status words stay.

use super::{
    Level,
    message::{HEADER, Header, MessageType},
};
use crate::protocol::apdu::{Case, CommandApdu};

/// Masks one transfer. A message that does not begin with it is masked whole: nothing is told of it then.
pub fn mask(level: Level, write: bool, bytes: &mut [u8]) {
    let Some(header) = Header::parse(bytes) else {
        // Of an interrupt the two bits of each slot; of anything else nothing.
        if bytes.first() != Some(&0x50) || bytes.len() > 4 {
            bytes.fill(0);
        }
        return;
    };
    let (_, data) = bytes.split_at_mut(HEADER.min(bytes.len()));
    let is_block = matches!(header.kind, MessageType::TRANSFER_BLOCK | MessageType::DATA_BLOCK);
    if !is_block {
        data.fill(0);
        return;
    }
    let whole = data.len() >= header.length;
    // What stands behind the message belongs to none.
    let (data, behind) = data.split_at_mut(header.length.min(data.len()));
    behind.fill(0);
    // T=1 at the level of blocks: what is in them is an APDU, or a piece of one.
    if level == Level::Tpdu
        && let [_, control, length, rest @ ..] = data
        && usize::from(*length) + 4 == header.length
    {
        let information = usize::from(*length).min(rest.len());
        let (inside, checksum) = rest.split_at_mut(information);
        checksum.fill(0);
        if *control & 0x80 == 0 {
            mask_apdu(write, whole, inside);
        }
        return;
    }
    mask_apdu(write, whole, data);
}

fn mask_apdu(write: bool, whole: bool, bytes: &mut [u8]) {
    if !write {
        let kept = if whole { 2 } else { 0 };
        let data = bytes.len().saturating_sub(kept);
        bytes.iter_mut().take(data).for_each(|byte| *byte = 0);
        return;
    }
    let case = CommandApdu::parse(bytes).map(|command| command.case);
    let first = match case {
        Some(Case::C2E | Case::C3E | Case::C4E) => CommandApdu::FRONT,
        _ => 5,
    };
    let last = match case {
        Some(Case::C4S) => bytes.len().saturating_sub(1),
        Some(Case::C4E) => bytes.len().saturating_sub(2),
        _ => bytes.len(),
    };
    if let Some(data) = bytes.get_mut(first.min(last)..last) {
        data.fill(0);
    }
}
