//! The chunked transfer coding (RFC 9112 §7.1): size lines with extensions, data, trailers.

use super::{HttpFault, HttpNote, Part};

/// A size line with its extensions is at most this long.
const MOST_LINE: u32 = 4096;

/// Reads one chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes of the current line, or of all trailers.
    seen: u32,
    most_trailer: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataLineFeed,
    Trailer(TrailerLine),
}

/// What a line of the trailer holds so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrailerLine {
    Nothing,
    Return,
    Something { after_return: bool },
}

/// What the bytes completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// A line ended in a line feed alone.
    Noted(HttpNote),
    /// The body is complete; the line feed of the last line was alone.
    Done(Option<HttpNote>),
    Broken(HttpFault),
}

impl Chunks {
    pub(super) const fn new(most_trailer: u32) -> Self {
        Self { place: Place::Size { size: 0, digits: 0 }, seen: 0, most_trailer }
    }

    /// Data that is still to come of the current chunk.
    pub(super) const fn data_left(&self) -> u64 {
        match self.place {
            Place::Data { left } => left,
            _ => 0,
        }
    }

    /// Passes over data of the current chunk, at most what is left of it.
    pub(super) const fn pass(&mut self, len: u64) {
        if let Place::Data { left } = self.place {
            let left = left.saturating_sub(len);
            self.place = if left == 0 { Place::DataReturn } else { Place::Data { left } };
        }
    }

    /// Takes bytes of one part off the front of `input`.
    pub(super) fn take(&mut self, input: &[u8]) -> (usize, Part, Progress) {
        let left = self.data_left();
        if left > 0 {
            let len = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.pass(len as u64);
            return (len, Part::Body, Progress::More);
        }
        let part = if matches!(self.place, Place::Trailer(_)) { Part::Trailer } else { Part::ChunkLine };
        let mut taken = 0;
        for &byte in input {
            taken += 1;
            let progress = self.line_byte(byte);
            let elsewhere = (part == Part::Trailer) != matches!(self.place, Place::Trailer(_));
            if progress != Progress::More || elsewhere || self.data_left() > 0 {
                return (taken, part, progress);
            }
        }
        (taken, part, Progress::More)
    }

    fn line_byte(&mut self, byte: u8) -> Progress {
        self.seen = self.seen.saturating_add(1);
        if let Place::Trailer(line) = self.place {
            return self.trailer_byte(line, byte);
        }
        if self.seen > MOST_LINE {
            return Progress::Broken(HttpFault::BadChunk);
        }
        match (self.place, byte) {
            (Place::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let Some(size) = size.checked_mul(16) else { return Progress::Broken(HttpFault::BadChunk) };
                self.place =
                    Place::Size { size: size.saturating_add(u64::from(digit)), digits: digits.saturating_add(1) };
            }
            (Place::Size { digits: 0, .. }, _) => return Progress::Broken(HttpFault::BadChunk),
            (Place::Size { size, .. }, b';' | b' ' | b'\t') => self.place = Place::Extension { size },
            (Place::Size { size, .. } | Place::Extension { size }, b'\r') => self.place = Place::SizeLineFeed { size },
            (Place::Size { size, .. } | Place::Extension { size }, b'\n') => {
                self.after_size(size);
                return Progress::Noted(HttpNote::BareLineFeed);
            }
            (Place::SizeLineFeed { size }, b'\n') => self.after_size(size),
            (Place::Extension { .. }, _) => {}
            (Place::DataReturn, b'\r') => self.place = Place::DataLineFeed,
            (Place::DataLineFeed, b'\n') => self.next_chunk(),
            (Place::DataReturn, b'\n') => {
                self.next_chunk();
                return Progress::Noted(HttpNote::BareLineFeed);
            }
            _ => return Progress::Broken(HttpFault::BadChunk),
        }
        Progress::More
    }

    fn after_size(&mut self, size: u64) {
        self.seen = 0;
        self.place = if size == 0 { Place::Trailer(TrailerLine::Nothing) } else { Place::Data { left: size } };
    }

    fn next_chunk(&mut self) {
        self.seen = 0;
        self.place = Place::Size { size: 0, digits: 0 };
    }

    fn trailer_byte(&mut self, line: TrailerLine, byte: u8) -> Progress {
        if self.seen > self.most_trailer {
            return Progress::Broken(HttpFault::TrailerTooLong);
        }
        let bare = Some(HttpNote::BareLineFeed);
        let (next, progress) = match (line, byte) {
            (TrailerLine::Nothing, b'\n') => (line, Progress::Done(bare)),
            (TrailerLine::Return, b'\n') => (line, Progress::Done(None)),
            (TrailerLine::Something { after_return: true }, b'\n') => (TrailerLine::Nothing, Progress::More),
            (TrailerLine::Something { .. }, b'\n') => (TrailerLine::Nothing, Progress::Noted(HttpNote::BareLineFeed)),
            (TrailerLine::Nothing, b'\r') => (TrailerLine::Return, Progress::More),
            (_, byte) => (TrailerLine::Something { after_return: byte == b'\r' }, Progress::More),
        };
        self.place = Place::Trailer(next);
        progress
    }
}
