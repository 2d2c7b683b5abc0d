//! SMS-SUBMIT (TS 23.040 §9.2.2.2), digit by digit.

use super::content::{Content, ContentScan};
use super::header::HeaderScan;

/// What stands for a digit that is secret.
const FILLER: u8 = b'0';
/// What stands for a byte that is no digit.
const JUNK: u8 = b'~';

/// TP-MTI of an SMS-SUBMIT, and the bits of the first byte (§9.2.3.1, §9.2.3.3, §9.2.3.23).
const SUBMIT: u8 = 0b01;
const TYPE_BITS: u8 = 0b11;
const VALIDITY_BITS: u8 = 0b1_1000;
const VALIDITY_RELATIVE: u8 = 0b1_0000;
const HEADER_BIT: u8 = 0b100_0000;
/// TP-PID of (U)SIM data download (§9.2.3.9).
const DATA_DOWNLOAD: u8 = 0x7F;
/// CPL, CHL, SPI, KIc, KID, TAR (TS 102 225 §5.1, TS 31.115 §4.1).
const PACKET: usize = 10;
/// SPI to TAR, and with counter and padding counter: what CHL counts at least.
const BEFORE_COUNTER: u8 = 7;
const SHORTEST_HEADER: u8 = 13;
/// In the first byte of the SPI: the data are enciphered (TS 102 225 §5.1.1).
const CIPHERED: u8 = 0b100;

/// A message, as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// It goes to the card and not to a person: TP-PID 7F, and class 2 (TS 31.111 §7.1.1).
    pub download: bool,
    /// Which part of a longer message it is.
    pub part: Option<Part>,
    /// Of a data download that has one.
    pub packet: Option<CommandPacket>,
}

/// A part of a concatenated message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub reference: u16,
    pub total: u8,
    /// From 1.
    pub number: u8,
}

/// A command packet's header, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandPacket {
    pub spi: [u8; 2],
    pub kic: u8,
    pub kid: u8,
    /// Toolkit application reference: which application it is for.
    pub tar: [u8; 3],
    pub content: Content,
}

/// Reads a PDU in hexadecimal digits, the service centre's address first.
#[derive(Debug, Clone)]
pub struct SubmitScan {
    state: State,
    /// The first digit of the byte under way.
    high: Option<u8>,
    first: u8,
    pid: u8,
    dcs: u8,
    header: HeaderScan,
    packet: [u8; PACKET],
    packed: usize,
    content: ContentScan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ServiceCentreLength,
    /// So many bytes are to come.
    ServiceCentre(u8),
    First,
    Reference,
    AddressLength,
    AddressType(u8),
    Address(u8),
    Protocol,
    Coding,
    Validity(u8),
    UserLength,
    HeaderLength,
    Header,
    Packet,
    /// Counter, padding and checksum.
    Rest(u8),
    Content,
    /// Nothing of it is kept.
    Text,
    /// No message.
    Other,
}

impl Default for SubmitScan {
    fn default() -> Self {
        Self::new()
    }
}

impl SubmitScan {
    pub const fn new() -> Self {
        Self {
            state: State::ServiceCentreLength,
            high: None,
            first: 0,
            pid: 0,
            dcs: 0,
            header: HeaderScan::new(0),
            packet: [0; PACKET],
            packed: 0,
            content: ContentScan::new(),
        }
    }

