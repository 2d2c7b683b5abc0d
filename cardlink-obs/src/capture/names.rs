//! What is behind a tty: the USB device's own name, as `/dev/serial/by-id` and `/dev/serial/by-path` have it.
//!
//! A device with a serial number that no other device of its kind here has is named by what it says of itself; the number
//! goes along and is hashed where it is shown. Cheap modems share one number, or have none: they are named by the place
//! where they are plugged in. Interface and port are in the name: an adapter with four ports may have four modems behind it.

use crate::event::Event;
use std::{
    borrow::Cow,
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Levels between a tty and its USB device.
const MOST_LEVELS: usize = 8;
/// A name is not longer.
const MOST_NAME: usize = 96;
/// Ttys that are kept in mind.
const MOST_TTYS: usize = 1024;

/// A name, and the serial number that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtyName {
    pub name: String,
    pub serial: Option<String>,
}

/// A tty that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    name: Option<TtyName>,
    plugged: Option<Plugged>,
}

/// A device in its place: another one there, or the same once more, has another number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Plugged {
    place: PathBuf,
    number: Option<String>,
}

/// The ttys that were named.
#[derive(Debug)]
pub struct TtyNames {
    sysfs: PathBuf,
    dev: PathBuf,
    /// By path; what stood there.
    known: HashMap<String, Known>,
}

impl Default for TtyNames {
    fn default() -> Self {
        Self { sysfs: PathBuf::from("/sys"), dev: PathBuf::from("/"), known: HashMap::new() }
    }
}

impl TtyNames {
    /// A tty was opened: what is behind it, when that is news.
    pub fn opened(&mut self, path: &str, at: u64) -> Option<Event<'static>> {
        let found = Known { name: name_of(&self.sysfs, path), plugged: plugged(&self.sysfs, path) };
        if self.known.len() >= MOST_TTYS || self.known.get(path) == Some(&found) {
            return None;
        }
        self.known.insert(path.to_owned(), found.clone());
        let TtyName { name, serial } = found.name?;
        Some(Event::TtyNamed {
            at,
            path: Cow::Owned(path.to_owned()),
            name: Cow::Owned(name),
            serial: serial.map(Cow::Owned),
        })
    }

    /// Ttys that are not there any more.
    pub fn gone(&mut self, at: u64) -> Vec<Event<'static>> {
        let (sysfs, dev) = (&self.sysfs, &self.dev);
        let left = |path: &String, known: &Known| {
            let there = dev.join(path.trim_start_matches('/')).exists();
            !there || plugged(sysfs, path) != known.plugged
        };
        self.known
            .extract_if(|path, known| left(path, known))
            .map(|(path, _)| Event::TtyGone { at, path: Cow::Owned(path) })
            .collect()
    }
}

/// The USB device of a tty, and the interface that the tty is for.
fn usb_of(sysfs: &Path, path: &str) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let tty = path.strip_prefix("/dev/").filter(|tty| !tty.contains('/') && !tty.is_empty())?;
    let device = fs::canonicalize(sysfs.join("class/tty").join(tty).join("device")).ok()?;
    let interface = device.ancestors().take(MOST_LEVELS).find(|place| place.join("bInterfaceNumber").exists())?;
    let usb = interface.ancestors().take(MOST_LEVELS).find(|place| place.join("idVendor").exists())?;
    let (usb, interface) = (usb.to_owned(), interface.to_owned());
    Some((usb, interface, device))
}

fn plugged(sysfs: &Path, path: &str) -> Option<Plugged> {
    let (place, _, _) = usb_of(sysfs, path)?;
    Some(Plugged { number: read(&place, "devnum"), place })
}

/// The name of what is behind a tty; `None` where only its path tells it from others.
pub fn name_of(sysfs: &Path, path: &str) -> Option<TtyName> {
    let (usb, interface, device) = usb_of(sysfs, path)?;
    let port = read(&device, "port_number");
    let number = read(&interface, "bInterfaceNumber").unwrap_or_default();
    let port = port.map_or_else(String::new, |port| format!("-port{port}"));
    let serial = read(&usb, "serial").filter(|serial| is_its_own(sysfs, &usb, serial));
    let name = match &serial {
        Some(_) => {
            let maker = read(&usb, "manufacturer").or_else(|| read(&usb, "idVendor")).unwrap_or_default();
            let product = read(&usb, "product").or_else(|| read(&usb, "idProduct")).unwrap_or_default();
            format!("usb-{maker}_{product}-if{number}{port}")
        }
        None => format!("{}{port}", place_of(&interface)?),
    };
    let name = name.chars().map(clean).take(MOST_NAME).collect();
    Some(TtyName { name, serial })
}

fn read(device: &Path, attribute: &str) -> Option<String> {
    let text = fs::read_to_string(device.join(attribute)).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What udev lets stand in a name.
const fn clean(sign: char) -> char {
    if sign.is_ascii_alphanumeric() || matches!(sign, '#' | '+' | '-' | '.' | ':' | '=' | '@' | '_') {
        sign
    } else {
        '_'
    }
}

/// No other device of the same kind has this serial number.
fn is_its_own(sysfs: &Path, usb: &Path, serial: &str) -> bool {
    let kind = |device: &Path| (read(device, "idVendor"), read(device, "idProduct"));
    let Ok(devices) = fs::read_dir(sysfs.join("bus/usb/devices")) else { return true };
    let own = kind(usb);
    let twins = devices.flatten().map(|device| device.path()).filter(|device| {
        read(device, "serial").is_some_and(|other| other == serial)
            && kind(device) == own
            && fs::canonicalize(device).is_ok_and(|device| device != usb)
    });
    twins.count() == 0
}

/// Where an interface is plugged in: `pci-0000:00:14.0-usb-0:1.3:1.2` for the directory `…/usb1/1-1/1-1.3/1-1.3:1.2`.
fn place_of(interface: &Path) -> Option<String> {
    let own = interface.file_name()?.to_str()?;
    let (_, ports) = own.split_once('-')?;
    let is_root = |place: &&Path| place.file_name().is_some_and(|name| name.to_string_lossy().starts_with("usb"));
    let controller = interface.ancestors().find(is_root)?.parent()?;
    let name = controller.file_name()?.to_str()?;
    let kind = fs::canonicalize(controller.join("subsystem")).ok();
    let kind = kind.as_deref().and_then(Path::file_name).and_then(|kind| kind.to_str()).unwrap_or("platform");
    Some(format!("{kind}-{name}-usb-0:{ports}"))
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
