//! Masks a connection for a recording: keeps what the reader reads, and of that no name, text or argument.
//!
//! It goes along with a [`Reader`] of its own, which says before each part what it is. A text that is not there in one piece
//! cannot be masked before its end is known: zeros stand for it, and it is read as one that is missing.

use super::{
    Piece, devices, each,
    frame::{What, is_blank},
    reader::{Asked, Event, MOST_TEXT, Outcome, Reader, mask_verdict},
    reason::Reason,
    service::{self, MOST_SERVICE, Selector},
    shell::Packets,
    sync::is_head,
};
use std::fmt;

/// Gives what stands for a serial number: as long as it, and without blanks, colons and zeros.
type MaskSerial = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// Masks both directions of one connection.
pub struct AdbRedactor {
    reader: Reader,
    serial: MaskSerial,
}

impl fmt::Debug for AdbRedactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdbRedactor").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl AdbRedactor {
    pub fn new(serial: MaskSerial) -> Self {
        Self { reader: Reader::new(), serial }
    }

    /// Masks bytes of one side.
    pub fn mask(&mut self, from_client: bool, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let part = self.reader.part(from_client);
            let (now, later) = rest.split_at_mut(part.len.clamp(1, rest.len()));
            rest = later;
            let mut lost = false;
            self.reader.feed(from_client, now, &mut |event| lost |= event == Event::Lost);
            let whole = part.fresh && now.len() == part.len;
            let is_text = whole && !is_blank(now);
            match part.what {
                What::Kept if !lost => {}
                What::Code => {}
                What::Head if !whole || is_head(now) => {}
                What::Service if is_text => {
                    let (read, unread) = now.split_at_mut(now.len().min(MOST_SERVICE));
                    service::mask(read, &self.serial);
                    unread.fill(b' ');
                }
                What::Devices if is_text => devices::mask(now, &self.serial),
                What::Verdict if is_text => mask_verdict(now),
                What::Reason if is_text => Reason::mask(now, MOST_TEXT),
                What::Tail => Packets::mask_tail(now),
                // Not read, not what it seemed to be, or no text that is there in one piece.
                What::Kept
                | What::Head
                | What::Blank
                | What::Service
                | What::Devices
                | What::Verdict
                | What::Reason => now.fill(0),
            }
        }
    }

    /// So many bytes of one side are not here.
    pub fn hole(&mut self, from_client: bool, len: u64) {
        self.reader.gap(from_client, len, &mut |_| {});
    }
}

/// Masked, a conversation tells the same under other names, until a text comes in pieces: from there on it says that it does not
/// know.
pub(super) fn check(data: &[u8]) {
    let stand_in =
        |serial: &[u8]| -> Vec<u8> { b"~".iter().chain(serial).take(serial.len()).map(|byte| letter(*byte)).collect() };
    let mut redactor = AdbRedactor::new(Box::new(stand_in));
    let (mut clear, mut masked) = (Reader::new(), Reader::new());
    let (mut told, mut told_masked) = (Vec::new(), Vec::new());
    each(data, &mut |from_client, piece| match piece {
        Piece::Gap(len) => {
            clear.gap(from_client, len, &mut |event| told.push(event));
            redactor.hole(from_client, len);
            masked.gap(from_client, len, &mut |event| told_masked.push(event));
        }
        Piece::Bytes(bytes) => {
            clear.feed(from_client, bytes, &mut |event| told.push(event));
            let mut bytes = bytes.to_vec();
            redactor.mask(from_client, &mut bytes);
            masked.feed(from_client, &bytes, &mut |event| told_masked.push(event));
        }
    });
    for (mut event, masked) in told.into_iter().zip(told_masked) {
        rename(&mut event, &stand_in);
        let gives_up = matches!(masked, Event::Lost | Event::Ended(Outcome::Unknown));
        assert!(event == masked || gives_up, "{event:?} became {masked:?}");
        if event != masked {
            break;
        }
    }
}

const fn letter(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte } else { b'~' }
}

fn rename(event: &mut Event, name: &dyn Fn(&[u8]) -> Vec<u8>) {
    match event {
        Event::Asked(Asked { selector: Selector::Serial(serial), .. }) => *serial = name(serial),
        Event::Devices(listed) => listed.iter_mut().for_each(|one| one.serial = name(&one.serial)),
        _ => {}
    }
}
