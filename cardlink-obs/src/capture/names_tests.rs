use super::*;
use std::{collections::HashSet, os::unix::fs::symlink};

/// A sysfs and a /dev of its own.
struct Host {
    root: tempfile::TempDir,
}

struct Modem<'a> {
    tty: &'a str,
    /// `1-1.3` on bus 1.
    place: &'a str,
    interface: u8,
    port: Option<u8>,
    serial: &'a str,
}

thread_local! {
    static PLUGGED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for folder in ["sys/class/tty", "sys/bus/usb/devices", "sys/bus/pci", "dev"] {
            fs::create_dir_all(root.path().join(folder)).expect("a directory");
        }
        Self { root }
    }

    fn sys(&self) -> PathBuf {
        self.root.path().join("sys")
    }

    fn names(&self) -> TtyNames {
        TtyNames { sysfs: self.sys(), dev: self.root.path().to_owned(), known: HashMap::new() }
    }

    fn write(device: &Path, attributes: &[(&str, &str)]) {
        fs::create_dir_all(device).expect("a directory");
        for (name, value) in attributes {
            fs::write(device.join(name), format!("{value}\n")).expect("an attribute");
        }
    }

    fn plug(&self, modem: &Modem<'_>) {
        let controller = self.sys().join("devices/pci0000:00/0000:00:14.0");
        let usb = controller.join("usb1/1-1").join(modem.place);
        Self::write(&controller, &[]);
        let _ = symlink(self.sys().join("bus/pci"), controller.join("subsystem"));
        Self::write(
            &usb,
            &[("idVendor", "2c7c"), ("idProduct", "0125"), ("manufacturer", "Quectel"), ("product", "EG25 G/x")],
        );
        PLUGGED.set(PLUGGED.get() + 1);
        Self::write(&usb, &[("devnum", &PLUGGED.get().to_string())]);
        if !modem.serial.is_empty() {
            Self::write(&usb, &[("serial", modem.serial)]);
        }
        let _ = symlink(&usb, self.sys().join("bus/usb/devices").join(modem.place));
        let interface = usb.join(format!("{}:1.{}", modem.place, modem.interface));
        Self::write(&interface, &[("bInterfaceNumber", &format!("{:02x}", modem.interface))]);
        // A serial converter has a directory for each port; a CDC ACM modem has not.
        let device = modem.port.map_or_else(|| interface.clone(), |_| interface.join(modem.tty));
        Self::write(&device, &[]);
        if let Some(port) = modem.port {
            Self::write(&device, &[("port_number", &port.to_string())]);
        }
        let class = self.sys().join("class/tty").join(modem.tty);
        Self::write(&class, &[]);
        symlink(&device, class.join("device")).expect("a link");
        fs::write(self.root.path().join("dev").join(modem.tty), "").expect("a node");
    }

    fn pull(&self, modem: &Modem<'_>) {
        let usb = self.sys().join("devices/pci0000:00/0000:00:14.0/usb1/1-1").join(modem.place);
        fs::remove_dir_all(usb).expect("pulled");
        fs::remove_dir_all(self.sys().join("class/tty").join(modem.tty)).expect("pulled");
        fs::remove_file(self.sys().join("bus/usb/devices").join(modem.place)).expect("pulled");
        fs::remove_file(self.root.path().join("dev").join(modem.tty)).expect("pulled");
    }

    fn name(&self, tty: &str) -> Option<(String, Option<String>)> {
        name_of(&self.sys(), &format!("/dev/{tty}")).map(|name| (name.name, name.serial))
    }
}

#[test]
fn a_modem_is_named_by_what_it_says_of_itself() {
    let host = Host::new();
    host.plug(&Modem { tty: "ttyUSB2", place: "1-1.3", interface: 2, port: Some(0), serial: "A1B2" });
    host.plug(&Modem { tty: "ttyACM0", place: "1-1.4", interface: 1, port: None, serial: "" });
    let named = (String::from("usb-Quectel_EG25_G_x-if02-port0"), Some(String::from("A1B2")));
    assert_eq!(host.name("ttyUSB2"), Some(named));
    assert_eq!(host.name("ttyACM0"), Some((String::from("pci-0000:00:14.0-usb-0:1.4:1.1"), None)));
    for other in ["ttyS0", "pts/3", "../etc", ""] {
        assert_eq!(host.name(other), None);
    }
}

/// Eight of the same kind on one hub: with numbers of their own, with one number for all, and with none.
#[test]
fn eight_modems_on_a_hub_never_merge() {
    for serials in [["1", "2", "3", "4", "5", "6", "7", "8"], ["0123456789ABCDEF"; 8], [""; 8]] {
        let host = Host::new();
        for (at, serial) in serials.iter().enumerate() {
            let (tty, place) = (format!("ttyUSB{at}"), format!("1-1.{at}"));
            host.plug(&Modem { tty: &tty, place: &place, interface: 2, port: Some(0), serial });
        }
        let names: HashSet<_> = (0..8).map(|at| host.name(&format!("ttyUSB{at}")).expect("a name")).collect();
        assert_eq!(names.len(), 8, "{names:?}");
    }
}

#[test]
fn the_ports_of_one_adapter_are_apart() {
    let host = Host::new();
    for at in 0..4 {
        let tty = format!("ttyUSB{at}");
        host.plug(&Modem { tty: &tty, place: "1-1.2", interface: at, port: Some(0), serial: "FT1" });
    }
    let names: HashSet<_> = (0..4).map(|at| host.name(&format!("ttyUSB{at}")).expect("a name")).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_tty_is_told_once_and_again_when_another_device_has_it() {
    let host = Host::new();
    let mut names = host.names();
    let first = Modem { tty: "ttyUSB0", place: "1-1.1", interface: 0, port: Some(0), serial: "ONE" };
    host.plug(&first);
    assert!(
        matches!(names.opened("/dev/ttyUSB0", 1), Some(Event::TtyNamed { serial: Some(serial), .. }) if serial == "ONE")
    );
    assert_eq!(names.opened("/dev/ttyUSB0", 2), None);
    assert_eq!(names.gone(3), []);
    host.pull(&first);
    assert_eq!(names.gone(4), [Event::TtyGone { at: 4, path: Cow::Borrowed("/dev/ttyUSB0") }]);
    assert_eq!(names.gone(5), []);
    host.plug(&Modem { serial: "TWO", ..first });
    assert!(
        matches!(names.opened("/dev/ttyUSB0", 6), Some(Event::TtyNamed { serial: Some(serial), .. }) if serial == "TWO")
    );
    // Pulled and plugged between two looks: another device has the path.
    host.pull(&first);
    host.plug(&Modem { serial: "TWO", ..first });
    assert_eq!(names.gone(7).len(), 1);
    // A twin that comes later: the tty is another's only when it is opened again.
    assert!(names.opened("/dev/ttyUSB0", 8).is_some());
    host.plug(&Modem { tty: "ttyUSB1", place: "1-1.2", serial: "TWO", ..first });
    assert_eq!(names.gone(9), []);
    assert!(matches!(names.opened("/dev/ttyUSB0", 10), Some(Event::TtyNamed { serial: None, .. })));
}
