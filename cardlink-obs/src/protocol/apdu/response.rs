//! R-APDUs (ISO/IEC 7816-4 §5.1).

use super::StatusWord;

/// The status word of a response, and how much came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseApdu {
    pub data_len: usize,
    pub sw: StatusWord,
}

impl ResponseApdu {
    /// Reads a whole response; `None` when it is shorter than a status word.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, &sw) = bytes.split_last_chunk()?;
        Some(Self { data_len: data.len(), sw: StatusWord(u16::from_be_bytes(sw)) })
    }

    /// Bytes of the whole response.
    pub const fn len(&self) -> usize {
        self.data_len.saturating_add(2)
    }

    /// There is a status word and nothing else.
    pub const fn is_empty(&self) -> bool {
        self.data_len == 0
    }
}
