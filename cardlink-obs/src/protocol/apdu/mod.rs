//! APDUs: command and response headers, names of commands, meanings of status words.
//!
//! Formats: ISO/IEC 7816-4 §5, ETSI TS 102 221 §10 and §11, ETSI TS 102 222 §6, GlobalPlatform Card Specification 2.3
//! §11. Nothing of a data field is kept in any value: only the header, lengths and the status word.

mod chain;
mod command;
mod meaning;
mod name;
mod response;
mod status;
#[cfg(test)]
mod tests;

pub use chain::{Chain, Logical};
pub use command::{Case, CommandApdu, Secret};
pub use name::CommandName;
pub use response::ResponseApdu;
pub use status::{Category, FoldedSw, StatusWord};

/// Entry for a fuzzer: pairs of a command and a response, each after a byte with its length. Reading an APDU by its
/// ends gives what reading it whole gives, and a chain loses no exchange.
pub fn fuzz(data: &[u8]) {
    let mut chain = Chain::default();
    let (mut pushed, mut told) = (0, 0);
    let mut rest = data;
    while !rest.is_empty() {
        let command = sized(&mut rest);
        let response = sized(&mut rest);
        let front = command.get(..CommandApdu::FRONT).unwrap_or(command);
        let back = command.get(command.len().saturating_sub(CommandApdu::BACK)..).unwrap_or_default();
        let Some(command) = CommandApdu::parse(command) else { continue };
        assert_eq!(CommandApdu::from_ends(front, back, command.len), Some(command), "the ends say something else");
        assert!(CommandName::all().any(|name| name == command.name()), "a name outside of the set");
        let response = ResponseApdu::parse(response);
        if let Some(response) = response {
            assert!(!response.sw.meaning().is_empty() && !response.sw.folded().to_string().is_empty());
        }
        pushed += 1;
        chain.push(command, response, &mut |logical| told += logical.exchanges);
    }
    chain.finish(&mut |logical| told += logical.exchanges);
    assert_eq!(pushed, told, "an exchange was lost or counted twice");
}

/// A byte that says how many follow, and these.
fn sized<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some((&len, bytes)) = rest.split_first() else { return &[] };
    let (taken, after) = bytes.split_at(usize::from(len).min(bytes.len()));
    *rest = after;
    taken
}
