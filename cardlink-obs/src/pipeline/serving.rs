//! Which session a thread is serving, and which one it asked a database for.
//!
//! Only connections that carry sessions of remote administration are followed, and those on which a thread asks something
//! meanwhile: a program without sessions costs nothing here.

use super::{
    Pipeline,
    tracked::{Tracked, Tracker},
};
use crate::observation::{Connection, Query, Role, Stamp};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

/// Threads, and connections, that are kept in mind.
const MOST: usize = 65_536;
/// Connections of a thread whose order is kept in mind.
const EACH: usize = 4;
/// Changes of whom a connection was written to for.
const CHANGES: usize = 8;
/// Nanoseconds for which a connection that has ended is kept in mind: its other end may tell of it later.
const REMEMBER: u64 = 10_000_000_000;

/// By process and thread.
type Thread = (u32, u32);

/// Who serves what. Connections go by their numbers.
#[derive(Debug, Default)]
pub(super) struct Serving {
    threads: HashMap<Thread, Served>,
    /// The thread that read from a connection last.
    readers: HashMap<u64, Thread>,
    /// By connection: from when on it was written to for which session.
    asked: HashMap<u64, VecDeque<(u64, Option<u64>)>>,
    ended: VecDeque<(u64, u64)>,
}

/// The connections that a thread serves.
#[derive(Debug, Default)]
struct Served {
    /// Those that it moved bytes of, the last one first.
    last: [Option<u64>; EACH],
    /// Those with a session that it was the last to read from.
    read: HashSet<u64>,
    /// Of these, those that were not written to since.
    owed: HashSet<u64>,
}

impl Serving {
    /// A thread moved bytes of a connection that carries sessions; `open`: one is under way.
    pub fn moved(&mut self, thread: Thread, connection: u64, write: bool, open: bool) {
        if self.threads.len() >= MOST && !self.threads.contains_key(&thread) {
            return;
        }
        let served = self.threads.entry(thread).or_default();
        let place = served.last.iter().position(|known| *known == Some(connection)).unwrap_or(EACH - 1);
        if let Some(before) = served.last.get_mut(..=place) {
            before.rotate_right(1);
        }
        served.last[0] = Some(connection);
        if !open {
            self.no_longer_read(connection);
        } else if write {
            // Whoever has read is answered for by whoever writes.
            if let Some(reader) = self.readers.get(&connection)
                && let Some(served) = self.threads.get_mut(reader)
            {
                served.owed.remove(&connection);
            }
        } else if self.readers.len() < MOST || self.readers.contains_key(&connection) {
            if let Some(before) = self.readers.insert(connection, thread).filter(|before| *before != thread)
                && let Some(served) = self.threads.get_mut(&before)
            {
                served.read.remove(&connection);
                served.owed.remove(&connection);
            }
            let served = self.threads.entry(thread).or_default();
            served.read.insert(connection);
            served.owed.insert(connection);
        }
    }

    fn no_longer_read(&mut self, connection: u64) {
        if let Some(reader) = self.readers.remove(&connection)
            && let Some(served) = self.threads.get_mut(&reader)
        {
            served.read.remove(&connection);
            served.owed.remove(&connection);
        }
    }

    /// Nobody serves anything.
    pub fn is_idle(&self) -> bool {
        self.threads.is_empty()
    }

    /// A thread wrote to a connection that carries no session, for this one. Time in nanoseconds.
    pub fn asked(&mut self, connection: u64, enter: u64, session: Option<u64>) {
        if session.is_none() && !self.asked.contains_key(&connection) {
            return;
        }
        if self.asked.len() >= MOST && !self.asked.contains_key(&connection) {
            return;
        }
        let changes = self.asked.entry(connection).or_default();
        if changes.back().is_some_and(|(_, before)| *before == session) {
            return;
        }
        if changes.len() >= CHANGES {
            changes.pop_front();
        }
        changes.push_back((enter, session));
    }

    /// The session for which a connection was written to at this time.
    fn asker(&self, connection: u64, at: Stamp) -> Option<u64> {
        let changes = self.asked.get(&connection)?;
        changes.iter().rev().find(|(from, _)| *from <= at.as_nanos())?.1
    }

    /// A connection has ended. Time in nanoseconds.
    pub fn ended(&mut self, connection: u64, at: u64) {
        self.no_longer_read(connection);
        if self.asked.contains_key(&connection) {
            self.ended.push_back((at, connection));
        }
    }

    pub fn process_ended(&mut self, pid: u32) {
        if self.threads.is_empty() {
            return;
        }
        self.threads.retain(|(of, _), _| *of != pid);
        self.readers.retain(|_, (of, _)| *of != pid);
    }

    pub fn tick(&mut self, now: u64) {
        while let Some((at, connection)) = self.ended.front().copied()
            && now.saturating_sub(at) >= REMEMBER
        {
            self.ended.pop_front();
            self.asked.remove(&connection);
        }
    }

    /// The connection that a thread serves: the only one that it has read from and not answered, or the only one that it
    /// reads from. `None` when it cannot be told which.
    fn served(&self, thread: Thread) -> Option<u64> {
        let served = self.threads.get(&thread)?;
        let of = if served.owed.is_empty() { &served.read } else { &served.owed };
        let mut of = of.iter();
        of.next().copied().filter(|_| of.next().is_none())
    }
}

impl Pipeline {
    /// The session whose connection a thread moved bytes of last.
    pub(super) fn last_session_of_thread(&self, pid: u32, tid: u32) -> Option<u64> {
        let served = self.serving.threads.get(&(pid, tid))?;
        served.last.iter().flatten().find_map(|connection| self.sessions.on_connection(*connection))
    }

