//! The kernel's news of devices: `ACTION@PATH`, and `NAME=VALUE`, each ended by a zero.

/// Whether it may be about a phone, or about a port that comes or goes.
pub fn matters(news: &[u8]) -> bool {
    match subsystem(news) {
        Some("usb") => true,
        Some("tty") => value(news, "ACTION") != Some("change"),
        _ => false,
    }
}

pub fn subsystem(news: &[u8]) -> Option<&str> {
    value(news, "SUBSYSTEM")
}

fn value<'a>(news: &'a [u8], name: &str) -> Option<&'a str> {
    let mut values = news.split(|byte| *byte == 0);
    let value = values.find_map(|value| value.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::matters;

    #[test]
    fn usb_and_ports_matter() {
        let news = |fields: &str| matters(fields.replace(' ', "\0").as_bytes());
        assert!(news("add@/devices/pci/usb1/1-2 ACTION=add SUBSYSTEM=usb DEVTYPE=usb_device"));
        assert!(news("add@/devices/pci/usb1/1-2/1-2:1.0/tty/ttyACM0 ACTION=add SUBSYSTEM=tty DEVNAME=ttyACM0"));
        assert!(!news("change@/devices/virtual/tty/tty0 ACTION=change SUBSYSTEM=tty DEVNAME=tty0"));
        assert!(!news("add@/devices/virtual/net/veth0 SUBSYSTEM=net INTERFACE=veth0"));
        assert!(!news(""));
    }
}
