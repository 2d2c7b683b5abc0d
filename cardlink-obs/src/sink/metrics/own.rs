//! The agent's own figures: fates of events, verdicts of probes, the ring.

use super::{Registry, table};
use crate::sink::recording::Progress;
use crate::{
    capture::{Capture, accounts::Account, loader::Attached},
    observation::Stamp,
};
use cardlink_obs_common::EventHeader;
use std::{collections::HashMap, mem::size_of, sync::Arc, time::Instant};

pub struct Own {
    registry: Arc<Registry>,
    ring_bytes: u32,
    told: HashMap<&'static str, u64>,
    accounts: HashMap<&'static str, Account>,
    /// What was told of each probe.
    verdicts: Vec<&'static str>,
    last: Instant,
    most_used: f64,
}

impl Own {
    pub fn new(registry: Arc<Registry>, ring_bytes: u32) -> Self {
        registry.set(&table::OWN_RING_BYTES, &[], f64::from(ring_bytes));
        let platform = format!("{}-linux", std::env::consts::ARCH);
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        registry.set(
            &table::BUILD_INFO,
            &[env!("CARGO_PKG_VERSION"), &platform, kernel.trim(), crate::capture::loader::object_id()],
            1.0,
        );
        tell_time(&registry);
        for source in ["tls", "at", "tcp", "pcsc", "ring"] {
            registry.add(&table::OWN_INCOMPLETE, &[source], 0.0);
        }
        Self {
            registry,
            ring_bytes,
            told: HashMap::new(),
            accounts: HashMap::new(),
            verdicts: Vec::new(),
            last: Instant::now(),
            most_used: 0.0,
        }
    }

    /// The verdict of every probe.
    pub fn probes(&mut self, probes: &[Attached]) {
        let as_told = |(attached, told): (&Attached, &&str)| attached.verdict.as_str() == *told;
        if self.verdicts.len() == probes.len() && probes.iter().zip(&self.verdicts).all(as_told) {
            return;
        }
        self.verdicts = probes.iter().map(|attached| attached.verdict.as_str()).collect();
        self.registry.clear(&table::OWN_PROBE_STATUS);
        for attached in probes {
            let labels = [attached.probe.program, attached.verdict.as_str()];
            self.registry.set(&table::OWN_PROBE_STATUS, &labels, 1.0);
        }
    }

    /// How the recording goes.
    pub fn recording(&mut self, progress: &Progress) {
        let counts = progress.counts();
        for (key, fate, count) in
            [("recording written", "written", counts.written), ("recording lost", "lost", counts.lost)]
        {
            let before = self.told.insert(key, count).unwrap_or(0);
            if count > before || count == 0 {
                self.registry.add(&table::OWN_RECORDED, &[fate], count.saturating_sub(before) as f64);
            }
        }
    }

    /// Once a second at most: the counts that the kernel side keeps. Whether any of them moved.
    pub fn after_drain(&mut self, capture: &Capture, streams: usize, drained: u64) -> bool {
        // The smallest event is a header and the smallest payload class: a lower bound of what was in use.
        let used = drained as f64 * (size_of::<EventHeader>() + 72) as f64 / f64::from(self.ring_bytes.max(1));
        self.most_used = self.most_used.max(used.min(1.0));
        if self.last.elapsed().as_millis() < 1000 {
            return false;
        }
        self.last = Instant::now();
        self.registry.set(&table::OWN_RING_USED, &[], self.most_used);
        self.most_used = 0.0;
        self.registry.set(&table::OWN_STREAMS, &[], streams as f64);
        self.probes(capture.probes());
        let mut moved = false;
        let (ledger, received) = capture.ledger();
        for (fate, count) in ledger.counts() {
            let before = self.told.insert(fate, count).unwrap_or(0);
            moved |= count != before;
            self.registry.add(&table::OWN_EVENTS, &[fate], count.saturating_sub(before) as f64);
        }
        for (fate, count) in
            [("decoded", received.decoded), ("undecodable", received.undecodable), ("missed", received.missed)]
        {
            let before = self.told.insert(fate, count).unwrap_or(0);
            self.registry.add(&table::OWN_RECEIVED, &[fate], count.saturating_sub(before) as f64);
        }
        for (probe, account) in capture.accounts().iter().filter(|(_, account)| account.runs > 0) {
            let before = self.accounts.insert(probe, *account).unwrap_or_default();
            let time = account.time.saturating_sub(before.time).as_secs_f64();
            self.registry.add(&table::OWN_PROBE_COST, &[probe], time);
            self.registry.add(&table::OWN_PROBE_RUNS, &[probe], account.runs.saturating_sub(before.runs) as f64);
        }
        tell_time(&self.registry);
        moved
    }
}

/// The page that is rendered next is of now.
fn tell_time(registry: &Registry) {
    let wall = crate::sink::wall::WallClock::of_this_host();
    let now = Stamp::from_nanos(crate::capture::now());
    registry.set(&table::OWN_PAGE_TIME, &[], wall.epoch_seconds(now));
}
