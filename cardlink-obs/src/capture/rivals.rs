//! Who else has a tty open that a target uses: looked up in procfs when a target comes to it, and now and then.

use super::host;
use crate::event::{Event, PortHolder};
use std::{borrow::Cow, collections::HashMap, fs, os::unix::fs::MetadataExt as _};

/// Between two looks at ports in use, nanoseconds.
const LOOK_EVERY: u64 = 5_000_000_000;
/// Ports are not looked at more often, however often they are opened.
const LEAST: u64 = 500_000_000;
/// Ports that are kept in mind.
const MOST_PORTS: usize = 256;
/// Steps up from a process to its ancestors.
const MOST_ANCESTORS: usize = 64;

/// A tty as every process sees it, whatever it is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    rdev: u64,
    /// The file system of a pseudo-terminal: their numbers begin anew in each container.
    instance: u64,
}

#[derive(Debug)]
struct Port {
    place: Place,
    /// Pids of those that were told last.
    told: Vec<u32>,
}

/// Ports that targets use.
#[derive(Debug, Default)]
pub struct Rivals {
    ports: HashMap<String, Port>,
    due: bool,
    last: u64,
}

impl Rivals {
    /// A target came to a tty.
    pub fn opened(&mut self, path: &str, pid: u32, fd: i32) {
        let Some(place) = place_of(pid, fd) else { return };
        let is_pseudo = path.starts_with("/dev/pts/");
        // What is typed at a terminal goes to all that run there.
        if is_pseudo && controlling_terminal(pid) == Some(place.rdev) {
            return;
        }
        if self.ports.len() < MOST_PORTS || self.ports.contains_key(path) {
            self.ports.insert(path.to_owned(), Port { place, told: Vec::new() });
            self.due = true;
        }
    }

    /// Who has them open now, where that has changed and they are several.
    pub fn look(&mut self, now: u64, is_target: impl Fn(u32) -> bool) -> Vec<Event<'static>> {
        let since = now.saturating_sub(self.last);
        if self.ports.is_empty() || since < if self.due { LEAST } else { LOOK_EVERY } {
            return Vec::new();
        }
        (self.due, self.last) = (false, now);
        let mut holders: HashMap<Place, Vec<u32>> = HashMap::new();
        let own = std::process::id();
        for pid in host::pids().into_iter().filter(|pid| *pid != own) {
            for place in ttys_of(pid) {
                let of = holders.entry(place).or_default();
                if !of.contains(&pid) {
                    of.push(pid);
                }
            }
        }
        let mut events = Vec::new();
        self.ports.retain(|path, port| {
            let mut pids = holders.get(&port.place).cloned().unwrap_or_default();
            pids.sort_unstable();
            let in_use = pids.iter().any(|pid| is_target(*pid));
            if pids != port.told && (pids.len() > 1 || port.told.len() > 1) {
                events.push(held(now, path, &pids));
            }
            port.told = pids;
            in_use
        });
        events
    }
}

fn held(at: u64, path: &str, pids: &[u32]) -> Event<'static> {
    let holders = pids
        .iter()
        .filter_map(|&pid| Some(PortHolder { pid, comm: Cow::Owned(host::comm(pid)?), family: family(pid, pids) }))
        .collect();
    Event::PortHeld { at, path: Cow::Owned(path.to_owned()), holders }
}

/// The eldest of `pids` that a process descends from, itself included: a program and those that it has started for the work
/// are one.
fn family(pid: u32, pids: &[u32]) -> u32 {
    let (mut eldest, mut current) = (pid, pid);
    for _ in 0..MOST_ANCESTORS {
        match host::parent(current) {
            Some((parent, _)) if parent > 1 => current = parent,
            _ => break,
        }
        if pids.contains(&current) {
            eldest = current;
        }
    }
    eldest
}

