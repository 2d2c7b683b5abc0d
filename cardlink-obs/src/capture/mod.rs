//! The kernel's side: loader, targets, descriptors, event reader. The only code that knows aya.

pub mod accounts;
mod arrivals;
pub mod command;
mod contexts;
pub mod host;
mod hotplug;
pub mod layout;
mod leave;
pub mod ledger;
pub mod library;
pub mod loader;
mod names;
mod orders;
pub mod probes;
mod reader;
mod reports;
mod rivals;
pub mod sampler;
pub mod selector;
mod snapshot;
pub mod sockets;
mod targets;
pub mod ttys;
mod unix;
mod usb_devices;

use crate::{
    event::{Endpoint, Event, ProcessOrigin, ProgramNote},
    memory,
    observation::TraceParent,
};
use accounts::Account;
use aya::maps::{Array, HashMap as BpfHashMap, MapData, RingBuf};
use cardlink_obs_common::{FdKey, FdRef, StreamState, policy};
use contexts::Contexts;
use hotplug::Hotplug;
use ledger::{Ledger, Losses, Received};
use library::{Inside, LibraryMode, Named, SqliteMode, TestMode, Wanted};
use loader::{Attached, Kernel, KernelSettings, LoadError};
use names::TtyNames;
use nix::time::{ClockId, clock_gettime};
use probes::Family;
use reader::Record;
use reports::{Notice, Reports};
use rivals::Rivals;
use selector::Selectors;
use std::{
    borrow::Cow,
    collections::VecDeque,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    time::Duration,
};
use targets::Targets;

/// Probes that are attached while there is a target.
const WITH_TARGET: [Family; 7] =
    [Family::Descriptor, Family::Transfer, Family::Poll, Family::Blind, Family::Report, Family::Usb, Family::Call];

/// How often the set of targets is looked over, and the ledger read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For so long after a loss a stream may still wait for an end that was lost, in nanoseconds.
const AFTERMATH: u64 = 2_500_000_000;

/// How long the probes stay attached when the last target has gone and another may come.
const LINGER: Duration = Duration::from_mins(5);

/// How often the kernel is asked for its accounts of the programs, nanoseconds.
const ACCOUNTS_EVERY: u64 = 5_000_000_000;

/// How often what was left behind is looked for, nanoseconds.
const SWEEP_EVERY: u64 = 60_000_000_000;

/// How the capture is set up.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub selectors: Selectors,
    pub kernel: KernelSettings,
    /// When the TLS libraries of targets are probed.
    pub libraries: LibraryMode,
    /// Functions whose calls are told.
    pub functions: Vec<Named>,
    /// When SQLite is probed in targets.
    pub sqlite: SqliteMode,
    /// Which processes' tests are followed.
    pub tests: TestMode,
    /// Between two process samples; zero for none.
    pub sample_every: Duration,
    /// Look for `TRACEPARENT` in the environment of targets.
    pub trace_context: bool,
}

/// The running capture.
pub struct Capture {
    kernel: Kernel,
    ring: RingBuf<MapData>,
    sleeps: Array<MapData, u32>,
    descriptors: BpfHashMap<MapData, FdKey, FdRef>,
    streams: BpfHashMap<MapData, u64, StreamState>,
    policies: BpfHashMap<MapData, u64, u8>,
    diagnostics: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    targets: Targets,
    inside: Inside,
    /// By their numbers.
    named: Arc<[Named]>,
    ledger: Ledger,
    received: Received,
    /// Events that capture made itself and that wait for their turn.
    made: VecDeque<Event<'static>>,
    sample_every: Duration,
    contexts: Contexts,
    hotplug: Hotplug,
    ttys: TtyNames,
    rivals: Rivals,
    reports: Reports,
    next_look: u64,
    next_sample: u64,
    next_accounts: u64,
    accounts: Vec<(&'static str, Account)>,
    next_sweep: u64,
    losses: Losses,
    /// Since when there is no target.
    idle_since: Option<u64>,
    /// How long probes stay without one, nanoseconds.
    linger: u64,
}

/// Nanoseconds since boot, as the kernel side stamps its events.
pub fn now() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_or(0, |time| u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
}

impl Capture {
    /// Loads the kernel side, attaches what tells of processes, and takes in the targets that are there.
    pub fn start(mut settings: Settings) -> Result<Self, LoadError> {
        settings.kernel.tests = settings.tests != TestMode::Off;
        settings.kernel.tell_strangers = settings.selectors.looks_for_others() && !settings.selectors.only_comms();
        settings.kernel.libraries = settings.libraries != LibraryMode::Off;
        settings.kernel.sqlite = settings.sqlite != SqliteMode::Off;
        settings.kernel.functions = !settings.functions.is_empty();
        let named: Arc<[Named]> = Arc::from(settings.functions);
        let wanted = Wanted {
            tls: settings.libraries,
            functions: Arc::clone(&named),
            sqlite: settings.sqlite,
            tests: settings.tests,
        };
        let linger = if settings.selectors.looks_for_others() { LINGER } else { Duration::ZERO };
        let linger = u64::try_from(linger.as_nanos()).unwrap_or(u64::MAX);
        let mut kernel = Kernel::load(&settings.kernel)?;
        let ring = kernel.ring()?;
        let mut comms = kernel.comms()?;
        if settings.selectors.only_comms() {
            for name in &settings.selectors.comms {
                targets::announce_comm(&mut comms, name)?;
            }
        }
        let targets = Targets::new(settings.selectors, kernel.targets()?, comms);
        let mut capture = Self {
            ring,
            sleeps: kernel.sleeps()?,
            descriptors: kernel.descriptors()?,
            streams: kernel.streams()?,
            policies: kernel.policies()?,
            diagnostics: (settings.kernel.bpf_log_level > 0).then(|| kernel.diagnostics()).flatten(),
            ledger: Ledger::new(kernel.ledger()?),
            received: Received::default(),
            inside: Inside::new(&wanted, &mut kernel)?,
            named,
            targets,
            made: VecDeque::new(),
            sample_every: settings.sample_every,
            contexts: Contexts::new(settings.trace_context),
            hotplug: Hotplug::new(),
            ttys: TtyNames::default(),
            rivals: Rivals::default(),
            reports: Reports::default(),
            next_look: 0,
            next_sample: 0,
            next_accounts: 0,
            accounts: Vec::new(),
            next_sweep: 0,
            losses: Losses::default(),
            idle_since: None,
            linger,
            kernel,
        };
        // Attach, then snapshot, then reconcile: what happens meanwhile is in the ring.
        capture.kernel.attach(&[Family::Process])?;
        capture.look(now())?;
        capture.inside.settle(&mut capture.kernel, now());
        // The kernel's type information took tens of megabytes while it was read.
        memory::give_back();
        Ok(capture)
    }

