//! Phones and card readers on USB that come and go, told or not by a program: the kernel's news of devices (uevents), and sysfs.
//!
//! The news only say that it is time to look: what is there is read from sysfs, at the start and at each of them.

mod sysfs;
mod uevent;

use crate::event::Event;
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket},
};
use std::{
    borrow::Cow,
    collections::HashMap,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    path::PathBuf,
};
use sysfs::{Found, Kind};

/// The group of what the kernel itself says.
const KERNEL: u32 = 1;
/// Without news sysfs is looked at so often, nanoseconds.
const LOOK_EVERY: u64 = 5_000_000_000;
/// News are not longer (`UEVENT_BUFFER_SIZE` and the head).
const MOST_NEWS: usize = 4096;
/// News that are read at a time.
const MOST_AT_ONCE: usize = 256;

/// Who is there.
#[derive(Debug)]
pub struct Hotplug {
    /// `None` where this is not allowed: sysfs is looked at now and then.
    news: Option<OwnedFd>,
    root: PathBuf,
    present: HashMap<String, Found>,
    next_look: u64,
    /// There were news when this was last looked at.
    heard: bool,
}

impl Hotplug {
    /// Of this host.
    pub fn new() -> Self {
        let news = listen();
        if let Err(error) = &news {
            tracing::debug!("no news of devices ({error}): they are looked for every few seconds");
        }
        Self::on(PathBuf::from("/sys"), news.ok())
    }

    fn on(root: PathBuf, news: Option<OwnedFd>) -> Self {
        Self { news, root, present: HashMap::new(), next_look: 0, heard: false }
    }

    /// What has changed since this was last asked; at first all that is there.
    pub fn look(&mut self, now: u64) -> Vec<Event<'static>> {
        let news = self.has_news();
        self.heard = news;
        if !news && (self.next_look != 0 && (self.news.is_some() || now < self.next_look)) {
            return Vec::new();
        }
        self.next_look = now + LOOK_EVERY;
        let found = sysfs::scan(&self.root, &self.present);
        let mut events = Vec::new();
        for (_, gone) in self.present.iter().filter(|(place, one)| found.get(*place) != Some(one)) {
            events.push(told(now, gone, false));
        }
        for (_, fresh) in found.iter().filter(|(place, one)| self.present.get(*place) != Some(one)) {
            events.push(told(now, fresh, true));
        }
        self.present = found;
        events
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.news.as_ref().map(OwnedFd::as_fd)
    }

    /// Whether the kernel told of a device when this was last looked at.
    pub const fn heard(&self) -> bool {
        self.heard
    }

    /// Whether any of the news is about devices of a kind that matters.
    fn has_news(&self) -> bool {
        let Some(socket) = &self.news else { return false };
        let mut buffer = [0; MOST_NEWS];
        let mut any = false;
        for _ in 0..MOST_AT_ONCE {
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => any |= uevent::matters(buffer.get(..length).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                // Some were lost: they may have mattered.
                Err(Errno::ENOBUFS) => any = true,
                Err(_) => break,
            }
        }
        any
    }
}

fn listen() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkKObjectUEvent)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
    Ok(socket)
}

fn told(at: u64, one: &Found, there: bool) -> Event<'static> {
    let (name, serial) = (Cow::Owned(one.name.clone()), one.serial.clone().map(Cow::Owned));
    match one.kind {
        Kind::Phone => Event::Phone { at, name, serial, there },
        Kind::Reader => Event::Reader { at, name, serial, there },
    }
}

#[cfg(test)]
mod tests {
    use super::{Hotplug, listen, uevent};
    use crate::{capture::usb_devices, event::Event};
    use nix::sys::socket::{MsgFlags, recv};
    use std::{fs, os::fd::AsRawFd as _, path::Path, time::Duration};

