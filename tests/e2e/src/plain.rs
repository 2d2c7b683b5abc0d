//! What the agent's capture tells of plaintext, drained in the test itself.

use crate::{
    Result,
    wait::{self, PATIENCE},
};
use anyhow::{bail, ensure};
use cardlink_obs::{
    capture::{Capture, Settings, library::LibraryMode, loader::KernelSettings, selector::Selectors},
    event::{Endpoint, Event, PlainSource},
};
use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

/// One direction of one session of a library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Direction {
    pub bytes: Vec<u8>,
    pub events: usize,
}

/// One life of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub tgid: u32,
    pub session: u64,
    pub source: PlainSource,
    /// The peer's port, when the session is bound to a connection.
    pub peer: Option<u16>,
    pub read: Direction,
    pub written: Direction,
}

/// A running capture.
pub struct Watch {
    pub capture: Capture,
    peers: HashMap<u64, u16>,
    /// By process, session and identity.
    sessions: BTreeMap<(u32, u64, u64, u64), Session>,
    pub lost: u64,
}

impl Watch {
    pub fn start(pid: u32) -> Result<Self> {
        Self::of(Selectors { pids: vec![pid], ..Selectors::default() })
    }

    pub fn of(selectors: Selectors) -> Result<Self> {
        let kernel = KernelSettings { ring_bytes: 16 << 20, ..KernelSettings::default() };
        let settings = Settings { selectors, kernel, libraries: LibraryMode::On, ..Settings::default() };
        let mut watch =
            Self { capture: Capture::start(settings)?, peers: HashMap::new(), sessions: BTreeMap::new(), lost: 0 };
        watch.drain()?;
        Ok(watch)
    }

    /// Takes in all that has happened.
    pub fn drain(&mut self) -> Result {
        let Self { capture, peers, sessions, lost } = self;
        let mut trouble = None;
        capture.drain(&mut |event| match event {
            Event::Opened { stream, endpoint: Endpoint::Tcp { peer, .. }, .. } => {
                peers.insert(stream.identity, peer.port());
            }
            Event::Lost { events, .. } => *lost += events,
            Event::Plain(plain) => {
                let bound = plain.stream.identity;
                let key = (plain.holder.tgid, plain.session, bound, plain.stream.generation);
                let session = sessions.entry(key).or_insert_with(|| Session {
                    tgid: plain.holder.tgid,
                    session: plain.session,
                    source: plain.source,
                    peer: peers.get(&bound).copied(),
                    read: Direction::default(),
                    written: Direction::default(),
                });
                let direction = if plain.write { &mut session.written } else { &mut session.read };
                if plain.offset != direction.bytes.len() as u64 || plain.total != plain.bytes.len() as u64 {
                    let (offset, total, have) = (plain.offset, plain.total, direction.bytes.len());
                    trouble = Some(format!("{offset} + {total}, where {have} bytes are: {} came", plain.bytes.len()));
                }
                if bound != 0 && plain.holder.fd < 0 || plain.call.enter == 0 || plain.call.exit < plain.call.enter {
                    trouble = Some(format!("{plain:?}"));
                }
                direction.bytes.extend_from_slice(&plain.bytes);
                direction.events += 1;
            }
            _ => {}
        })?;
        match trouble {
            Some(trouble) => bail!("an event out of order: {trouble}"),
            None => Ok(()),
        }
    }

    /// Drains until all threads have ended, and returns what they gave.
    pub fn until_done<T>(&mut self, threads: Vec<thread::JoinHandle<Result<T>>>) -> Result<Vec<T>> {
        let began = Instant::now();
        while !threads.iter().all(thread::JoinHandle::is_finished) {
            self.drain()?;
            ensure!(began.elapsed() < wait::scaled(2 * PATIENCE), "the clients do not end");
            thread::sleep(Duration::from_millis(5));
        }
        let given = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")));
        let given = given.collect::<Result<_>>()?;
        thread::sleep(Duration::from_millis(50));
        self.drain()?;
        Ok(given)
    }

    /// What the probes' verdicts are, and what became of events: for an error message.
    pub fn state(&self) -> String {
        let verdicts: Vec<String> = self
            .capture
            .library_probes()
            .map(|report| format!("{} {:?} {:?}", report.file, report.site.functions, report.verdict))
            .collect();
        let fates: Vec<_> = self.capture.ledger().0.counts().filter(|(_, count)| *count > 0).collect();
        format!("{verdicts:?} {fates:?} {:?}", self.capture.ledger().1)
    }

    /// The sessions so far.
    pub fn sessions(&self) -> Vec<Session> {
        self.sessions.values().cloned().collect()
    }

    pub fn forget(&mut self) {
        self.sessions.clear();
    }
}
