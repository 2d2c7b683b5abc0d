//! Loads the BPF object, attaches its programs, and keeps each one's verdict.

use super::{
    accounts::{self, Account},
    layout::{self, LayoutError},
    probes::{Family, PROBES, Probe, Side, Site, Verdict},
};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, ProgramArray, RingBuf},
    programs::{
        BtfTracePoint, ProgramError, RawTracePoint, UProbe, raw_trace_point::RawTracePointLinkId,
        tp_btf::BtfTracePointLinkId,
    },
    sys::{Stats, enable_stats},
};
use cardlink_obs_common::{
    Accounts, Comm, FdKey, FdRef, KernelLayout, SessionKey, SessionState, SqliteCall, StreamState, TargetInfo,
};
use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

// The programs find system call arguments at the places of one architecture.
#[cfg(not(target_arch = "x86_64"))]
compile_error!("there is a BPF object for x86_64 only so far: build one with `cargo xtask build-ebpf` first");

/// The committed object, built by `cargo xtask build-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/cardlink-obs.bpf.o"));

/// Statements of SQLite that are kept, of all targets together.
const SQLITE_STATEMENTS: u32 = 65_536;

/// The first digits of the committed object's hash, from its manifest.
pub fn object_id() -> &'static str {
    const MANIFEST: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/cardlink-obs.bpf.manifest"));
    MANIFEST.lines().find_map(|line| line.strip_prefix("object: ")).and_then(|hash| hash.get(..12)).unwrap_or("unknown")
}

/// Sizes and switches of the kernel side.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of their own")]
pub struct KernelSettings {
    /// Size of the ring buffer; a power of two, at least a page.
    pub ring_bytes: u32,
    /// Descriptors, streams and policies that are kept.
    pub descriptors: u32,
    pub targets: u32,
    pub threads: u32,
    /// Tell of every exec on the host: for selectors that look at programs.
    pub tell_strangers: bool,
    /// Records of plain PSK suites are wanted whole: there are keys to read them with, or there will be.
    pub psk_records: bool,
    /// TLS libraries may be probed.
    pub libraries: bool,
    /// Functions of targets are probed.
    pub functions: bool,
    /// Test runs may be followed as they go on.
    pub tests: bool,
    /// SQLite may be probed.
    pub sqlite: bool,
    /// Level of the BPF programs' own diagnostics (0 off … 5 trace).
    pub bpf_log_level: u8,
    /// Let the kernel measure what the programs cost; that costs a little itself.
    pub measure_cost: bool,
    /// Another object than the built-in one.
    pub object: Option<PathBuf>,
}

impl KernelSettings {
    /// Whether programs of this family are loaded.
    const fn wants(&self, family: Family) -> bool {
        match family {
            Family::Library => self.libraries,
            Family::Function => self.functions,
            Family::Test => self.tests,
            Family::Sqlite => self.sqlite,
            _ => true,
        }
    }
}

impl Default for KernelSettings {
    fn default() -> Self {
        Self {
            ring_bytes: 4 << 20,
            descriptors: 65_536,
            targets: 4096,
            threads: 16_384,
            tell_strangers: false,
            psk_records: false,
            libraries: false,
            functions: false,
            tests: false,
            sqlite: false,
            bpf_log_level: 0,
            measure_cost: false,
            object: None,
        }
    }
}

/// Why the kernel side could not be set up. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{0}")]
    Layout(#[from] LayoutError),
    #[error(
        "not permitted to load BPF programs: run as root (sudo), or with CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
    )]
    NotPermitted,
    #[error("cannot read the BPF object {path}: {error}", path = .0.display(), error = .1)]
    Object(PathBuf, io::Error),
    #[error("the kernel refused the BPF object: {0}; `cardlink-obs doctor` tells what this kernel lacks")]
    Refused(String),
    #[error("the probe {program} ({site}) is needed and does not work: {reason}")]
    Required { program: &'static str, site: Site, reason: String },
    #[error("map {0}: {1}")]
    Map(&'static str, String),
}

#[derive(Debug)]
enum Link {
    Hook(RawTracePointLinkId),
    Calls(BtfTracePointLinkId),
    /// Gone on in from a hook: an entry of a map.
    Place,
}

/// A probe with its state.
#[derive(Debug)]
pub struct Attached {
    pub probe: &'static Probe,
    pub verdict: Verdict,
    link: Option<Link>,
}

/// The loaded kernel side.
pub struct Kernel {
    pub(super) bpf: Ebpf,
    pub probes: Vec<Attached>,
    /// Statistics are kept as long as this is open.
    _statistics: Option<OwnedFd>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("probes", &self.probes.len()).finish_non_exhaustive()
    }
}

