//! Watched processes and their figures.

use super::{Stamp, TraceParent};
use std::sync::Arc;
use std::time::Duration;

/// A process that is, or was, watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// The kernel's name of it (`/proc/PID/comm`), at most 15 bytes.
    pub comm: Arc<str>,
    /// The target it belongs to: the `target` label of every metric, never a pid.
    pub target: Arc<str>,
}

/// A target appeared or went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetChange {
    pub at: Stamp,
    pub process: Arc<Process>,
    pub event: TargetEvent,
    /// `TRACEPARENT` of its environment, when that was looked for.
    pub trace_parent: Option<TraceParent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetEvent {
    /// It was running when the agent looked.
    Found,
    /// A watched process forked it: it runs the same program.
    Forked,
    /// It began to run a program (exec).
    Started,
    /// It ended.
    Ended,
}

/// Figures read from procfs at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSample {
    pub at: Stamp,
    pub process: Arc<Process>,
    /// Time on the CPU since the process started, user and system.
    pub cpu: Duration,
    /// Resident set, bytes.
    pub rss_bytes: u64,
    /// Virtual size, bytes.
    pub vms_bytes: u64,
    pub open_fds: u64,
    pub threads: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    /// Bytes really fetched from or sent to storage.
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// Since the process started.
    pub uptime: Duration,
}
