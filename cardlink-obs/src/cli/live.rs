//! What `run` and `trace` have in common: targets, capture, pipeline, names.

use super::CliError;
use crate::{
    agent::Signals,
    capture::{
        self, Capture, Settings,
        command::{self, Running},
        host,
        library::{LibraryMode, Named, SqliteMode, TestMode},
        loader::KernelSettings,
        probes::Verdict,
        selector::Selectors,
    },
    config::{self, Config, LibraryProbes, checks::Engine},
    keys::{self, KeyFileError},
    observation::{DatabaseSystem, Stamp, TraceParent},
    pipeline::{Pipeline, PipelineSettings},
    privileges,
    protocol::tls::open::{Keyring, Vault},
    sink::{
        names::Names,
        recording::{Header, Recorder, VERSION},
        spans::boot_id,
        wall::WallClock,
    },
    track::{AdminSettings, AtSettings, ConnectionSettings, ContentSettings, DialogueSettings, Kept},
    words::counted,
};
use regex::Regex;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A capture with everything that was asked for, and the command that was started.
pub struct Live {
    pub capture: Capture,
    pub pipeline: Pipeline,
    pub command: Option<Running>,
    pub signals: Signals,
    /// When the command was let go, or everything was ready.
    pub released: Stamp,
    /// Whether processes that do not exist yet may become targets, or a command is running.
    pub open_ended: bool,
    pub vault: Arc<Vault>,
}

/// What is done with what is seen.
#[derive(Debug, Clone, Copy)]
pub struct What {
    /// Between two readings of the processes' figures.
    pub sample_every: Duration,
    /// The plaintext that a recorder wants.
    pub tap: Kept,
    /// SIGHUP asks for a reload instead of ending the run.
    pub reloads: bool,
    /// Traces are made: the context that targets were given matters.
    pub trace_context: bool,
    /// What the command is told that it belongs to.
    pub run: Option<TraceParent>,
}

/// The selectors of a configuration; its regular expressions were tried when it was read.
pub fn selectors(config: &Config) -> Selectors {
    let watch = &config.watch;
    Selectors {
        pids: watch.pid.clone(),
        ports: watch.port.clone(),
        comms: watch.comm.iter().map(|comm| comm.chars().take(15).collect()).collect(),
        exes: watch.exe.iter().map(|exe| in_full(exe)).collect(),
        cmdlines: watch.cmdline.iter().filter_map(|text| Regex::new(text).ok()).collect(),
        units: watch.unit.clone(),
        cgroups: watch.cgroup.clone(),
    }
}

/// A path of several parts in full, as the kernel has it; the name of a file alone stands for any of that name.
fn in_full(exe: &Path) -> PathBuf {
    if exe.is_absolute() || exe.components().count() < 2 {
        return exe.to_owned();
    }
    std::fs::canonicalize(exe).or_else(|_| std::path::absolute(exe)).unwrap_or_else(|_| exe.to_owned())
}

/// How the kernel side is set up.
pub fn kernel_settings(config: &Config) -> KernelSettings {
    KernelSettings {
        ring_bytes: config.kernel.ring_kib * 1024,
        bpf_log_level: config.kernel.bpf_log,
        measure_cost: config.kernel.probe_cost,
        object: config.kernel.bpf_object.clone(),
        ..KernelSettings::default()
    }
}

/// The keys, if there are any.
pub fn vault(config: &Config) -> Result<Arc<Vault>, CliError> {
    Ok(Arc::new(Vault::new(keys(config, keys::AT_START)?)))
}

/// The keys of the key file; what may be a slip in it is told.
pub fn keys(config: &Config, patience: Duration) -> Result<Option<Keyring>, KeyFileError> {
    let Some(path) = &config.sessions.psk_file else { return Ok(None) };
    let keys = keys::load(path, patience)?;
    for slip in keys::slips(path, &keys) {
        tracing::warn!("{slip}");
    }
    tracing::info!("{} in the key file", counted(keys.iter().count() as u64, "key", "keys"));
    Ok(Some(keys))
}

