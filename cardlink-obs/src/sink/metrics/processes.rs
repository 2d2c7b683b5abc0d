//! Figures of processes, summed over a target.

use super::{Registry, table};
use crate::{observation::ProcessSample, pipeline::OWN_TARGET};
use std::{collections::HashMap, time::Duration};

#[derive(Debug, Default)]
struct Last {
    target: String,
    cpu: Duration,
    voluntary: u64,
    involuntary: u64,
    read: u64,
    written: u64,
    rss: u64,
    vms: u64,
    fds: u64,
    threads: u64,
    uptime: Duration,
    /// No sample yet.
    fresh: bool,
}

/// The last figures of each process: counters of a target go on when one of its processes ends.
#[derive(Debug, Default)]
pub struct Processes {
    last: HashMap<u32, Last>,
}

impl Processes {
    pub fn came(&mut self, pid: u32, target: &str, registry: &Registry) {
        let known = self.last.entry(pid).or_insert_with(|| Last { fresh: true, ..Last::default() });
        target.clone_into(&mut known.target);
        registry.add(&table::PROCESS_CPU, &[target], 0.0);
        self.count(target, registry);
    }

    pub fn ended(&mut self, pid: u32, target: &str, registry: &Registry) {
        self.last.remove(&pid);
        self.count(target, registry);
        self.gauges(target, registry);
    }

    fn count(&self, target: &str, registry: &Registry) {
        let count = self.last.values().filter(|last| last.target == target).count();
        registry.set(&table::TARGET_PROCESSES, &[target], count as f64);
    }

    pub fn sampled(&mut self, sample: &ProcessSample, target: &str, registry: &Registry) {
        if target == OWN_TARGET {
            let before = self.last.entry(sample.process.pid).or_default();
            registry.add(&table::OWN_CPU, &[], sample.cpu.saturating_sub(before.cpu).as_secs_f64());
            before.cpu = sample.cpu;
            registry.set(&table::OWN_MEMORY, &["rss"], sample.rss_bytes as f64);
            registry.set(&table::OWN_MEMORY, &["vms"], sample.vms_bytes as f64);
            return;
        }
        let last = self.last.entry(sample.process.pid).or_default();
        target.clone_into(&mut last.target);
        registry.add(&table::PROCESS_CPU, &[target], sample.cpu.saturating_sub(last.cpu).as_secs_f64());
        let grown = |now: u64, before: u64| now.saturating_sub(before) as f64;
        let switches = &table::PROCESS_SWITCHES;
        registry.add(switches, &[target, "voluntary"], grown(sample.voluntary_switches, last.voluntary));
        registry.add(switches, &[target, "involuntary"], grown(sample.involuntary_switches, last.involuntary));
        registry.add(&table::PROCESS_IO, &[target, "read"], grown(sample.read_bytes, last.read));
        registry.add(&table::PROCESS_IO, &[target, "written"], grown(sample.written_bytes, last.written));
        *last = Last {
            target: target.to_owned(),
            cpu: sample.cpu,
            voluntary: sample.voluntary_switches,
            involuntary: sample.involuntary_switches,
            read: sample.read_bytes,
            written: sample.written_bytes,
            rss: sample.rss_bytes,
            vms: sample.vms_bytes,
            fds: sample.open_fds,
            threads: sample.threads,
            uptime: sample.uptime,
            fresh: false,
        };
        self.gauges(target, registry);
    }

    fn gauges(&self, target: &str, registry: &Registry) {
        let of_target = || self.last.values().filter(|last| last.target == target && !last.fresh);
        let sum = |figure: fn(&Last) -> u64| of_target().map(figure).sum::<u64>() as f64;
        registry.set(&table::PROCESS_MEMORY, &[target, "rss"], sum(|last| last.rss));
        registry.set(&table::PROCESS_MEMORY, &[target, "vms"], sum(|last| last.vms));
        registry.set(&table::PROCESS_FDS, &[target], sum(|last| last.fds));
        registry.set(&table::PROCESS_THREADS, &[target], sum(|last| last.threads));
        let oldest = of_target().map(|last| last.uptime).max().unwrap_or_default();
        registry.set(&table::UPTIME, &[target], oldest.as_secs_f64());
    }
}
