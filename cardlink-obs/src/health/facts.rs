//! What the checks may know of the agent they run in.

use crate::{
    client::OwnConnections,
    sink::{
        metrics::{Registry, page::Page},
        recording::Progress,
    },
};
use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The loop of the agent comes round at least five times a second.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);

/// How often who is watched is taken over.
const UPDATE_EVERY: Duration = Duration::from_millis(500);

pub struct Facts {
    pub registry: Arc<Registry>,
    pub page: Arc<Page>,
    /// Connections of checks are to be kept out of the metrics.
    pub own: OwnConnections,
    /// What the page is served with.
    pub certificate: Option<PathBuf>,
    /// The ports that the configuration watches.
    pub ports: Vec<u16>,
    /// How the recording goes, when there is one.
    pub recording: Option<Arc<Progress>>,
    started: Instant,
    first_round: Condvar,
    seen: Mutex<Seen>,
}

struct Seen {
    beat: Instant,
    updated: Option<Instant>,
    /// The loop has come round: what was there at the start is known.
    begun: bool,
    /// Watched processes, with their targets' names.
    watched: Vec<(u32, String)>,
}

impl Facts {
    pub fn new(registry: Arc<Registry>, page: Arc<Page>) -> Self {
        let now = Instant::now();
        Self {
            registry,
            page,
            own: OwnConnections::default(),
            certificate: None,
            ports: Vec::new(),
            recording: None,
            started: now,
            first_round: Condvar::new(),
            seen: Mutex::new(Seen { beat: now, updated: None, begun: false, watched: Vec::new() }),
        }
    }

    /// The agent's loop came round.
    pub fn beat<'a>(&self, watched: impl Iterator<Item = (u32, &'a str)>) {
        let mut seen = self.seen();
        seen.beat = Instant::now();
        if !seen.begun {
            seen.begun = true;
            self.first_round.notify_all();
        }
        if seen.updated.is_none_or(|at| at.elapsed() >= UPDATE_EVERY) {
            seen.updated = Some(Instant::now());
            seen.watched = watched.map(|(pid, name)| (pid, name.to_owned())).collect();
        }
    }

    /// Waits until the loop has come round for the first time, at most so long.
    pub fn wait_for_first_round(&self, at_most: Duration) {
        let waited = self.first_round.wait_timeout_while(self.seen(), at_most, |seen| !seen.begun);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the agent's loop still comes round.
    pub fn is_alive(&self) -> bool {
        self.seen().beat.elapsed() < ALIVE_WITHIN
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Processes that are watched now, with the names of their targets.
    pub fn watched(&self) -> Vec<(u32, String)> {
        self.seen().watched.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
