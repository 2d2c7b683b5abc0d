//! Which test a process was in, and when: what it did meanwhile was done in that test.
//!
//! A process that runs tests is in the one that is under way. What it starts meanwhile, and what that starts, is in that test
//! too, until the test is over; after that in none.

use crate::observation::{Stamp, TestKey};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Processes that are kept in mind.
const MOST: usize = 16_384;
/// Tests of a process that are kept in mind: what began in one may be told after the next has begun.
const EACH: usize = 32;
/// So long a process that is gone is kept in mind.
const REMEMBER: Duration = Duration::from_secs(10);

/// Processes that run tests, or were started by such.
#[derive(Debug, Default)]
pub(super) struct During {
    processes: HashMap<u32, Of>,
}

#[derive(Debug, Default)]
struct Of {
    /// Its own tests, the last one last.
    tests: VecDeque<Period>,
    /// The test in which it was started.
    born: Option<TestKey>,
    gone: Option<Stamp>,
}

#[derive(Debug, Clone, Copy)]
struct Period {
    start: Stamp,
    end: Option<Stamp>,
}

impl Period {
    fn holds(self, at: Stamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }
}

impl During {
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The test that a process has under way, by its start; `None` when it has none. Whether one begins.
    pub fn set(&mut self, pid: u32, start: Option<Stamp>, at: Stamp) -> bool {
        if self.processes.len() >= MOST && !self.processes.contains_key(&pid) {
            return false;
        }
        if start.is_none() && !self.processes.contains_key(&pid) {
            return false;
        }
        let of = self.processes.entry(pid).or_default();
        let open = of.tests.back_mut().filter(|last| last.end.is_none());
        if open.as_ref().map(|last| last.start) == start {
            return false;
        }
        if let Some(last) = open {
            last.end = Some(at);
        }
        let Some(start) = start else { return false };
        if of.tests.len() >= EACH {
            of.tests.pop_front();
        }
        of.tests.push_back(Period { start, end: None });
        true
    }

    /// A process was started by another.
    pub fn forked(&mut self, parent: u32, child: u32, at: Stamp) {
        if self.processes.is_empty() {
            return;
        }
        self.processes.remove(&child);
        if let Some(born) = self.at(parent, at)
            && self.processes.len() < MOST
        {
            self.processes.insert(child, Of { born: Some(born), ..Of::default() });
        }
    }

    pub fn process_ended(&mut self, pid: u32, at: Stamp) {
        self.set(pid, None, at);
        if let Some(of) = self.processes.get_mut(&pid) {
            of.gone = Some(at);
        }
    }

    pub fn tick(&mut self, now: Stamp) {
        self.processes.retain(|_, of| of.gone.is_none_or(|gone| now.since(gone) < REMEMBER));
    }

    /// The test that a process was in.
    pub fn at(&self, pid: u32, at: Stamp) -> Option<TestKey> {
        let of = self.processes.get(&pid)?;
        let own = of.tests.iter().rev().find(|period| period.holds(at));
        own.map(|period| TestKey { pid, start: period.start }).or_else(|| self.around(pid, at))
    }

    /// The test that a process was started in, while that test goes on.
    pub fn around(&self, pid: u32, at: Stamp) -> Option<TestKey> {
        let born = self.processes.get(&pid)?.born?;
        let of = self.processes.get(&born.pid)?;
        let period = of.tests.iter().rev().find(|period| period.start == born.start)?;
        period.holds(at).then_some(born)
    }
}

#[cfg(test)]
mod tests {
    use super::{During, EACH};
    use crate::observation::{Stamp, TestKey};

    const fn at(millis: u64) -> Stamp {
        Stamp::from_nanos(millis * 1_000_000)
    }

    fn key(pid: u32, start: u64) -> TestKey {
        TestKey { pid, start: at(start) }
    }

    #[test]
    fn a_process_is_in_the_test_that_is_under_way() {
        let mut during = During::default();
        assert!(!during.set(7, None, at(5)));
        assert!(during.processes.is_empty());
        assert!(during.set(7, Some(at(10)), at(10)));
        assert!(!during.set(7, Some(at(10)), at(15)), "it goes on");
        assert!(!during.set(7, None, at(20)));
        assert!(during.set(7, Some(at(30)), at(30)));
        let of = |time| during.at(7, at(time));
        assert_eq!([9, 20, 25].map(of), [None; 3]);
        assert_eq!([10, 19].map(of), [Some(key(7, 10)); 2]);
        assert_eq!(of(99), Some(key(7, 30)));
        assert_eq!(during.at(8, at(15)), None);
    }

    #[test]
    fn what_it_starts_is_in_the_test_until_that_is_over() {
        let mut during = During::default();
        during.forked(7, 6, at(1));
        during.set(7, Some(at(10)), at(10));
        during.forked(7, 8, at(12));
        during.forked(8, 9, at(14));
        during.set(7, Some(at(30)), at(30));
        during.forked(8, 10, at(35));
        let of = |pid, time| during.at(pid, at(time));
        assert_eq!([of(8, 20), of(9, 20)], [Some(key(7, 10)); 2]);
        assert_eq!([of(8, 35), of(9, 35), of(10, 36), of(6, 20)], [None; 4]);
    }

    #[test]
    fn a_test_within_a_test_is_the_nearer_one() {
        let mut during = During::default();
        during.set(7, Some(at(10)), at(10));
        during.forked(7, 8, at(12));
        during.set(8, Some(at(20)), at(20));
        during.forked(8, 9, at(21));
        assert_eq!(during.at(9, at(25)), Some(key(8, 20)));
        assert_eq!(during.around(8, at(20)), Some(key(7, 10)));
        during.set(8, None, at(30));
        assert_eq!(during.at(8, at(35)), Some(key(7, 10)));
    }

    #[test]
    fn what_is_gone_is_forgotten_after_a_while() {
        let mut during = During::default();
        for test in 0..100 {
            during.set(7, Some(at(test * 10)), at(test * 10));
        }
        assert_eq!(during.processes[&7].tests.len(), EACH);
        during.process_ended(7, at(1000));
        assert_eq!(during.at(7, at(999)), Some(key(7, 990)));
        assert_eq!(during.at(7, at(1000)), None);
        during.tick(at(10_999));
        assert_eq!(during.at(7, at(999)), Some(key(7, 990)));
        during.tick(at(11_000));
        assert!(during.processes.is_empty());
    }
}
