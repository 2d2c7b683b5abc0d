//! Plaintext of library sessions whose connection is not known: programs that move the records themselves (memory BIOs).
//!
//! Such a program reads records from a socket and hands them to the library, which gives out plaintext of a certain length;
//! or it takes records from the library and writes them. Within one thread the one follows the other, and the length of a
//! record tells that of its plaintext but for a little. A session belongs to a connection when calls of both directions say
//! so, or when the connection ends and reads have said so of this session alone; never when anything has said otherwise.
//! Until then its plaintext is kept; what is never bound is dropped, never guessed.

use crate::event::{Data, Plain, StreamId};
use std::{
    collections::{HashMap, HashSet},
    mem,
};

/// Content type of application data (RFC 8446 §5.1), and the size of a record's header.
const APPLICATION_DATA: u8 = 23;
const HEADER: usize = 5;

/// What a record has besides its plaintext: at least a tag (RFC 7905 §2), at most an IV, a SHA-384 MAC and padding of a block
/// (RFC 5246 §6.2.3.2).
const LEAST_OVERHEAD: u64 = 16;
const MOST_OVERHEAD: u64 = 16 + 48 + 16;

/// Sizes at which plaintext is cut into records: those of RFC 6066 §4, and the largest.
const FRAGMENTS: [u64; 5] = [512, 1024, 2048, 4096, 16_384];

/// Plaintext of one session that is kept while its connection is not known.
const MOST_KEPT: usize = 65_536;
const MOST_SESSIONS: usize = 1024;
const MOST_THREADS: usize = 4096;
/// Records of one read, and calls before one write, that are remembered.
const MOST_RECORDS: usize = 16;

/// A session: process, object, and the life of it.
type Key = (u32, u64, u64);

#[derive(Debug, Default)]
pub(super) struct Unbound {
    threads: HashMap<(u32, u32), Thread>,
    sessions: HashMap<Key, Session>,
    /// Connections that have a session.
    bound: HashMap<u64, Key>,
    ready: Vec<Plain<'static>>,
}

/// What a thread did last.
#[derive(Debug, Default)]
struct Thread {
    /// The connection that it read records from, and the lengths of their bodies.
    read: Option<(StreamId, Vec<u64>)>,
    /// Plaintext that it gave to the library since.
    written: Vec<(Key, u64)>,
}

#[derive(Debug, Default)]
struct Session {
    stream: Option<StreamId>,
    said: Option<Said>,
    /// It was said of more than one connection, or there was too much to keep: half of a dialogue is none.
    contradicted: bool,
    kept: Vec<Plain<'static>>,
    kept_bytes: usize,
}

/// What calls have said of a session.
#[derive(Debug, Clone, Copy)]
struct Said {
    stream: StreamId,
    read: bool,
    written: bool,
}

impl Unbound {
    /// Bytes of a connection that begin with a record.
    pub fn wire(&mut self, data: &Data<'_>) {
        if !data.record_start {
            return;
        }
        let records = records(&data.bytes);
        if records.is_empty() {
            return;
        }
        let thread = (data.holder.tgid, data.call.tid);
        if self.bound.contains_key(&data.stream.identity) {
            // Whose they are is known. What the thread read before has been handed on by now, or never will be.
            if let Some(Thread { read, .. }) = self.threads.get_mut(&thread).filter(|_| !data.write) {
                *read = None;
            }
            return;
        }
        if data.write {
            let Some(Thread { written, .. }) = self.threads.get_mut(&thread) else { return };
            let fit = |(_, len): &(Key, u64)| records.iter().any(|body| fits(*body, *len));
            let said =
                |key: &Key| self.sessions.get(key).is_some_and(|session| session.stream_said() == Some(data.stream));
            // Several sessions may have written as much: one that this connection was read from comes first.
            let known = written.iter().position(|pending| said(&pending.0) && fit(pending));
            let Some(at) = known.or_else(|| written.iter().position(fit)) else { return };
            let (key, _) = written.remove(at);
            self.says(key, data.stream, true);
        } else if self.threads.len() < MOST_THREADS || self.threads.contains_key(&thread) {
            self.threads.entry(thread).or_default().read = Some((data.stream, records));
        }
    }

    /// Plaintext of a session that the kernel side knows no connection of.
    pub fn plain(&mut self, plain: &Plain<'_>) {
        let key = (plain.holder.tgid, plain.session, plain.stream.generation);
        if let Some(Session { stream: Some(stream), .. }) = self.sessions.get(&key) {
            self.ready.push(on(plain, *stream));
            return;
        }
        if !self.sessions.contains_key(&key) {
            if self.sessions.len() >= MOST_SESSIONS {
                return;
            }
            self.sessions.insert(key, Session::default());
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.keep(plain);
        }
        let thread = (plain.holder.tgid, plain.call.tid);
        if plain.write {
            if self.threads.len() < MOST_THREADS || self.threads.contains_key(&thread) {
                let written = &mut self.threads.entry(thread).or_default().written;
                if written.len() == MOST_RECORDS {
                    written.remove(0);
                }
                written.push((key, plain.total));
            }
            return;
        }
        let Some(Thread { read, written }) = self.threads.get_mut(&thread) else { return };
        // What it wrote before it went on reading has been sent, or nobody saw it.
        written.retain(|(of, _)| *of != key);
        let Some((stream, records)) = read else { return };
        if let Some(at) = records.iter().position(|body| fits(*body, plain.total)) {
            records.remove(at);
            let stream = *stream;
            self.says(key, stream, false);
        }
    }

