//! Phones and card readers on USB as sysfs shows them.

use crate::capture::usb_devices;
use std::{collections::HashMap, fs, path::Path};

/// Interfaces that are looked at.
const MOST: usize = 1024;
/// Longer serial numbers are cut: USB's own strings have at most 126 characters.
const MOST_TEXT: usize = 128;
/// Class, subclass and protocol of the Android Debug Bridge.
const ADB: [&str; 3] = ["ff", "42", "01"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Phone,
    Reader,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// With its place when it has no serial number.
    pub name: String,
    pub serial: Option<String>,
}

/// All of them, by their place (`1-2.3`).
pub fn scan(root: &Path, present: &HashMap<String, Found>) -> HashMap<String, Found> {
    let usb = root.join("bus/usb/devices");
    let mut there = HashMap::new();
    for entry in fs::read_dir(&usb).into_iter().flatten().flatten().take(MOST) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `1-2:1.0` is an interface of `1-2`.
        let Some((place, _)) = name.split_once(':') else { continue };
        if is_adb(&entry.path()) {
            there.insert(place.to_owned(), found(&usb.join(place), place));
        }
    }
    for (number, (place, reader)) in usb_devices::readers(root).into_iter().enumerate() {
        // pcscd does not number readers anew when another one goes.
        let before = present.get(&place).filter(|found| {
            found.kind == Kind::Reader && found.serial == reader.serial && found.name.starts_with(&reader.name)
        });
        let new = || Found {
            kind: Kind::Reader,
            name: usb_devices::numbered(&reader.name, number),
            serial: reader.serial.clone(),
        };
        let found = before.cloned().unwrap_or_else(new);
        there.entry(place).or_insert(found);
    }
    there
}

fn is_adb(interface: &Path) -> bool {
    let names = ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
    names.iter().zip(ADB).all(|(name, value)| text(&interface.join(name)).is_some_and(|text| text == value))
}

fn found(device: &Path, place: &str) -> Found {
    let serial = text(&device.join("serial"));
    let name = if serial.is_some() { String::from("phone") } else { format!("phone at {place}") };
    Found { kind: Kind::Phone, name, serial }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect();
    (!text.is_empty()).then_some(text)
}
