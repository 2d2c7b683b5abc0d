//! Entry for a fuzzer.

use super::{BodyReader, Mask, MaskDirection as Direction, Request, Response, Script};
use crate::protocol::{
    apdu::{CommandApdu, ResponseApdu},
    http::{Headers, HttpEvent, HttpReader, Limits},
};

/// The first byte says what the rest is, and how it is split: a body of either direction, or a direction of a
/// connection. What is read may depend neither on the split nor on masking.
pub fn fuzz(data: &[u8]) {
    let Some((&control, stream)) = data.split_first() else { return };
    let step = usize::from(control >> 3).max(1);
    match control & 7 {
        0 => body::<CommandApdu>(stream, step, Some(stream.len() as u64)),
        1 => body::<ResponseApdu>(stream, step, Some(stream.len() as u64)),
        2 => body::<CommandApdu>(stream, step, None),
        3 => body::<ResponseApdu>(stream, step, None),
        4 | 5 => connection(stream, step, Direction::Requests),
        _ => connection(stream, step, Direction::Responses),
    }
}

fn body<A: super::Apdu + std::fmt::Debug + PartialEq + Clone>(body: &[u8], step: usize, total: Option<u64>) {
    let whole = read_body::<A>(std::iter::once(body), total);
    let split = read_body::<A>(body.chunks(step), total);
    assert_eq!(whole, split, "the script depends on how the bytes were split");
    let mut masked = body.to_vec();
    BodyReader::<A>::new(total).mask(&mut masked);
    assert_eq!(whole, read_body::<A>(std::iter::once(masked.as_slice()), total), "the script depends on masking");
    let mut again = masked.clone();
    BodyReader::<A>::new(total).mask(&mut again);
    assert_eq!(masked, again, "masking what is masked changed it");
}

fn read_body<'a, A: super::Apdu>(pieces: impl Iterator<Item = &'a [u8]>, total: Option<u64>) -> Script<A> {
    let mut reader = BodyReader::new(total);
    pieces.for_each(|piece| reader.push(piece));
    reader.finish(None)
}

fn connection(stream: &[u8], step: usize, direction: Direction) {
    let whole = session(std::iter::once(stream), direction);
    assert_eq!(whole, session(stream.chunks(step), direction), "the session depends on how the bytes were split");
    let mut masked = stream.to_vec();
    let mut mask = Mask::new(Box::new(|agent| agent.iter().map(|byte| byte.wrapping_add(1)).collect()));
    masked.chunks_mut(step).for_each(|piece| mask.mask(direction, piece));
    assert_eq!(whole, session(std::iter::once(masked.as_slice()), direction), "the session depends on masking");
}

/// All that is read of a direction, but for identities, of which only the lengths count.
pub(super) fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>, direction: Direction) -> Vec<String> {
    let mut reader = match direction {
        Direction::Requests => HttpReader::requests(Limits::default()),
        Direction::Responses => HttpReader::responses(Limits::default()),
    };
    let mut told = Vec::new();
    let mut administered = false;
    let mut commands: Option<BodyReader<CommandApdu>> = None;
    let mut responses: Option<BodyReader<ResponseApdu>> = None;
    let mut out = |event: HttpEvent<'_>| match event {
        HttpEvent::Body(bytes) => {
            if let Some(reader) = &mut commands {
                reader.push(bytes);
            }
            if let Some(reader) = &mut responses {
                reader.push(bytes);
            }
        }
        HttpEvent::Missing(len) => {
            if let Some(reader) = &mut commands {
                reader.missing(len);
            }
            if let Some(reader) = &mut responses {
                reader.missing(len);
            }
        }
        HttpEvent::Request(head) => {
            let request = Request::read(&head);
            administered |= request.is_some();
            let script = super::Content::read(&head.headers).kind.may_hold_script(administered);
            responses = script.then(|| BodyReader::new(head.headers.content_length()));
            told.push(format!("{} {} {} {request:?}", head.method, head.target.len(), shape(&head.headers)));
        }
        HttpEvent::Response(head) => {
            let response = Response::read(&head);
            let ours = administered || response.is_some();
            let script = super::Content::read(&head.headers).kind.may_hold_script(ours);
            commands = script.then(|| BodyReader::new(head.headers.content_length()));
            told.push(format!("{} {} {response:?}", head.status, shape(&head.headers)));
        }
        HttpEvent::End { body_bytes, framing, .. } => {
            let commands = commands.take().map(|reader| reader.finish(None));
            let responses = responses.take().map(|reader| reader.finish(None));
            told.push(format!("{body_bytes} {framing:?} {commands:?} {responses:?}"));
        }
        HttpEvent::Note(note) => told.push(format!("{note:?}")),
        HttpEvent::Broken(fault) => told.push(format!("{fault:?}")),
    };
    for piece in pieces {
        reader.push(piece, &mut out);
    }
    reader.eof(&mut out);
    told
}

/// Names as far as they are not hidden, and lengths.
fn shape(headers: &Headers) -> String {
    let shapes: Vec<_> = headers.iter().map(|(name, value)| (name.get(..64), name.len(), value.len())).collect();
    format!("{shapes:?}")
}
