//! The watched servers, seen from outside: nothing is sent to them.

use crate::{
    capture::{host, sockets},
    client::Deadline,
    config::checks::Server as Options,
    health::{Check, Facts, Verdict},
    sink::metrics::table,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

/// Successes and failures by target, at a time.
type Counts = BTreeMap<String, (f64, f64)>;

pub(super) struct Server {
    options: Options,
    facts: Arc<Facts>,
    history: VecDeque<(Instant, Counts)>,
    /// Ports that a target was once seen to listen on.
    known: BTreeMap<String, BTreeSet<u16>>,
}

impl Server {
    pub(super) fn new(options: Options, facts: Arc<Facts>) -> Self {
        Self { options, facts, history: VecDeque::new(), known: BTreeMap::new() }
    }

    /// Ports that the watched processes listen on now, by target.
    fn listening(&self) -> BTreeMap<String, BTreeSet<u16>> {
        let mut ports: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for (pid, target) in self.facts.watched() {
            let listening = sockets::listening(pid);
            let held = host::descriptors(pid).into_iter().filter_map(|(_, link)| host::socket_inode(&link));
            let of_target = ports.entry(target).or_default();
            of_target.extend(held.filter_map(|inode| listening.get(&inode)).map(std::net::SocketAddr::port));
        }
        ports
    }

    fn silent(&mut self) -> Option<Verdict> {
        let now = self.listening();
        if now.is_empty() {
            return None;
        }
        let all: BTreeSet<u16> = now.values().flatten().copied().collect();
        let wanted = if self.options.port.is_empty() { &self.facts.ports } else { &self.options.port };
        let missing: Vec<String> = wanted.iter().filter(|port| !all.contains(port)).map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Some(Verdict::unhealthy(format!("nobody of the targets listens on {}", missing.join(", "))));
        }
        let mut silent = Vec::new();
        for (target, ports) in now {
            let known = self.known.entry(target.clone()).or_default();
            if ports.is_empty() && !known.is_empty() {
                silent.push(target);
            } else {
                *known = ports;
            }
        }
        (!silent.is_empty()).then(|| Verdict::unhealthy(format!("{} does not listen any more", silent.join(", "))))
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for (labels, count) in self.facts.registry.series(&table::TLS_HANDSHAKES) {
            let [target, result, ..] = labels.as_slice() else { continue };
            let (good, bad) = counts.entry(target.clone()).or_default();
            if result == "success" { *good += count } else { *bad += count }
        }
        counts
    }

    /// Handshakes of the window: good and failed.
    fn recent(&mut self) -> (f64, f64) {
        let now = Instant::now();
        let counts = self.counts();
        let old = self.history.iter().take_while(|(at, _)| now.duration_since(*at) > self.options.window).count();
        // The newest of those that are too old is what the window begins with.
        self.history.drain(..old.saturating_sub(1));
        let nothing = Counts::new();
        let before = self.history.front().map_or(&nothing, |(_, counts)| counts);
        let sum = |counts: &Counts| counts.values().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let (then, since) = (sum(before), sum(&counts));
        self.history.push_back((now, counts));
        (since.0 - then.0, since.1 - then.1)
    }
}

impl Check for Server {
    fn look(&mut self, _: Deadline) -> Verdict {
        let (good, bad) = self.recent();
        if let Some(verdict) = self.silent() {
            return verdict;
        }
        let all = good + bad;
        let minutes = self.options.window.as_secs_f64() / 60.0;
        if all < self.options.least as f64 {
            return Verdict::healthy(format!("{all} handshakes in the last {minutes:.1} min: too few to judge"));
        }
        let good_share = good / all;
        let message = format!("{bad} of {all} handshakes failed in the last {minutes:.1} min");
        let (degraded, unhealthy) = (self.options.degraded_failures, self.options.unhealthy_failures);
        // Thresholds are the least that counts as too much.
        if 1.0 - good_share >= unhealthy && bad > 0.0 {
            Verdict::unhealthy(message)
        } else if 1.0 - good_share >= degraded && bad > 0.0 {
            Verdict::degraded(message)
        } else {
            Verdict::healthy(message)
        }
    }
}
