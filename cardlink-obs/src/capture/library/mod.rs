//! Probes in the programs and libraries of targets: in TLS libraries, for plaintext where nobody has the key or the key is not
//! enough, in SQLite, in functions that the user named, and where tests are told.
//!
//! They cost the target far more than the hooks of system calls, so they go only onto targets, and only when they are
//! wanted. A process that a target forks needs its own; until it has them its calls are missed.

mod detach;
mod environment;
mod functions;
mod image;
mod inside;
mod mapped;
mod pace;
mod plan;
mod planner;
mod probed;
mod programs;
mod prologue;
mod site;
mod sought;
mod sqlite;
pub mod trial;

pub use environment::{Environments, TestMode};
pub use functions::Library;
pub use inside::{Inside, Wanted};
pub use plan::Plan;
pub use probed::{LibraryVerdict, Report};
pub use site::Site;
pub use sought::{Named, Sought};

use super::{
    host,
    loader::{Kernel, KernelSettings, LoadError},
    probes::Verdict,
};
use crate::event::ProcessOrigin;
use cardlink_obs_common::{SessionKey, SessionState};
use detach::Detacher;
use mapped::{FileId, Mapped};
use planner::{Answer, Planner};
use probed::Probed;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use trial::{Concerns, Confinement, Refusal};

/// When TLS libraries are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LibraryMode {
    /// Never.
    #[default]
    Off,
    /// On targets with a connection that cannot be read from the wire, from the first such connection on.
    Auto,
    /// On every target, from the start.
    On,
}

/// When SQLite is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SqliteMode {
    /// Never.
    #[default]
    Off,
    /// In targets that have its library, as long as they do not step too fast.
    Auto,
    /// In programs that it is linked into, too, and however fast they are.
    On,
}

/// Between two looks at what a process has mapped, nanoseconds: short after it came, then longer.
const FIRST_LOOK: u64 = 5_000_000;
/// Most children become another program at once: probes for so short a time only cost.
const FORKED_LOOK: u64 = 100_000_000;
const LAST_LOOK: u64 = 10_000_000_000;

/// Looks at the beginning, each of which waits for the files that the one before found.
const MOST_LOOKS: usize = 64;

/// The probes of one kind in all targets.
pub struct Libraries {
    sought: Sought,
    mode: LibraryMode,
    /// Names of targets that need them.
    needed: HashSet<String>,
    /// How long after a fork a child is looked at first, nanoseconds.
    after_fork: u64,
    /// Of TLS libraries.
    sessions: Option<SessionMap>,
    /// Files that lack what should be in them, as far as that was told.
    told: HashSet<FileId>,
    planner: Planner,
    targets: HashMap<u32, TargetLibraries>,
    trials: HashMap<Confinement, Result<(), Refusal>>,
    detacher: Detacher,
}

type SessionMap = aya::maps::HashMap<aya::maps::MapData, SessionKey, SessionState>;

/// What one target has mapped.
#[derive(Default)]
struct TargetLibraries {
    probed: Vec<Probed>,
    looked_at: Vec<FileId>,
    next_look: u64,
    wait: u64,
}

impl Libraries {
    /// Those in TLS libraries.
    pub fn tls(mode: LibraryMode, sessions: SessionMap) -> Self {
        Self::new(Sought::Tls, mode, Some(sessions))
    }

    /// Those in functions that the user named.
    pub fn functions(named: Arc<[Named]>) -> Self {
        let mode = if named.is_empty() { LibraryMode::Off } else { LibraryMode::On };
        Self::new(Sought::Functions(named), mode, None)
    }

    /// Those in SQLite.
    pub fn sqlite(mode: SqliteMode) -> Self {
        let when = if mode == SqliteMode::Off { LibraryMode::Off } else { LibraryMode::On };
        let mut new = Self::new(Sought::Sqlite { programs: mode == SqliteMode::On }, when, None);
        new.after_fork = FORKED_LOOK;
        new
    }

    fn new(sought: Sought, mode: LibraryMode, sessions: Option<SessionMap>) -> Self {
        if mode != LibraryMode::Off {
            raise_descriptor_limit();
        }
        Self {
            mode,
            needed: HashSet::new(),
            after_fork: 0,
            sessions,
            planner: Planner::new(sought.clone()),
            sought,
            told: HashSet::new(),
            targets: HashMap::new(),
            trials: HashMap::new(),
            detacher: Detacher::default(),
        }
    }

