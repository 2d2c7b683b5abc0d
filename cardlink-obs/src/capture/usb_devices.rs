//! Card readers on USB as sysfs shows them, by the names that pcscd gives them.

use crate::event::Endpoint;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Devices that are looked at.
const MOST: usize = 1024;
/// Longer texts are cut: USB's own strings have at most 126 characters.
const MOST_TEXT: usize = 128;
/// Where the driver for CCID says what it calls readers.
const DRIVER: &str = "/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist";

/// USB's class of readers.
const CLASS: u8 = 0x0B;
const INTERFACE: u8 = 4;
/// The type of the class descriptor (CCID Rev 1.1 §5.1), and that of early readers.
const FUNCTIONAL: [u8; 2] = [0x21, 0xFF];
const LENGTH: u8 = 54;
const FEATURES: usize = 40;

/// A reader, without the number that pcscd gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    pub name: String,
    pub serial: Option<String>,
    /// `dwFeatures`.
    pub features: u32,
}

/// All readers by their place (`1-2.3`), in the order of their places.
pub fn readers(sysfs: &Path) -> Vec<(String, Reader)> {
    let names = fs::read_dir(sysfs.join("bus/usb/devices")).into_iter().flatten().flatten().take(MOST);
    let mut found: Vec<(String, Reader)> =
        names.filter_map(|entry| Some((entry.file_name().into_string().ok()?, reader(&entry.path())?))).collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// The name of the reader that pcscd has found as its `number`th, from 0 on: its first slot.
pub fn numbered(name: &str, number: usize) -> String {
    format!("{name} {number:02X} 00")
}

/// What stands behind a descriptor of usbfs, by its device number as the kernel holds it.
pub fn endpoint(rdev: u32) -> Endpoint {
    let link = format!("/sys/dev/char/{}:{}", rdev >> 20, rdev & 0xF_FFFF);
    let Some(place) = fs::canonicalize(link).ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned())) else {
        return Endpoint::Usb { name: String::new(), serial: None, reader: None };
    };
    let all = readers(Path::new("/sys"));
    match all.into_iter().enumerate().find(|(_, (at, _))| *at == place) {
        Some((number, (_, Reader { name, serial, features }))) => {
            Endpoint::Usb { name: numbered(&name, number), serial, reader: Some(features) }
        }
        None => Endpoint::Usb { name: String::new(), serial: None, reader: None },
    }
}

/// The reader that a device is; `None` when it is none.
fn reader(device: &Path) -> Option<Reader> {
    let features = features(&fs::read(device.join("descriptors")).ok()?)?;
    let (vendor, product) = (text(device, "idVendor")?, text(device, "idProduct")?);
    let own = || {
        let words = [text(device, "manufacturer"), text(device, "product")];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { format!("reader {vendor}:{product}") } else { words.join(" ") }
    };
    let drivers = fs::read_to_string(DRIVER).unwrap_or_default();
    let name = friendly(&drivers, &vendor, &product).unwrap_or_else(own);
    let name = match interface(device) {
        Some(interface) => format!("{name} [{interface}]"),
        None => name,
    };
    Some(Reader { name, serial: text(device, "serial"), features })
}

/// `dwFeatures` of the first reader in the descriptors of a device; `None` when it is none.
fn features(descriptors: &[u8]) -> Option<u32> {
    let mut rest = descriptors;
    let mut is_reader = false;
    while let [length, kind, ..] = *rest {
        let (one, after) = rest.split_at_checked(usize::from(length)).filter(|_| length >= 2)?;
        if kind == INTERFACE {
            is_reader = one.get(5) == Some(&CLASS);
        } else if is_reader && length == LENGTH && FUNCTIONAL.contains(&kind) {
            let four = one.get(FEATURES..)?.first_chunk()?;
            return Some(u32::from_le_bytes(*four));
        }
        rest = after;
    }
    None
}

/// What the reader's interface calls itself.
fn interface(device: &Path) -> Option<String> {
    let place = device.file_name()?.to_str()?;
    let parent = device.parent()?;
    let own = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        (name.split_once(':')?.0 == place).then(|| parent.join(name))
    };
    let interfaces: Vec<PathBuf> = fs::read_dir(parent).ok()?.flatten().filter_map(own).collect();
    let is_reader = |path: &&PathBuf| text(path, "bInterfaceClass").is_some_and(|class| class == "0b");
    text(interfaces.iter().find(is_reader)?, "interface")
}