    /// An interface of a device, as sysfs shows it.
    fn plug(root: &Path, device: &str, class: [&str; 3], serial: Option<&str>) {
        let usb = root.join("bus/usb/devices");
        let interface = usb.join(format!("{device}:1.0"));
        fs::create_dir_all(&interface).expect("a folder");
        fs::create_dir_all(usb.join(device)).expect("a folder");
        for (name, value) in ["bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"].iter().zip(class) {
            fs::write(interface.join(name), format!("{value}\n")).expect("an attribute");
        }
        if let Some(serial) = serial {
            fs::write(usb.join(device).join("serial"), format!("{serial}\n")).expect("an attribute");
        }
    }

    fn unplug(root: &Path, device: &str) {
        let usb = root.join("bus/usb/devices");
        fs::remove_dir_all(usb.join(format!("{device}:1.0"))).expect("it is there");
        fs::remove_dir_all(usb.join(device)).expect("it is there");
    }

    fn words(events: &[Event<'_>]) -> Vec<String> {
        let word = |event: &Event<'_>| match event {
            Event::Phone { name, serial, there, .. } | Event::Reader { name, serial, there, .. } => {
                format!("{name}|{}|{there}", serial.as_deref().unwrap_or(""))
            }
            _ => unreachable!(),
        };
        let mut words: Vec<String> = events.iter().map(word).collect();
        words.sort_unstable();
        words
    }

    const ADB: [&str; 3] = ["ff", "42", "01"];

    #[test]
    fn phones_are_known_by_their_interface() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut hotplug = Hotplug::on(root.to_path_buf(), None);
        assert!(hotplug.look(1).is_empty(), "there is no USB at all");
        plug(root, "1-1", ADB, Some("ABC123"));
        plug(root, "1-2", ADB, None);
        plug(root, "1-3", ["08", "06", "50"], Some("DISK"));
        assert!(hotplug.look(2).is_empty(), "it is not time");
        let found = hotplug.look(10_000_000_000);
        assert_eq!(words(&found), ["phone at 1-2||true", "phone|ABC123|true"]);
        assert!(matches!(found[0], Event::Phone { at: 10_000_000_000, .. }));
        assert!(hotplug.look(20_000_000_000).is_empty(), "nothing has changed");
        unplug(root, "1-2");
        // Another one at the same place.
        unplug(root, "1-1");
        plug(root, "1-1", ADB, Some("DEF"));
        let changed = words(&hotplug.look(30_000_000_000));
        assert_eq!(changed, ["phone at 1-2||false", "phone|ABC123|false", "phone|DEF|true"]);
    }

    #[test]
    fn readers_keep_the_numbers_that_they_have() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut hotplug = Hotplug::on(root.to_path_buf(), None);
        usb_devices::tests::plug(root, "1-1", None);
        usb_devices::tests::plug(root, "1-2", Some("77"));
        let came = words(&hotplug.look(1));
        assert_eq!(came, ["ACME R1 [CCID] 00 00||true", "ACME R1 [CCID] 01 00|77|true"]);
        unplug(root, "1-1");
        assert_eq!(words(&hotplug.look(10_000_000_000)), ["ACME R1 [CCID] 00 00||false"]);
    }

    /// The kernel says again what is there when it is asked to: no device need be plugged.
    #[test]
    fn the_kernel_is_heard() {
        let Ok(socket) = listen() else { panic!("the kernel's news can be heard by everybody") };
        let asks = ["/sys/class/tty/tty/uevent", "/sys/class/mem/null/uevent"];
        if !asks.iter().any(|file| fs::write(file, "change").is_ok()) {
            // Only root may ask; that the socket opens is all that can be seen.
            assert!(fs::metadata("/proc/self").is_ok_and(|_| !nix::unistd::Uid::effective().is_root()));
            return;
        }
        let mut buffer = [0; 4096];
        for _ in 0..200 {
            if let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                assert!(uevent::subsystem(&buffer[..length]).is_some());
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nothing was heard");
    }
}
