//! Process figures from procfs.

use crate::event::Figures;
use procfs::{WithCurrentSystemInfo as _, process::Process};
use std::{fs, time::Duration};

/// Reads the figures of a process; `None` when it is gone.
pub fn sample(pid: u32) -> Option<Figures> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let stat = process.stat().ok()?;
    let status = process.status().ok();
    let io = process.io().ok();
    let ticks = procfs::ticks_per_second();
    let nanos = |count: u64| count.saturating_mul(1_000_000_000) / ticks.max(1);
    let open_fds = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |entries| entries.count() as u64);
    Some(Figures {
        cpu: nanos(stat.utime + stat.stime),
        rss: stat.rss_bytes().get(),
        vms: stat.vsize,
        open_fds,
        threads: u64::try_from(stat.num_threads).unwrap_or(0),
        voluntary_switches: status.as_ref().and_then(|status| status.voluntary_ctxt_switches).unwrap_or(0),
        involuntary_switches: status.and_then(|status| status.nonvoluntary_ctxt_switches).unwrap_or(0),
        read_bytes: io.as_ref().map_or(0, |io| io.read_bytes),
        written_bytes: io.map_or(0, |io| io.write_bytes),
        uptime: uptime()
            .map_or(0, |up| u64::try_from(up.as_nanos()).unwrap_or(u64::MAX).saturating_sub(nanos(stat.starttime))),
    })
}

fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_whitespace().next()?.parse().ok()?).ok()
}