/// What the driver calls a device, by its list.
fn friendly(drivers: &str, vendor: &str, product: &str) -> Option<String> {
    let list = |key: &str| {
        let (_, after) = drivers.split_once(&format!("<key>{key}</key>"))?;
        let (inside, _) = after.split_once("</array>")?;
        Some(inside.split("<string>").skip(1).filter_map(|one| Some(one.split_once("</string>")?.0)))
    };
    let is = |word: &str, wanted: &str| word.trim_start_matches("0x").eq_ignore_ascii_case(wanted);
    let mut known = list("ifdVendorID")?.zip(list("ifdProductID")?).zip(list("ifdFriendlyName")?);
    let (_, name) = known.find(|((one, other), _)| is(one, vendor) && is(other, product))?;
    Some(name.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

fn text(device: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(device.join(name)).ok()?;
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MOST_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub mod tests {
    use super::{features, friendly, numbered, readers};
    use std::{fs, path::Path};

    /// A reader, as sysfs shows it.
    pub fn plug(root: &Path, place: &str, serial: Option<&str>) {
        let devices = root.join("bus/usb/devices");
        let (device, interface) = (devices.join(place), devices.join(format!("{place}:1.0")));
        fs::create_dir_all(&device).expect("a folder");
        fs::create_dir_all(&interface).expect("a folder");
        let mut descriptors = vec![9, 4, 0, 0, 3, 0x0B, 0, 0, 4, 54, 0x21];
        descriptors.resize(9 + 54, 0);
        descriptors[9 + 42] = 4;
        fs::write(device.join("descriptors"), descriptors).expect("descriptors");
        for (name, value) in [("idVendor", "fffe"), ("idProduct", "0001"), ("manufacturer", "ACME"), ("product", "R1")]
        {
            fs::write(device.join(name), format!("{value}\n")).expect("an attribute");
        }
        if let Some(serial) = serial {
            fs::write(device.join("serial"), format!("{serial}\n")).expect("an attribute");
        }
        for (name, value) in [("bInterfaceClass", "0b"), ("interface", "CCID")] {
            fs::write(interface.join(name), format!("{value}\n")).expect("an attribute");
        }
    }

    #[test]
    fn readers_have_the_names_that_pcscd_gives() {
        let folder = tempfile::tempdir().expect("a folder");
        plug(folder.path(), "1-2", Some("77"));
        plug(folder.path(), "1-1", None);
        let found = readers(folder.path());
        let told: Vec<_> =
            found.iter().map(|(place, one)| (place.as_str(), one.name.as_str(), one.serial.as_deref())).collect();
        assert_eq!(told, [("1-1", "ACME R1 [CCID]", None), ("1-2", "ACME R1 [CCID]", Some("77"))]);
        assert_eq!(found[0].1.features, 0x0004_0000);
        assert_eq!(numbered("ACME R1 [CCID]", 10), "ACME R1 [CCID] 0A 00");
    }

    #[test]
    fn the_driver_has_names_of_its_own() {
        let list = "<key>ifdVendorID</key><array><string>0x08E6</string><string>0x04E6</string></array>\n\
                    <key>ifdProductID</key>\n<array>\n<string>0x4433</string><string>0x5116</string></array>\
                    <key>ifdFriendlyName</key><array><string>A &amp; B</string><string>C</string></array>";
        assert_eq!(friendly(list, "08e6", "4433").as_deref(), Some("A & B"));
        assert_eq!(friendly(list, "04e6", "5116").as_deref(), Some("C"));
        assert_eq!(friendly(list, "08e6", "5116"), None);
        assert_eq!(friendly("", "08e6", "4433"), None);
    }

    /// The descriptors that QEMU's reader has: device, configuration, interface, class.
    #[test]
    fn a_reader_says_what_it_does() {
        let mut bytes = vec![18, 1];
        bytes.resize(18, 0);
        bytes.extend([9, 2, 93, 0, 1, 1, 0, 0xE0, 50]);
        bytes.extend([9, 4, 0, 0, 3, 0x0B, 0, 0, 4]);
        let mut class = vec![54, 0x21];
        class.resize(54, 0);
        class[40..44].copy_from_slice(&0x0004_04FE_u32.to_le_bytes());
        bytes.extend(&class);
        assert_eq!(features(&bytes), Some(0x0004_04FE));
        bytes[18 + 9 + 5] = 8;
        assert_eq!(features(&bytes), None, "a disk");
        assert_eq!(features(&bytes[..20]), None);
        assert_eq!(features(&[0, 0, 0]), None);
    }
}
