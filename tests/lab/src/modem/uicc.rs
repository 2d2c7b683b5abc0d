//! A tiny UICC (ETSI TS 102 221): an MF, a USIM, and a few files to read.

use std::collections::HashMap;

const MF: u16 = 0x3F00;
const USIM: u16 = 0x7FFF;
const EF_DIR: u16 = 0x2F00;
const EF_ICCID: u16 = 0x2FE2;
const EF_IMSI: u16 = 0x6F07;
const EF_AD: u16 = 0x6FAD;
const EF_LOCI: u16 = 0x6F7E;
/// The telecom directory, and the USIM by its 2G name.
const TELECOM: u16 = 0x7F10;
const GSM: u16 = 0x7F20;

const USIM_AID: [u8; 7] = [0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];
pub const ICCID: &str = "89490200001234567890";
pub const IMSI: &str = "262019876543210";
const PIN: &[u8; 8] = b"1234\xFF\xFF\xFF\xFF";
/// Logical channels, the basic one included.
const CHANNELS: usize = 4;

const OK: [u8; 2] = [0x90, 0x00];
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];
const NOT_ALLOWED: [u8; 2] = [0x69, 0x86];
const WRONG_DATA: [u8; 2] = [0x6A, 0x80];
const NOT_FOUND: [u8; 2] = [0x6A, 0x82];
const NO_RECORD: [u8; 2] = [0x6A, 0x83];
const NO_CHANNEL: [u8; 2] = [0x6A, 0x81];
const WRONG_P1_P2: [u8; 2] = [0x6B, 0x00];
const NO_SUCH_INS: [u8; 2] = [0x6D, 0x00];

#[derive(Debug)]
pub struct Uicc {
    files: HashMap<u16, File>,
    channels: [Option<Channel>; CHANNELS],
    tries: u8,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    /// The length of a record; 0 for a transparent file.
    record: usize,
}

#[derive(Debug, Clone)]
struct Channel {
    selected: u16,
    /// What GET RESPONSE is to fetch.
    response: Vec<u8>,
}

impl Default for Channel {
    fn default() -> Self {
        Self { selected: MF, response: Vec::new() }
    }
}

impl Default for Uicc {
    fn default() -> Self {
        let transparent = |bytes: &[u8]| File { bytes: bytes.to_vec(), record: 0 };
        let mut application = vec![0x61, 0x09, 0x4F, 0x07];
        application.extend(USIM_AID);
        application.resize(32, 0xFF);
        let files = HashMap::from([
            (EF_DIR, File { bytes: application, record: 32 }),
            (EF_ICCID, transparent(&swapped(ICCID))),
            // The length, then the parity nibble before the first digit (TS 31.102 §4.2.2).
            (EF_IMSI, transparent(&[&[8], swapped(&format!("9{IMSI}")).as_slice()].concat())),
            (EF_AD, transparent(&[0, 0, 0, 2])),
            (EF_LOCI, transparent(&[0xFF; 11])),
        ]);
        Self { files, channels: [Some(Channel::default()), None, None, None], tries: 3 }
    }
}

/// Digits in pairs, low nibble first; F fills the last.
fn swapped(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits.bytes().map(|digit| digit.wrapping_sub(b'0') & 0x0F).collect();
    nibbles
        .chunks(2)
        .map(|pair| pair.get(1).copied().unwrap_or(0x0F) << 4 | pair.first().copied().unwrap_or(0x0F))
        .collect()
}

impl Uicc {
    /// Opens a logical channel on an application, as `AT+CCHO` does.
    pub fn open(&mut self, aid: &[u8]) -> Option<usize> {
        if aid.len() < 5 || !(USIM_AID.starts_with(aid) || aid.starts_with(&USIM_AID)) {
            return None;
        }
        let free = self.channels.iter().position(Option::is_none)?;
        *self.channels.get_mut(free)? = Some(Channel { selected: USIM, response: Vec::new() });
        Some(free)
    }

    /// Whether there was such a channel; the basic one stays.
    pub fn close(&mut self, channel: usize) -> bool {
        channel != 0 && self.channels.get_mut(channel).is_some_and(|channel| channel.take().is_some())
    }