    /// A process is watched from now on, or became another program: its libraries are looked for, now and for a while.
    pub fn came(&mut self, kernel: &mut Kernel, pid: u32, name: &str, origin: ProcessOrigin, now: u64) {
        if self.mode == LibraryMode::On || self.needed.contains(name) {
            self.left(pid);
            let forked = matches!(origin, ProcessOrigin::Forked { .. });
            let next_look = if forked { now.saturating_add(self.after_fork) } else { now };
            self.targets.insert(pid, TargetLibraries { next_look, wait: FIRST_LOOK, ..TargetLibraries::default() });
            self.look(kernel, now);
        }
    }

    /// A target of this name has a connection that cannot be read from the wire. Whether that is news.
    pub fn need(&mut self, name: &str) -> bool {
        self.mode == LibraryMode::Auto && self.needed.insert(name.to_owned())
    }

    /// A process is gone, or is not watched any more.
    pub fn left(&mut self, pid: u32) {
        let Some(target) = self.targets.remove(&pid) else { return };
        for probed in target.probed {
            self.detacher.detach(probed.links);
        }
        let Some(sessions) = &mut self.sessions else { return };
        let gone: Vec<SessionKey> = sessions.keys().flatten().filter(|key| key.tgid == pid).collect();
        for key in gone {
            let _ = sessions.remove(&key);
        }
    }

    /// Looks at those whose time has come.
    pub fn look(&mut self, kernel: &mut Kernel, now: u64) {
        let due: Vec<u32> =
            self.targets.iter().filter(|(_, target)| target.next_look <= now).map(|(pid, _)| *pid).collect();
        for pid in due {
            self.look_at(kernel, pid, now);
        }
    }

    /// Waits until every library of those who are there has its probes: before the agent says that it watches.
    pub fn settle(&mut self, kernel: &mut Kernel, now: u64) {
        let mut now = now;
        for _ in 0..MOST_LOOKS {
            if self.planner.is_idle() {
                return;
            }
            self.planner.wait();
            now = now.saturating_add(FIRST_LOOK);
            self.look(kernel, now);
        }
    }

    pub fn is_busy(&self) -> bool {
        !self.planner.is_idle()
    }

