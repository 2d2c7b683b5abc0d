//! The first bytes of a connection without TLS.

use crate::{
    protocol::http::{HttpVerdict, looks_like_http},
    stream::Direction,
};

/// Bytes of each direction that are kept while they may become HTTP; empty lines may go on for long.
const MOST: usize = 64;

/// Of each direction, the bytes that may become HTTP.
#[derive(Debug, Default)]
pub struct Begun {
    read: Vec<u8>,
    written: Vec<u8>,
}

impl Begun {
    /// The bytes of a message that begins in these, or in what came before them; `None` while none does.
    pub fn feed(&mut self, direction: Direction, bytes: &[u8]) -> Option<Vec<u8>> {
        let begun = match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.written,
        };
        let mut whole = std::mem::take(begun);
        whole.extend_from_slice(bytes);
        match looks_like_http(&whole) {
            Some(HttpVerdict::Request | HttpVerdict::Response) => return Some(whole),
            None if whole.len() < MOST => *begun = whole,
            None | Some(HttpVerdict::Other) => {}
        }
        None
    }
}
