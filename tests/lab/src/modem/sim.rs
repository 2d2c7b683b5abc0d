//! The commands that carry APDUs (TS 27.007 §8.17, §8.18, §8.43 to §8.45).

use super::answer::{Answer, Final};
use super::line::Form;
use super::uicc::Uicc;
use crate::psk::{parse_hex, to_hex};

/// Operation not allowed, SIM failure, incorrect parameters, not found.
const NOT_ALLOWED: u16 = 3;
const WRONG_PARAMETERS: u16 = 50;
const NOT_FOUND: u16 = 22;

pub(super) fn answer(uicc: &mut Uicc, name: &str, form: &Form) -> Option<Answer> {
    Some(match (name, form) {
        ("+CSIM" | "+CRSM" | "+CCHO" | "+CGLA" | "+CCHC", Form::Test) => Answer::ok(),
        ("+CSIM", Form::Set(value)) => csim(uicc, value),
        ("+CRSM", Form::Set(value)) => crsm(uicc, value),
        ("+CCHO", Form::Set(value)) => parse_hex(value.trim_matches('"'))
            .ok()
            .and_then(|aid| uicc.open(&aid))
            .map_or_else(|| cme(NOT_FOUND), |channel| Answer::line(format!("+CCHO: {channel}"))),
        ("+CCHC", Form::Set(value)) => match value.trim().parse() {
            Ok(channel) if uicc.close(channel) => Answer::ok(),
            _ => cme(NOT_ALLOWED),
        },
        ("+CGLA", Form::Set(value)) => cgla(uicc, value),
        _ => return None,
    })
}

/// These always come with their number: that is what a card's tester looks for.
const fn cme(number: u16) -> Answer {
    Answer::result(Final::Cme(number))
}

/// `length,"hex"`, the length in digits.
fn apdu(value: &str) -> Option<Vec<u8>> {
    let (length, hex) = value.split_once(',')?;
    let hex = hex.trim().trim_matches('"');
    (length.trim().parse() == Ok(hex.len())).then(|| parse_hex(hex).ok())?
}

fn csim(uicc: &mut Uicc, value: &str) -> Answer {
    let Some(command) = apdu(value) else { return cme(WRONG_PARAMETERS) };
    let response = to_hex(&uicc.transmit(&command));
    Answer::line(format!("+CSIM: {},\"{response}\"", response.len()))
}

/// The session is the channel here, and its number goes into the class byte.
fn cgla(uicc: &mut Uicc, value: &str) -> Answer {
    let parts =
        value.split_once(',').and_then(|(session, rest)| Some((session.trim().parse::<u8>().ok()?, apdu(rest)?)));
    let Some((session @ 0..=3, mut command)) = parts else { return cme(WRONG_PARAMETERS) };
    if let Some(class) = command.first_mut() {
        *class = *class & !0x03 | session;
    }
    let response = to_hex(&uicc.transmit(&command));
    Answer::line(format!("+CGLA: {},\"{response}\"", response.len()))
}

/// `command,file,p1,p2,p3,data`: selects the file and sends one command to it.
fn crsm(uicc: &mut Uicc, value: &str) -> Answer {
    let mut fields = value.split(',').map(str::trim);
    let mut number = |otherwise: u16| match fields.next() {
        None | Some("") => Some(otherwise),
        Some(text) => text.parse::<u16>().ok(),
    };
    let (Some(ins), Some(file), Some(p1), Some(p2), Some(p3)) = (number(0), number(0), number(0), number(0), number(0))
    else {
        return cme(WRONG_PARAMETERS);
    };
    let Ok(data) = parse_hex(fields.next().unwrap_or_default().trim_matches('"')) else { return cme(WRONG_PARAMETERS) };
    let [high, low] = file.to_be_bytes();
    if file != 0 {
        let selected = uicc.transmit(&[0x00, 0xA4, 0x00, 0x04, 0x02, high, low]);
        if selected.first() != Some(&0x61) {
            return crsm_answer(&selected);
        }
    }
    let mut command = vec![0x00, ins as u8, p1 as u8, p2 as u8];
    if data.is_empty() {
        command.push(p3 as u8);
    } else {
        command.push(data.len() as u8);
        command.extend(data);
    }
    crsm_answer(&uicc.transmit(&command))
}

/// The status word in decimal.
fn crsm_answer(response: &[u8]) -> Answer {
    let Some((data, [sw1, sw2])) = response.split_last_chunk() else { return cme(NOT_ALLOWED) };
    Answer::line(if data.is_empty() {
        format!("+CRSM: {sw1},{sw2}")
    } else {
        format!("+CRSM: {sw1},{sw2},\"{}\"", to_hex(data))
    })
}
