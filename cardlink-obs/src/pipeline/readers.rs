//! Readers that are seen from two sides: by PC/SC, and on USB. One reader is one device, and one APDU counts once.

use super::{Pipeline, tracked::Tracker};
use crate::{
    observation::{Device, DeviceChange, DeviceEvent, DeviceType, Observation, Process, Role, SerialNumber, Stamp},
    track::Ccid,
};
use std::{collections::HashSet, sync::Arc};

/// Readers that are kept in mind.
const MOST: usize = 256;

/// A reader on USB.
#[derive(Debug)]
struct Known {
    /// By the name that was worked out.
    own: Arc<Device>,
    /// By the name that pcscd says, once it is known to be another.
    called: Option<Arc<Device>>,
}

/// Readers on USB.
#[derive(Debug, Default)]
pub struct Readers {
    known: Vec<Known>,
}

impl Readers {
    /// A program drives a device by itself.
    pub fn driven(&mut self, process: Arc<Process>, name: &str, serial: Option<&str>, reader: Option<u32>) -> Tracker {
        let Some(features) = reader else { return Tracker::Nothing };
        let device = self.device(name, serial);
        Tracker::Reader(Box::new(Ccid::new(device, process, features)))
    }

    /// A reader on USB, by the name that was worked out for it.
    pub fn device(&mut self, name: &str, serial: Option<&str>) -> Arc<Device> {
        let serial = serial.map(|serial| SerialNumber::new(serial.as_bytes().to_vec()));
        let device = Arc::new(Device { kind: DeviceType::Reader, name: Arc::from(name), serial });
        if let Some(known) = self.known.iter().find(|known| known.own == device) {
            return Arc::clone(&known.own);
        }
        if self.known.len() >= MOST {
            self.known.remove(0);
        }
        self.known.push(Known { own: Arc::clone(&device), called: None });
        device
    }

    /// A reader was plugged in, or pulled out.
    pub fn plugged(&mut self, at: Stamp, name: &str, serial: Option<&str>, there: bool, out: &mut Vec<Observation>) {
        let device = self.device(name, serial);
        let change = |event| {
            let device = Arc::clone(&device);
            Observation::DeviceChange(Box::new(DeviceChange { at, device, process: None, event }))
        };
        if there {
            out.push(change(DeviceEvent::Connected));
        } else {
            out.push(change(DeviceEvent::CardRemoved));
            out.push(change(DeviceEvent::Disconnected));
        }
    }

    /// Gives readers the names that pcscd gives them, in what was told from `before` on.
    pub fn refine(&mut self, out: &mut Vec<Observation>, before: usize) {
        if self.known.is_empty() {
            return;
        }
        let mut gone = Vec::new();
        for observation in out.iter().skip(before) {
            if let Observation::DeviceChange(change) = observation
                && change.event == DeviceEvent::Connected
                && change.process.is_some()
            {
                gone.extend(self.called(change));
            }
        }
        for observation in out.iter_mut().skip(before) {
            let device = match observation {
                Observation::DeviceApdu(apdu) => &mut apdu.device,
                Observation::DeviceOperation(operation) => &mut operation.device,
                Observation::DeviceChange(change) => &mut change.device,
                _ => continue,
            };
            if let Some(called) = self.name(device) {
                *device = called;
            }
        }
        out.splice(before..before, gone);
    }

    fn name(&self, device: &Arc<Device>) -> Option<Arc<Device>> {
        self.known.iter().find(|known| known.own == *device)?.called.clone()
    }

    /// pcscd has a reader of the kind that is on USB by another number: it is that one.
    fn called(&mut self, change: &DeviceChange) -> Option<Observation> {
        let device = &change.device;
        if device.kind != DeviceType::Reader
            || self.known.iter().any(|known| known.own == *device || known.called.as_ref() == Some(device))
        {
            return None;
        }
        let same = |known: &&mut Known| {
            known.called.is_none() && known.own.serial == device.serial && stem(&known.own.name) == stem(&device.name)
        };
        let known = self.known.iter_mut().find(same)?;
        known.called = Some(Arc::clone(device));
        let (at, device, event) = (change.at, Arc::clone(&known.own), DeviceEvent::Disconnected);
        Some(Observation::DeviceChange(Box::new(DeviceChange { at, device, process: None, event })))
    }
}

