//! Whole records of one direction, out of bytes in any pieces.

use crate::protocol::tls::{NotARecord, RecordHeader, RecordReader, Skipped};

/// The longest fragment that a record may have (RFC 5246 §6.2.3).
pub(super) const MAX_FRAGMENT: usize = (1 << 14) + 2048;

/// A record whose last byte is there.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) header: RecordHeader,
    /// The fragment. Of a torn record: what came after the last hole.
    pub(super) body: Vec<u8>,
    /// Bytes of the fragment are missing.
    pub(super) torn: bool,
}

/// Puts records together. It holds a buffer only while a record is incomplete.
#[derive(Debug, Default)]
pub(super) struct Framer {
    reader: RecordReader,
    header: Option<RecordHeader>,
    body: Vec<u8>,
    torn: bool,
}

/// What a hole in the stream took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hole {
    /// Bytes of the fragment of one record, which still comes, torn.
    Within,
    /// Ends or starts of records.
    Across,
}

impl Framer {
    /// The next record; `None` when `input` is used up.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<Record>, NotARecord> {
        let header = match self.header {
            Some(header) => header,
            None => match self.reader.header(input)? {
                Some(header) if usize::from(header.len) > MAX_FRAGMENT => {
                    self.reader.lose();
                    return Err(NotARecord);
                }
                Some(header) => *self.header.insert(header),
                None => {
                    *input = &[];
                    return Ok(None);
                }
            },
        };
        let remaining = self.reader.remaining().unwrap_or(0);
        let available = usize::try_from(remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        let (bytes, rest) = input.split_at_checked(available).unwrap_or((input, &[]));
        self.body.extend_from_slice(bytes);
        *input = rest;
        self.reader.take(available as u64);
        if self.reader.remaining() != Some(0) {
            return Ok(None);
        }
        self.reader.finish();
        self.header = None;
        let torn = std::mem::take(&mut self.torn);
        Ok(Some(Record { header, body: std::mem::take(&mut self.body), torn }))
    }

    /// `len` bytes are not here. `resync`: the byte after them starts a record.
    pub(super) fn skip(&mut self, len: u64, resync: bool) -> Hole {
        match self.reader.skip(len, resync) {
            Skipped::Within => {
                if len > 0 {
                    self.torn = true;
                    self.body = Vec::new();
                }
                Hole::Within
            }
            Skipped::Across => {
                *self = Self { reader: std::mem::take(&mut self.reader), ..Self::default() };
                Hole::Across
            }
        }
    }

    /// The next byte starts a record.
    pub(super) const fn at_boundary(&self) -> bool {
        self.reader.at_boundary()
    }

    /// Where records start is not known.
    pub(super) const fn is_lost(&self) -> bool {
        self.reader.is_lost()
    }
}
