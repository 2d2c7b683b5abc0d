//! Every event has a fate: the kernel side's counts, and the agent's own.

use crate::event::Event;
use aya::maps::{MapData, PerCpuArray};
use cardlink_obs_common::{Accounts, fate, ledger};

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

/// Losses that were told.
#[derive(Debug, Default)]
pub struct Losses {
    told: u64,
    /// When more were found for the last time: events from before it may have others missing among them.
    found: u64,
    /// When the ledger was read for the last time.
    read: u64,
}

/// What is lost just before an end is in the ledger so much later at most, nanoseconds.
const SETTLED: u64 = 1_000_000;

impl Losses {
    /// What may have been lost before `at`, as far as it matters then; an event of none repeats what was told.
    pub fn before(&mut self, at: u64, ledger: &mut Ledger) -> Option<Event<'static>> {
        self.since(at, at, ledger)
    }

    /// The same for what has waited since `since` for its end.
    pub fn since(&mut self, since: u64, at: u64, ledger: &mut Ledger) -> Option<Event<'static>> {
        // The ends of one drain need one reading.
        if at + SETTLED >= self.read {
            self.read = super::now();
            ledger.read();
        }
        let events = ledger.lost().saturating_sub(self.told);
        if events > 0 {
            self.told += events;
            self.found = super::now();
        }
        (events > 0 || since <= self.found).then_some(Event::Lost { at, events })
    }
}

impl Ledger {
    pub fn new(map: PerCpuArray<MapData, Accounts>) -> Self {
        Self { map, counts: [0; fate::COUNT as usize] }
    }

    /// Reads the counts.
    pub fn read(&mut self) {
        let mut counts = [0; fate::COUNT as usize];
        for keeper in 0..ledger::COUNT {
            let Ok(values) = self.map.get(&keeper, 0) else { return };
            for accounts in values.iter() {
                for (sum, count) in counts.iter_mut().zip(accounts.fates) {
                    *sum += count;
                }
            }
        }
        self.counts = counts;
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
}