impl Kernel {
    /// Loads the object and every program of it; attaches nothing yet.
    pub fn load(settings: &KernelSettings) -> Result<Self, LoadError> {
        let layout = layout::running_kernel()?;
        let btf = Btf::from_sys_fs().map_err(|error| LayoutError::Unreadable(error.to_string()))?;
        let mut bpf = load_object(settings, &layout, &btf)?;
        let probes = PROBES
            .iter()
            .filter(|probe| settings.wants(probe.family))
            .map(|probe| load_program(&mut bpf, &btf, probe))
            .collect::<Result<_, _>>()?;
        let statistics = settings.measure_cost.then(|| enable_stats(Stats::RunTime).ok()).flatten();
        let mut kernel = Self { bpf, probes, _statistics: statistics };
        kernel.learn_ttys()?;
        Ok(kernel)
    }

    /// Marks the character majors that are terminals, as far as their drivers are there: also when one has come since.
    pub fn learn_ttys(&mut self) -> Result<(), LoadError> {
        let map = self.bpf.map_mut("TTY_MAJORS").ok_or_else(|| missing("TTY_MAJORS"))?;
        let mut majors: Array<_, u8> = Array::try_from(map).map_err(|error| wrong("TTY_MAJORS", &error))?;
        for major in super::ttys::terminal_majors() {
            majors.set(major, 1, 0).map_err(|error| wrong("TTY_MAJORS", &error))?;
        }
        Ok(())
    }

    /// Attaches all probes of the given families that are not attached yet.
    pub fn attach(&mut self, families: &[Family]) -> Result<(), LoadError> {
        for attached in &mut self.probes {
            let here = families.contains(&attached.probe.family) && !attached.probe.family.is_inside();
            if !here || attached.verdict != Verdict::Standby {
                continue;
            }
            match attach_program(&mut self.bpf, attached.probe) {
                Ok(link) => {
                    attached.link = Some(link);
                    attached.verdict = Verdict::Ok;
                }
                Err(error) => {
                    attached.verdict = Verdict::Broken(chain(&error));
                    refuse_if_required(attached.probe, &attached.verdict)?;
                }
            }
        }
        Ok(())
    }

    /// Detaches all probes of the given families. What hooks go on in stays in its place: nobody gets there without them.
    pub fn detach(&mut self, families: &[Family]) {
        for attached in &mut self.probes {
            if !families.contains(&attached.probe.family) {
                continue;
            }
            let Some(link) = attached.link.take() else { continue };
            attached.verdict = Verdict::Standby;
            let (bpf, name) = (&mut self.bpf, attached.probe.program);
            // A failed detach leaves the link to the end of the process.
            let _ = match link {
                Link::Hook(link) => program::<RawTracePoint>(bpf, name).and_then(|program| program.detach(link)),
                Link::Calls(link) => program::<BtfTracePoint>(bpf, name).and_then(|program| program.detach(link)),
                Link::Place => Ok(()),
            };
        }
    }

    /// The kernel's account of every program that it runs by itself: those that are gone on in are part of who does that.
    pub fn accounts(&self) -> Vec<(&'static str, Account)> {
        let account = |name| Some(accounts::of(self.bpf.program(name)?.fd().ok()?.as_fd().as_raw_fd()));
        self.probes
            .iter()
            .filter(|attached| attached.probe.site.is_hook())
            .filter_map(|attached| Some((attached.probe.program, account(attached.probe.program)?)))
            .collect()
    }

    pub fn ring(&mut self) -> Result<RingBuf<MapData>, LoadError> {
        let map = self.bpf.take_map("EVENTS").ok_or_else(|| missing("EVENTS"))?;
        RingBuf::try_from(map).map_err(|error| wrong("EVENTS", &error))
    }

    /// Whether the agent sleeps for long: at 0.
    pub fn sleeps(&mut self) -> Result<Array<MapData, u32>, LoadError> {
        let map = self.bpf.take_map("SLEEPS").ok_or_else(|| missing("SLEEPS"))?;
        Array::try_from(map).map_err(|error| wrong("SLEEPS", &error))
    }

