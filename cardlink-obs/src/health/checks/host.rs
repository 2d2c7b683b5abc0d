//! Space and memory of the host.

use crate::{
    client::Deadline,
    health::{Check, Verdict},
};
use nix::sys::statvfs::statvfs;
use std::{fs, path::PathBuf};

pub(super) struct Disk {
    pub(super) path: PathBuf,
    pub(super) degraded: f64,
    pub(super) unhealthy: f64,
}

impl Check for Disk {
    fn look(&mut self, _: Deadline) -> Verdict {
        let path = self.path.display();
        let figures = match statvfs(&self.path) {
            Ok(figures) => figures,
            Err(errno) => return Verdict::unhealthy(format!("{path}: {}", errno.desc())),
        };
        // As `df` has it: what is kept for root is neither free nor part of the whole.
        let (free, reserved) = (figures.blocks_available(), figures.blocks_free() - figures.blocks_available());
        let whole = figures.blocks().saturating_sub(reserved).max(1);
        let share = free as f64 / whole as f64;
        let gib = free as f64 * figures.fragment_size() as f64 / f64::from(1 << 30);
        let message = format!("{path}: {:.0} % free ({gib:.1} GiB)", share * 100.0);
        Verdict::at_least(share, self.degraded, self.unhealthy, message)
    }
}

pub(super) struct Memory {
    pub(super) degraded: f64,
    pub(super) unhealthy: f64,
}

impl Check for Memory {
    fn look(&mut self, _: Deadline) -> Verdict {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = |name: &str| -> Option<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let (Some(total), Some(available)) = (kib("MemTotal"), kib("MemAvailable")) else {
            return Verdict::unhealthy("/proc/meminfo cannot be read");
        };
        let share = available / total.max(1.0);
        let gib = available / f64::from(1 << 20);
        let message = format!("{:.0} % available ({gib:.1} GiB)", share * 100.0);
        Verdict::at_least(share, self.degraded, self.unhealthy, message)
    }
}
