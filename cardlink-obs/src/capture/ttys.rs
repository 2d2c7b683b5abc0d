//! Terminal devices: their majors and their paths.

use std::{fs, os::unix::fs::MetadataExt as _};

/// Pseudo-terminal slaves, in case `/proc/tty/drivers` cannot be read.
const PTS_MAJORS: std::ops::RangeInclusive<u32> = 136..=143;
/// USB modems and serial adapters (Linux's list of device numbers): their drivers are loaded with the first device.
const USB_MAJORS: [u32; 2] = [166, 188];
/// Majors that fit the kernel side's table.
const MAX_MAJOR: u32 = 512;

/// Character majors of serial terminals and pty slaves.
///
/// Masters of pseudo-terminals and virtual consoles are left out: no program drives a modem through them.
pub fn terminal_majors() -> Vec<u32> {
    let mut majors: Vec<u32> = PTS_MAJORS.chain(USB_MAJORS).collect();
    let drivers = fs::read_to_string("/proc/tty/drivers").unwrap_or_default();
    majors.extend(drivers.lines().filter_map(parse_driver));
    majors.sort_unstable();
    majors.dedup();
    majors
}

/// `usbserial  /dev/ttyUSB  188 0-511 serial`: name, device, major, minors, type.
fn parse_driver(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    let major: u32 = words.nth(2)?.parse().ok()?;
    let kind = words.nth(1)?;
    ((kind == "serial" || kind == "pty:slave") && major < MAX_MAJOR).then_some(major)
}

/// Whether a descriptor of a process is a terminal.
pub fn is_terminal(pid: u32, fd: i32) -> bool {
    let Ok(metadata) = fs::metadata(format!("/proc/{pid}/fd/{fd}")) else { return false };
    u32::try_from(nix::sys::stat::major(metadata.rdev())).is_ok_and(|major| terminal_majors().contains(&major))
}

/// Path of the terminal with this device number (as the kernel holds it: major << 20 | minor).
pub fn path_of(rdev: u32) -> String {
    let (major, minor) = (rdev >> 20, rdev & 0xF_FFFF);
    if PTS_MAJORS.contains(&major) {
        return format!("/dev/pts/{}", (major - PTS_MAJORS.start()) * 256 + minor);
    }
    let uevent = fs::read_to_string(format!("/sys/dev/char/{major}:{minor}/uevent")).unwrap_or_default();
    match uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=")) {
        Some(name) => format!("/dev/{name}"),
        None => format!("/dev/char/{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_driver;

    #[test]
    fn serial_ports_and_pty_slaves_are_terminals() {
        assert_eq!(parse_driver("usbserial            /dev/ttyUSB   188 0-511 serial"), Some(188));
        assert_eq!(parse_driver("pty_slave            /dev/pts      136 0-1048575 pty:slave"), Some(136));
        assert_eq!(parse_driver("pty_master           /dev/ptm      128 0-1048575 pty:master"), None);
        assert_eq!(parse_driver("/dev/tty             /dev/tty        5       0 system:/dev/tty"), None);
        assert_eq!(parse_driver(""), None);
    }
}