/// Ttys that a process has open.
fn ttys_of(pid: u32) -> Vec<Place> {
    let mut places: Vec<Place> = host::descriptors(pid)
        .into_iter()
        .filter(|(_, link)| {
            link.starts_with("/dev/tty") || link.starts_with("/dev/pts/") || link.starts_with("/dev/rfcomm")
        })
        .filter_map(|(fd, _)| place_of(pid, fd))
        .collect();
    places.sort_unstable_by_key(|place| (place.rdev, place.instance));
    places.dedup();
    places
}

fn place_of(pid: u32, fd: i32) -> Option<Place> {
    let path = format!("/proc/{pid}/fd/{fd}");
    let metadata = fs::metadata(&path).ok()?;
    let is_pseudo = fs::read_link(&path).is_ok_and(|link| link.starts_with("/dev/pts"));
    Some(Place { rdev: metadata.rdev(), instance: if is_pseudo { metadata.dev() } else { 0 } })
}

/// The device number of a process's terminal: the seventh field of `stat`, encoded as in `new_encode_dev`.
fn controlling_terminal(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let number: i64 = rest.split_whitespace().nth(4)?.parse().ok()?;
    let number = u64::try_from(number).ok().filter(|number| *number != 0)?;
    let (major, minor) = ((number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xF_FF00));
    Some(nix::sys::stat::makedev(major, minor))
}

#[cfg(test)]
mod tests {
    use super::{Rivals, family};
    use crate::event::Event;
    use nix::{
        fcntl::{OFlag, open},
        pty::openpty,
        sys::stat::Mode,
        unistd::ttyname,
    };
    use std::{
        os::fd::AsRawFd as _,
        process::{Command, Stdio},
    };

    #[test]
    fn everybody_who_has_it_open_is_found() {
        let pair = openpty(None, None).expect("a pty");
        let path = ttyname(&pair.slave).expect("a name");
        let opened = || Stdio::from(open(&path, OFlag::O_RDWR | OFlag::O_NOCTTY, Mode::empty()).expect("it opens"));
        // The agent does not count itself: two others.
        let mut children: Vec<_> = (0..2)
            .map(|_| Command::new("sleep").arg("60").stdin(opened()).stdout(Stdio::null()).spawn().expect("sleep"))
            .collect();
        let pids: Vec<u32> = children.iter().map(std::process::Child::id).collect();
        let mut rivals = Rivals::default();
        let name = path.display().to_string();
        let own = std::process::id();
        rivals.opened(&name, own, pair.slave.as_raw_fd());
        assert!(rivals.look(1, |_| true).is_empty(), "too early");
        let told = rivals.look(1_000_000_000, |pid| pid == pids[0]);
        let [Event::PortHeld { path: of, holders, .. }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*of, name.as_str());
        let mut found: Vec<(u32, String)> = holders.iter().map(|one| (one.pid, one.comm.to_string())).collect();
        found.sort_unstable();
        let mut wanted: Vec<(u32, String)> = pids.iter().map(|&pid| (pid, String::from("sleep"))).collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        assert!(holders.iter().all(|one| one.family == one.pid), "none started the other");
        assert!(rivals.look(10_000_000_000, |_| true).is_empty(), "nothing has changed");
        children[1].kill().expect("a child");
        children[1].wait().expect("its end");
        let told = rivals.look(20_000_000_000, |pid| pid == pids[0]);
        assert!(matches!(told.as_slice(), [Event::PortHeld { holders, .. }] if holders.len() == 1), "{told:?}");
        children[0].kill().expect("a child");
        children[0].wait().expect("its end");
        rivals.look(30_000_000_000, |pid| pid == pids[0]);
        assert!(rivals.ports.is_empty(), "no target uses it");
    }

    #[test]
    fn a_program_and_its_children_are_one_family() {
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        assert_eq!(family(child.id(), &[child.id(), own]), own);
        assert_eq!(family(child.id(), &[child.id()]), child.id());
        child.kill().expect("a child");
        child.wait().expect("its end");
    }
}
