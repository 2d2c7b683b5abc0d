//! A reader on USB and the program that drives it: what the card answered, how long the reader took, cards that come and go.
//!
//! - `start` of an APDU: its first message was handed to the kernel.
//! - `end`: the program took back the transfer with the last byte of the answer.

mod exchange;
mod fuzz;
#[cfg(test)]
mod tests;

pub use fuzz::fuzz;

use super::chain::Chains;
use crate::{
    observation::{
        Apdu, Cause, Device, DeviceApdu, DeviceChange, DeviceEvent, DeviceOperation, Observation, Process, Stamp,
    },
    protocol::{
        apdu::{CommandApdu, StatusWord},
        ccid::{Framer, Level, Message, MessageType, Outcome, slot_changes, slot_error},
    },
};
use exchange::{Exchange, Step};
use std::{collections::HashMap, sync::Arc};

/// Slots of a reader that are followed.
const MOST_SLOTS: usize = 16;
/// The device is not there any more.
const GONE: [i32; 2] = [19, 108];

/// A transfer, as the kernel side told of it.
#[derive(Debug, Clone, Copy)]
pub struct Transfer<'a> {
    pub at: Stamp,
    /// To the device.
    pub write: bool,
    pub interrupt: bool,
    /// It failed, with this errno.
    pub errno: Option<i32>,
    pub bytes: &'a [u8],
    /// Bytes after those that were not copied.
    pub missing: usize,
}

/// The tracker.
#[derive(Debug)]
pub struct Ccid {
    device: Arc<Device>,
    process: Arc<Process>,
    level: Level,
    commands: Framer,
    answers: Framer,
    slots: HashMap<u8, Slot>,
    /// It was told to be there.
    there: bool,
}

#[derive(Debug, Default)]
struct Slot {
    asked: Option<Asked>,
    exchange: Option<Exchange>,
    card: Option<bool>,
    /// T=1: what goes to the card are blocks.
    blocks: bool,
    chains: Chains,
    /// When the last command was answered.
    answered: Option<Stamp>,
}

/// A command that waits for its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    kind: MessageType,
    sequence: u8,
    start: Stamp,
    /// The protocol that parameters are set for.
    protocol: u8,
}

impl Ccid {
    pub fn new(device: Arc<Device>, process: Arc<Process>, features: u32) -> Self {
        Self {
            device,
            process,
            level: Level::of(features),
            commands: Framer::default(),
            answers: Framer::default(),
            slots: HashMap::new(),
            there: false,
        }
    }

    /// Takes the next transfer.
    pub fn transferred(&mut self, transfer: &Transfer<'_>, out: &mut Vec<Observation>) {
        if let Some(errno) = transfer.errno {
            if GONE.contains(&errno) {
                self.gone(transfer.at, out);
            }
            return;
        }
        if !std::mem::replace(&mut self.there, true) {
            out.push(self.change(transfer.at, DeviceEvent::Connected));
        }
        if transfer.interrupt {
            for (slot, card) in slot_changes(transfer.bytes) {
                self.card(slot, Some(card), transfer.at, out);
            }
            return;
        }
        let mut framer = std::mem::take(if transfer.write { &mut self.commands } else { &mut self.answers });
        framer.feed(transfer.bytes, transfer.missing, &mut |message| {
            if transfer.write {
                self.asked(&message, transfer.at);
            } else {
                self.answered(&message, transfer.at, out);
            }
        });
        *(if transfer.write { &mut self.commands } else { &mut self.answers }) = framer;
    }

    /// The program let go of the reader, or the agent stops.
    pub fn closed(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.give_up(at, "hangup", out);
    }

    fn gone(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        self.give_up(at, "reader_unavailable", out);
        if std::mem::replace(&mut self.there, false) {
            out.push(self.change(at, DeviceEvent::CardRemoved));
            out.push(self.change(at, DeviceEvent::Disconnected));
        }
    }

    fn give_up(&mut self, at: Stamp, error: &'static str, out: &mut Vec<Observation>) {
        for (_, mut slot) in std::mem::take(&mut self.slots) {
            if let Some(exchange) = slot.exchange.take()
                && slot.asked.is_some()
            {
                out.extend(self.apdu(&mut slot, &exchange, at, Some(error)));
            }
        }
    }

    fn asked(&mut self, message: &Message<'_>, at: Stamp) {
        let header = &message.header;
        if self.slots.len() >= MOST_SLOTS && !self.slots.contains_key(&header.slot) {
            return;
        }
        // An answer that never became whole never will.
        self.answers.clear();
        let slot = self.slots.entry(header.slot).or_default();
        let [protocol, ..] = header.specific;
        slot.asked = Some(Asked { kind: header.kind, sequence: header.sequence, start: at, protocol });
        if header.kind != MessageType::TRANSFER_BLOCK {
            return;
        }
        let blocks = slot.blocks && self.level == Level::Tpdu;
        if Exchange::begins(self.level, blocks, slot.exchange.is_some(), message) {
            slot.exchange = Some(Exchange::new(at));
        }
        if let Some(exchange) = &mut slot.exchange {
            exchange.sent(blocks, message);
        }
    }

