//! The record layer (RFC 5246 §6.2, RFC 8446 §5): a header of five bytes, then the fragment.

use crate::observation::TlsVersion;
use std::fmt;

/// What a record carries (RFC 5246 §6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentType(pub u8);

impl ContentType {
    pub const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub const ALERT: Self = Self(21);
    pub const HANDSHAKE: Self = Self(22);
    pub const APPLICATION_DATA: Self = Self(23);
    /// RFC 6520.
    pub const HEARTBEAT: Self = Self(24);

    /// The types that a record on a stream may have.
    pub const fn is_known(self) -> bool {
        self.0 >= 20 && self.0 <= 24
    }
}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::CHANGE_CIPHER_SPEC => "change_cipher_spec",
            Self::ALERT => "alert",
            Self::HANDSHAKE => "handshake",
            Self::APPLICATION_DATA => "application_data",
            Self::HEARTBEAT => "heartbeat",
            Self(other) => return write!(f, "content_type_{other}"),
        })
    }
}

/// The five bytes before a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    pub content: ContentType,
    /// `legacy_record_version`: says little, see RFC 8446 §5.1.
    pub version: TlsVersion,
    /// Length of the fragment. Not bound here: a peer that goes past the limit of 2^14 and some is still framed.
    pub len: u16,
}

/// Bytes that cannot be the header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARecord;

/// Cuts one direction of a stream into records, whatever the pieces it comes in.
///
/// The caller takes a header, then as many body bytes as the record still owes, then the next header. After bytes that
/// cannot be a header the place in the stream is lost, until [`RecordReader::skip`] finds it again.
#[derive(Debug, Clone, Default)]
pub struct RecordReader {
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Header { have: [u8; HEADER], len: usize },
    Body { remaining: u64 },
    Lost,
}

const HEADER: usize = 5;

impl Default for Place {
    fn default() -> Self {
        Self::Header { have: [0; HEADER], len: 0 }
    }
}

impl RecordReader {
    /// Takes a header from `input`; `None` when it is not complete yet, when a body is due or the place is lost.
    ///
    /// # Errors
    ///
    /// The bytes cannot be a header; the rest of the direction is skipped.
    pub fn header(&mut self, input: &mut &[u8]) -> Result<Option<RecordHeader>, NotARecord> {
        let Place::Header { mut have, mut len } = self.place else { return Ok(None) };
        while let (Some(slot), Some((&byte, rest))) = (have.get_mut(len), input.split_first()) {
            let possible = match len {
                0 => ContentType(byte).is_known(),
                1 => byte == 3,
                2 => byte <= 4,
                _ => true,
            };
            if !possible {
                self.place = Place::Lost;
                return Err(NotARecord);
            }
            *slot = byte;
            len += 1;
            *input = rest;
        }
        if len < HEADER {
            self.place = Place::Header { have, len };
            return Ok(None);
        }
        let [content, major, minor, high, low] = have;
        let header = RecordHeader {
            content: ContentType(content),
            version: TlsVersion(u16::from_be_bytes([major, minor])),
            len: u16::from_be_bytes([high, low]),
        };
        self.place = Place::Body { remaining: u64::from(header.len) };
        Ok(Some(header))
    }

    /// Bytes of the current record that are still to come; `None` between records.
    pub const fn remaining(&self) -> Option<u64> {
        match self.place {
            Place::Body { remaining } => Some(remaining),
            Place::Header { .. } | Place::Lost => None,
        }
    }

    /// Marks `count` body bytes as taken.
    pub const fn take(&mut self, count: u64) {
        if let Place::Body { remaining } = &mut self.place {
            *remaining = remaining.saturating_sub(count);
        }
    }

    /// Leaves a record whose body is complete.
    pub fn finish(&mut self) {
        self.place = Place::default();
    }

    /// At a place where the next byte starts a record.
    pub const fn at_boundary(&self) -> bool {
        matches!(self.place, Place::Header { len: 0, .. })
    }

    /// The place in the stream is not known.
    pub const fn is_lost(&self) -> bool {
        matches!(self.place, Place::Lost)
    }

    /// Passes over `len` bytes that are not here. `resync`: the byte after them starts a record.
    pub fn skip(&mut self, len: u64, resync: bool) -> Skipped {
        if let Place::Body { remaining } = &mut self.place
            && *remaining >= len
            && (!resync || *remaining == len)
        {
            *remaining -= len;
            return Skipped::Within;
        }
        if resync {
            self.place = Place::default();
        } else if len > 0 {
            self.place = Place::Lost;
        }
        Skipped::Across
    }

    /// Nothing that comes is of interest until the stream says that a record starts.
    pub const fn lose(&mut self) {
        self.place = Place::Lost;
    }
}

/// What [`RecordReader::skip`] passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// Only bytes of the current record's body (perhaps its last).
    Within,
    /// Ends or starts of records, too.
    Across,
}
