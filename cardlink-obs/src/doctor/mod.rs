//! What can be seen on this host, and of these programs, and what not.

mod host_report;
mod interfaces;
mod target_report;

pub use host_report::{Finding, HostReport, Mark};
pub use target_report::TargetReport;

use crate::capture::{
    library::{LibraryVerdict, Tryout},
    selector::Selectors,
};

/// Everything that `doctor` says.
#[derive(Debug)]
pub struct Report {
    pub host: HostReport,
    pub targets: Vec<TargetReport>,
    /// Whether somebody was asked for.
    pub asked: bool,
}

/// Looks.
pub fn examine(selectors: &Selectors, kernel: &crate::capture::loader::KernelSettings) -> Report {
    let host = host_report::examine(kernel);
    let mut pids = if selectors.is_empty() { Vec::new() } else { selectors.matching(std::process::id()) };
    pids.sort_unstable();
    let mut tryout = (host.works && !pids.is_empty()).then(|| Tryout::new(kernel).ok()).flatten();
    let mut plaintext = |pid| tryout.as_mut().map(|tryout| tryout.on(pid)).unwrap_or_default();
    let targets = pids.into_iter().map(|pid| target_report::examine(pid, plaintext(pid))).collect();
    Report { host, targets, asked: !selectors.is_empty() }
}

impl Report {
    /// Whether the agent can do its work here.
    pub fn works(&self) -> bool {
        self.host.works
    }

    /// The last word: what the user will get.
    pub fn verdict(&self) -> String {
        if !self.host.works {
            return String::from("this host cannot be watched yet; see the marks ✗ above.");
        }
        if self.targets.is_empty() {
            return String::from(if self.asked {
                "ready, but nothing matches the selectors yet."
            } else {
                "ready. Say who is to be looked at, with --pid, --port, --comm …"
            });
        }
        let seen: Vec<&TargetReport> = self.targets.iter().filter(|target| target.seen).collect();
        if seen.is_empty() {
            return String::from("its system calls cannot be seen; see the marks ✗ above.");
        }
        let tls = seen.iter().any(|target| !target.listens.is_empty() || target.connections > 0);
        let at = seen.iter().any(|target| !target.ttys.is_empty());
        let probed = |target: &TargetReport| target.plaintext.iter().any(|probe| probe.verdict == LibraryVerdict::Ok);
        let contents = if self.targets.iter().any(probed) { "yes" } else { "with --psk-file" };
        let mut gets = Vec::new();
        for interface in seen.iter().flat_map(|target| &target.interfaces) {
            let what = format!("{} yes", interface.gives);
            if !gets.contains(&what) {
                gets.push(what);
            }
        }
        if at {
            gets.push(String::from("AT commands yes"));
        }
        if tls {
            gets.push(format!("handshakes yes; contents of TLS sessions {contents}"));
        }
        if gets.is_empty() {
            return String::from("watched, but it has no TCP socket and no tty open now.");
        }
        format!("{}.", gets.join(", "))
    }
}
