//! Lists of devices: `SERIAL<tab>STATE` a line, or in columns with more behind the state.

use super::frame::FILLER;
use std::ops::Range;

/// Devices of a list that are told.
pub const MOST_LISTED: usize = 256;
/// The longest serial number that is one.
const MOST_SERIAL: usize = 128;
/// The most bytes of a list that are read.
pub(super) const MOST_LIST: usize = 1 << 16;

/// What the server's number for a device follows.
const NUMBER: &str = "transport_id:";

/// What the server says of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Names the device; not for output.
    pub serial: Vec<u8>,
    /// From a closed list: `device`, `offline`, `unauthorized`, …
    pub state: &'static str,
    /// The server's number for it, where the list has it.
    pub transport: Option<u64>,
}

/// States, as the server writes them, and the words for labels.
const STATES: &[(&str, &str)] = &[
    ("device", "device"),
    ("offline", "offline"),
    ("unauthorized", "unauthorized"),
    ("authorizing", "authorizing"),
    ("connecting", "connecting"),
    ("bootloader", "bootloader"),
    ("recovery", "recovery"),
    ("sideload", "sideload"),
    ("rescue", "rescue"),
    ("host", "host"),
    ("no permissions", "no_permissions"),
    ("detached", "detached"),
];

/// Reads a list; lines that are none are passed over.
pub(super) fn read(list: &[u8]) -> Vec<Listed> {
    list.split(|byte| *byte == b'\n').filter_map(line).take(MOST_LISTED).collect()
}

/// Overwrites all but states and numbers, and serial numbers by what `serial` gives for them.
pub(super) fn mask(list: &mut [u8], serial: &dyn Fn(&[u8]) -> Vec<u8>) {
    for line in list.split_mut(|byte| *byte == b'\n') {
        let Some(end) = line.iter().position(|byte| matches!(byte, b'\t' | b' ')) else {
            line.fill(FILLER);
            continue;
        };
        let (name, rest) = line.split_at_mut(end);
        name.copy_from_slice(&serial(name));
        mask_rest(rest);
    }
}

/// Masks what stands behind a serial number.
fn mask_rest(rest: &mut [u8]) {
    let clear = rest.to_vec();
    let begins = clear.len() - clear.trim_ascii_start().len();
    let state = clear.get(begins..).unwrap_or_default();
    let known = STATES.iter().find(|(text, _)| state.starts_with(text.as_bytes())).map_or(0, |(text, _)| text.len());
    let number = number(&clear).unwrap_or_default();
    for (place, byte) in rest.iter_mut().enumerate().skip(begins + known) {
        if !number.contains(&place) {
            *byte = if known > 0 || byte.is_ascii_whitespace() { b' ' } else { FILLER };
        }
    }
}

/// Where the server's number for a device stands, with what it follows: at the end.
fn number(rest: &[u8]) -> Option<Range<usize>> {
    let rest = rest.trim_ascii_end();
    let from = rest.windows(NUMBER.len()).rposition(|window| window == NUMBER.as_bytes())?;
    rest.get(from + NUMBER.len()..)?.iter().all(u8::is_ascii_digit).then_some(from..rest.len())
}

fn line(line: &[u8]) -> Option<Listed> {
    let end = line.iter().position(|byte| matches!(byte, b'\t' | b' '))?;
    let (serial, rest) = line.split_at(end);
    if serial.is_empty() || serial.len() > MOST_SERIAL {
        return None;
    }
    let transport =
        number(rest).and_then(|place| std::str::from_utf8(rest.get(place)?).ok()?.get(NUMBER.len()..)?.parse().ok());
    let rest = rest.trim_ascii();
    let state = STATES.iter().find(|(text, _)| rest.starts_with(text.as_bytes())).map_or("other", |(_, word)| word);
    Some(Listed { serial: serial.to_vec(), state, transport })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn short_and_long_lists() {
        let short = read(b"emulator-5554\tdevice\n0123456789ABCDEF\tunauthorized\n");
        assert_eq!(short.len(), 2);
        assert_eq!((&*short[0].serial, short[0].state), (b"emulator-5554".as_slice(), "device"));
        assert_eq!(short[1].state, "unauthorized");
        let long = read(
            b"127.0.0.1:5555         device product:lab model:Lab device:lab transport_id:12\n\
              0123                   no permissions (user in plugdev group); see [http://x] usb:1-2 transport_id:3\n",
        );
        assert_eq!((long[0].state, long[0].transport), ("device", Some(12)));
        assert_eq!((long[1].state, long[1].transport), ("no_permissions", Some(3)));
        assert!(read(b"\n\n \tdevice\nlonely\n").is_empty());
    }
}