    /// Plaintext that belongs to a connection, since this was last asked.
    pub fn take_ready(&mut self) -> Vec<Plain<'static>> {
        mem::take(&mut self.ready)
    }

    /// A connection is about to end.
    pub fn ending(&mut self, identity: u64) {
        if !self.bound.contains_key(&identity) {
            let mut those = self.sessions.iter().filter(|(_, session)| session.is_of(identity));
            if let (Some((key, session)), None) = (those.next(), those.next())
                && let Some(Said { stream, read: true, .. }) = session.said
            {
                self.bind(*key, stream);
            }
        }
    }

    /// It has ended.
    pub fn ended(&mut self, identity: u64) {
        if let Some(key) = self.bound.remove(&identity) {
            self.sessions.remove(&key);
        }
        // What was said of it alone says nothing any more.
        self.sessions.retain(|_, session| !session.is_of(identity));
        self.threads.values_mut().for_each(|thread| {
            if thread.read.as_ref().is_some_and(|(stream, _)| stream.identity == identity) {
                thread.read = None;
            }
        });
    }

    pub fn process_ended(&mut self, pid: u32) {
        if self.threads.is_empty() && self.sessions.is_empty() {
            return;
        }
        self.threads.retain(|(tgid, _), _| *tgid != pid);
        self.sessions.retain(|(tgid, ..), _| *tgid != pid);
        let left: HashSet<Key> = self.sessions.keys().copied().collect();
        self.bound.retain(|_, key| left.contains(key));
    }

    /// One call says that a session belongs to a connection.
    fn says(&mut self, key: Key, stream: StreamId, write: bool) {
        let taken = self.bound.contains_key(&stream.identity);
        let Some(session) = self.sessions.get_mut(&key).filter(|session| session.stream.is_none()) else { return };
        if taken || session.stream_said().is_some_and(|said| said != stream) {
            session.contradicted = true;
            session.kept = Vec::new();
            return;
        }
        let said = session.said.get_or_insert(Said { stream, read: false, written: false });
        said.read |= !write;
        said.written |= write;
        if said.read && said.written && !session.contradicted {
            self.bind(key, stream);
        }
    }

    fn bind(&mut self, key: Key, stream: StreamId) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.stream = Some(stream);
        let kept = mem::take(&mut session.kept);
        if let Some(Thread { written, .. }) =
            kept.last().and_then(|plain| self.threads.get_mut(&(key.0, plain.call.tid)))
        {
            written.retain(|(of, _)| *of != key);
        }
        self.ready.extend(kept.iter().map(|plain| on(plain, stream)));
        self.bound.insert(stream.identity, key);
    }
}

impl Session {
    fn stream_said(&self) -> Option<StreamId> {
        self.said.map(|said| said.stream)
    }

    /// Everything that was said is that it belongs to this connection.
    fn is_of(&self, identity: u64) -> bool {
        let said = self.stream_said().is_some_and(|stream| stream.identity == identity);
        said && self.stream.is_none() && !self.contradicted
    }

    fn keep(&mut self, plain: &Plain<'_>) {
        self.kept_bytes = self.kept_bytes.saturating_add(plain.bytes.len());
        if self.kept_bytes > MOST_KEPT {
            self.contradicted = true;
            self.kept = Vec::new();
        }
        if !self.contradicted {
            self.kept.push(on(plain, plain.stream));
        }
    }
}

fn on(plain: &Plain<'_>, stream: StreamId) -> Plain<'static> {
    Plain { stream, bytes: plain.bytes.clone().into_owned().into(), ..*plain }
}

/// Lengths of the bodies of records of application data, as far as their headers are here.
fn records(bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some([content, _, _, high, low]) = rest.first_chunk::<HEADER>()
        && found.len() < MOST_RECORDS
    {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if *content == APPLICATION_DATA {
            found.push(len as u64);
        }
        rest = rest.get(HEADER + len..).unwrap_or_default();
    }
    found
}

/// Whether a record with a body of this length may be (the first) of so much plaintext.
fn fits(body: u64, plain: u64) -> bool {
    let is = |len: u64| (len + LEAST_OVERHEAD..=len + MOST_OVERHEAD).contains(&body);
    is(plain) || FRAGMENTS.iter().any(|fragment| plain > *fragment && is(*fragment))
}

#[cfg(test)]
#[path = "unbound_tests.rs"]
mod tests;
