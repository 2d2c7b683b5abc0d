//! What `run` and `trace` have in common: targets, capture, pipeline, names.

use super::{CliError, KernelArgs, LimitArgs, SelectorArgs};
use crate::{
    agent::Signals,
    capture::{
        Capture, Settings,
        command::{self, Running},
        host,
        loader::KernelSettings,
        probes::Verdict,
    },
    pipeline::{Pipeline, PipelineSettings},
    sink::{
        names::{KEY_PATH, Names},
        recording::{Header, Recorder, VERSION},
        wall::WallClock,
    },
    track::{AtSettings, ConnectionSettings},
};
use std::{path::Path, time::Duration};

/// A capture with everything that was asked for, and the command that was started.
pub struct Live {
    pub capture: Capture,
    pub pipeline: Pipeline,
    pub command: Option<Running>,
    pub signals: Signals,
    /// Whether processes that do not exist yet may become targets, or a command is running.
    pub open_ended: bool,
}

pub fn start(
    selectors: &SelectorArgs,
    kernel: &KernelArgs,
    limits: &LimitArgs,
    sample_every: Duration,
) -> Result<Live, CliError> {
    let wanted = selectors.selectors();
    if wanted.is_empty() && selectors.command.is_empty() {
        return Err(CliError::Usage(String::from(
            "nobody to watch: say who with --pid, --port, --comm, --exe, --cmdline, --unit or --cgroup, or give a command after `--`",
        )));
    }
    if !host::in_initial_pid_namespace() {
        return Err(CliError::PidNamespace);
    }
    if let Some(gone) = wanted.pids.iter().find(|pid| !host::exists(**pid)) {
        return Err(CliError::NoSuchProcess(*gone));
    }
    let signals = Signals::block()?;
    let shown = wanted.to_string();
    let waits = !wanted.is_empty();
    let open_ended = wanted.looks_for_others() || !selectors.command.is_empty();
    let settings = Settings {
        selectors: wanted,
        kernel: KernelSettings {
            ring_bytes: kernel.ring_kib * 1024,
            bpf_log_level: kernel.bpf_log,
            measure_cost: kernel.probe_cost,
            object: kernel.bpf_object.clone(),
            ..KernelSettings::default()
        },
        sample_every,
    };
    let mut capture = Capture::start(settings)?;
    for attached in capture.probes() {
        if let Verdict::Broken(_) = &attached.verdict {
            let site = attached.probe.site;
            tracing::warn!("the probe on {site} does not work here: `cardlink-obs doctor --json` tells why");
        }
    }
    let command = if selectors.command.is_empty() {
        None
    } else {
        let started = command::start(&selectors.command)?;
        let name = selectors
            .command
            .first()
            .and_then(|program| Path::new(program).file_name())
            .map_or_else(|| String::from("command"), |name| name.to_string_lossy().into_owned());
        capture.watch(started.pid, &name)?;
        Some(started.release()?)
    };
    if waits && capture.watched().next().is_none() {
        tracing::info!("nothing matches {shown} yet: waiting for it (Ctrl-C ends)");
    }
    Ok(Live { capture, pipeline: Pipeline::new(pipeline_settings(limits)), command, signals, open_ended })
}

pub fn pipeline_settings(limits: &LimitArgs) -> PipelineSettings {
    PipelineSettings {
        connection: ConnectionSettings { handshake_timeout: limits.handshake_timeout },
        at: AtSettings { command_timeout: limits.at_timeout, ..AtSettings::default() },
    }
}

/// The names of identities; without a place for the key the hashes hold for this run only.
pub fn names(clear: bool) -> Result<Names, CliError> {
    let path = std::env::var_os("CARDLINK_OBS_HASH_KEY").map_or_else(|| Path::new(KEY_PATH).to_path_buf(), Into::into);
    match Names::with_key_file(&path, clear) {
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
pub fn recorder(path: &Path, limit: u64, names: &Names) -> Result<Recorder, CliError> {
    let header = Header {
        version: VERSION,
        agent: format!("cardlink-obs {}", env!("CARGO_PKG_VERSION")),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        kernel: kernel_release(),
        boot: WallClock::of_this_host().boot().to_string(),
        part: 1,
    };
    Ok(Recorder::create(path, header, limit, names.clone())?)
}

pub fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
