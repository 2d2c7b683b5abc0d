//! Which streams there are, and who holds them.
//!
//! A stream lives as long as a watched process holds a descriptor of it: descriptors are duplicated, inherited by
//! forks and passed on, so a close ends a stream only when it was the last.

use super::assembler::Assembler;
use crate::event::{Holder, StreamId};
use std::collections::HashMap;

/// Nanoseconds for which a stream without a known holder waits for one to show up.
const GRACE: u64 = 1_000_000_000;

/// A stream, with what its user keeps beside it.
#[derive(Debug)]
pub struct Entry<T> {
    pub id: StreamId,
    pub assembler: Assembler,
    pub value: T,
    holders: Vec<Holder>,
    /// When the last known holder went, though others may have it.
    orphaned: Option<u64>,
    /// Its descriptor became another's without a close: that was lost, and who knows what else.
    displaced: bool,
}

/// A stream that ended.
#[derive(Debug)]
pub struct Ended<T> {
    pub id: StreamId,
    pub at: u64,
    /// How it ended was not seen.
    pub unseen: bool,
    pub assembler: Assembler,
    pub value: T,
}

/// All streams, by identity.
#[derive(Debug)]
pub struct Table<T> {
    streams: HashMap<u64, Entry<T>>,
    held: HashMap<Holder, u64>,
    orphans: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { streams: HashMap::new(), held: HashMap::new(), orphans: 0 }
    }
}

impl<T> Table<T> {
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether a stream of this identity is open.
    pub fn knows(&self, identity: u64) -> bool {
        self.streams.contains_key(&identity)
    }

    /// The stream of an event that is not an opening; `None` when it was never announced (or another life of it was).
    pub fn find(&mut self, id: StreamId) -> Option<&mut Entry<T>> {
        let entry = self.streams.get_mut(&id.identity)?;
        if entry.id.generation == 0 {
            entry.id.generation = id.generation;
        }
        if entry.id.generation != id.generation && id.generation != 0 {
            return None;
        }
        if entry.orphaned.take().is_some() {
            self.orphans -= 1;
        }
        Some(entry)
    }

    /// A descriptor was seen. `make` is called when the stream is new; a stream that must have ended unseen is returned.
    pub fn open(&mut self, holder: Holder, id: StreamId, at: u64, make: impl FnOnce() -> T) -> Vec<Ended<T>> {
        let mut ended = Vec::new();
        if let Some(before) = self.held.get(&holder).copied().filter(|identity| *identity != id.identity) {
            if let Some(entry) = self.streams.get_mut(&before) {
                entry.displaced = true;
            }
            ended.extend(self.release(holder, at, false));
        }
        if self.find(id).is_none() {
            ended.extend(self.end(id.identity, at).map(|before| Ended { unseen: true, ..before }));
            let entry = Entry {
                id,
                assembler: Assembler::default(),
                value: make(),
                holders: Vec::new(),
                orphaned: None,
                displaced: false,
            };
            self.streams.insert(id.identity, entry);
        }
        self.hold(holder, id.identity);
        ended
    }

    fn hold(&mut self, holder: Holder, identity: u64) {
        if let Some(entry) = self.streams.get_mut(&identity) {
            if !entry.holders.contains(&holder) {
                entry.holders.push(holder);
            }
            self.held.insert(holder, identity);
        }
    }

    /// A child has all that its parent had.
    pub fn fork(&mut self, parent: u32, child: u32) {
        let inherited: Vec<(Holder, u64)> =
            self.held.iter().filter(|(holder, _)| holder.tgid == parent).map(|(h, i)| (*h, *i)).collect();
        for (holder, identity) in inherited {
            self.hold(Holder { tgid: child, fd: holder.fd }, identity);
        }
    }

    /// A descriptor was closed; the stream is returned when that ended it.
    pub fn close(&mut self, holder: Holder, id: StreamId, at: u64, last: bool) -> Option<Ended<T>> {
        if self.held.get(&holder) == Some(&id.identity) {
            return self.release(holder, at, last);
        }
        // A holder that was not known, of a stream that is: its close counts when it was the last.
        let known = self.streams.get(&id.identity).is_some_and(|entry| entry.id.generation == id.generation);
        (known && last).then(|| self.end(id.identity, at)).flatten()
    }

    /// All descriptors of a process in a range were closed.
    pub fn close_range(&mut self, tgid: u32, first: i32, last: i32, at: u64) -> Vec<Ended<T>> {
        let gone: Vec<Holder> =
            self.held.keys().filter(|h| h.tgid == tgid && (first..=last).contains(&h.fd)).copied().collect();
        gone.into_iter().filter_map(|holder| self.release(holder, at, false)).collect()
    }

    /// A process has only these descriptors left.
    pub fn retain(&mut self, tgid: u32, fds: &[i32], at: u64) -> Vec<Ended<T>> {
        let gone: Vec<Holder> = self.held.keys().filter(|h| h.tgid == tgid && !fds.contains(&h.fd)).copied().collect();
        gone.into_iter().filter_map(|holder| self.release(holder, at, false)).collect()
    }

    /// A process ended: what only it held ends with it, at once.
    pub fn process_ended(&mut self, tgid: u32, at: u64) -> Vec<Ended<T>> {
        let gone: Vec<Holder> = self.held.keys().filter(|h| h.tgid == tgid).copied().collect();
        let mut ended = Vec::new();
        for holder in gone {
            let identity = self.held.get(&holder).copied();
            ended.extend(self.release(holder, at, false));
            let orphan = identity.filter(|i| self.streams.get(i).is_some_and(|e| e.orphaned.is_some()));
            ended.extend(orphan.and_then(|identity| self.end(identity, at)));
        }
        ended
    }

    /// Streams whose last known holder went a while ago.
    pub fn expired(&mut self, now: u64) -> Vec<Ended<T>> {
        if self.orphans == 0 {
            return Vec::new();
        }
        let gone: Vec<(u64, u64)> = self
            .streams
            .iter()
            .filter_map(|(identity, entry)| {
                let at = entry.orphaned?;
                (now.saturating_sub(at) >= GRACE).then_some((*identity, at))
            })
            .collect();
        gone.into_iter().filter_map(|(identity, at)| self.end(identity, at)).collect()
    }

    /// Everything that is left, in no order.
    pub fn drain(&mut self, at: u64) -> Vec<Ended<T>> {
        let all: Vec<u64> = self.streams.keys().copied().collect();
        all.into_iter().filter_map(|identity| self.end(identity, at)).collect()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<T>> {
        self.streams.values_mut()
    }

    fn release(&mut self, holder: Holder, at: u64, last: bool) -> Option<Ended<T>> {
        let identity = self.held.remove(&holder)?;
        let entry = self.streams.get_mut(&identity)?;
        entry.holders.retain(|other| *other != holder);
        if last {
            return self.end(identity, at);
        }
        if entry.holders.is_empty() && entry.orphaned.is_none() {
            entry.orphaned = Some(at);
            self.orphans += 1;
        }
        None
    }

    fn end(&mut self, identity: u64, at: u64) -> Option<Ended<T>> {
        let entry = self.streams.remove(&identity)?;
        for holder in &entry.holders {
            self.held.remove(holder);
        }
        if entry.orphaned.is_some() {
            self.orphans -= 1;
        }
        let unseen = entry.displaced && entry.holders.is_empty();
        Some(Ended { id: entry.id, at, unseen, assembler: entry.assembler, value: entry.value })
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
