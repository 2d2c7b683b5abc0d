//! Which device is behind a tty, and which modems are there.

use crate::observation::{
    AtResult, Device, DeviceChange, DeviceEvent, DeviceType, Observation, Process, SerialNumber, Stamp, Tty,
};
use std::{collections::HashMap, sync::Arc};

/// Ttys that are kept in mind.
const MOST: usize = 1024;

/// What stands behind ttys, by their paths.
#[derive(Debug, Default)]
pub struct Modems {
    named: HashMap<String, Arc<Device>>,
    /// Those on which AT was spoken, and that were not seen to leave.
    present: HashMap<Arc<str>, Arc<Device>>,
}

impl Modems {
    /// A device told its name.
    pub fn named(&mut self, path: &str, name: &str, serial: Option<&str>) {
        let serial = serial.map(|serial| SerialNumber::new(serial.as_bytes().to_vec()));
        let device = Arc::new(Device { kind: DeviceType::Modem, name: Arc::from(name), serial });
        if self.named.len() < MOST || self.named.contains_key(path) {
            self.named.insert(path.to_owned(), device);
        }
    }

    /// Whether what is behind a tty told its name.
    pub fn has_named(&self, path: &str) -> bool {
        self.named.contains_key(path)
    }

    /// A tty in the hands of a process.
    pub fn tty(&self, process: Arc<Process>, path: &str) -> Tty {
        let tty = Tty::new(process, path);
        match self.named.get(path) {
            Some(device) => Tty { device: Arc::clone(device), ..tty },
            None => tty,
        }
    }

    /// A tty is not there any more.
    pub fn gone(&mut self, path: &str, at: Stamp, out: &mut Vec<Observation>) {
        self.named.remove(path);
        self.left(path, at, out);
    }

    fn left(&mut self, path: &str, at: Stamp, out: &mut Vec<Observation>) {
        if let Some(device) = self.present.remove(path) {
            out.push(change(at, device, None, DeviceEvent::Disconnected));
        }
    }

    /// Takes in what was told from `before` on: a modem that answers is there, one that hung up is not.
    pub fn see(&mut self, out: &mut Vec<Observation>, before: usize) {
        for place in before..out.len() {
            let Some(Observation::AtCommand(command)) = out.get(place) else { continue };
            let (tty, at) = (Arc::clone(&command.tty), command.end);
            match command.result {
                AtResult::Hangup => self.left(&tty.path, at, out),
                AtResult::Timeout | AtResult::Aborted => {}
                _ if self.present.len() >= MOST => {}
                _ => {
                    let known = self.present.insert(Arc::clone(&tty.path), Arc::clone(&tty.device));
                    if known.as_ref() != Some(&tty.device) {
                        out.extend(known.map(|device| change(at, device, None, DeviceEvent::Disconnected)));
                        let process = Some(Arc::clone(&tty.process));
                        out.push(change(at, Arc::clone(&tty.device), process, DeviceEvent::Connected));
                    }
                }
            }
        }
    }
}

fn change(at: Stamp, device: Arc<Device>, process: Option<Arc<Process>>, event: DeviceEvent) -> Observation {
    Observation::DeviceChange(Box::new(DeviceChange { at, device, process, event }))
}
