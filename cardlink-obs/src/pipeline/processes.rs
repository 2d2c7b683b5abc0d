//! Processes come and go, and what is told of them besides their streams.

use super::{OWN_TARGET, Pipeline};
use crate::{
    event::{Figures, ProcessOrigin, ProgramNote},
    observation::{Blind, BlindWay, Observation, Process, ProcessSample, Stamp, TargetChange, TargetEvent},
};
use cardlink_obs_common::blind;
use std::{sync::Arc, time::Duration};

impl Pipeline {
    pub(super) fn process_seen(
        &mut self,
        at: u64,
        pid: u32,
        comm: &str,
        target: &str,
        origin: ProcessOrigin,
        out: &mut Vec<Observation>,
    ) {
        let process = Arc::new(Process { pid, comm: Arc::from(comm), target: Arc::from(target) });
        self.processes.insert(pid, Arc::clone(&process));
        let event = match origin {
            ProcessOrigin::Found => TargetEvent::Found,
            ProcessOrigin::Forked { parent } => {
                self.streams.fork(parent, pid);
                self.runs.forked(parent, pid, Stamp::from_nanos(at));
                self.adb_runs.forked(pid, Stamp::from_nanos(at));
                TargetEvent::Forked
            }
            ProcessOrigin::Exec => {
                self.adb_runs.executed(pid);
                self.sqlite.process_ended(&process, Stamp::from_nanos(at), out);
                TargetEvent::Started
            }
        };
        let trace_parent = self.trace_parent.take().filter(|(of, _)| *of == pid).map(|(_, parent)| parent);
        out.push(Observation::Target(Box::new(TargetChange {
            at: Stamp::from_nanos(at),
            process,
            event,
            trace_parent,
        })));
    }

    pub(super) fn process_ended(&mut self, at: u64, pid: u32, out: &mut Vec<Observation>) {
        self.unbound.process_ended(pid);
        self.serving.process_ended(pid);
        self.ports.process_ended(pid);
        self.runs.process_ended(pid, Stamp::from_nanos(at), out);
        let ended = self.streams.process_ended(pid, at);
        self.all_ended(ended, out);
        self.connects.process_ended(pid, out);
        let run = self.adb_runs.ended(pid, Stamp::from_nanos(at));
        out.extend(run.map(|run| Observation::AdbCommand(Box::new(run))));
        if let Some(process) = self.processes.remove(&pid) {
            self.sqlite.process_ended(&process, Stamp::from_nanos(at), out);
            let mut calls = Vec::new();
            self.functions.process_ended(&process, &mut calls);
            out.extend(calls.into_iter().map(|call| Observation::Function(Box::new(call))));
            let change =
                TargetChange { at: Stamp::from_nanos(at), process, event: TargetEvent::Ended, trace_parent: None };
            out.push(Observation::Target(Box::new(change)));
        }
    }

    /// A run of adb.
    pub(super) fn program(&mut self, at: u64, pid: u32, note: &ProgramNote<'_>) {
        match note {
            ProgramNote::Began(arguments) => {
                let process = self.process(pid);
                self.adb_runs.began(process, arguments, Stamp::from_nanos(at));
            }
            ProgramNote::Said(errors) => self.adb_runs.said(pid, errors),
            ProgramNote::Ended(status) => self.adb_runs.ending(pid, *status),
            ProgramNote::Phone(serial) => self.adb_runs.phone(pid, serial),
        }
    }

    pub(super) fn process(&self, pid: u32) -> Arc<Process> {
        self.processes
            .get(&pid)
            .cloned()
            .unwrap_or_else(|| Arc::new(Process { pid, comm: Arc::from("unknown"), target: Arc::from("unknown") }))
    }

    pub(super) fn blind(&self, at: u64, pid: u32, way: i64, out: &mut Vec<Observation>) {
        let way = match way {
            blind::IO_URING => BlindWay::IoUring,
            blind::KERNEL_TLS => BlindWay::KernelTls,
            blind::SENDFILE => BlindWay::Sendfile,
            _ => BlindWay::Splice,
        };
        out.push(Observation::Blind(Box::new(Blind { at: Stamp::from_nanos(at), process: self.process(pid), way })));
    }

    pub(super) fn sample(&self, at: u64, pid: u32, own: bool, figures: Figures, out: &mut Vec<Observation>) {
        let process = if own {
            Arc::new(Process { pid, comm: Arc::from(OWN_TARGET), target: Arc::from(OWN_TARGET) })
        } else {
            self.process(pid)
        };
        out.push(Observation::Process(Box::new(ProcessSample {
            at: Stamp::from_nanos(at),
            process,
            cpu: Duration::from_nanos(figures.cpu),
            rss_bytes: figures.rss,
            vms_bytes: figures.vms,
            open_fds: figures.open_fds,
            threads: figures.threads,
            voluntary_switches: figures.voluntary_switches,
            involuntary_switches: figures.involuntary_switches,
            read_bytes: figures.read_bytes,
            written_bytes: figures.written_bytes,
            uptime: Duration::from_nanos(figures.uptime),
        })));
    }
}
