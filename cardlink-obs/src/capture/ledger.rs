//! Every event has a fate: the kernel side's counts, and the agent's own.

use aya::maps::{MapData, PerCpuArray};
use cardlink_obs_common::{Accounts, fate};

/// The kernel side's counts, summed over the CPUs.
pub struct Ledger {
    map: PerCpuArray<MapData, Accounts>,
    counts: [u64; fate::COUNT as usize],
}

/// What became of the events that reached the agent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub decoded: u64,
    pub undecodable: u64,
    /// Runs of probes that the kernel skipped.
    pub missed: u64,
}

impl Ledger {
    pub fn new(map: PerCpuArray<MapData, Accounts>) -> Self {
        Self { map, counts: [0; fate::COUNT as usize] }
    }

    /// Reads the counts.
    pub fn read(&mut self) {
        let Ok(values) = self.map.get(&0, 0) else { return };
        self.counts = [0; fate::COUNT as usize];
        for accounts in values.iter() {
            for (sum, count) in self.counts.iter_mut().zip(accounts.fates) {
                *sum += count;
            }
        }
    }

    /// Counts by fate, with their names.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        fate::NAMES.into_iter().zip(self.counts.iter().copied())
    }

    fn count(&self, index: u32) -> u64 {
        self.counts.get(index as usize).copied().unwrap_or(0)
    }

    /// Events that should have reached the agent and did not.
    pub fn lost(&self) -> u64 {
        self.count(fate::RING_FULL) + self.count(fate::TABLE_FULL)
    }

    /// Whether every event has exactly one fate.
    pub fn balanced(&self) -> bool {
        let fates: u64 = (fate::SUBMITTED..fate::COUNT).map(|index| self.count(index)).sum();
        self.count(fate::SEEN) == fates
    }
}
