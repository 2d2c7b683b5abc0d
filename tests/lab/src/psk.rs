//! Pre-shared keys: hex, and files of `identity:hexkey` lines as `GnuTLS` writes them.

use anyhow::{Context, bail};
use std::collections::HashMap;
use std::path::Path;

/// Keys by identity.
pub type Keys = HashMap<Vec<u8>, Vec<u8>>;

pub fn parse_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        bail!("an odd number of hex digits");
    }
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let digits = std::str::from_utf8(pair).context("not hex")?;
            u8::from_str_radix(digits, 16).with_context(|| format!("not hex: {digits}"))
        })
        .collect()
}

pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

pub fn read_keys(path: &Path) -> anyhow::Result<Keys> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse_keys(&text).with_context(|| path.display().to_string())
}

/// The identity may hold colons: the key is what stands after the last one.
pub fn parse_keys(text: &str) -> anyhow::Result<Keys> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let (identity, key) =
                line.rsplit_once(':').with_context(|| format!("line {number}: not identity:hexkey"))?;
            let key = parse_hex(key).with_context(|| format!("line {number}"))?;
            Ok((identity.as_bytes().to_vec(), key))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{parse_hex, parse_keys, to_hex};

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(parse_hex("00fFa5").expect("hex"), [0x00, 0xFF, 0xA5]);
        assert_eq!(to_hex(&[0x00, 0xFF, 0xA5]), "00FFA5");
        assert!(parse_hex("0").is_err());
        assert!(parse_hex("zz").is_err());
    }

    #[test]
    fn the_key_is_after_the_last_colon() {
        let keys = parse_keys("# cards\ncard:1:0011\n\nother:ff\n").expect("keys");
        assert_eq!(keys.get(b"card:1".as_slice()), Some(&vec![0x00, 0x11]));
        assert_eq!(keys.get(b"other".as_slice()), Some(&vec![0xFF]));
        assert!(parse_keys("no key here").is_err());
    }
}