    /// Watches one more process, from outside the selectors (`-- COMMAND`), which is given `context`.
    pub fn watch(&mut self, pid: u32, target: &str, context: Option<TraceParent>) -> Result<(), LoadError> {
        self.kernel.attach(&WITH_TARGET)?;
        if let Some(context) = context {
            self.contexts.given(pid, context);
        }
        // It is still the agent's own program: its name will be that of the command.
        self.take_in(pid, target, Some(target), ProcessOrigin::Found, now())
    }

    /// Another time between two readings of the processes' figures; zero for none.
    pub fn set_sample_every(&mut self, time: Duration) {
        self.sample_every = time;
        self.next_sample = 0;
    }

    pub fn probes(&self) -> &[Attached] {
        &self.kernel.probes
    }

    /// What became of every probe in a library of a target.
    pub fn library_probes(&self) -> impl Iterator<Item = library::Report<'_>> {
        self.inside.reports()
    }

    /// Whether a target has probes in its libraries, or runs tests that are followed.
    pub fn is_inside(&self) -> bool {
        self.inside.any()
    }

    /// Pids that are watched, with their target's name.
    pub fn watched(&self) -> impl Iterator<Item = (u32, &str)> {
        self.targets.iter()
    }

    /// The kernel's account of every hook, a few seconds old.
    pub fn accounts(&self) -> &[(&'static str, Account)] {
        &self.accounts
    }

    pub fn ledger(&self) -> (&Ledger, &Received) {
        (&self.ledger, &self.received)
    }

    /// Becomes readable (edge-triggered) when the kernel side forces a wake-up: at a quarter full, and at any event after
    /// [`Capture::wake_at_next`].
    pub fn ring_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Becomes readable when a device comes or goes; `None` where the kernel does not tell.
    pub fn devices_fd(&self) -> Option<BorrowedFd<'_>> {
        self.hotplug.fd()
    }

    /// Asks the kernel side to wake who waits for [`Capture::ring_fd`] at the next event, or no longer to. Whether that was taken.
    /// What is on its way meanwhile wakes nobody: look once more before a long sleep.
    pub fn wake_at_next(&mut self, wake: bool) -> bool {
        self.sleeps.set(0, u32::from(wake), 0).is_ok()
    }

    /// Whether something is under way that is looked after by the clock: files of targets that are being read.
    pub fn is_busy(&self) -> bool {
        self.inside.is_busy()
    }

    /// Hands on all that has happened, in order; ends with a tick. Returns how many events came from the ring.
    pub fn drain(&mut self, handle: &mut impl FnMut(Event<'_>)) -> Result<u64, LoadError> {
        let mut count = 0;
        self.hand_on_made(handle);
        loop {
            // Programs that nobody watches start all the time: that is nothing that happens.
            let mut counts = 1;
            match self.next_step(handle) {
                Step::Empty => break,
                Step::Done => {}
                Step::Pending(pending) => {
                    let stranger = match &pending {
                        Pending::Exec { stranger: true, pid, .. } => Some(*pid),
                        _ => None,
                    };
                    self.settle(pending)?;
                    if stranger.is_some_and(|pid| self.targets.name(pid).is_none()) {
                        counts = 0;
                    }
                    self.hand_on_made(handle);
                }
            }
            count += counts;
        }
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.flush();
        }
        let now = now();
        self.made.extend(self.inside.look(&mut self.kernel, now));
        if now >= self.next_look {
            self.look(now)?;
        }
        self.made.extend(self.hotplug.look(now));
        if self.hotplug.heard() {
            // The first port of its kind brings its driver.
            self.kernel.learn_ttys()?;
            // A modem that was pulled out is missed at once.
            self.made.extend(self.ttys.gone(now));
        }
        self.made.extend(self.rivals.look(now, |pid| self.targets.name(pid).is_some()));
        self.hand_on_made(handle);
        handle(Event::Tick { now });
        Ok(count)
    }

