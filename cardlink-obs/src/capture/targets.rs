//! The set of watched processes, here and in the kernel side's map.

use super::{host, loader::LoadError, selector::Selectors, sockets};
use aya::maps::{HashMap as BpfHashMap, MapData};
use cardlink_obs_common::{Comm, TargetInfo};
use std::collections::{HashMap, HashSet};

/// A process came or went without an event that told it.
#[derive(Debug)]
pub enum Change {
    Came { pid: u32, target: String },
    Went { pid: u32 },
}

#[derive(Debug)]
pub struct Targets {
    selectors: Selectors,
    kernel: BpfHashMap<MapData, u32, TargetInfo>,
    /// Kept so that the map lives as long as its entries matter.
    _comms: BpfHashMap<MapData, Comm, u8>,
    names: HashMap<u32, String>,
    looks: u32,
    /// Sockets that listened on wanted ports at the last look.
    listeners: HashSet<u64>,
    /// So many times procfs is walked for those that are new among them.
    walks: u8,
}

/// Every how many looks procfs is walked for those that nothing else told of.
const WALK_EVERY: u32 = 10;

/// How often it is walked for a socket that begins to listen: whoever holds it may be about to hand it on, or to match.
const WALKS: u8 = 3;

/// A name as the kernel keeps it: 15 bytes of it.
fn kernel_name(name: &str) -> Comm {
    let mut comm: Comm = [0; 16];
    for (slot, byte) in comm.iter_mut().zip(name.bytes().take(15)) {
        *slot = byte;
    }
    comm
}

/// Tells the kernel side a process name that makes a process a target at its exec.
pub fn announce_comm(comms: &mut BpfHashMap<MapData, Comm, u8>, name: &str) -> Result<(), LoadError> {
    comms.insert(kernel_name(name), 1, 0).map_err(|error| LoadError::Map("COMMS", error.to_string()))
}

impl Targets {
    pub fn new(
        selectors: Selectors,
        kernel: BpfHashMap<MapData, u32, TargetInfo>,
        comms: BpfHashMap<MapData, Comm, u8>,
    ) -> Self {
        Self { selectors, kernel, _comms: comms, names: HashMap::new(), looks: 0, listeners: HashSet::new(), walks: 0 }
    }

    pub fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.names.iter().map(|(pid, name)| (*pid, name.as_str()))
    }

    pub fn name(&self, pid: u32) -> Option<&str> {
        self.names.get(&pid).map(String::as_str)
    }

    pub fn add(&mut self, pid: u32, name: &str, epoch: u64) -> Result<(), LoadError> {
        let info = TargetInfo::new(epoch, &kernel_name(&host::comm(pid).unwrap_or_default()));
        self.kernel.insert(pid, info, 0).map_err(|error| LoadError::Map("TARGETS", error.to_string()))?;
        self.names.insert(pid, name.to_owned());
        Ok(())
    }

    /// The kernel side put a child in already; returns its target when the parent is known.
    pub fn forked(&mut self, parent: u32, child: u32) -> Option<String> {
        let name = self.names.get(&parent)?.clone();
        self.names.insert(child, name.clone());
        Some(name)
    }

    /// The kernel side put a process in by its name.
    pub fn taken_in(&mut self, pid: u32, name: &str) {
        self.names.insert(pid, name.to_owned());
    }

    /// The kernel side is to leave a process alone from now on.
    pub fn unwatch(&mut self, pid: u32) {
        let _ = self.kernel.remove(&pid);
    }

    /// A process ended; whether it was watched.
    pub fn ended(&mut self, pid: u32) -> bool {
        let _ = self.kernel.remove(&pid);
        self.names.remove(&pid).is_some()
    }

    /// Looks who matches now (with their descendants), and who is gone.
    ///
    /// Whoever is gone is looked for every time. Who came is told by execs where programs are selected, and by sockets that
    /// begin to listen where ports are: the whole of procfs is walked now and then only.
    pub fn look(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let gone: Vec<u32> = self.names.keys().filter(|pid| !host::exists(**pid)).copied().collect();
        for pid in gone {
            self.ended(pid);
            changes.push(Change::Went { pid });
        }
        let walk = self.has_new_listeners() || self.looks.is_multiple_of(WALK_EVERY);
        self.looks = self.looks.wrapping_add(1);
        if self.selectors.is_empty() || !walk {
            return changes;
        }
        let mut found: Vec<(u32, String)> = Vec::new();
        for pid in self.selectors.matching(std::process::id()) {
            if !self.names.contains_key(&pid) {
                found.push((pid, self.selectors.name_of(pid)));
            }
        }
        if found.is_empty() {
            return changes;
        }
        let parents = host::parents();
        let mut taken: HashSet<u32> = found.iter().map(|(pid, _)| *pid).collect();
        let roots = found.clone();
        for pid in parents.keys() {
            if taken.contains(pid) || self.names.contains_key(pid) || *pid == std::process::id() {
                continue;
            }
            if let Some((_, name)) = roots.iter().find(|(root, _)| descends(*pid, *root, &parents)) {
                taken.insert(*pid);
                found.push((*pid, name.clone()));
            }
        }
        changes.extend(found.into_iter().map(|(pid, target)| Change::Came { pid, target }));
        changes
    }

    /// Whether somebody listens on a wanted port who did not a moment ago.
    fn has_new_listeners(&mut self) -> bool {
        if self.selectors.ports.is_empty() {
            return false;
        }
        let listeners = sockets::listeners(&self.selectors.ports, &host::pids());
        if !listeners.is_subset(&self.listeners) {
            self.walks = WALKS;
        }
        self.listeners = listeners;
        let walks = self.walks > 0;
        self.walks = self.walks.saturating_sub(1);
        walks
    }
}

fn descends(pid: u32, ancestor: u32, parents: &HashMap<u32, u32>) -> bool {
    let mut current = pid;
    // A pid may be reused while the table is read: a bound keeps a loop from going round.
    for _ in 0..64 {
        match parents.get(&current) {
            Some(parent) if *parent == ancestor => return true,
            Some(parent) if *parent > 1 => current = *parent,
            _ => return false,
        }
    }
    false
}
