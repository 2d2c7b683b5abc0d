//! Masks one direction.

use super::{
    BodyReader, Direction, MaskAgent, Request, Response,
    line::{Fate, Lines},
};
use crate::protocol::{
    apdu::{CommandApdu, ResponseApdu},
    http::{HttpEvent, HttpReader, Limits, Method, Part, Told},
    scp81::{Content, body::FILLER},
};

const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// One direction.
#[derive(Debug)]
pub(super) struct Lane {
    reader: HttpReader,
    direction: Direction,
    lines: Lines,
    /// The identity so far.
    agent: Vec<u8>,
    /// Within the extensions of a chunk.
    extension: bool,
    body: Body,
}

/// What the current body is.
#[derive(Debug)]
enum Body {
    Hidden,
    Commands(BodyReader<CommandApdu>),
    Responses(BodyReader<ResponseApdu>),
}

impl Lane {
    pub(super) fn new(direction: Direction) -> Self {
        let (reader, requests) = match direction {
            Direction::Requests => (HttpReader::requests(Limits::default()), true),
            Direction::Responses => (HttpReader::responses(Limits::default()), false),
        };
        let lines = Lines::head(requests);
        Self { reader, direction, lines, agent: Vec::new(), extension: false, body: Body::Hidden }
    }

    pub(super) fn expect(&mut self, method: Method) {
        self.reader.expect(method);
    }

    pub(super) fn gap(&mut self, len: u64) {
        if len == 0 {
            return self.reader.lose(&mut |_| {});
        }
        let mut ended = false;
        self.reader.gap(len, &mut |event| ended |= matches!(event, HttpEvent::End { .. }));
        match &mut self.body {
            Body::Hidden => {}
            Body::Commands(reader) => reader.missing(len),
            Body::Responses(reader) => reader.missing(len),
        }
        if ended {
            self.next_message();
        }
    }

    /// Masks bytes; the methods of the requests in them.
    pub(super) fn mask(&mut self, bytes: &mut [u8], replace: &MaskAgent, administered: &mut bool) -> Vec<Method> {
        let mut methods = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (len, part) = self.reader.take(rest);
            // `take` takes at least one byte; the bound keeps a mistake from looping.
            let (piece, after) = std::mem::take(&mut rest).split_at_mut_checked(len.max(1)).unwrap_or_default();
            rest = after;
            match part {
                Part::Head | Part::Trailer => self.mask_lines(piece, replace),
                Part::ChunkLine => self.mask_chunk_line(piece),
                Part::Rest => piece.fill(FILLER),
                Part::Body => match &mut self.body {
                    Body::Hidden => piece.fill(FILLER),
                    Body::Commands(reader) => reader.mask(piece),
                    Body::Responses(reader) => reader.mask(piece),
                },
            }
            for told in self.reader.told() {
                match told {
                    Told::Request(head) => {
                        *administered |= Request::read(&head).is_some();
                        let script = Content::read(&head.headers).kind.may_hold_script(*administered);
                        self.body = if script {
                            Body::Responses(BodyReader::new(head.headers.content_length()))
                        } else {
                            Body::Hidden
                        };
                        methods.push(head.method);
                        self.lines = Lines::trailer();
                    }
                    Told::Response(head) => {
                        let response = Response::read(&head);
                        let ours = *administered || response.is_some();
                        let script = Content::read(&head.headers).kind.may_hold_script(ours)
                            || response.as_ref().is_some_and(Response::is_for_card);
                        self.body = if script {
                            Body::Commands(BodyReader::new(head.headers.content_length()))
                        } else {
                            Body::Hidden
                        };
                        self.lines = Lines::trailer();
                    }
                    Told::End { .. } => self.next_message(),
                    Told::Broken(_) => self.body = Body::Hidden,
                    Told::Note(_) => {}
                }
            }
        }
        methods
    }

    fn next_message(&mut self) {
        self.lines = Lines::head(self.direction == Direction::Requests);
        self.body = Body::Hidden;
        self.agent = Vec::new();
        self.extension = false;
    }

    fn mask_lines(&mut self, piece: &mut [u8], replace: &MaskAgent) {
        let mut identity = 0..0;
        for index in 0..piece.len() {
            let Some(slot) = piece.get_mut(index) else { return };
            match self.lines.byte(*slot) {
                Fate::Agent => {
                    self.agent.push(*slot);
                    if identity.is_empty() {
                        identity.start = index;
                    }
                    identity.end = index + 1;
                }
                Fate::Is(masked) => {
                    *slot = masked;
                    self.replace_agent(piece.get_mut(std::mem::take(&mut identity)), replace);
                    if masked == b'\n' {
                        self.agent.clear();
                    }
                }
            }
        }
        self.replace_agent(piece.get_mut(identity), replace);
    }

    /// Replaces a piece of an identity by the start of what stands for all of it so far.
    fn replace_agent(&self, piece: Option<&mut [u8]>, replace: &MaskAgent) {
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { return };
        let masked = replace(&self.agent);
        for (slot, byte) in piece.iter_mut().zip(masked.into_iter().chain(std::iter::repeat(FILLER))) {
            let letter = ALPHABET.get(usize::from(byte & 63)).copied().unwrap_or(FILLER);
            *slot = if byte.is_ascii_graphic() { byte } else { letter };
        }
    }

    fn mask_chunk_line(&mut self, piece: &mut [u8]) {
        for byte in piece {
            match *byte {
                b'\n' => self.extension = false,
                b';' => self.extension = true,
                other if self.extension && other.is_ascii_alphanumeric() => *byte = FILLER,
                _ => {}
            }
        }
    }
}
