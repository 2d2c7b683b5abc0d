//! Runs of the program adb: what each was for and how it ended, beside what is seen of it at the adb server.
//!
//! What a run asked of the server is told, and counts, as operations. A run counts by itself when nothing but preliminaries was
//! seen of it there: it never reached a server, or its connection could not be read. And when it failed though nothing of that
//! did: a file that is not there is no error of the phone, and one of `adb pull`.

use super::phone;
use crate::{
    observation::{AdbCommand, AdbOperation, AdbResult, AdbRun, Cause, Device, Process, RunStatus, Stamp},
    protocol::adb::{Arguments, command, keep_said, said},
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Runs, and processes that may become one, that are kept in mind.
const MOST: usize = 4096;
/// Between fork and program at most: a process that waited for longer did something else before.
const MOST_SPAWN: Duration = Duration::from_secs(1);
/// Commands that end well though the server has refused.
const TAKE_IT_EASY: [&str; 4] = ["connect", "disconnect", "pair", "mdns"];

/// Runs that are under way.
#[derive(Debug, Default)]
pub struct Runs {
    /// When processes were forked that have not changed their program yet.
    forked: HashMap<u32, Stamp>,
    /// The process that has changed its program last, and when it was forked.
    fresh: Option<(u32, Stamp)>,
    running: HashMap<u32, Run>,
}

#[derive(Debug)]
struct Run {
    process: Arc<Process>,
    arguments: Arguments,
    start: Stamp,
    began: Stamp,
    errors: Vec<u8>,
    status: Option<RunStatus>,
    /// More than preliminaries was seen at the server.
    seen: bool,
    /// Of this, one is called as the run is.
    same: bool,
    /// Of what it asked last.
    last: Option<AdbResult>,
    /// Of what failed last.
    failed: Option<AdbResult>,
    device: Option<Arc<Device>>,
}

impl Runs {
    /// A watched process was forked.
    pub fn forked(&mut self, pid: u32, at: Stamp) {
        if self.forked.len() < MOST {
            self.forked.insert(pid, at);
        }
    }

    /// A process has another program from here on.
    pub fn executed(&mut self, pid: u32) {
        self.running.remove(&pid);
        self.fresh = self.forked.remove(&pid).map(|at| (pid, at));
    }

    /// That program is adb, and these are its arguments, each with a zero behind it.
    pub fn began(&mut self, process: Arc<Process>, arguments: &[u8], began: Stamp) {
        let pid = process.pid;
        let forked = self.fresh.take().filter(|(of, _)| *of == pid).map(|(_, at)| at);
        let Some(arguments) = Arguments::parse(arguments) else { return };
        if self.running.len() >= MOST {
            return;
        }
        let run = Run {
            process,
            start: forked.filter(|at| began.since(*at) <= MOST_SPAWN).unwrap_or(began),
            began,
            device: arguments.serial.clone().map(|serial| Arc::new(phone(serial))),
            arguments,
            errors: Vec::new(),
            status: None,
            seen: false,
            same: false,
            last: None,
            failed: None,
        };
        self.running.insert(pid, run);
    }

    /// Its environment names this phone, which is meant unless the arguments say otherwise.
    pub fn phone(&mut self, pid: u32, serial: &[u8]) {
        if let Some(run) = self.running.get_mut(&pid)
            && let Some(serial) = run.arguments.or_serial(serial)
        {
            run.device = Some(Arc::new(phone(serial)));
        }
    }

    /// It wrote this to its standard error.
    pub fn said(&mut self, pid: u32, errors: &[u8]) {
        if let Some(run) = self.running.get_mut(&pid) {
            keep_said(&mut run.errors, errors);
        }
    }

    /// The process is about to end, with this status.
    pub fn ending(&mut self, pid: u32, status: u32) {
        if let Some(run) = self.running.get_mut(&pid) {
            run.status = Some(RunStatus::of(status));
        }
    }

    /// The process has ended. What it asked may still be told: [`Runs::complete`] takes what is given here afterwards.
    pub fn ended(&mut self, pid: u32, end: Stamp) -> Option<AdbCommand> {
        self.forked.remove(&pid);
        let Some(run) = self.running.get(&pid).filter(|run| run.status.is_some()) else {
            // How it went is not known.
            self.running.remove(&pid);
            return None;
        };
        Some(AdbCommand {
            process: Arc::clone(&run.process),
            device: None,
            operation: run.arguments.operation,
            result: AdbResult::Unknown,
            status: run.status?,
            start: run.start,
            began: run.began,
            end,
            counted_elsewhere: false,
            cause: Cause::default(),
        })
    }

    /// An operation of this process was told; says the run that it belongs to.
    pub fn asked(&mut self, pid: u32, operation: &AdbOperation) -> Option<AdbRun> {
        let run = self.running.get_mut(&pid)?;
        let is_error = operation.result.error().is_some();
        if is_error || !is_preliminary(operation.operation, run.arguments.operation) {
            run.seen = true;
            run.same |= operation.operation == run.arguments.operation;
            run.last = Some(operation.result);
        }
        if is_error {
            run.failed = Some(operation.result);
        }
        if run.device.is_none() {
            run.device.clone_from(&operation.device);
        }
        Some(AdbRun { pid, began: run.began })
    }

    /// All that is told of a run has been told.
    pub fn complete(&mut self, told: &mut AdbCommand) {
        let Some(run) = self.running.remove(&told.process.pid) else { return };
        told.result = run.result(told.status);
        let by_itself = told.result != AdbResult::Ok && !run.same && !run.has_failed();
        told.counted_elsewhere = run.seen && !by_itself;
        told.device = run.device;
    }
}

/// Whether every run asks for this before what it was started for.
fn is_preliminary(asked: &str, started_for: &str) -> bool {
    matches!(asked, command::VERSION | command::FEATURES | command::HOST_FEATURES) && asked != started_for
}

impl Run {
    /// Something of what it asked did not go well, and counts as that.
    fn has_failed(&self) -> bool {
        self.failed.is_some() || self.last.is_some_and(|last| last != AdbResult::Ok)
    }

    fn result(&self, status: RunStatus) -> AdbResult {
        let refused = self.last.filter(|last| last.error().is_some());
        let code = match status {
            RunStatus::Signal(_) => return AdbResult::Aborted,
            RunStatus::Exit(0) if TAKE_IT_EASY.contains(&self.arguments.operation) => {
                return refused.unwrap_or(AdbResult::Ok);
            }
            RunStatus::Exit(0) => return AdbResult::Ok,
            RunStatus::Exit(code) => code,
        };
        if let Some(AdbResult::Exit(code)) = self.last {
            return AdbResult::Exit(code);
        }
        let said = || said(&self.errors).map(|reason| AdbResult::Failed(reason.as_str()));
        refused.or_else(said).or(self.failed).unwrap_or(AdbResult::Exit(code))
    }
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
