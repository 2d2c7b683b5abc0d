//! The types of handshake messages, without their bodies.

use crate::protocol::tls::HandshakeType;

/// Walks over the messages of one direction, whatever the pieces they come in, in a few bytes of memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Skim {
    header: [u8; HEADER],
    have: usize,
    body: u32,
}

const HEADER: usize = 4;

impl Skim {
    /// The type of the next message that begins in `input`; `None` when that is used up.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Option<HandshakeType> {
        loop {
            let body = usize::try_from(self.body).map_or(input.len(), |body| body.min(input.len()));
            *input = input.get(body..).unwrap_or_default();
            self.body = self.body.saturating_sub(body as u32);
            let (&byte, rest) = input.split_first()?;
            if let Some(slot) = self.header.get_mut(self.have) {
                *slot = byte;
                *input = rest;
            }
            self.have += 1;
            if self.have == HEADER {
                let [kind, high, middle, low] = self.header;
                *self = Self { body: u32::from_be_bytes([0, high, middle, low]), ..Self::default() };
                return Some(HandshakeType(kind));
            }
        }
    }
}