    fn answered(&mut self, message: &Message<'_>, at: Stamp, out: &mut Vec<Observation>) {
        let (header, status) = (&message.header, message.header.status());
        self.card(header.slot, status.card, at, out);
        let Some(mut slot) = self.slots.remove(&header.slot) else { return };
        if let Some(asked) = slot.asked.filter(|asked| asked.sequence == header.sequence) {
            match (asked.kind, status.outcome) {
                (_, Outcome::MoreTime) => {
                    if let Some(exchange) = &mut slot.exchange {
                        exchange.extensions = exchange.extensions.saturating_add(1);
                    }
                }
                (MessageType::TRANSFER_BLOCK, outcome) => {
                    slot.asked = None;
                    self.transmitted(&mut slot, message, outcome, at, out);
                }
                (kind, outcome) => {
                    slot.asked = None;
                    self.operated(&mut slot, asked, outcome, at, out);
                    match (kind, outcome) {
                        (MessageType::POWER_ON, _) => {
                            slot.chains.reset();
                            slot.exchange = None;
                            slot.blocks = false;
                        }
                        (MessageType::SET_PARAMETERS, Outcome::Done) => slot.blocks = asked.protocol == 1,
                        (MessageType::GET_PARAMETERS | MessageType::RESET_PARAMETERS, Outcome::Done) => {
                            slot.blocks = header.chain() == 1;
                        }
                        _ => {}
                    }
                }
            }
        }
        self.slots.insert(header.slot, slot);
    }

    fn transmitted(
        &self,
        slot: &mut Slot,
        message: &Message<'_>,
        outcome: Outcome,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        let Some(mut exchange) = slot.exchange.take() else { return };
        let error = match outcome {
            Outcome::Failed(_) if message.header.status().card == Some(false) => Some("no_smartcard"),
            Outcome::Failed(error) => Some(slot_error(error)),
            Outcome::Done | Outcome::MoreTime => None,
        };
        if error.is_none() {
            match exchange.answered(slot.blocks && self.level == Level::Tpdu, message) {
                Step::Complete => {}
                step => {
                    exchange.extensions = exchange.extensions.saturating_add(u32::from(step == Step::MoreTime));
                    slot.exchange = Some(exchange);
                    return;
                }
            }
        }
        out.extend(self.apdu(slot, &exchange, at, error));
    }

    /// An APDU that has its answer, or never will; `None` when it is none.
    fn apdu(
        &self,
        slot: &mut Slot,
        exchange: &Exchange,
        at: Stamp,
        error: Option<&'static str>,
    ) -> Option<Observation> {
        let command = exchange.command()?;
        let (sw, received) = if error.is_none() { exchange.response() } else { (None, 0) };
        let incomplete = error.is_none() && sw.is_none() && exchange.is_cut();
        let error = error.or((sw.is_none() && !incomplete).then_some("no_status_word"));
        let program = slot.answered.replace(at).map(|before| exchange.start.since(before));
        let continues = slot.chains.push(&command, sw.map(StatusWord));
        Some(Observation::DeviceApdu(Box::new(DeviceApdu {
            device: Arc::clone(&self.device),
            process: Arc::clone(&self.process),
            connection: None,
            carrier: None,
            apdu: apdu(&command, sw, received),
            continues,
            start: exchange.start,
            end: at,
            program,
            extensions: exchange.extensions,
            error,
            incomplete,
            counted_elsewhere: false,
            cause: Cause::default(),
        })))
    }

    fn operated(&self, slot: &mut Slot, asked: Asked, outcome: Outcome, at: Stamp, out: &mut Vec<Observation>) {
        let Some(operation) = asked.kind.operation() else { return };
        let error = match outcome {
            Outcome::Failed(_) if slot.card == Some(false) => Some("no_smartcard"),
            Outcome::Failed(error) => Some(slot_error(error)),
            Outcome::Done | Outcome::MoreTime => None,
        };
        slot.answered = Some(at);
        out.push(Observation::DeviceOperation(Box::new(DeviceOperation {
            device: Arc::clone(&self.device),
            process: Arc::clone(&self.process),
            connection: None,
            usage: None,
            operation,
            start: asked.start,
            end: at,
            share: None,
            error,
            counted_elsewhere: false,
        })));
    }

    /// A slot has a card, or none.
    fn card(&mut self, slot: u8, card: Option<bool>, at: Stamp, out: &mut Vec<Observation>) {
        let Some(card) = card else { return };
        if self.slots.len() >= MOST_SLOTS && !self.slots.contains_key(&slot) {
            return;
        }
        let slot = self.slots.entry(slot).or_default();
        if slot.card.replace(card) == Some(card) {
            return;
        }
        slot.chains.reset();
        slot.answered = None;
        let event = if card { DeviceEvent::CardInserted } else { DeviceEvent::CardRemoved };
        out.push(self.change(at, event));
    }

    fn change(&self, at: Stamp, event: DeviceEvent) -> Observation {
        let (device, process) = (Arc::clone(&self.device), Some(Arc::clone(&self.process)));
        Observation::DeviceChange(Box::new(DeviceChange { at, device, process, event }))
    }
}

fn apdu(command: &CommandApdu, sw: Option<u16>, received: usize) -> Apdu {
    Apdu {
        name: command.name().as_str(),
        detail: command.detail(),
        header: [command.cla, command.ins, command.p1, command.p2],
        channel: command.channel(),
        command_bytes: command.len,
        status_word: sw,
        response_bytes: if sw.is_some() { received } else { 0 },
        commands: 1,
    }
}
