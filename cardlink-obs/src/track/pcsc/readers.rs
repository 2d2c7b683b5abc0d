//! The readers that a daemon tells of, and what became of their cards.

use super::usage::device;
use crate::{
    observation::{Connection, Device, DeviceChange, DeviceEvent, Observation, Stamp},
    protocol::pcsc::ReaderState,
};
use std::sync::Arc;

#[derive(Debug)]
struct Known {
    device: Arc<Device>,
    card: bool,
    events: u32,
}

#[derive(Debug, Default)]
pub struct Readers {
    /// `None` until they were told.
    known: Option<Vec<Known>>,
}

impl Readers {
    /// The reader, when there is but one.
    pub fn only(&self) -> Option<Arc<Device>> {
        match self.known.as_deref() {
            Some([one]) => Some(Arc::clone(&one.device)),
            _ => None,
        }
    }

    /// All readers are told again: what has changed.
    pub fn seen(&mut self, states: &[ReaderState], at: Stamp, connection: &Connection, out: &mut Vec<Observation>) {
        let before = self.known.take();
        let mut tell = |device: &Arc<Device>, event| {
            let (device, process) = (Arc::clone(device), Some(Arc::clone(&connection.process)));
            out.push(Observation::DeviceChange(Box::new(DeviceChange { at, device, process, event })));
        };
        let now: Vec<Known> = states
            .iter()
            .map(|state| Known { device: device(&state.reader), card: state.card, events: state.events })
            .collect();
        for gone in before.iter().flatten().filter(|old| !now.iter().any(|new| new.device == old.device)) {
            if gone.card {
                tell(&gone.device, DeviceEvent::CardRemoved);
            }
            tell(&gone.device, DeviceEvent::Disconnected);
        }
        for new in &now {
            let old = before.iter().flatten().find(|old| old.device == new.device);
            if old.is_none() {
                tell(&new.device, DeviceEvent::Connected);
            }
            let had_card = old.is_some_and(|old| old.card);
            // It was taken out and another one put in between two looks.
            let other = old.is_some_and(|old| new.events.wrapping_sub(old.events) > 1);
            match (had_card, new.card) {
                (true, true) if other => {
                    tell(&new.device, DeviceEvent::CardRemoved);
                    tell(&new.device, DeviceEvent::CardInserted);
                }
                (false, true) => tell(&new.device, DeviceEvent::CardInserted),
                (true, false) => tell(&new.device, DeviceEvent::CardRemoved),
                // At first it is told as it is: others may have seen a card.
                (false, false) if old.is_none() => tell(&new.device, DeviceEvent::CardRemoved),
                _ => {}
            }
        }
        self.known = Some(now);
    }
}