    /// Takes one record out of the ring and hands it on, or says what else it asks for.
    fn next_step(&mut self, handle: &mut impl FnMut(Event<'_>)) -> Step {
        let Some(item) = self.ring.next() else { return Step::Empty };
        match reader::read(&item) {
            Ok(Record::Event(event)) => {
                self.received.decoded += 1;
                // Something may have been lost just before an end: it is judged by what is known to be missing.
                if matches!(event, Event::Closed { .. } | Event::Eof { .. } | Event::Failed { .. })
                    && let Some(lost) = self.losses.before(event.at(), &mut self.ledger)
                {
                    handle(lost);
                }
                if let Event::Opened { endpoint: Endpoint::Tty { path }, holder, .. } = &event {
                    self.rivals.opened(path, holder.tgid, holder.fd);
                    if let Some(named) = self.ttys.opened(path, event.at()) {
                        handle(named);
                    }
                }
                // Phones, disks: what goes over them is nobody's business.
                if let Event::Opened { endpoint: Endpoint::Usb { reader: None, .. }, stream, .. } = &event {
                    let _ = self.policies.insert(stream.identity, policy::QUIET, 0);
                }
                let began = match &event {
                    Event::Program { at, pid, note: ProgramNote::Began(_) } => Some((*at, *pid)),
                    _ => None,
                };
                handle(event);
                if let Some((at, pid)) = began
                    && let Some(phone) = host::environment(pid).and_then(|all| host::variable(&all, "ANDROID_SERIAL"))
                {
                    handle(Event::Program { at, pid, note: ProgramNote::Phone(Cow::Owned(phone.into_bytes())) });
                }
                Step::Done
            }
            Ok(Record::Accepted { opened, peer }) => {
                self.received.decoded += 1;
                let met = match (&opened, host::comm(peer)) {
                    (Event::Opened { at, stream, .. }, Some(comm)) => {
                        Some(Event::Peer { at: *at, stream: *stream, pid: peer, comm: Cow::Owned(comm) })
                    }
                    _ => None,
                };
                handle(opened);
                met.into_iter().for_each(handle);
                Step::Done
            }
            Ok(Record::Ended { transport, failed, closed }) => {
                self.received.decoded += 1;
                if let Some(lost) = self.losses.before(transport.at(), &mut self.ledger) {
                    handle(lost);
                }
                handle(transport);
                failed.map(|failed| *failed).into_iter().chain(closed).for_each(handle);
                Step::Done
            }
            Ok(Record::Called { at, enter, pid, tid, number, nested }) => {
                let Some(named) = self.named.get(number) else {
                    self.received.undecodable += 1;
                    return Step::Done;
                };
                self.received.decoded += 1;
                handle(Event::Called { at, enter, pid, tid, name: Cow::Borrowed(named.function()), nested });
                Step::Done
            }
            Ok(Record::Forked { at, parent, child }) => Step::Pending(Pending::Forked { at, parent, child }),
            Ok(Record::Exec { at, pid, comm, stranger }) => Step::Pending(Pending::Exec { at, pid, comm, stranger }),
            Ok(Record::Exited { at, pid, status }) => Step::Pending(Pending::Exited { at, pid, status }),
            Ok(Record::Report(notice)) => Step::Pending(Pending::Report(notice)),
            Err(_) => {
                self.received.undecodable += 1;
                Step::Done
            }
        }
    }

    /// Nobody is watched any more; what is in the ring stays there to be drained.
    pub fn stop(&mut self) {
        let pids: Vec<u32> = self.targets.iter().map(|(pid, _)| pid).collect();
        for pid in pids {
            self.targets.unwatch(pid);
        }
    }

    /// Ends the capture without waiting until the kernel has let go of every hook.
    pub fn leave(self) {
        leave::behind();
    }

    fn hand_on_made(&mut self, handle: &mut impl FnMut(Event<'_>)) {
        while let Some(event) = self.made.pop_front() {
            handle(event);
        }
    }
}

/// What became of one look into the ring.
enum Step {
    Empty,
    Done,
    Pending(Pending),
}

/// What a record asks for once the ring is not borrowed any more.
enum Pending {
    Forked { at: u64, parent: u32, child: u32 },
    Exec { at: u64, pid: u32, comm: String, stranger: bool },
    Exited { at: u64, pid: u32, status: Option<u32> },
    Report(Notice),
}