    /// One C-APDU, answered with one R-APDU.
    pub fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let [class, ins, p1, p2, rest @ ..] = command else { return WRONG_LENGTH.to_vec() };
        let number = match class {
            0x40..=0x7F | 0xC0..=0xFE => usize::from(class & 0x0F) + 4,
            _ => usize::from(class & 0x03),
        };
        let Some(mut channel) = self.channels.get(number).cloned().flatten() else {
            return vec![0x68, 0x81];
        };
        let (data, le) = match rest {
            [] => (&[][..], None),
            [le] => (&[][..], Some(*le)),
            [lc, body @ ..] => match body.split_at_checked(usize::from(*lc)) {
                Some((data, tail)) => (data, tail.first().copied()),
                None => return WRONG_LENGTH.to_vec(),
            },
        };
        let answer = match ins {
            0xA4 => self.select(&mut channel, *p1, *p2, data),
            0xC0 => get_response(&mut channel, le),
            0xB0 => self.read_binary(&channel, *p1, *p2, le),
            0xB2 => self.read_record(&channel, *p1, *p2),
            0xD6 => self.update_binary(&channel, *p1, *p2, data),
            0xF2 => [fcp(channel.selected, &self.files).as_slice(), &OK].concat(),
            0x20 => self.verify(data),
            0x70 => self.manage_channel(*p1, *p2),
            0x10 | 0x14 | 0xC2 | 0xAA => OK.to_vec(),
            _ => NO_SUCH_INS.to_vec(),
        };
        // MANAGE CHANNEL closes others than the one that it is sent on, or the one itself.
        if let Some(Some(kept)) = self.channels.get_mut(number) {
            *kept = channel;
        }
        answer
    }

    fn select(&self, channel: &mut Channel, p1: u8, p2: u8, data: &[u8]) -> Vec<u8> {
        let wanted = match (p1, data) {
            (0x04, aid) if aid.len() >= 5 && (USIM_AID.starts_with(aid) || aid.starts_with(&USIM_AID)) => USIM,
            (0x00, []) => MF,
            (0x00, [high, low]) | (0x08, [.., high, low]) => u16::from_be_bytes([*high, *low]),
            (0x00 | 0x04 | 0x08, _) => return NOT_FOUND.to_vec(),
            _ => return WRONG_P1_P2.to_vec(),
        };
        let is_directory = matches!(wanted, MF | USIM | TELECOM | GSM);
        if !is_directory && !self.files.contains_key(&wanted) {
            return NOT_FOUND.to_vec();
        }
        channel.selected = wanted;
        if p2 & 0x0C == 0x0C {
            return OK.to_vec();
        }
        channel.response = fcp(wanted, &self.files);
        vec![0x61, channel.response.len() as u8]
    }

    fn read_binary(&self, channel: &Channel, p1: u8, p2: u8, le: Option<u8>) -> Vec<u8> {
        let Some(file) = self.files.get(&channel.selected).filter(|file| file.record == 0) else {
            return NOT_ALLOWED.to_vec();
        };
        let offset = usize::from(u16::from_be_bytes([p1, p2]));
        let Some(bytes) = file.bytes.get(offset..) else { return WRONG_P1_P2.to_vec() };
        answer_with(bytes, le)
    }

    fn read_record(&self, channel: &Channel, number: u8, mode: u8) -> Vec<u8> {
        let Some(file) = self.files.get(&channel.selected).filter(|file| file.record > 0) else {
            return NOT_ALLOWED.to_vec();
        };
        if mode & 0x07 != 0x04 {
            return WRONG_P1_P2.to_vec();
        }
        let record = usize::from(number).checked_sub(1).and_then(|index| file.bytes.chunks(file.record).nth(index));
        record.map_or_else(|| NO_RECORD.to_vec(), |record| [record, &OK].concat())
    }

    fn update_binary(&mut self, channel: &Channel, p1: u8, p2: u8, data: &[u8]) -> Vec<u8> {
        let Some(file) = self.files.get_mut(&channel.selected).filter(|file| file.record == 0) else {
            return NOT_ALLOWED.to_vec();
        };
        let offset = usize::from(u16::from_be_bytes([p1, p2]));
        match file.bytes.get_mut(offset..offset + data.len()) {
            Some(room) => {
                room.copy_from_slice(data);
                OK.to_vec()
            }
            None => WRONG_P1_P2.to_vec(),
        }
    }

    fn verify(&mut self, data: &[u8]) -> Vec<u8> {
        match data {
            [] => {}
            _ if self.tries == 0 => return vec![0x69, 0x83],
            _ if data == PIN => {
                self.tries = 3;
                return OK.to_vec();
            }
            _ if data.len() != PIN.len() => return WRONG_DATA.to_vec(),
            _ => self.tries -= 1,
        }
        vec![0x63, 0xC0 | self.tries]
    }

    fn manage_channel(&mut self, p1: u8, p2: u8) -> Vec<u8> {
        match (p1, p2) {
            (0x00, 0x00) => match self.channels.iter_mut().enumerate().find(|(_, channel)| channel.is_none()) {
                Some((number, free)) => {
                    *free = Some(Channel::default());
                    [&[number as u8], OK.as_slice()].concat()
                }
                None => NO_CHANNEL.to_vec(),
            },
            (0x80, number) if self.close(usize::from(number)) => OK.to_vec(),
            (0x80, _) => vec![0x68, 0x81],
            _ => WRONG_P1_P2.to_vec(),
        }
    }
}