pub fn start(config: &Config, words: &[OsString], what: What) -> Result<Live, CliError> {
    let wanted = selectors(config);
    if wanted.is_empty() && words.is_empty() {
        return Err(CliError::Usage(String::from(
            "nobody to watch: say who with --pid, --port, --comm, --exe, --cmdline, --unit or --cgroup (or in the configuration, under [watch]), or give a command after `--`",
        )));
    }
    if !host::in_initial_pid_namespace() {
        return Err(CliError::PidNamespace);
    }
    if let Some(gone) = wanted.pids.iter().find(|pid| !host::exists(**pid)) {
        return Err(CliError::NoSuchProcess(*gone));
    }
    let vault = vault(config)?;
    let signals = Signals::block(what.reloads)?;
    let shown = wanted.to_string();
    let waits = !wanted.is_empty();
    let open_ended = wanted.looks_for_others() || !words.is_empty();
    let libraries = match config.kernel.library_probes {
        LibraryProbes::Off => LibraryMode::Off,
        LibraryProbes::Auto => LibraryMode::Auto,
        LibraryProbes::On => LibraryMode::On,
    };
    let named =
        |text: &String| text.parse::<Named>().map_err(|error| CliError::Usage(format!("function `{text}`: {error}")));
    let functions = config.kernel.functions.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let tests = match config.kernel.test_probes {
        LibraryProbes::Off => TestMode::Off,
        LibraryProbes::Auto => TestMode::Auto,
        LibraryProbes::On => TestMode::On,
    };
    let sqlite = match config.kernel.sqlite_probes {
        LibraryProbes::Off => SqliteMode::Off,
        LibraryProbes::Auto => SqliteMode::Auto,
        LibraryProbes::On => SqliteMode::On,
    };
    let settings = Settings {
        selectors: wanted,
        kernel: KernelSettings {
            psk_records: vault.keyring().is_some() || what.tap == Kept::Clear,
            ..kernel_settings(config)
        },
        libraries,
        functions,
        sqlite,
        tests,
        sample_every: what.sample_every,
        trace_context: what.trace_context,
    };
    let probes_inside = libraries != LibraryMode::Off || sqlite == SqliteMode::On || !settings.functions.is_empty();
    let mut capture = Capture::start(settings)?;
    for attached in capture.probes() {
        if let Verdict::Broken(_) = &attached.verdict {
            let program = attached.probe.program;
            tracing::warn!("the probe {program} does not work here: `cardlink-obs doctor --json` tells why");
        }
    }
    let mut released = capture::now();
    let command = if words.is_empty() {
        None
    } else {
        let variables: Vec<_> = what.run.iter().map(|run| ("TRACEPARENT", run.to_string())).collect();
        let started = command::start(words, &variables)?;
        let name = words
            .first()
            .and_then(|program| Path::new(program).file_name())
            .map_or_else(|| String::from("command"), |name| name.to_string_lossy().into_owned());
        capture.watch(started.pid, &name, what.run.filter(|_| what.trace_context))?;
        released = capture::now();
        Some(started.release()?)
    };
    // Where targets come later the probes are attached anew, and at once: without the privileges that took long enough to
    // miss a short-lived one.
    if !open_ended {
        drop_privileges(probes_inside || capture.is_inside());
    }
    if waits && capture.watched().next().is_none() {
        tracing::info!("nothing matches {shown} yet: waiting for it (Ctrl-C ends)");
    }
    Ok(Live {
        capture,
        pipeline: Pipeline::new(pipeline_settings(config, &vault, Plaintext::from_wire(what.tap))),
        command,
        signals,
        released: Stamp::from_nanos(released),
        open_ended,
        vault,
    })
}

/// From here on only what the probes need is kept; a kernel that refuses that is no reason not to work.
fn drop_privileges(probes_inside: bool) {
    match privileges::drop_unneeded(probes_inside) {
        Ok(kept) => tracing::debug!("privileges kept: {}", kept.join(", ")),
        Err(error) => tracing::warn!("privileges cannot be dropped: {error}"),
    }
}

/// Where plaintext comes from, and whether it is kept for a recorder.
#[derive(Debug, Clone, Copy)]
pub struct Plaintext {
    pub recorded: Kept,
    pub tap: Kept,
}