impl Pipeline {
    /// What a reader's driver told is told by its daemon, too, and counts there.
    pub(super) fn count_at_daemon(&mut self, out: &mut [Observation], before: usize) {
        let own = |one: &Observation| match one {
            Observation::DeviceApdu(one) => is_driver(one.connection.is_some(), one.carrier.is_some(), &one.device),
            Observation::DeviceOperation(one) => is_driver(one.connection.is_some(), false, &one.device),
            _ => false,
        };
        if !out.iter().skip(before).any(own) {
            return;
        }
        let mut daemons = HashSet::new();
        for entry in self.streams.iter_mut() {
            if let Tracker::Local(dialogues) = &entry.value.tracker
                && dialogues.speaks() == Some("pcsc")
                && dialogues.connection().role == Some(Role::Server)
            {
                daemons.insert(dialogues.connection().process.pid);
            }
        }
        for observation in out.iter_mut().skip(before).filter(|one| own(one)) {
            match observation {
                Observation::DeviceApdu(one) => one.counted_elsewhere |= daemons.contains(&one.process.pid),
                Observation::DeviceOperation(one) => one.counted_elsewhere |= daemons.contains(&one.process.pid),
                _ => {}
            }
        }
    }
}

fn is_driver(connection: bool, carrier: bool, device: &Device) -> bool {
    !connection && !carrier && device.kind == DeviceType::Reader
}

/// A reader's name without the numbers that pcscd gives it.
fn stem(name: &str) -> &str {
    match name.len().checked_sub(6).and_then(|at| name.split_at_checked(at)) {
        Some((stem, numbers)) if numbers.bytes().all(|byte| byte == b' ' || byte.is_ascii_hexdigit()) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Readers, stem};
    use crate::observation::{Device, DeviceChange, DeviceEvent, DeviceType, Observation, Process, Stamp};
    use std::sync::Arc;

    fn pcsc(name: &str) -> Observation {
        Observation::DeviceChange(Box::new(DeviceChange {
            at: Stamp::from_nanos(1),
            device: Arc::new(Device { kind: DeviceType::Reader, name: Arc::from(name), serial: None }),
            process: Some(Arc::new(Process { pid: 1, comm: Arc::from("pcscd"), target: Arc::from("pcscd") })),
            event: DeviceEvent::Connected,
        }))
    }

    fn told(readers: &mut Readers, mut out: Vec<Observation>) -> Vec<String> {
        readers.refine(&mut out, 0);
        let word = |one: &Observation| match one {
            Observation::DeviceChange(change) => format!("{} {}", change.device.name, change.event.as_str()),
            other => format!("{other:?}"),
        };
        out.iter().map(word).collect()
    }

    #[test]
    fn one_reader_has_one_name() {
        let mut readers = Readers::default();
        let mut out = Vec::new();
        readers.plugged(Stamp::from_nanos(1), "ACME 00 00", None, true, &mut out);
        assert_eq!(told(&mut readers, out), ["ACME 00 00 connected"]);
        // By the same name it is the same device, and nothing is to be done.
        assert_eq!(told(&mut readers, vec![pcsc("ACME 00 00")]), ["ACME 00 00 connected"]);
        assert_eq!(told(&mut readers, vec![pcsc("Other 01 00")]), ["Other 01 00 connected"]);
    }

    #[test]
    fn another_number_is_another_name_for_it() {
        let mut readers = Readers::default();
        readers.plugged(Stamp::from_nanos(1), "ACME 00 00", None, true, &mut Vec::new());
        let wanted = ["ACME 00 00 disconnected", "ACME 02 00 connected"];
        assert_eq!(told(&mut readers, vec![pcsc("ACME 02 00")]), wanted);
        let mut out = Vec::new();
        readers.plugged(Stamp::from_nanos(1), "ACME 00 00", None, false, &mut out);
        assert_eq!(told(&mut readers, out), ["ACME 02 00 card_removed", "ACME 02 00 disconnected"]);
    }

    #[test]
    fn the_numbers_of_a_name() {
        assert_eq!(stem("ACME 0A 00"), "ACME");
        assert_eq!(stem("ACME"), "ACME");
        assert_eq!(stem("R"), "R");
    }
}
