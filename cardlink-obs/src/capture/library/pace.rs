//! A limit to what the probes in SQLite cost a target: one that steps very fast is let go of for a while.

use super::Libraries;
use crate::{
    capture::loader::{Kernel, LoadError},
    event::{Event, ProcessOrigin, SqliteNote},
};
use aya::maps::{HashMap as BpfHashMap, MapData};
use cardlink_obs_common::SqliteCall;
use std::collections::HashMap;

/// Steps in a second, in the long run. Each costs about a microsecond more with its probes.
const MOST_STEPS: u64 = 50_000;
/// Steps that may be taken at once.
const BURST: u64 = 500_000;
const EVERY: u64 = 1_000_000_000;
/// So long a target is left alone.
const PAUSE: u64 = 60_000_000_000;

pub(super) struct Pace {
    calls: BpfHashMap<MapData, u64, SqliteCall>,
    /// Steps of each thread when they were last counted.
    counted: HashMap<u64, u64>,
    /// Steps of each process beyond what it may take.
    beyond: HashMap<u32, u64>,
    last: u64,
    /// When the pause of a process ends.
    paused: HashMap<u32, u64>,
}

impl Pace {
    pub fn new(kernel: &mut Kernel) -> Result<Self, LoadError> {
        Ok(Self {
            calls: kernel.sqlite_calls()?,
            counted: HashMap::new(),
            beyond: HashMap::new(),
            last: 0,
            paused: HashMap::new(),
        })
    }

    pub fn left(&mut self, pid: u32) {
        self.paused.remove(&pid);
    }

    /// Once a second: lets go of those that step too fast, and takes up those whose pause is over.
    pub fn look(&mut self, libraries: Option<&mut Libraries>, kernel: &mut Kernel, now: u64) -> Vec<Event<'static>> {
        let since = now.saturating_sub(self.last);
        let Some(libraries) = libraries.filter(|_| since >= EVERY) else { return Vec::new() };
        self.last = now;
        let over: Vec<u32> = self.paused.iter().filter(|(_, until)| **until <= now).map(|(pid, _)| *pid).collect();
        for pid in over {
            self.paused.remove(&pid);
            libraries.came(kernel, pid, "", ProcessOrigin::Found, now);
        }
        let mut told = Vec::new();
        for pid in self.count(since) {
            if self.paused.insert(pid, now.saturating_add(PAUSE)).is_none() {
                tracing::warn!(
                    "process {pid} goes on to take more than {MOST_STEPS} steps of SQLite in a second: its statements are \
                     not followed for {} s (`--sqlite-probes on` follows them whatever it costs)",
                    PAUSE / EVERY
                );
                libraries.left(pid);
                told.push(Event::Sqlite { at: now, pid, tid: pid, note: SqliteNote::Paused });
            }
        }
        told
    }

    /// Processes that were too fast for too long, up to this time.
    fn count(&mut self, nanos: u64) -> Vec<u32> {
        let before = std::mem::take(&mut self.counted);
        let mut steps: HashMap<u32, u64> = HashMap::new();
        for (thread, call) in self.calls.iter().flatten() {
            self.counted.insert(thread, call.steps);
            if let Some(before) = before.get(&thread) {
                let pid = u32::try_from(thread >> 32).unwrap_or_default();
                *steps.entry(pid).or_default() += call.steps.saturating_sub(*before);
            }
        }
        self.beyond = beyond(&self.beyond, &steps, nanos);
        let too_far = self.beyond.iter().filter(|(_, beyond)| **beyond > BURST).map(|(pid, _)| *pid);
        let pids: Vec<u32> = too_far.collect();
        self.beyond.retain(|_, beyond| *beyond <= BURST);
        pids
    }
}

/// Steps of each process beyond what it may take, after so many more in this time.
fn beyond(before: &HashMap<u32, u64>, steps: &HashMap<u32, u64>, nanos: u64) -> HashMap<u32, u64> {
    let allowed = u128::from(MOST_STEPS) * u128::from(nanos) / u128::from(EVERY);
    let allowed = u64::try_from(allowed).unwrap_or(u64::MAX);
    let now = |(pid, steps): (&u32, &u64)| {
        let beyond = before.get(pid).copied().unwrap_or(0).saturating_add(*steps).saturating_sub(allowed);
        (beyond > 0).then_some((*pid, beyond))
    };
    steps.iter().filter_map(now).collect()
}

#[cfg(test)]
mod tests {
    use super::{BURST, EVERY, MOST_STEPS, beyond};
    use std::collections::HashMap;

    fn after(seconds: u64, steps: u64) -> u64 {
        let mut all = HashMap::new();
        for _ in 0..seconds {
            all = beyond(&all, &HashMap::from([(7, steps)]), EVERY);
        }
        all.get(&7).copied().unwrap_or(0)
    }

    #[test]
    fn a_burst_is_paid_off_and_a_flood_is_not() {
        assert_eq!(after(60, MOST_STEPS), 0);
        assert!(after(1, BURST) < BURST);
        assert!(after(9, 2 * MOST_STEPS) < BURST && after(11, 2 * MOST_STEPS) > BURST);
        let burst = beyond(&HashMap::new(), &HashMap::from([(7, BURST)]), EVERY);
        let later = beyond(&burst, &HashMap::from([(7, 0)]), 10 * EVERY);
        assert!(later.is_empty(), "{later:?}");
        assert!(beyond(&burst, &HashMap::new(), EVERY).is_empty(), "it is gone");
    }
}