    /// Takes a byte of the PDU's text; gives it back as a recording may hold it.
    pub fn feed(&mut self, byte: u8) -> u8 {
        let Some(value) = char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok()) else {
            // Some programs break their lines.
            if matches!(byte, b'\r' | b'\n') {
                return byte;
            }
            self.state = State::Other;
            return JUNK;
        };
        let kept = self.keeps();
        let value = if kept { value } else { 0 };
        match self.high.take() {
            None => self.high = Some(value),
            Some(high) => self.octet(high << 4 | value),
        }
        if kept { byte } else { FILLER }
    }

    /// Whether the byte under way is kept.
    const fn keeps(&self) -> bool {
        match self.state {
            State::ServiceCentre(_)
            | State::Address(_)
            | State::Validity(_)
            | State::Rest(_)
            | State::Text
            | State::Other => false,
            State::Header => self.header.keeps(),
            State::Content => self.content.keeps(),
            _ => true,
        }
    }

    #[expect(clippy::match_same_arms, reason = "the arms are in the order of the PDU")]
    fn octet(&mut self, byte: u8) {
        let state = self.state;
        self.state = match state {
            State::ServiceCentreLength if byte > 12 => State::Other,
            State::ServiceCentreLength => counted(byte, State::ServiceCentre, State::First),
            State::ServiceCentre(left) => counted(left - 1, State::ServiceCentre, State::First),
            State::First => {
                self.first = byte;
                if byte & TYPE_BITS == SUBMIT { State::Reference } else { State::Other }
            }
            State::Reference => State::AddressLength,
            // Digits; of a text, the digits that it takes (§9.1.2.5).
            State::AddressLength if byte <= 20 => State::AddressType(byte.div_ceil(2)),
            State::AddressType(bytes) => counted(bytes, State::Address, State::Protocol),
            State::Address(left) => counted(left - 1, State::Address, State::Protocol),
            State::Protocol => {
                self.pid = byte;
                State::Coding
            }
            State::Coding => {
                self.dcs = byte;
                counted(self.validity(), State::Validity, State::UserLength)
            }
            State::Validity(left) => counted(left - 1, State::Validity, State::UserLength),
            State::UserLength if self.first & HEADER_BIT != 0 => State::HeaderLength,
            State::UserLength => State::Text,
            State::HeaderLength => {
                self.header = HeaderScan::new(byte);
                if byte == 0 { State::Text } else { State::Header }
            }
            State::Header if !self.header.feed(byte) => State::Other,
            State::Header if !self.header.is_over() => State::Header,
            State::Header if self.is_download() && self.header.command_packet() => State::Packet,
            State::Header => State::Text,
            State::Packet => self.packet(byte),
            State::Rest(left) => counted(left - 1, State::Rest, self.secured()),
            State::Content => {
                self.content.feed(byte);
                State::Content
            }
            State::Text => State::Text,
            State::AddressLength | State::Other => State::Other,
        };
    }

    fn packet(&mut self, byte: u8) -> State {
        if let Some(slot) = self.packet.get_mut(self.packed) {
            *slot = byte;
        }
        self.packed += 1;
        if self.packed < PACKET {
            return State::Packet;
        }
        let [_, _, length, ..] = self.packet;
        if length < SHORTEST_HEADER {
            return State::Other;
        }
        State::Rest(length - BEFORE_COUNTER)
    }

    const fn secured(&self) -> State {
        let [_, _, _, spi, ..] = self.packet;
        if spi & CIPHERED == 0 { State::Content } else { State::Text }
    }

    /// Bytes of the validity period.
    const fn validity(&self) -> u8 {
        match self.first & VALIDITY_BITS {
            0 => 0,
            VALIDITY_RELATIVE => 1,
            _ => 7,
        }
    }

    /// TP-PID, and class 2 in the general or the data coding group (TS 23.038 §4).
    const fn is_download(&self) -> bool {
        let class_2 = self.dcs & 0b11 == 0b10;
        let has_class = matches!(self.dcs >> 4, 0x1 | 0x3 | 0xF);
        self.pid == DATA_DOWNLOAD && class_2 && has_class
    }

    /// The PDU is over. `None` when it is no SMS-SUBMIT, or too short for one.
    pub fn finish(&self) -> Option<Message> {
        let packet = match self.state {
            State::Content => Some(self.content.finish()),
            State::Text if self.packed == PACKET => Some(Content::Sealed),
            State::Text => None,
            _ => return None,
        };
        let [_, _, _, spi_1, spi_2, kic, kid, tar @ ..] = self.packet;
        let packet = packet.map(|content| CommandPacket { spi: [spi_1, spi_2], kic, kid, tar, content });
        Some(Message { download: self.is_download(), part: self.header.part(), packet })
    }
}

fn counted(left: u8, more: impl FnOnce(u8) -> State, none: State) -> State {
    if left == 0 { none } else { more(left) }
}
