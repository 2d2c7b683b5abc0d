//! Phones on USB as sysfs shows them.

use std::{collections::HashMap, fs, path::Path};

/// Interfaces that are looked at.
const MOST: usize = 1024;
/// Longer serial numbers are cut: USB's own strings have at most 126 characters.
const MOST_TEXT: usize = 128;
/// Class, subclass and protocol of the Android Debug Bridge.
const ADB: [&str; 3] = ["ff", "42", "01"];

/// A phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// With its place when it has no serial number.
    pub name: String,
    pub serial: Option<String>,
}

/// All of them, by their place (`1-2.3`).
pub fn scan(root: &Path) -> HashMap<String, Found> {
    let usb = root.join("bus/usb/devices");
    let mut phones = HashMap::new();
    for entry in fs::read_dir(&usb).into_iter().flatten().flatten().take(MOST) {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `1-2:1.0` is an interface of `1-2`.
        let Some((place, _)) = name.split_once(':') else { continue };
        if is_adb(&entry.path()) {
            phones.insert(place.to_owned(), found(&usb.join(place), place));
        }
    }
    phones
}

fn is_adb(interface: &Path) -> bool {
    let names = ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"];
    names.iter().zip(ADB).all(|(name, value)| text(&interface.join(name)).is_some_and(|text| text == value))
}

fn found(device: &Path, place: &str) -> Found {
    let serial = text(&device.join("serial"));
    let name = if serial.is_some() { String::from("phone") } else { format!("phone at {place}") };
    Found { name, serial }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect();
    (!text.is_empty()).then_some(text)
}
