//! Whether the first bytes of a connection are MySQL's.

use super::{
    lane::{head, whole},
    wire::{Ending, command, first, status, u32_at},
};
use crate::protocol::sql::{Dialect, OTHER, Sender, statements};

/// What some bytes at the beginning of what is seen of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A server greets, or refuses.
    Start,
    /// So few that it cannot be said.
    More,
    /// Whole packets of a session under way, by this sender.
    UnderWay(Sender),
    Other,
}

/// Lengths of a greeting that are believed.
const GREETING: std::ops::RangeInclusive<u32> = 38..=320;
/// Bytes that a greeting is known by.
const ENOUGH: usize = 8;

/// Looks at the first bytes. `from_start`: they are the first of the connection.
pub fn opening(bytes: &[u8], from_start: bool) -> Opening {
    if from_start {
        return greeting(bytes);
    }
    if asks(bytes) {
        Opening::UnderWay(Sender::Client)
    } else if answers(bytes) {
        Opening::UnderWay(Sender::Server)
    } else {
        Opening::Other
    }
}

/// The length and the number 0, the version of the handshake, and the server's version, a text that begins with digits; or an
/// error of those that a server greets with.
fn greeting(bytes: &[u8]) -> Opening {
    let known = |at: usize, is: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| is(*byte));
    let zeros = known(2, |byte| byte == 0) && known(3, |byte| byte == 0);
    let len = match *bytes {
        [a, b, c, d, ..] => head([a, b, c, d]).0,
        [a, b, ..] => u32::from(a) | (u32::from(b) << 8),
        _ => *GREETING.start(),
    };
    let version = known(4, |byte| byte == 10)
        && known(5, |byte| byte.is_ascii_digit())
        && known(6, |byte| byte.is_ascii_digit() || byte == b'.')
        && known(7, |byte| byte.is_ascii_digit() || byte == b'.')
        && GREETING.contains(&len);
    // Numbers of errors are from 1000 on, and of two bytes.
    let refusal = known(4, |byte| byte == first::ERR)
        && known(6, |byte| (0x03..=0x20).contains(&byte))
        && known(7, |byte| byte == b'#' || byte.is_ascii_alphabetic())
        && (8..=512).contains(&len);
    match zeros && (version || refusal) {
        true if bytes.len() >= ENOUGH => Opening::Start,
        true => Opening::More,
        false => Opening::Other,
    }
}

/// One command and nothing else, of those that cannot be taken for anything else.
fn asks(bytes: &[u8]) -> bool {
    let Some((0, body, [])) = whole(bytes) else { return false };
    match *body {
        [command::QUERY | command::PREPARE, ref text @ ..] => is_statement(text),
        [command::PING] => true,
        [command::EXECUTE, ..] => u32_at(body, 6) == Some(1),
        _ => false,
    }
}

/// A text that begins with a word of SQL, perhaps after attributes that are none.
fn is_statement(text: &[u8]) -> bool {
    let text = text.strip_prefix(&[0, 1]).unwrap_or(text);
    let head = text.get(..256).unwrap_or(text);
    text.first().is_some_and(|byte| (0x20..0x7f).contains(byte))
        && statements(head, Dialect::Mysql).first().is_some_and(|one| one.operation != OTHER)
}

/// The beginning of rows, or word that something is done.
fn answers(bytes: &[u8]) -> bool {
    let Some((1, body, rest)) = whole(bytes) else { return false };
    match (body, rest) {
        // The number of columns, and the first definition, of the catalogue `def`.
        ([count, ..], [_, _, _, 2, 3, b'd', b'e', b'f', ..]) => *count > 0 && body.len() <= 3,
        ([first::OK, ..], []) => {
            const KNOWN: u16 = 0x7fff;
            body.len() == 7
                && Ending::of(body).is_some_and(|ending| {
                    // Auto-commit, or a transaction.
                    ending.status & (status::IN_TRANSACTION | 2) != 0 && ending.status & !KNOWN == 0
                })
        }
        _ => false,
    }
}