fn get_response(channel: &mut Channel, le: Option<u8>) -> Vec<u8> {
    let response = std::mem::take(&mut channel.response);
    if response.is_empty() { vec![0x69, 0x85] } else { answer_with(&response, le) }
}

/// As many bytes as were asked for; `6Cxx` with the right number when that is too many.
fn answer_with(bytes: &[u8], le: Option<u8>) -> Vec<u8> {
    match le {
        None | Some(0) => [bytes.get(..256).unwrap_or(bytes), &OK].concat(),
        Some(le) => match bytes.get(..usize::from(le)) {
            Some(bytes) => [bytes, &OK].concat(),
            None => vec![0x6C, bytes.len() as u8],
        },
    }
}

/// File control parameters: descriptor, identifier, size (TS 102 221 §11.1.1.3).
fn fcp(id: u16, files: &HashMap<u16, File>) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let (descriptor, size): (&[u8], usize) = match files.get(&id) {
        None => (&[0x78, 0x21], 0),
        Some(file) if file.record == 0 => (&[0x41, 0x21], file.bytes.len()),
        Some(file) => (&[0x42, 0x21], file.bytes.len()),
    };
    let mut inner = vec![0x82, descriptor.len() as u8];
    inner.extend(descriptor);
    inner.extend([0x83, 2, high, low, 0x8A, 1, 5, 0x80, 2]);
    inner.extend((size as u16).to_be_bytes());
    let mut template = vec![0x62, inner.len() as u8];
    template.extend(inner);
    template
}

#[cfg(test)]
mod tests {
    use super::Uicc;
    use crate::psk::{parse_hex, to_hex};

    fn say(card: &mut Uicc, command: &str) -> String {
        to_hex(&card.transmit(&parse_hex(command).expect("hex")))
    }

    #[test]
    fn files_are_selected_and_read() {
        let mut card = Uicc::default();
        assert_eq!(say(&mut card, "00A4000C022FE2"), "9000");
        assert_eq!(say(&mut card, "00B000000A"), "989420000021436587099000");
        assert_eq!(say(&mut card, "00B0000010"), "6C0A");
        assert_eq!(say(&mut card, "00A4000C026F99"), "6A82");
        assert!(say(&mut card, "00A40004022FE2").starts_with("61"));
        assert!(say(&mut card, "00C0000000").starts_with("62"));
        assert_eq!(say(&mut card, "00FF000000"), "6D00");
    }

    #[test]
    fn channels_open_and_close() {
        let mut card = Uicc::default();
        let channel = card.open(&[0xA0, 0, 0, 0, 0x87, 0x10, 0x02]).expect("a channel");
        assert_eq!(channel, 1);
        assert_eq!(say(&mut card, "01A4000C026F07"), "9000");
        assert_eq!(say(&mut card, "01B0000000"), "0829261089674523019000");
        assert!(card.close(channel));
        assert_eq!(say(&mut card, "01B0000000"), "6881");
        assert!(card.open(&[1, 2, 3, 4, 5]).is_none());
    }

    #[test]
    fn pins_run_out() {
        let mut card = Uicc::default();
        for left in ["63C2", "63C1", "63C0", "6983"] {
            assert_eq!(say(&mut card, "002000010830303030FFFFFFFF"), left);
        }
    }
}
