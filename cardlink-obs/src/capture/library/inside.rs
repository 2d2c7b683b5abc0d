//! Everything that is put into targets, as one: a kind of probes that comes finds its room here.

use super::{Environments, Libraries, LibraryMode, Named, Report, SqliteMode, TestMode, pace::Pace};
use crate::{
    capture::loader::{Kernel, LoadError},
    event::{Event, ProcessOrigin},
};
use std::sync::Arc;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub tls: LibraryMode,
    pub functions: Arc<[Named]>,
    pub sqlite: SqliteMode,
    pub tests: TestMode,
}

/// The probes of all kinds in all targets.
pub struct Inside {
    tls: Libraries,
    /// Those that need no more than to know of a process.
    others: Vec<Libraries>,
    environments: Environments,
    pace: Option<Pace>,
}

impl Inside {
    pub fn new(wanted: &Wanted, kernel: &mut Kernel) -> Result<Self, LoadError> {
        let pace = if wanted.sqlite == SqliteMode::Auto { Some(Pace::new(kernel)?) } else { None };
        Ok(Self {
            tls: Libraries::tls(wanted.tls, kernel.sessions()?),
            others: vec![Libraries::functions(Arc::clone(&wanted.functions)), Libraries::sqlite(wanted.sqlite)],
            environments: Environments::new(wanted.tests),
            pace,
        })
    }

    /// A process is watched from now on, or became another program.
    pub fn came(&mut self, kernel: &mut Kernel, pid: u32, name: &str, origin: ProcessOrigin, now: u64) {
        self.environments.came(kernel, pid, origin, now);
        if let Some(pace) = &mut self.pace {
            pace.left(pid);
        }
        for libraries in self.all() {
            libraries.came(kernel, pid, name, origin, now);
        }
    }

    /// A process is gone, or is not watched any more.
    pub fn left(&mut self, pid: u32) {
        self.environments.left(pid);
        if let Some(pace) = &mut self.pace {
            pace.left(pid);
        }
        for libraries in self.all() {
            libraries.left(pid);
        }
    }

    /// A target of this name has a connection that cannot be read from the wire. Whether that is news.
    pub fn need_tls(&mut self, name: &str) -> bool {
        self.tls.need(name)
    }

    /// A process of such a name.
    pub fn needs_tls(&mut self, kernel: &mut Kernel, pid: u32, name: &str, now: u64) {
        self.tls.came(kernel, pid, name, ProcessOrigin::Found, now);
    }

    /// Looks at those whose time has come; what is to be told of them.
    pub fn look(&mut self, kernel: &mut Kernel, now: u64) -> Vec<Event<'static>> {
        for libraries in self.all() {
            libraries.look(kernel, now);
        }
        self.environments.look(kernel, now);
        match &mut self.pace {
            Some(pace) => pace.look(self.others.last_mut(), kernel, now),
            None => Vec::new(),
        }
    }

    /// Waits until everything of those who are there has its probes: before the agent says that it watches.
    pub fn settle(&mut self, kernel: &mut Kernel, now: u64) {
        for libraries in self.all() {
            libraries.settle(kernel, now);
        }
    }

    /// What became of every probe.
    pub fn reports(&self) -> impl Iterator<Item = Report<'_>> {
        std::iter::once(&self.tls).chain(&self.others).flat_map(Libraries::reports)
    }

    /// Whether a target has probes, or is to have them, that are not put into each one.
    pub fn any(&self) -> bool {
        self.environments.any() || self.reports().next().is_some()
    }

    /// Whether libraries are being looked at.
    pub fn is_busy(&self) -> bool {
        std::iter::once(&self.tls).chain(&self.others).any(Libraries::is_busy)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Libraries> {
        std::iter::once(&mut self.tls).chain(&mut self.others)
    }
}
