//! The user data header (TS 23.040 §9.2.3.24): which part of a message this is, and whether a command packet follows.

use super::submit::Part;

/// Concatenated messages, with a reference of one byte and of two (§9.2.3.24.1, §9.2.3.24.8).
const CONCATENATED: u8 = 0x00;
const CONCATENATED_LONG: u8 = 0x08;
/// A command packet follows (TS 31.115 §4.1).
const COMMAND_PACKET: u8 = 0x70;

#[derive(Debug, Clone)]
pub(super) struct HeaderScan {
    /// Bytes of the header to come.
    left: u8,
    state: State,
    part: Option<Part>,
    command_packet: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Identifier,
    Length(u8),
    Value { identifier: u8, at: u8, length: u8 },
}

impl HeaderScan {
    pub(super) const fn new(length: u8) -> Self {
        Self { left: length, state: State::Identifier, part: None, command_packet: false }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(super) const fn part(&self) -> Option<Part> {
        self.part
    }

    pub(super) const fn command_packet(&self) -> bool {
        self.command_packet
    }

    /// Whether the next byte is kept.
    pub(super) const fn keeps(&self) -> bool {
        match self.state {
            State::Identifier | State::Length(_) => true,
            State::Value { identifier, .. } => matches!(identifier, CONCATENATED | CONCATENATED_LONG | 0x70..=0x7F),
        }
    }

    /// Takes a byte of the header; `false` when the header is none.
    pub(super) fn feed(&mut self, byte: u8) -> bool {
        self.left = self.left.saturating_sub(1);
        self.state = match self.state {
            State::Identifier => State::Length(byte),
            State::Length(identifier) => {
                self.command_packet |= identifier == COMMAND_PACKET;
                if byte > self.left {
                    return false;
                }
                match byte {
                    0 => State::Identifier,
                    length => State::Value { identifier, at: 0, length },
                }
            }
            State::Value { identifier, at, length } => {
                self.value(identifier, at, byte);
                if at + 1 == length { State::Identifier } else { State::Value { identifier, at: at + 1, length } }
            }
        };
        // It ends with an element.
        !self.is_over() || matches!(self.state, State::Identifier)
    }

    fn value(&mut self, identifier: u8, at: u8, byte: u8) {
        let from = match identifier {
            CONCATENATED => 1,
            CONCATENATED_LONG => 2,
            _ => return,
        };
        let part = self.part.get_or_insert(Part { reference: 0, total: 0, number: 0 });
        if at < from {
            part.reference = part.reference << 8 | u16::from(byte);
        } else if at == from {
            part.total = byte;
        } else if at == from + 1 {
            part.number = byte;
        }
    }
}