    pub fn targets(&mut self) -> Result<HashMap<MapData, u32, TargetInfo>, LoadError> {
        let map = self.bpf.take_map("TARGETS").ok_or_else(|| missing("TARGETS"))?;
        HashMap::try_from(map).map_err(|error| wrong("TARGETS", &error))
    }

    pub fn descriptors(&mut self) -> Result<HashMap<MapData, FdKey, FdRef>, LoadError> {
        let map = self.bpf.take_map("FDS").ok_or_else(|| missing("FDS"))?;
        HashMap::try_from(map).map_err(|error| wrong("FDS", &error))
    }

    pub fn streams(&mut self) -> Result<HashMap<MapData, u64, StreamState>, LoadError> {
        let map = self.bpf.take_map("STREAMS").ok_or_else(|| missing("STREAMS"))?;
        HashMap::try_from(map).map_err(|error| wrong("STREAMS", &error))
    }

    pub fn policies(&mut self) -> Result<HashMap<MapData, u64, u8>, LoadError> {
        let map = self.bpf.take_map("POLICY").ok_or_else(|| missing("POLICY"))?;
        HashMap::try_from(map).map_err(|error| wrong("POLICY", &error))
    }

    pub fn comms(&mut self) -> Result<HashMap<MapData, Comm, u8>, LoadError> {
        let map = self.bpf.take_map("COMMS").ok_or_else(|| missing("COMMS"))?;
        HashMap::try_from(map).map_err(|error| wrong("COMMS", &error))
    }

    pub fn sessions(&mut self) -> Result<HashMap<MapData, SessionKey, SessionState>, LoadError> {
        let map = self.bpf.take_map("SESSIONS").ok_or_else(|| missing("SESSIONS"))?;
        HashMap::try_from(map).map_err(|error| wrong("SESSIONS", &error))
    }

    pub fn sqlite_calls(&mut self) -> Result<HashMap<MapData, u64, SqliteCall>, LoadError> {
        let map = self.bpf.take_map("SQLITE_CALLS").ok_or_else(|| missing("SQLITE_CALLS"))?;
        HashMap::try_from(map).map_err(|error| wrong("SQLITE_CALLS", &error))
    }

    pub fn ledger(&mut self) -> Result<PerCpuArray<MapData, Accounts>, LoadError> {
        let map = self.bpf.take_map("LEDGER").ok_or_else(|| missing("LEDGER"))?;
        PerCpuArray::try_from(map).map_err(|error| wrong("LEDGER", &error))
    }

    /// The reader of the BPF programs' own diagnostics; they go to the `log` facade.
    pub fn diagnostics(&mut self) -> Option<aya_log::EbpfLogger<&'static dyn log::Log>> {
        aya_log::EbpfLogger::init(&mut self.bpf).ok()
    }
}

fn missing(name: &'static str) -> LoadError {
    LoadError::Map(name, "not in the object".to_owned())
}

fn wrong(name: &'static str, error: &MapError) -> LoadError {
    LoadError::Map(name, error.to_string())
}

fn load_object(settings: &KernelSettings, layout: &KernelLayout, btf: &Btf) -> Result<Ebpf, LoadError> {
    let read;
    let object = match &settings.object {
        None => OBJECT,
        Some(path) => {
            read = read_aligned(path).map_err(|error| LoadError::Object(path.clone(), error))?;
            &read
        }
    };
    let strangers = u8::from(settings.tell_strangers);
    let psk_records = u8::from(settings.psk_records);
    let inside = u8::from(settings.libraries || settings.functions);
    let calls = if settings.functions { settings.threads } else { 1 };
    let sessions = if settings.libraries { settings.descriptors } else { 1 };
    let (sqlite_calls, statements) = if settings.sqlite { (settings.threads, SQLITE_STATEMENTS) } else { (1, 1) };
    let tests = u8::from(settings.tests);
    let testing = if settings.tests { settings.targets } else { 1 };
    let wake_bytes = u64::from(settings.ring_bytes / 4);
    EbpfLoader::new()
        .btf(Some(btf))
        .verifier_log_level(VerifierLogLevel::STATS)
        .map_max_entries("EVENTS", settings.ring_bytes)
        .map_max_entries("FDS", settings.descriptors)
        .map_max_entries("STREAMS", settings.descriptors)
        .map_max_entries("POLICY", settings.descriptors)
        .map_max_entries("TARGETS", settings.targets)
        .map_max_entries("THREADS", settings.threads)
        .map_max_entries("SESSIONS", sessions)
        .map_max_entries("CALLS", calls)
        .map_max_entries("SQLITE_CALLS", sqlite_calls)
        .map_max_entries("SQLITE_STATEMENTS", statements)
        .override_global("LAYOUT", layout, true)
        .override_global("WAKE_BYTES", &wake_bytes, true)
        .override_global("TELL_STRANGERS", &strangers, true)
        .override_global("PSK_RECORDS", &psk_records, true)
        .map_max_entries("TESTING", testing)
        .override_global("TESTS", &tests, true)
        .override_global("IN_LIBRARIES", &inside, true)
        .override_global("AYA_LOG_LEVEL", &settings.bpf_log_level, false)
        .load(object)
        .map_err(|error| refused(&error))
}

