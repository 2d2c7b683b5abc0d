//! Command scripts and response scripts in expanded format with indefinite length (TS 102 226 §5.2).

use anyhow::{Context, bail};

/// What the server asks for when it is given no script of its own.
pub const DEFAULT_SCRIPT: [&str; 3] = [
    "80F24002024F0000",         // GET STATUS, applications
    "80CA006600",               // GET DATA, card data
    "00A4040C07A0000000871002", // SELECT the USIM's RID and application code
];

/// `AE 80 {22 length C-APDU}… 00 00`.
pub fn command(apdus: &[Vec<u8>]) -> Vec<u8> {
    let mut script = vec![0xAE, 0x80];
    for apdu in apdus {
        push_tlv(&mut script, 0x22, apdu);
    }
    script.extend([0, 0]);
    script
}

/// `AF 80 {23 length R-APDU}… 00 00`.
pub fn response(apdus: &[Vec<u8>]) -> Vec<u8> {
    let mut script = vec![0xAF, 0x80];
    for apdu in apdus {
        push_tlv(&mut script, 0x23, apdu);
    }
    script.extend([0, 0]);
    script
}

pub fn parse_command(script: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    parse(script, 0xAA, 0xAE, 0x22)
}

pub fn parse_response(script: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    parse(script, 0xAB, 0xAF, 0x23)
}

/// The contents of the `wanted` objects of a template, of definite or indefinite length.
fn parse(script: &[u8], definite: u8, indefinite: u8, wanted: u8) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut rest = match script {
        [tag, 0x80, rest @ ..] if *tag == indefinite => {
            rest.strip_suffix(&[0, 0]).context("the template has no end")?
        }
        [tag, rest @ ..] if *tag == definite => take_value(rest)?.0,
        _ => bail!("neither {definite:02X} nor {indefinite:02X} 80"),
    };
    let mut found = Vec::new();
    while let [tag, after @ ..] = rest {
        let (value, next) = take_value(after)?;
        if *tag == wanted {
            found.push(value.to_vec());
        }
        rest = next;
    }
    Ok(found)
}

fn push_tlv(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    let [high, low] = (value.len() as u16).to_be_bytes();
    match value.len() {
        0..=0x7F => out.push(low),
        0x80..=0xFF => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(value);
}

/// Takes a BER length and as many bytes as it says.
fn take_value(bytes: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let (length, rest) = match bytes {
        [length @ 0..=0x7F, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => bail!("no BER length"),
    };
    rest.split_at_checked(length).context("an object longer than its template")
}

#[cfg(test)]
mod tests {
    use super::{command, parse_command, parse_response, response};

    #[test]
    fn scripts_go_both_ways() {
        let apdus = vec![vec![0x80; 4], vec![0x01; 0x90], vec![0x02; 0x1234]];
        assert_eq!(parse_command(&command(&apdus)).expect("a script"), apdus);
        assert_eq!(parse_response(&response(&apdus)).expect("a script"), apdus);
    }

    #[test]
    fn definite_lengths_are_read() {
        let script = [0xAB, 0x07, 0x80, 0x01, 0x01, 0x23, 0x02, 0x90, 0x00];
        assert_eq!(parse_response(&script).expect("a script"), vec![vec![0x90, 0x00]]);
        assert!(parse_command(&[0xAA, 0x05, 0x22]).is_err());
    }
}
