//! Clocks and sizes of processes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

fn pid(pid: u32) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(pid).context("a process id that is none")?))
}

/// CPU time of all threads of a process, also of those that ended, in nanoseconds.
pub fn cpu(process: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(pid(process)?).with_context(|| format!("process {process} is gone"))?;
    Ok(clock_gettime(clock).with_context(|| format!("process {process} is gone"))?.into())
}

/// CPU time of the children of this program that have ended.
pub fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the CPU time of children")?;
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), 0) + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// A line of `/proc/PID/status` that is in kB (`VmRSS`, `VmHWM`), in MiB.
pub fn memory(process: u32, line: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = value.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kib.with_context(|| format!("/proc/{process}/status has no {line}"))? / 1024.0)
}

/// Whether every thread of a process is traced.
pub fn is_traced(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0"))
    })
}

/// The library that a process has mapped, by the start of its file name.
pub fn library(process: u32, name: &str) -> Option<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| Path::new(path).file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))?;
    Some(path.to_owned())
}

/// Waits until no process of this group is left (a zombie counts as gone).
pub fn group_ended(group: u32, limit: Duration) -> Result<()> {
    let start = Instant::now();
    while group_lives(group) {
        ensure!(start.elapsed() < limit, "what the agent left behind does not end");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn group_lives(group: u32) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // After the name in parentheses: state, parent, process group.
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
        alive && fields.nth(1).and_then(|of| of.parse().ok()) == Some(group)
    })
}

/// Programs that have probes attached: they make everything dearer.
pub fn others_with_probes() -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let has_probes = |process: &fs::DirEntry| {
        let descriptors = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        descriptors.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|link| link.ends_with("anon_inode:[perf_event]"))
    };
    let named = |process: fs::DirEntry| {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        format!("{} ({})", name.trim(), process.file_name().to_string_lossy())
    };
    processes.flatten().filter(has_probes).map(named).collect()
}

/// `2 CPUs, Linux 6.18.5 x86_64`; what a distribution adds to the version is left out.
pub fn machine() -> String {
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = kernel.trim().split('-').next().unwrap_or_default();
    format!("{cpus} CPUs, Linux {version} {}", std::env::consts::ARCH)
}

/// Load average of the last minute: other programs make figures worse.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