/// The ELF parser wants its bytes aligned to eight.
fn read_aligned(path: &Path) -> io::Result<Vec<u8>> {
    // The global allocator aligns large vectors to at least 16 bytes.
    fs::read(path)
}

fn refused(error: &EbpfError) -> LoadError {
    let text = chain(error);
    if lacks_privilege(&text) { LoadError::NotPermitted } else { LoadError::Refused(text) }
}

/// EPERM is a missing privilege; EACCES is the verifier's "no".
fn lacks_privilege(text: &str) -> bool {
    text.contains("Operation not permitted")
}

fn load_program(bpf: &mut Ebpf, btf: &Btf, probe: &'static Probe) -> Result<Attached, LoadError> {
    let verdict = match try_load(bpf, btf, probe) {
        Ok(()) => Verdict::Standby,
        Err(error) => Verdict::Broken(chain(&error)),
    };
    refuse_if_required(probe, &verdict)?;
    Ok(Attached { probe, verdict, link: None })
}

fn refuse_if_required(probe: &'static Probe, verdict: &Verdict) -> Result<(), LoadError> {
    match verdict {
        Verdict::Broken(reason) if lacks_privilege(reason) => Err(LoadError::NotPermitted),
        Verdict::Broken(reason) if probe.required => {
            Err(LoadError::Required { program: probe.program, site: probe.site, reason: reason.clone() })
        }
        _ => Ok(()),
    }
}

fn try_load(bpf: &mut Ebpf, btf: &Btf, probe: &Probe) -> Result<(), ProgramError> {
    match probe.site {
        Site::Tracepoint { .. } => program::<RawTracePoint>(bpf, probe.program)?.load(),
        Site::Calls { side } | Site::Call { side, .. } => {
            program::<BtfTracePoint>(bpf, probe.program)?.load(side.tracepoint(), btf)
        }
        // Those that continue there are at an exit.
        Site::Tail { .. } => program::<BtfTracePoint>(bpf, probe.program)?.load(Side::Exit.tracepoint(), btf),
        Site::Inside { .. } => program::<UProbe>(bpf, probe.program)?.load(),
    }
}

fn attach_program(bpf: &mut Ebpf, probe: &Probe) -> Result<Link, ProgramError> {
    match probe.site {
        Site::Tracepoint { name } => Ok(Link::Hook(program::<RawTracePoint>(bpf, probe.program)?.attach(name)?)),
        Site::Calls { .. } => Ok(Link::Calls(program::<BtfTracePoint>(bpf, probe.program)?.attach()?)),
        Site::Call { number, side } => place(bpf, probe, side.map(), number),
        Site::Tail { index } => place(bpf, probe, "TAILS", index),
        // Onto each target by itself.
        Site::Inside { .. } => Err(ProgramError::NotLoaded),
    }
}

/// Puts a program where others go on in it.
fn place(bpf: &mut Ebpf, probe: &Probe, map: &str, index: u32) -> Result<Link, ProgramError> {
    let fd = program::<BtfTracePoint>(bpf, probe.program)?.fd()?.try_clone().map_err(ProgramError::IOError)?;
    let map = bpf.map_mut(map).ok_or(ProgramError::NotLoaded)?;
    ProgramArray::try_from(map)?.set(index, &fd, 0)?;
    Ok(Link::Place)
}

pub(super) fn program<'a, P>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    bpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()
}

/// An error with its causes; of a verifier log only the last lines, where the reason stands.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.len() > 12 {
        let tail = lines[lines.len() - 10..].join("\n");
        return format!("{} …\n{tail}", lines[0]);
    }
    lines.join("\n")
}
