//! Masks both directions of a connection in clear for a recording.
//!
//! Every length is kept, and so is all that [`Request`], [`Response`] and [`BodyReader`] read, but for identities: a
//! replay gives the same values. In heads, values that identify or authenticate are hidden, and so is every value of a
//! header that is not known to be harmless. In bodies the tags and lengths of templates, the headers and length fields
//! of C-APDUs, the status words of R-APDUs and values of one byte stay. Bodies that are not scripts are hidden wholly.
//!
//! Bytes are masked as they come, by what came before them. Of a body that turns out not to be a script the first few
//! bytes, up to the one that shows it, have been kept by then; of a raw response its last two.

mod lane;
mod line;

use super::{BodyReader, Request, Response};
use lane::Lane;

/// Makes what stands in place of an identity, as long as it. Bytes that a header cannot have become letters.
pub type MaskAgent = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// A direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the card.
    Requests,
    /// From the server.
    Responses,
}

/// Masks both directions of one connection, in the order in which they are told.
pub struct Mask {
    requests: Lane,
    responses: Lane,
    agent: MaskAgent,
    /// A request had a header of remote administration.
    administered: bool,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mask").field("administered", &self.administered).finish_non_exhaustive()
    }
}

impl Mask {
    /// `agent` replaces the value of `X-Admin-From`. Of a value that comes in several pieces each is replaced by the
    /// start of what stands for all of it so far.
    pub fn new(agent: MaskAgent) -> Self {
        Self {
            requests: Lane::new(Direction::Requests),
            responses: Lane::new(Direction::Responses),
            agent,
            administered: false,
        }
    }

    /// Masks the next bytes of a direction.
    pub fn mask(&mut self, direction: Direction, bytes: &mut [u8]) {
        match direction {
            Direction::Requests => {
                for method in self.requests.mask(bytes, &self.agent, &mut self.administered) {
                    self.responses.expect(method);
                }
            }
            Direction::Responses => {
                self.responses.mask(bytes, &self.agent, &mut self.administered);
            }
        }
    }

    /// `len` bytes of a direction are missing here; 0 when it is not known how many.
    pub fn gap(&mut self, direction: Direction, len: u64) {
        match direction {
            Direction::Requests => self.requests.gap(len),
            Direction::Responses => self.responses.gap(len),
        }
    }
}

#[cfg(test)]
mod tests;
