//! What the card answers to an APDU.

use crate::psk::parse_hex;
use anyhow::Context;

/// The longest matching prefix answers.
const BUILT_IN: [(&str, &str); 8] = [
    ("", "6D00"),
    ("80F2", "4F10A0000000871002FFFFFFFF89010000FF9F70010790009000"),
    ("80CA", "664C734A06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B039000"),
    ("80E6", "009000"),
    ("80E8", "009000"),
    ("80E2", "9000"),
    ("00A4", "9000"),
    ("80E4", "009000"),
];

pub(super) fn table(own: &[String]) -> anyhow::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let own = own.iter().map(|answer| answer.split_once('=').context("an answer is PREFIX=RAPDU"));
    BUILT_IN
        .into_iter()
        .map(Ok)
        .chain(own)
        .map(|answer| {
            let (prefix, response) = answer?;
            Ok((parse_hex(prefix)?, parse_hex(response)?))
        })
        .collect()
}

pub(super) fn answer(table: &[(Vec<u8>, Vec<u8>)], command: &[u8]) -> Vec<u8> {
    table
        .iter()
        .filter(|(prefix, _)| command.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or_else(|| vec![0x6D, 0x00], |(_, response)| response.clone())
}
