//! Blocks of T=1 (ISO/IEC 7816-3 §11.3): node address, control byte, length, information, checksum.

/// A block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// A piece of an APDU; `more` when others follow.
    Information { bytes: &'a [u8], more: bool },
    /// The card asks for more time (S-block, WTX request).
    MoreTime,
    /// Acknowledgements, sizes, resynchronisation.
    Other,
}

const MORE: u8 = 0x20;
const WTX_REQUEST: u8 = 0xC3;

impl<'a> Block<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[_, control, length], rest) = bytes.split_first_chunk()?;
        if control & 0x80 == 0 {
            let bytes = rest.get(..usize::from(length)).unwrap_or(rest);
            return Some(Self::Information { bytes, more: control & MORE != 0 });
        }
        Some(if control == WTX_REQUEST { Self::MoreTime } else { Self::Other })
    }
}