    /// What became of every probe.
    pub fn reports(&self) -> impl Iterator<Item = Report<'_>> {
        self.targets.iter().flat_map(|(pid, target)| target.probed.iter().flat_map(|probed| probed.reports(*pid)))
    }

    fn look_at(&mut self, kernel: &mut Kernel, pid: u32, now: u64) {
        let Some(target) = self.targets.get_mut(&pid) else { return };
        target.next_look = now.saturating_add(target.wait);
        target.wait = target.wait.saturating_mul(2).min(LAST_LOOK);
        for file in mapped::files(pid) {
            if !self.sought.may_be_in(&file) {
                continue;
            }
            let Ok(id) = file.id() else { continue };
            let Some(target) = self.targets.get_mut(&pid) else { return };
            if target.looked_at.contains(&id) {
                continue;
            }
            let answer = match self.planner.of(id, &file) {
                Answer::Ready(answer) => answer,
                Answer::Later => {
                    target.next_look = now.saturating_add(FIRST_LOOK);
                    target.wait = FIRST_LOOK;
                    continue;
                }
            };
            target.looked_at.push(id);
            let plan = match answer {
                Ok(plan) => plan,
                Err(error) => {
                    tracing::debug!("{} of process {pid} {error}", file.name);
                    continue;
                }
            };
            if !plan.missing.is_empty() && self.told.insert(id) {
                let (missing, name) = (plan.missing.join(", "), &file.name);
                tracing::warn!(
                    "{name} of process {pid} has no function {missing}: it may be stripped or inlined, or in a library (FILE:FUNCTION); `nm -C` lists what there is"
                );
            }
            if plan.sites.is_empty() {
                continue;
            }
            let probed = self.probe(kernel, pid, &file, &plan);
            if !probed.works() && !host::is_running(pid) {
                // It ended meanwhile: that is no verdict on its probes.
                return;
            }
            probed.log(pid);
            self.tell(kernel, &probed);
            if let Some(target) = self.targets.get_mut(&pid) {
                if probed.again {
                    target.looked_at.retain(|other| *other != id);
                }
                target.probed.retain(|other| !other.again || other.file != probed.file);
                target.probed.push(probed);
            }
        }
    }

    /// Attaches what is planned, or says why not.
    fn probe(&mut self, kernel: &mut Kernel, pid: u32, file: &Mapped, plan: &Arc<Plan>) -> Probed {
        let mut again = false;
        let refused = kernel.not_loaded(self.sought.family()).or_else(|| {
            let refusal = self.refused(kernel, pid).err()?;
            again = refusal.open;
            Some(LibraryVerdict::Unsupported(refusal.reason))
        });
        let mut probed =
            Probed { file: file.name.clone(), plan: Arc::clone(plan), verdicts: Vec::new(), links: Vec::new(), again };
        for site in &plan.sites {
            let verdict = match &refused {
                Some(verdict) => verdict.clone(),
                None => match attach(kernel, self.sought.programs(), pid, file, site, &mut probed.links) {
                    Ok(()) => LibraryVerdict::Ok,
                    Err(reason) => LibraryVerdict::Broken(reason),
                },
            };
            probed.verdicts.push(verdict);
        }
        probed
    }

    /// Whether return probes may be used on a process; if not, why. Entry probes alone would tell nothing.
    ///
    /// Tried out for every target: one that has no filter now may be going to have one.
    fn refused(&mut self, kernel: &mut Kernel, pid: u32) -> Result<(), Refusal> {
        let refusal = |reason: String| Refusal { reason, open: false };
        let concerns = Concerns::of(pid).map_err(|error| refusal(format!("its status cannot be read: {error}")))?;
        if concerns.shadow_stack {
            return Err(refusal(String::from("it has a shadow stack, which return probes may break")));
        }
        self.trial(kernel, Confinement::Filter)?;
        match concerns.confinement {
            Some(Confinement::Strict) => self.trial(kernel, Confinement::Strict),
            _ => Ok(()),
        }
    }

    fn trial(&mut self, kernel: &mut Kernel, confinement: Confinement) -> Result<(), Refusal> {
        if let Some(known) = self.trials.get(&confinement) {
            return known.clone();
        }
        let outcome = kernel.try_return_probe(confinement);
        if !matches!(&outcome, Err(refusal) if refusal.open) {
            self.trials.insert(confinement, outcome.clone());
        }
        outcome
    }

    /// Keeps the verdict of the programs themselves: what works somewhere works.
    fn tell(&self, kernel: &mut Kernel, probed: &Probed) {
        let works = self.targets.values().flat_map(|target| &target.probed).any(Probed::works);
        if let Some(verdict) = probed.overall()
            && (!works || verdict == Verdict::Ok)
        {
            kernel.judge(self.sought.family(), &verdict);
        }
    }
}

/// What became of a probe on a process that was only looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    pub file: String,
    pub site: Site,
    pub verdict: LibraryVerdict,
}

/// Tries out what can be had from processes that nobody watches.
pub struct Tryout {
    kernel: Kernel,
    libraries: Libraries,
}

impl Tryout {
    pub fn new(settings: &KernelSettings) -> Result<Self, LoadError> {
        let mut kernel = Kernel::load(&KernelSettings { libraries: true, ..settings.clone() })?;
        let libraries = Libraries::tls(LibraryMode::On, kernel.sessions()?);
        Ok(Self { kernel, libraries })
    }

    /// Attaches all probes to a process, says what became of it, and detaches them.
    pub fn on(&mut self, pid: u32) -> Vec<Finding> {
        self.libraries.came(&mut self.kernel, pid, "", ProcessOrigin::Found, 0);
        self.libraries.settle(&mut self.kernel, 0);
        let owned = |report: Report<'_>| Finding {
            file: report.file.to_owned(),
            site: report.site.clone(),
            verdict: report.verdict.clone(),
        };
        let findings = self.libraries.reports().map(owned).collect();
        self.libraries.left(pid);
        findings
    }
}

/// Puts the probes of one site onto a process. The return first: an entry without its return would leave a call open.
fn attach(
    kernel: &mut Kernel,
    (enter, returned_by): (&'static str, &'static str),
    pid: u32,
    file: &Mapped,
    site: &Site,
    links: &mut Vec<Box<dyn Send>>,
) -> Result<(), String> {
    let returned = if site.returns {
        Some(kernel.attach_in_library(returned_by, &file.path, site.offset, site.cookie, pid)?)
    } else {
        None
    };
    let entered = kernel.attach_in_library(enter, &file.path, site.offset, site.cookie, pid)?;
    // Detached in this order.
    links.push(entered);
    links.extend(returned);
    Ok(())
}

/// Each probe is a descriptor: a target with many children needs many.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
