//! Clocks and sizes of processes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
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

/// How often threads of a process have gone to sleep.
pub fn sleeps(process: u32) -> Result<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).context("the process is gone")?;
    let of = |thread: &Path| {
        let status = fs::read_to_string(thread.join("status")).unwrap_or_default();
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
    };
    Ok(threads.flatten().filter_map(|thread| of(&thread.path())).sum())
}

/// How much dearer the same work is after a second of sleep than at once after itself, in CPU time: caches and pages that others
/// have taken over meanwhile, on this host or on the one below it.
pub fn dearer_after_sleep() -> Result<f64> {
    let work = || -> Result<Duration> {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        let began: Duration = clock_gettime(clock)?.into();
        let text = fs::read_to_string("/proc/self/status").context("no procfs")?;
        std::hint::black_box(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        Ok(Duration::from(clock_gettime(clock)?).saturating_sub(began))
    };
    let median = |pause: Duration, count: usize| -> Result<f64> {
        let mut took = Vec::new();
        for _ in 0..count {
            thread::sleep(pause);
            took.push(work()?);
        }
        took.sort_unstable();
        Ok(took[count / 2].as_secs_f64())
    };
    let hot = median(Duration::ZERO, 101)?;
    Ok(median(Duration::from_secs(1), 9)? / hot)
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
    processes.flatten().any(|process| stat(&process.path(), 2) == Some(group))
}

/// A number of a process that lives: 1 is its parent, 2 its group.
fn stat(process: &Path, field: usize) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // After the name in parentheses: state, parent, process group.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
    alive.then(|| fields.nth(field - 1)?.parse().ok()).flatten()
}

/// Programs that watch system calls, without those that this program started: while they do, nothing is bare.
pub fn others_with_probes() -> Vec<String> {
    /// Fewer perf events are no system calls.
    const MANY: usize = 5;
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let watches = |process: &fs::DirEntry| {
        let mut perf_events = 0;
        fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten().any(|fd| {
            let Ok(link) = fs::read_link(fd.path()) else { return false };
            perf_events += usize::from(link.as_os_str() == "anon_inode:[perf_event]");
            perf_events >= MANY
                || (is_bpf_link(&link) && hooks_calls(&process.path().join("fdinfo").join(fd.file_name())))
        })
    };
    let of_others = |process: &fs::DirEntry| stat(&process.path(), 1) != Some(std::process::id());
    let named = |process: fs::DirEntry| {
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        format!("{} ({})", name.trim(), process.file_name().to_string_lossy())
    };
    processes.flatten().filter(of_others).filter(watches).map(named).collect()
}

fn is_bpf_link(link: &Path) -> bool {
    link.to_string_lossy().starts_with("anon_inode:bpf")
}

/// Whether a link of BPF is at a raw tracepoint of all system calls.
fn hooks_calls(fdinfo: &Path) -> bool {
    fs::read_to_string(fdinfo).is_ok_and(|text| {
        text.lines().any(|line| line.strip_prefix("tp_name:").is_some_and(|name| name.trim().starts_with("sys_")))
    })
}

/// Measures while nobody else watches system calls; waits for a while, and then takes what it gets.
pub fn undisturbed<T>(mut measure: impl FnMut() -> Result<T>) -> Result<T> {
    const PATIENCE: Duration = Duration::from_secs(15);
    let start = Instant::now();
    loop {
        while !others_with_probes().is_empty() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(200));
        }
        let measured = measure()?;
        let others = others_with_probes();
        if others.is_empty() {
            return Ok(measured);
        }
        if start.elapsed() >= PATIENCE {
            println!(
                "note: {} had probes attached meanwhile: figures are worse than they should be",
                others.join(", ")
            );
            return Ok(measured);
        }
    }
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