impl Plaintext {
    pub const fn from_wire(tap: Kept) -> Self {
        Self { recorded: Kept::None, tap }
    }
}

pub fn pipeline_settings(config: &Config, vault: &Arc<Vault>, plaintext: Plaintext) -> PipelineSettings {
    let sessions = &config.sessions;
    PipelineSettings {
        connection: ConnectionSettings {
            handshake_timeout: config.limits.handshake_timeout,
            dialogue: DialogueSettings::default(),
            content: ContentSettings {
                vault: Arc::clone(vault),
                admin: AdminSettings {
                    card_timeout: sessions.card_timeout,
                    server_timeout: sessions.server_timeout,
                    card_idle: sessions.card_idle,
                },
                recorded: plaintext.recorded,
                tap: plaintext.tap,
                libraries: config.kernel.library_probes != LibraryProbes::Off,
            },
        },
        resume_window: sessions.resume_window,
        trigger_window: sessions.trigger_window,
        databases: databases(config),
        at: AtSettings { command_timeout: config.limits.at_timeout, ..AtSettings::default() },
    }
}

/// Ports at which databases are expected: as the settings say, and where health checks ask for one.
fn databases(config: &Config) -> Vec<(u16, DatabaseSystem)> {
    let (postgresql, mysql) = (&config.databases.postgresql_port, &config.databases.mysql_port);
    let ports = postgresql.iter().map(|port| (*port, DatabaseSystem::Postgresql));
    let ports = ports.chain(mysql.iter().map(|port| (*port, DatabaseSystem::Mysql)));
    let checked = config.health.checks.iter().filter_map(|check| match &check.what {
        config::What::Database { engine, address, .. } => {
            let port = address.rsplit_once(':')?.1.parse().ok()?;
            match engine {
                Engine::Postgresql => Some((port, DatabaseSystem::Postgresql)),
                Engine::Mysql => Some((port, DatabaseSystem::Mysql)),
                Engine::Sqlite => None,
            }
        }
        _ => None,
    });
    ports.chain(checked).collect()
}

/// The names of identities, with aliases of the configuration and the key file.
pub fn names(config: &Config, clear: bool, keyring: Option<&Keyring>) -> Result<Names, CliError> {
    let names = unnamed(config, clear)?;
    call(&names, config, keyring);
    Ok(names)
}

/// Gives the aliases of the configuration, and of comments in the key file where that has none.
pub fn call(names: &Names, config: &Config, keyring: Option<&Keyring>) {
    let of_keys = keyring.into_iter().flat_map(Keyring::iter);
    let of_keys = of_keys.filter_map(|(identity, _, alias)| Some((identity.to_vec(), alias?.to_owned())));
    let of_config = config.names.iter().map(|(name, alias)| (name.as_bytes().to_vec(), alias.clone()));
    names.call(of_keys.chain(of_config));
}

/// Without a place for the key the hashes hold for this run only.
fn unnamed(config: &Config, clear: bool) -> Result<Names, CliError> {
    let Some(path) = &config.identities.hash_key else { return Ok(Names::with_new_key(clear)?) };
    match Names::with_key_file(path, clear) {
        Ok(names) => Ok(names),
        Err(error)
            if error.kind() == std::io::ErrorKind::PermissionDenied
                || error.kind() == std::io::ErrorKind::ReadOnlyFilesystem =>
        {
            Ok(Names::with_new_key(clear)?)
        }
        Err(error) => Err(CliError::File { what: format!("the hashing key {}", path.display()), error }),
    }
}

/// A recorder for `path`, with what this host is.
pub fn recorder(path: &Path, limit: u64, names: &Names, ciphertext: bool) -> Result<Recorder, CliError> {
    let header = Header {
        version: VERSION,
        agent: format!("cardlink-obs {}", env!("CARGO_PKG_VERSION")),
        host: host_name(),
        kernel: kernel_release(),
        boot: WallClock::of_this_host().boot().to_string(),
        boot_id: boot_id(),
        part: 1,
        ciphertext,
    };
    Ok(Recorder::create(path, header, limit, names.clone())?)
}

/// This host's name.
pub fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
