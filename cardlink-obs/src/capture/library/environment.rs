//! Probes in the C library's `setenv` and `unsetenv`, on processes that run pytest: it puts the test and the phase that are
//! under way into its environment.

use super::{
    image::{Image, Tables},
    mapped, prologue,
};
use crate::{
    capture::{host, loader::Kernel},
    event::ProcessOrigin,
};
use cardlink_obs_common::test;
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

/// Which processes have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TestMode {
    /// None.
    #[default]
    Off,
    /// Python programs that have pytest in their command line, and the workers that they start.
    Auto,
    /// All Python programs.
    On,
}

/// Between two looks at what a process has mapped, nanoseconds.
const FIRST_LOOK: u64 = 5_000_000;
const FORKED_LOOK: u64 = 100_000_000;
/// After so many looks a process is no longer looked at: the last one is some ten seconds after the first.
const LOOKS: u32 = 12;

/// In the order in which they are probed: a test that is seen to begin must be seen to end.
const FUNCTIONS: [(&str, u64); 2] = [("unsetenv", test::UNSET), ("setenv", test::SET)];

/// The probes of all targets.
#[derive(Default)]
pub struct Environments {
    mode: TestMode,
    waiting: HashMap<u32, Waiting>,
    probed: HashMap<u32, Vec<Box<dyn Send>>>,
    /// Offsets of the functions, by file.
    places: HashMap<mapped::FileId, Vec<(u64, u64)>>,
    /// Processes that run tests: what they start with Python runs tests, too.
    runners: HashSet<u32>,
    parents: HashMap<u32, u32>,
}

/// A process in which the C library is not there yet.
struct Waiting {
    next_look: u64,
    looks: u32,
}

impl Environments {
    pub fn new(mode: TestMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// A process is watched from now on, or became another program.
    pub fn came(&mut self, kernel: &mut Kernel, pid: u32, origin: ProcessOrigin, now: u64) {
        if self.mode == TestMode::Off {
            return;
        }
        let parent = match origin {
            ProcessOrigin::Forked { parent } => Some(parent),
            _ => self.parents.get(&pid).copied(),
        };
        self.left(pid);
        self.parents.extend(parent.map(|parent| (pid, parent)));
        let is_wanted = is_python(pid)
            && (self.mode == TestMode::On
                || names_pytest(pid)
                || parent.is_some_and(|parent| self.runners.contains(&parent)));
        if is_wanted {
            self.runners.insert(pid);
            // Most children become another program at once: probes for so short a time only cost.
            let forked = matches!(origin, ProcessOrigin::Forked { .. });
            let next_look = if forked { now.saturating_add(FORKED_LOOK) } else { now };
            self.waiting.insert(pid, Waiting { next_look, looks: 0 });
            self.look(kernel, now);
        }
    }

    /// A process is gone.
    pub fn left(&mut self, pid: u32) {
        self.waiting.remove(&pid);
        self.probed.remove(&pid);
        self.runners.remove(&pid);
        self.parents.remove(&pid);
    }

    /// Whether a process has them, or is to have them.
    pub fn any(&self) -> bool {
        !self.probed.is_empty() || !self.waiting.is_empty()
    }

    /// Looks at those whose time has come.
    pub fn look(&mut self, kernel: &mut Kernel, now: u64) {
        let due = self.waiting.iter().filter(|(_, waiting)| waiting.next_look <= now).map(|(pid, _)| *pid);
        for pid in due.collect::<Vec<_>>() {
            let Some(links) = self.probe(kernel, pid) else {
                if let Some(waiting) = self.waiting.get_mut(&pid) {
                    waiting.looks += 1;
                    waiting.next_look = now.saturating_add(FIRST_LOOK << waiting.looks);
                    if waiting.looks >= LOOKS {
                        self.waiting.remove(&pid);
                    }
                }
                continue;
            };
            self.waiting.remove(&pid);
            if !links.is_empty() {
                self.probed.insert(pid, links);
            }
        }
    }

    /// Attaches the probes; `None` when the C library is not there yet.
    fn probe(&mut self, kernel: &mut Kernel, pid: u32) -> Option<Vec<Box<dyn Send>>> {
        let files = mapped::files(pid);
        let library = files
            .iter()
            .find(|file| ["libc.so", "libc-", "libc.musl", "ld-musl"].iter().any(|name| file.name.starts_with(name)))?;
        let id = library.id().ok()?;
        let places = self.places.entry(id).or_insert_with(|| places(&library.path)).clone();
        let mut links = Vec::new();
        for (offset, cookie) in places {
            match kernel.attach_in_library("environment_set", &library.path, offset, cookie, pid) {
                Ok(link) => links.push(link),
                // It ended meanwhile: that is no verdict on its probes.
                Err(_) if !host::is_running(pid) => return Some(Vec::new()),
                Err(reason) => {
                    tracing::warn!("tests of process {pid} cannot be followed: {reason}");
                    break;
                }
            }
        }
        kernel.judge_environment(!links.is_empty());
        Some(links)
    }
}

/// Where the functions are in a file, with the cookies of their probes.
fn places(path: &Path) -> Vec<(u64, u64)> {
    let wanted = |name: &str| FUNCTIONS.iter().any(|(known, _)| *known == name).then(|| name.to_owned());
    let Ok(image) = Image::open(path, Tables::First, &wanted) else { return Vec::new() };
    let of = |(name, cookie): (&str, u64)| {
        let address = image.function(name)?;
        let arguments = if cookie == test::SET { 2 } else { 1 };
        let cheap = image.code(address).and_then(|code| prologue::cheap_site(code, address, arguments));
        Some((image.offset(cheap.unwrap_or(address))?, cookie))
    };
    FUNCTIONS.into_iter().filter_map(of).collect()
}

fn is_python(pid: u32) -> bool {
    let named = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("python") || name.starts_with("pypy")
    };
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| named(&path))
}

fn names_pytest(pid: u32) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&words);
    text.split('\0').any(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        name == "pytest" || name == "py.test" || name.starts_with("pytest-") || name == "pytest.py"
    })
}
