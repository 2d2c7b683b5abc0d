//! One program's use of one card.

use crate::{
    observation::{Apdu, Device, DeviceType, SerialNumber, Share, Stamp},
    protocol::{apdu::CommandApdu, pcsc::ReaderName},
    track::chain::Chains,
};
use std::sync::Arc;

#[derive(Debug)]
pub struct Usage {
    pub device: Arc<Device>,
    pub share: Option<Share>,
    pub chains: Chains,
    /// When the last command was answered.
    pub answered: Option<Stamp>,
    /// Another program has the card since then.
    pub refused_since: Option<Stamp>,
}

impl Usage {
    pub fn new(device: Arc<Device>, share: Option<Share>) -> Self {
        Self { device, share, chains: Chains::default(), answered: None, refused_since: None }
    }
}

pub fn device(reader: &ReaderName) -> Arc<Device> {
    Arc::new(Device {
        kind: DeviceType::Reader,
        name: Arc::from(reader.name.as_str()),
        serial: reader.serial.clone().map(SerialNumber::new),
    })
}

/// The reader of a card that was in use before the agent came.
pub fn unknown_device() -> Arc<Device> {
    Arc::new(Device { kind: DeviceType::Reader, name: Arc::from("unknown"), serial: None })
}

pub fn apdu(command: &CommandApdu, sw: Option<u16>, received: usize) -> Apdu {
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
