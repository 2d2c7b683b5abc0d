//! Whether the first bytes of a connection are PostgreSQL's.

use super::Sender;
use super::frame::{answer, client, head, opening as request};

/// What some bytes at the beginning of what is seen of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A client opens a session.
    Start,
    /// So few that it cannot be said.
    More,
    /// Whole messages of a session under way, by this sender.
    UnderWay(Sender),
    Other,
}

/// Looks at the first bytes. `from_start`: they are the first of the connection.
pub fn opening(bytes: &[u8], from_start: bool) -> Opening {
    if from_start {
        let Some(header) = bytes.first_chunk::<8>() else {
            // The length of a request is less than 64 KiB.
            let zeros = bytes.iter().take(2).all(|byte| *byte == 0);
            return if zeros { Opening::More } else { Opening::Other };
        };
        return if request(*header).is_some() { Opening::Start } else { Opening::Other };
    }
    if under_way(Sender::Client, bytes) {
        Opening::UnderWay(Sender::Client)
    } else if under_way(Sender::Server, bytes) {
        Opening::UnderWay(Sender::Server)
    } else {
        Opening::Other
    }
}

/// Messages and nothing else, of which the last asks for an answer, or is the end of one.
fn under_way(sender: Sender, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((head, after)) = head(sender, rest) {
        let Some((body, next)) = after.split_at_checked(head.len as usize) else { return false };
        if next.is_empty() {
            return match (sender, head.kind) {
                (Sender::Client, client::QUERY) => body.last() == Some(&0) && body.len() > 1,
                (Sender::Client, client::SYNC) => body.is_empty(),
                (Sender::Server, answer::READY) => matches!(body, [b'I' | b'T' | b'E']),
                _ => false,
            };
        }
        rest = next;
    }
    false
}
