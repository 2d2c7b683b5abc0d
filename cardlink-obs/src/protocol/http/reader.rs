//! Reads one direction of a connection.

use super::{
    Framing, HttpEvent, HttpFault, HttpNote, Limits, MOST_HEADERS, Method, RequestHead, ResponseHead,
    chunked::{Chunks, Progress},
    framing::{self, Announced, Expected, Pending},
    head,
};

/// Reads one direction. Between messages it holds no buffer.
#[derive(Debug, Clone)]
pub struct HttpReader {
    side: Side,
    limits: Limits,
    place: Place,
    /// The head so far.
    head: Vec<u8>,
    body_bytes: u64,
    /// Bytes since the last message was complete.
    bytes: u64,
    /// Of this message it was told that lines end in line feeds.
    noted: bool,
    pending: Pending,
    told: Vec<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Requests,
    Responses,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Head,
    Length {
        left: u64,
    },
    Chunked(Chunks),
    UntilClose,
    /// Ended or broken.
    Silent,
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::protocol) enum Part {
    /// Of a head, or empty lines before it.
    Head,
    Body,
    /// A chunk's size and extensions, and the line end after its data.
    ChunkLine,
    Trailer,
    /// Of nothing that is read.
    Rest,
}

/// What the bytes taken last completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol) enum Told {
    Note(HttpNote),
    Request(RequestHead),
    Response(ResponseHead),
    End { body_bytes: u64, framing: Framing },
    Broken(HttpFault),
}

/// The longest method that is taken for one.
const MOST_METHOD: usize = 24;
const STATUS_LINE: &[u8] = b"HTTP/1.";

impl HttpReader {
    /// Reads what a client sends.
    pub fn requests(limits: Limits) -> Self {
        Self::new(Side::Requests, limits)
    }

    /// Reads what a server sends.
    pub fn responses(limits: Limits) -> Self {
        Self::new(Side::Responses, limits)
    }

    fn new(side: Side, limits: Limits) -> Self {
        let limits = Limits { head: limits.head, headers: limits.headers.min(MOST_HEADERS) };
        Self {
            side,
            limits,
            place: Place::Head,
            head: Vec::new(),
            body_bytes: 0,
            bytes: 0,
            noted: false,
            pending: Pending::default(),
            told: Vec::new(),
        }
    }

