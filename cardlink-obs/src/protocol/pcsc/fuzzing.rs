//! Entry for a fuzzer.

use super::{Answer, PcscRedactor, ReaderName, Request, Side, Talk, Told};
use crate::protocol::apdu::Case;

/// Reads a conversation (a byte that says whose turn it is, how many bytes a number stands for, and that bytes are missing, then their
/// number, then they) as it is and masked: both give the same, but for what is masked.
pub fn fuzz(data: &[u8]) {
    let mut clear = (Talk::new(true), Vec::new());
    let mut masked = (Talk::new(true), Vec::new());
    let mut redactor = PcscRedactor::new(Box::new(|serial| vec![b'~'; serial.len()]));
    let mut offsets = [0_u64; 2];
    let mut rest = data;
    while let Some((&first, after)) = rest.split_first() {
        let Some((&len, after)) = after.split_first() else { break };
        // Up to 4 KB: the states of all readers are 2944 bytes.
        let len = if first & 2 == 0 { usize::from(len) } else { usize::from(len) * 16 };
        let (bytes, after) = after.split_at(len.min(after.len()));
        rest = after;
        let side = if first & 1 == 0 { Side::Client } else { Side::Daemon };
        let offset = if first & 1 == 0 { &mut offsets[0] } else { &mut offsets[1] };
        if first & 0x80 != 0 {
            *offset += 1;
            clear.0.gap(side);
            masked.0.gap(side);
        }
        let mut covered = bytes.to_vec();
        redactor.mask(side, *offset, &mut covered);
        *offset += bytes.len() as u64;
        assert_eq!(covered.len(), bytes.len(), "a mask changes the length");
        clear.0.feed(side, bytes, &mut |told| clear.1.push(told));
        masked.0.feed(side, &covered, &mut |told| masked.1.push(told));
    }
    assert_eq!(clear.1.len(), masked.1.len(), "a mask hides a message");
    for (one, other) in clear.1.iter().zip(&masked.1) {
        assert!(is_the_same(one, other), "masked, {one:?} is {other:?}");
    }
}

/// Whether a recording would give the same: all but the serial numbers, and the lengths in what is no APDU.
fn is_the_same(one: &Told, other: &Told) -> bool {
    plain(one) == plain(other)
}

/// What a mask leaves as it is.
fn plain(told: &Told) -> Told {
    let mut told = told.clone();
    match &mut told {
        Told::Request(_, Request::Connect { reader, .. }) => *reader = ReaderName::default(),
        Told::Request(_, Request::Transmit { apdu: Some(apdu), .. }) => {
            (apdu.lc, apdu.le, apdu.case) = (0, None, Case::Malformed);
        }
        Told::Answer(_, Answer::Readers(readers)) => {
            for state in readers {
                state.reader = ReaderName::default();
            }
        }
        _ => {}
    }
    told
}
