//! Kernel, privileges, probes.

use crate::capture::{
    host, layout,
    loader::{Kernel, KernelSettings, LoadError},
    probes::{Family, Verdict},
};
use crate::words::ProbeCounts;
use std::path::Path;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    /// Works, but something is missing.
    Warn,
    Bad,
    /// Neither good nor bad.
    None,
}

impl Mark {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warn => "warning",
            Self::Bad => "error",
            Self::None => "info",
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Finding {
    pub mark: Mark,
    pub text: String,
}

impl Finding {
    pub fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// What holds for the whole host.
#[derive(Debug)]
pub struct HostReport {
    pub findings: Vec<Finding>,
    /// Each probe: program, site, verdict, and the reason when it is broken.
    pub probes: Vec<(String, String, String, Option<String>)>,
    pub works: bool,
}

const ALL: [Family; 8] = [
    Family::Process,
    Family::Descriptor,
    Family::Transfer,
    Family::Poll,
    Family::Blind,
    Family::Report,
    Family::Usb,
    Family::Call,
];

pub fn examine(settings: &KernelSettings) -> HostReport {
    let mut findings = vec![kernel()];
    if !host::in_initial_pid_namespace() {
        findings
            .push(Finding::new(Mark::Bad, "not in the host's pid namespace: run on the host (containers: hostPID)"));
    }
    if let Some(finding) = unprivileged_note() {
        findings.push(finding);
    }
    let mut probes = Vec::new();
    match Kernel::load(settings).and_then(|mut kernel| kernel.attach(&ALL).map(|()| kernel)) {
        Ok(mut kernel) => {
            findings.push(Finding::new(Mark::Good, "may load and attach BPF programs"));
            let (mut counts, mut broken) = (ProbeCounts::default(), Vec::new());
            for attached in &kernel.probes {
                let reason = match &attached.verdict {
                    Verdict::Broken(reason) => {
                        broken.push(attached.probe.program);
                        Some(reason.clone())
                    }
                    _ => None,
                };
                counts.add(attached.verdict.as_str());
                probes.push((
                    attached.probe.program.to_owned(),
                    attached.probe.site.to_string(),
                    attached.verdict.as_str().to_owned(),
                    reason,
                ));
            }
            findings.push(Finding::new(Mark::Good, counts.sentence()));
            if !broken.is_empty() {
                findings.push(Finding::new(Mark::Warn, format!("broken: {} (--json tells why)", broken.join(", "))));
            }
            kernel.detach(&ALL);
        }
        Err(error) => findings.push(refused(&error)),
    }
    let works = findings.iter().all(|finding| finding.mark != Mark::Bad);
    HostReport { findings, probes, works }
}

fn kernel() -> Finding {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let btf = Path::new(layout::VMLINUX).exists();
    let mark = if btf { Mark::Good } else { Mark::Bad };
    let root = nix::unistd::Uid::effective().is_root();
    let has = |there: bool, name: &str| match (there, root) {
        (true, _) => name.to_owned(),
        (false, true) => format!("no {name}"),
        // What a user may not look into can still be there.
        (false, false) => format!("{name} cannot be seen"),
    };
    Finding::new(mark, format!("kernel {} · {}", release.trim(), has(btf, "BTF")))
}

fn refused(error: &LoadError) -> Finding {
    Finding::new(Mark::Bad, error.to_string())
}

fn unprivileged_note() -> Option<Finding> {
    let root = nix::unistd::Uid::effective().is_root();
    (!root).then(|| Finding::new(Mark::Warn, "not root: programs of other users cannot be looked into"))
}
