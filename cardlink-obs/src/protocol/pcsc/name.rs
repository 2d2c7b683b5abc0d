//! Names of readers, and the serial numbers that pcscd puts into them: `Maker Model [Interface] (serial) 00 00`.

use std::ops::Range;

/// Bytes that a name takes on the wire.
pub const ROOM: usize = 128;

/// A name with its serial number apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ReaderName {
    /// Everything but the serial number.
    pub name: String,
    pub serial: Option<Vec<u8>>,
}

impl ReaderName {
    /// Reads a field that ends at its first NUL, or at its end.
    pub fn parse(field: &[u8]) -> Self {
        let bytes = text(field);
        let place = serial(bytes);
        let (before, serial, after) = match place.clone().and_then(|place| bytes.get(place)) {
            Some(serial) => {
                let place = place.unwrap_or_default();
                let before = bytes.get(..place.start.saturating_sub(2)).unwrap_or_default();
                (before, Some(serial.to_vec()), bytes.get(place.end + 1..).unwrap_or_default())
            }
            None => (bytes, None, &[][..]),
        };
        let clean = |bytes: &[u8]| -> String {
            String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        };
        Self { name: clean(before) + &clean(after), serial }
    }
}

/// What stands before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    field.get(..end).unwrap_or(field)
}

/// Where the serial number of a name is, without its brackets.
pub fn serial(name: &[u8]) -> Option<Range<usize>> {
    let name = text(name);
    // ` 00 00`: the numbers of the reader and of the slot.
    let stem = match name {
        [stem @ .., b' ', a, b, b' ', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => stem,
        whole => whole,
    };
    let inner = stem.strip_suffix(b")")?;
    let start = inner.windows(2).rposition(|pair| pair == b" (")? + 2;
    (start < inner.len()).then_some(start..inner.len())
}