    /// The session that a thread is serving now, and no other.
    pub(super) fn session_of_thread(&self, pid: u32, tid: u32) -> Option<u64> {
        self.sessions.on_connection(self.serving.served((pid, tid))?)
    }

    /// The session that a statement was asked for: by the thread that wrote it, at the client's end.
    pub(super) fn session_of_query(&self, query: &Query) -> Option<u64> {
        let connection = query.connection.as_deref()?;
        let number = match query.role {
            Role::Client => connection.number,
            Role::Server => self.pairs.client(connection)?.number,
        };
        self.serving.asker(number, query.start)
    }

    /// Bytes were moved; to be told when what they brought is known.
    pub(super) fn moved(&mut self, thread: Thread, connection: &Connection, write: bool, enter: u64, how: Carries) {
        match how {
            // Its other end serves.
            Carries::Sessions { .. } if self.pairs.counted_elsewhere(connection) => {}
            Carries::Sessions { open } => self.serving.moved(thread, connection.number, write, open),
            Carries::Other => {
                let session = self.session_of_thread(thread.0, thread.1);
                self.serving.asked(connection.number, enter, session);
            }
        }
    }
}

/// What goes over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    /// Sessions of remote administration; one is under way, or none is.
    Sessions {
        open: bool,
    },
    Other,
}

impl Tracked {
    /// The connection whose bytes were moved, when anybody has to know.
    pub fn carries(&mut self, asks: bool) -> Option<(Arc<Connection>, Carries)> {
        match &self.tracker {
            Tracker::Connection(tracker) if tracker.is_admin() => {
                Some((Arc::clone(tracker.connection()), Carries::Sessions { open: tracker.in_session() }))
            }
            Tracker::Connection(tracker) if asks => Some((Arc::clone(tracker.connection()), Carries::Other)),
            Tracker::Local(tracker) if asks => Some((Arc::clone(tracker.connection()), Carries::Other)),
            Tracker::Connection(_) | Tracker::Local(_) | Tracker::At(_) | Tracker::Reader(_) | Tracker::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EACH, REMEMBER, Serving};
    use crate::observation::Stamp;

    const ONE: (u32, u32) = (7, 1);
    const OTHER: (u32, u32) = (7, 2);

    fn read(serving: &mut Serving, thread: (u32, u32), connection: u64) {
        serving.moved(thread, connection, false, true);
    }

    fn write(serving: &mut Serving, thread: (u32, u32), connection: u64) {
        serving.moved(thread, connection, true, true);
    }

    #[test]
    fn the_last_connection_comes_first() {
        let mut serving = Serving::default();
        for connection in [1, 2, 1, 3, 3, 2] {
            read(&mut serving, ONE, connection);
        }
        read(&mut serving, OTHER, 9);
        let of = |serving: &Serving, thread| serving.threads[&thread].last.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(of(&serving, ONE), [2, 3, 1]);
        assert_eq!(of(&serving, OTHER), [9]);
        for connection in 10..20 {
            read(&mut serving, ONE, connection);
        }
        assert_eq!(of(&serving, ONE).len(), EACH);
        serving.process_ended(7);
        assert!(serving.is_idle() && serving.readers.is_empty());
    }

    #[test]
    fn a_thread_serves_what_it_has_read_and_not_answered() {
        let mut serving = Serving::default();
        read(&mut serving, ONE, 1);
        assert_eq!(serving.served(ONE), Some(1));
        write(&mut serving, ONE, 1);
        assert_eq!(serving.served(ONE), Some(1), "it reads from no other");
        read(&mut serving, ONE, 2);
        assert_eq!(serving.served(ONE), Some(2));
        read(&mut serving, ONE, 1);
        assert_eq!(serving.served(ONE), None, "it owes two answers");
        write(&mut serving, ONE, 2);
        assert_eq!(serving.served(ONE), Some(1));
        write(&mut serving, ONE, 1);
        assert_eq!(serving.served(ONE), None, "two are open, and it owes neither an answer");
        serving.moved(ONE, 2, true, false);
        assert_eq!(serving.served(ONE), Some(1), "the other session is over");
        serving.ended(1, 0);
        assert_eq!(serving.served(ONE), None);
    }

    #[test]
    fn what_another_thread_reads_from_is_served_there() {
        let mut serving = Serving::default();
        read(&mut serving, ONE, 1);
        write(&mut serving, OTHER, 1);
        assert_eq!(serving.served(OTHER), None, "it has read nothing");
        read(&mut serving, OTHER, 1);
        assert_eq!((serving.served(ONE), serving.served(OTHER)), (None, Some(1)));
        read(&mut serving, ONE, 3);
        write(&mut serving, OTHER, 3);
        read(&mut serving, ONE, 4);
        assert_eq!(serving.served(ONE), Some(4), "the other thread has answered for it");
    }

    #[test]
    fn a_statement_belongs_to_whom_it_was_written_for_when_it_began() {
        let mut serving = Serving::default();
        serving.asked(5, 10, None);
        assert!(serving.asked.is_empty());
        for (at, session) in [(20, Some(1)), (30, Some(1)), (40, None), (50, Some(2))] {
            serving.asked(5, at, session);
        }
        let asker = |at| serving.asker(5, Stamp::from_nanos(at));
        assert_eq!([10, 20, 39, 40, 49, 50, 90].map(asker), [None, Some(1), Some(1), None, None, Some(2), Some(2)]);
        serving.ended(5, 100);
        serving.tick(100 + REMEMBER - 1);
        assert_eq!(serving.asked.len(), 1);
        serving.tick(100 + REMEMBER);
        assert!(serving.asked.is_empty());
    }
}