    /// Takes the next bytes of the direction.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(HttpEvent<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (len, part) = self.take(rest);
            // `take` takes at least one byte; the bound keeps a mistake from looping.
            let (taken, after) = rest.split_at(len.clamp(1, rest.len()));
            rest = after;
            if part != Part::Rest {
                self.bytes = self.bytes.saturating_add(taken.len() as u64);
            }
            if part == Part::Body {
                out(HttpEvent::Body(taken));
            }
            self.tell(out);
            if part == Part::Rest {
                return;
            }
        }
    }

    /// The direction is complete.
    pub fn eof(&mut self, out: &mut impl FnMut(HttpEvent<'_>)) {
        match self.place {
            Place::Silent => {}
            Place::UntilClose => self.end(Framing::UntilClose),
            Place::Head if self.head.is_empty() => {}
            Place::Head | Place::Length { .. } | Place::Chunked(_) => self.fail(HttpFault::Truncated),
        }
        self.place = Place::Silent;
        self.tell(out);
    }

    /// `len` bytes are missing here. Only the inside of a body of known extent is read on after them.
    pub fn gap(&mut self, len: u64, out: &mut impl FnMut(HttpEvent<'_>)) {
        if len == 0 {
            return;
        }
        let within = match &mut self.place {
            Place::Silent => return,
            Place::Length { left } if len <= *left => {
                *left -= len;
                true
            }
            Place::Chunked(chunks) if len <= chunks.data_left() => {
                chunks.pass(len);
                true
            }
            Place::UntilClose => true,
            Place::Head | Place::Length { .. } | Place::Chunked(_) => false,
        };
        if within {
            self.body_bytes = self.body_bytes.saturating_add(len);
            self.bytes = self.bytes.saturating_add(len);
            out(HttpEvent::Missing(len));
            if self.place == (Place::Length { left: 0 }) {
                self.end(Framing::Length);
            }
        } else {
            self.fail(HttpFault::Lost);
        }
        self.tell(out);
    }

    /// Bytes are missing here, nobody knows how many: the direction is lost.
    pub fn lose(&mut self, out: &mut impl FnMut(HttpEvent<'_>)) {
        if self.place != Place::Silent {
            self.fail(HttpFault::Lost);
            self.tell(out);
        }
    }

    /// Responses only: the method of the next request. A response to one that was not told counts as one to a GET.
    #[expect(clippy::needless_pass_by_value, reason = "a method that was told is used up")]
    pub fn expect(&mut self, method: Method) {
        self.pending.push(Expected::of(&method));
    }

    /// Nothing of a message has come since the last one was complete.
    pub fn is_idle(&self) -> bool {
        self.place == Place::Head && self.head.is_empty()
    }

    /// Bytes of a message that is not complete, and may never be; they are told once.
    pub fn take_unfinished(&mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }

    /// Nothing more will be told: broken or ended.
    pub fn is_silent(&self) -> bool {
        self.place == Place::Silent
    }

    /// Heap that is held, in bytes and told values.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.head.capacity() + self.told.capacity()
    }

    /// Takes bytes of one part off the front of `input`, which is not empty; says how many and what they are.
    pub(in crate::protocol) fn take(&mut self, input: &[u8]) -> (usize, Part) {
        match &mut self.place {
            Place::Silent => (input.len(), Part::Rest),
            Place::Head => (self.take_head(input), Part::Head),
            Place::UntilClose => {
                self.body_bytes = self.body_bytes.saturating_add(input.len() as u64);
                (input.len(), Part::Body)
            }
            Place::Length { left } => {
                let len = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= len as u64;
                let complete = *left == 0;
                self.body_bytes = self.body_bytes.saturating_add(len as u64);
                if complete {
                    self.end(Framing::Length);
                }
                (len, Part::Body)
            }
            Place::Chunked(chunks) => {
                let (len, part, progress) = chunks.take(input);
                if part == Part::Body {
                    self.body_bytes = self.body_bytes.saturating_add(len as u64);
                }
                match progress {
                    Progress::More => {}
                    Progress::Noted(note) => self.note(note),
                    Progress::Done(note) => {
                        if let Some(note) = note {
                            self.note(note);
                        }
                        self.end(Framing::Chunked);
                    }
                    Progress::Broken(fault) => self.fail(fault),
                }
                (len, part)
            }
        }
    }

    /// What the bytes taken last completed.
    pub(in crate::protocol) fn told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    fn tell(&mut self, out: &mut impl FnMut(HttpEvent<'_>)) {
        for told in self.told() {
            out(match told {
                Told::Note(note) => HttpEvent::Note(note),
                Told::Request(head) => HttpEvent::Request(head),
                Told::Response(head) => HttpEvent::Response(head),
                Told::End { body_bytes, framing } => {
                    HttpEvent::End { body_bytes, framing, bytes: std::mem::take(&mut self.bytes) }
                }
                Told::Broken(fault) => HttpEvent::Broken(fault),
            });
        }
    }

    fn take_head(&mut self, input: &[u8]) -> usize {
        if self.head.is_empty() {
            // Empty lines before a message are passed over (RFC 9112 §2.2).
            let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                return blank;
            }
        }
        // One byte more than the limit is enough to see that it is passed.
        let room = (self.limits.head + 1).saturating_sub(self.head.len()).max(1);
        let window = input.get(..room).unwrap_or(input);
        if let Some(wrong) = self.implausible(window) {
            self.fail(HttpFault::NotHttp);
            return wrong + 1;
        }
        let end = self.end_of_head(window);
        let taken = end.unwrap_or(window.len());
        let piece = window.get(..taken).unwrap_or(window);
        if self.head.len() + taken > self.limits.head {
            self.fail(HttpFault::HeadTooLong);
        } else if end.is_none() {
            self.head.extend_from_slice(piece);
        } else if self.head.is_empty() {
            self.message(piece);
        } else {
            let mut head = std::mem::take(&mut self.head);
            head.extend_from_slice(piece);
            self.message(&head);
        }
        taken
    }

    /// The first byte of `window` that no message has there, as far as the start of the start line tells.
    fn implausible(&self, window: &[u8]) -> Option<usize> {
        let before = self.head.len();
        let start = || self.head.iter().chain(window).copied();
        let wrong = match self.side {
            Side::Responses => start().zip(STATUS_LINE).position(|(byte, wanted)| byte != *wanted)?,
            Side::Requests => {
                let method = start().take(MOST_METHOD).take_while(|&byte| is_token(byte)).count();
                match start().nth(method)? {
                    b' ' if method > 0 => return None,
                    _ => method,
                }
            }
        };
        // Whatever stands before the window was looked at when it came.
        wrong.checked_sub(before)
    }

    /// How many bytes of `window` belong to the head that ends in it: a line end right after a line end.
    fn end_of_head(&self, window: &[u8]) -> Option<usize> {
        let mut last = self.head.last().copied();
        let mut last_but_one = self.head.iter().rev().nth(1).copied();
        for (index, &byte) in window.iter().enumerate() {
            if byte == b'\n' && (last == Some(b'\n') || (last == Some(b'\r') && last_but_one == Some(b'\n'))) {
                return Some(index + 1);
            }
            (last_but_one, last) = (last, Some(byte));
        }
        None
    }

    fn message(&mut self, bytes: &[u8]) {
        if has_bare_line_feed(bytes) {
            self.note(HttpNote::BareLineFeed);
        }
        let (told, announced) = match self.side {
            Side::Requests => match head::request(bytes, self.limits.headers) {
                Ok(head) => {
                    let announced = framing::of_request(&head);
                    (Told::Request(head), announced)
                }
                Err(fault) => return self.fail(fault),
            },
            Side::Responses => match head::response(bytes, self.limits.headers) {
                Ok(head) => {
                    let request = if head.is_interim() { self.pending.first() } else { self.pending.pop() };
                    let announced = framing::of_response(&head, request);
                    (Told::Response(head), announced)
                }
                Err(fault) => return self.fail(fault),
            },
        };
        if let Ok((_, Some(note))) = announced {
            self.told.push(Told::Note(note));
        }
        self.told.push(told);
        match announced {
            Ok((announced, _)) => self.body(announced),
            Err(fault) => self.fail(fault),
        }
    }

    fn body(&mut self, announced: Announced) {
        match announced {
            Announced::None => self.end(Framing::None),
            Announced::Length(0) => self.end(Framing::Length),
            Announced::Length(left) => self.place = Place::Length { left },
            Announced::Chunked => {
                let most_trailer = u32::try_from(self.limits.head).unwrap_or(u32::MAX);
                self.place = Place::Chunked(Chunks::new(most_trailer));
            }
            Announced::UntilClose => self.place = Place::UntilClose,
            Announced::Upgraded => {
                self.end(Framing::None);
                self.fail(HttpFault::Upgraded);
            }
        }
    }

    fn note(&mut self, note: HttpNote) {
        if !self.noted {
            self.noted = true;
            self.told.push(Told::Note(note));
        }
    }

    fn end(&mut self, framing: Framing) {
        self.told.push(Told::End { body_bytes: self.body_bytes, framing });
        self.body_bytes = 0;
        self.noted = false;
        self.place = Place::Head;
    }

    fn fail(&mut self, fault: HttpFault) {
        self.told.push(Told::Broken(fault));
        self.head = Vec::new();
        self.place = Place::Silent;
    }
}

fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut last = 0;
    head.iter().any(|&byte| std::mem::replace(&mut last, byte) != b'\r' && byte == b'\n')
}

/// `tchar` (RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
