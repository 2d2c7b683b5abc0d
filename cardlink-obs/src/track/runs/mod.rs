//! Test runs: live ones of pytest, and the reports that runners write. A test that was seen as it ran is told once: what a
//! report says of it too only completes it.

mod during;
mod live;
#[cfg(test)]
mod tests;

use crate::{
    event::TestNote,
    observation::{
        Cause, Observation, Process, Stamp, Test, TestKey, TestOutcome, TestParameters, TestSource, TestStarted,
        TestSuite,
    },
    protocol::{
        junit::{self, Case, Outcome, Report},
        pytest::{self, NodeId},
    },
};
use during::During;
use live::{Ended, Live};
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher as _},
    sync::Arc,
    time::Duration,
};

/// Tests of a run that are kept in mind; of a run with more, reports are not read.
const MOST_TESTS: usize = 100_000;
/// Tests of all runs whose outcomes are kept in mind, to tell flaky ones.
const MOST_OUTCOMES: usize = 200_000;
const MOST_SUITES: usize = 4096;
/// Processes that run tests, and processes whose parent is known.
const MOST_PROCESSES: usize = 16_384;
/// What stands in the place of a suite that has no name.
const NAMELESS: &str = "unnamed";

/// Follows all test runs.
#[derive(Debug, Default)]
pub struct TestRuns {
    live: HashMap<u32, (Arc<Process>, Live)>,
    parents: HashMap<u32, u32>,
    /// By the process that answers for the run: pytest itself, or who started the workers.
    runs: HashMap<u32, Run>,
    /// Whether a test has passed (1), and failed (2).
    outcomes: HashMap<u64, u8>,
    during: During,
    /// Reports that were read, by process and content: one may be closed and renamed.
    read: HashSet<(u32, u64)>,
}

/// A run that goes on.
#[derive(Debug, Default)]
struct Run {
    process: Option<Arc<Process>>,
    /// Tests that were told.
    told: HashSet<NodeId>,
    /// Tests whose outcome was not seen: a report may tell.
    held: Vec<(Arc<Process>, Ended)>,
    suites: BTreeMap<String, Sum>,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    start: Option<Stamp>,
    end: Stamp,
    /// What reports said of its time.
    reported: Duration,
    tests: [u64; TestOutcome::ALL.len()],
}

impl TestRuns {
    /// A watched process was forked.
    pub fn forked(&mut self, parent: u32, child: u32, at: Stamp) {
        self.during.forked(parent, child, at);
        if self.parents.len() < MOST_PROCESSES {
            self.parents.insert(child, parent);
        }
    }

    /// What a process that runs pytest does.
    pub fn note(&mut self, process: &Arc<Process>, note: &TestNote<'_>, at: Stamp, out: &mut Vec<Observation>) {
        if self.live.len() >= MOST_PROCESSES && !self.live.contains_key(&process.pid) {
            return;
        }
        let entry = self.live.entry(process.pid);
        let (_, live) = entry.or_insert_with(|| (Arc::clone(process), Live::default()));
        let mut ended = Vec::new();
        match note {
            TestNote::Current(value) => {
                if let Some((node, phase)) = pytest::current_test(value) {
                    live.phase(node, phase, at, &mut ended);
                }
            }
            TestNote::Over => live.over(at, &mut ended),
            TestNote::Output(bytes) => live.output(bytes, at, &mut ended),
            TestNote::Message(bytes) => live.message(bytes, at, &mut ended),
        }
        self.all_ended(process, ended, out);
        self.under_way(process, at, out);
    }

    /// Tells which test has begun, if one has.
    fn under_way(&mut self, process: &Arc<Process>, at: Stamp, out: &mut Vec<Observation>) {
        let Some((_, live)) = self.live.get(&process.pid) else { return };
        let under_way = live.under_way();
        if self.during.set(process.pid, under_way.map(|(_, start)| start), at)
            && let Some((node, start)) = under_way
        {
            out.push(Observation::TestStarted(Box::new(TestStarted {
                process: Arc::clone(process),
                suite: suite_of(&node.class),
                name: node.name.clone(),
                parameters: node.parameters.clone().map(TestParameters::new),
                at: start,
                cause: Cause { session: None, test: self.during.around(process.pid, start) },
            })));
        }
    }

    /// No test has been seen.
    pub fn are_none(&self) -> bool {
        self.during.is_empty()
    }

    /// The test that a process was in.
    pub fn at(&self, pid: u32, at: Stamp) -> Option<TestKey> {
        self.during.at(pid, at)
    }

    pub fn tick(&mut self, now: Stamp) {
        self.during.tick(now);
    }

    fn all_ended(&mut self, process: &Arc<Process>, ended: Vec<Ended>, out: &mut Vec<Observation>) {
        for test in ended {
            let owner = self.owner(process.pid);
            let run = self.runs.entry(owner).or_default();
            run.process.get_or_insert_with(|| Arc::clone(process));
            if test.outcome == TestOutcome::Unknown && run.held.len() < MOST_TESTS {
                run.held.push((Arc::clone(process), test));
            } else {
                self.tell_live(owner, process, test, out);
            }
        }
    }

    /// The process that answers for the run of this one.
    fn owner(&self, pid: u32) -> u32 {
        match self.live.get(&pid) {
            Some((_, live)) if live.worker => self.parents.get(&pid).copied().unwrap_or(pid),
            _ => pid,
        }
    }

    fn tell_live(&mut self, owner: u32, process: &Arc<Process>, ended: Ended, out: &mut Vec<Observation>) {
        let Ended { node, start, end, phases, outcome } = ended;
        if let Some(run) = self.runs.get_mut(&owner) {
            if run.told.len() < MOST_TESTS {
                run.told.insert(node.clone());
            }
            run.count(&node.class, Some(start), end, None, outcome);
        }
        let flaky = self.is_flaky(&node, outcome);
        out.push(Observation::Test(Box::new(Test {
            process: Arc::clone(process),
            suite: suite_of(&node.class),
            name: node.name,
            parameters: node.parameters.map(TestParameters::new),
            outcome,
            start: Some(start),
            end,
            duration: Some(end.since(start)),
            phases: Some(phases),
            source: TestSource::Live,
            flaky,
        })));
    }

    /// Whether a test has now ended both ways, for the first time.
    fn is_flaky(&mut self, node: &NodeId, outcome: TestOutcome) -> bool {
        let bit = match outcome {
            TestOutcome::Passed => 1,
            TestOutcome::Failed | TestOutcome::Error | TestOutcome::Rerun => 2,
            _ => return false,
        };
        let key = hash(node);
        if self.outcomes.len() >= MOST_OUTCOMES && !self.outcomes.contains_key(&key) {
            return false;
        }
        let seen = self.outcomes.entry(key).or_default();
        let before = std::mem::replace(seen, *seen | bit);
        before != 3 && *seen == 3
    }

    /// A process has written a report.
    pub fn report(&mut self, process: &Arc<Process>, bytes: &[u8], at: Stamp, out: &mut Vec<Observation>) {
        let Some(report) = junit::read(bytes) else { return };
        if self.read.len() >= MOST_PROCESSES || !self.read.insert((process.pid, hash(bytes))) {
            return;
        }
        // It is written when all tests are over.
        let mut pids: Vec<u32> = self.live.keys().copied().filter(|pid| self.owner(*pid) == process.pid).collect();
        pids.sort_unstable();
        for pid in pids {
            self.settle(pid, at, true, out);
        }
        let live = self.runs.contains_key(&process.pid);
        let mut run = self.runs.remove(&process.pid).unwrap_or_default();
        run.process.get_or_insert_with(|| Arc::clone(process));
        if run.told.len() < MOST_TESTS {
            let held = std::mem::take(&mut run.held);
            self.runs.insert(process.pid, run);
            let held = self.complete(process.pid, held, &report, out);
            run = self.runs.remove(&process.pid).unwrap_or_default();
            run.held = held;
            for case in &report.cases {
                self.case(&mut run, process, &report, case, at, out);
            }
        }
        if live {
            self.runs.insert(process.pid, run);
        } else {
            // Who only writes reports (a build tool) may go on for days.
            let whole = if report.cut { &[][..] } else { report.suites.as_slice() };
            for suite in whole.iter().filter(|suite| suite.duration.is_some()) {
                if let Some(sum) = run.suites.get_mut(&suite.name) {
                    sum.reported = suite.duration.unwrap_or_default();
                }
            }
            run.tell_suites(out);
        }
    }

    /// Tests that were seen as they ran, and whose outcome the report tells; the others are given back.
    fn complete(
        &mut self,
        owner: u32,
        held: Vec<(Arc<Process>, Ended)>,
        report: &Report,
        out: &mut Vec<Observation>,
    ) -> Vec<(Arc<Process>, Ended)> {
        let mut outcomes: HashMap<NodeId, TestOutcome> = HashMap::new();
        for case in &report.cases {
            outcomes.entry(node_of(case)).or_insert_with(|| outcome_of(case.outcome));
        }
        let mut rest = Vec::new();
        for (process, mut test) in held {
            match outcomes.get(&test.node) {
                Some(outcome) => {
                    test.outcome = *outcome;
                    self.tell_live(owner, &process, test, out);
                }
                None => rest.push((process, test)),
            }
        }
        rest
    }

    fn case(
        &mut self,
        run: &mut Run,
        process: &Arc<Process>,
        report: &Report,
        case: &Case,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        let node = node_of(case);
        if run.told.contains(&node) {
            return;
        }
        let suite = case.suite.and_then(|place| report.suites.get(place)).map_or("", |suite| suite.name.as_str());
        // pytest has one suite for all; its modules and classes are what others call suites.
        let suite = if matches!(suite, "" | "pytest") { suite_of(&case.class) } else { suite_of(suite) };
        let outcome = outcome_of(case.outcome);
        let mut flaky = false;
        if case.reruns > 0 {
            flaky |= self.is_flaky(&node, TestOutcome::Rerun);
        }
        flaky |= self.is_flaky(&node, outcome);
        run.count(&suite, None, at, case.duration, outcome);
        out.push(Observation::Test(Box::new(Test {
            process: Arc::clone(process),
            suite,
            name: node.name,
            parameters: node.parameters.map(TestParameters::new),
            outcome,
            start: None,
            end: at,
            duration: case.duration,
            phases: None,
            source: TestSource::Report,
            flaky,
        })));
    }

    /// A process has ended.
    pub fn process_ended(&mut self, pid: u32, at: Stamp, out: &mut Vec<Observation>) {
        self.settle(pid, at, false, out);
        self.during.process_ended(pid, at);
        self.live.remove(&pid);
        self.parents.remove(&pid);
        self.read.retain(|(of, _)| *of != pid);
        self.end_run(pid, out);
    }

    /// The agent stops.
    pub fn finish(&mut self, at: Stamp, out: &mut Vec<Observation>) {
        let mut pids: Vec<u32> = self.live.keys().copied().collect();
        pids.sort_unstable();
        for pid in pids {
            self.process_ended(pid, at, out);
        }
        let mut owners: Vec<u32> = self.runs.keys().copied().collect();
        owners.sort_unstable();
        for owner in owners {
            self.end_run(owner, out);
        }
    }

    /// What is under way in a process comes to nothing more.
    fn settle(&mut self, pid: u32, at: Stamp, goes_on: bool, out: &mut Vec<Observation>) {
        let Some((process, live)) = self.live.get_mut(&pid) else { return };
        let process = Arc::clone(process);
        let mut ended = Vec::new();
        live.settle(at, goes_on, &mut ended);
        self.all_ended(&process, ended, out);
        self.during.set(pid, None, at);
    }

    fn end_run(&mut self, owner: u32, out: &mut Vec<Observation>) {
        let Some(run) = self.runs.get_mut(&owner) else { return };
        // No report came: what was not seen stays unknown.
        for (process, test) in std::mem::take(&mut run.held) {
            self.tell_live(owner, &process, test, out);
        }
        if let Some(run) = self.runs.remove(&owner) {
            run.tell_suites(out);
        }
    }
}

impl Run {
    fn count(
        &mut self,
        suite: &str,
        start: Option<Stamp>,
        end: Stamp,
        reported: Option<Duration>,
        outcome: TestOutcome,
    ) {
        let suite = suite_of(suite);
        if self.suites.len() >= MOST_SUITES && !self.suites.contains_key(&suite) {
            return;
        }
        let none = Sum { start, end, reported: Duration::ZERO, tests: [0; TestOutcome::ALL.len()] };
        let sum = self.suites.entry(suite).or_insert(none);
        sum.start = match (sum.start, start) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        sum.end = sum.end.max(end);
        sum.reported += reported.unwrap_or_default();
        if let Some(count) = sum.tests.get_mut(outcome as usize) {
            *count += 1;
        }
    }

    fn tell_suites(self, out: &mut Vec<Observation>) {
        let Some(process) = self.process else { return };
        for (suite, sum) in self.suites {
            out.push(Observation::TestSuite(Box::new(TestSuite {
                process: Arc::clone(&process),
                suite,
                end: sum.end,
                duration: sum.start.map_or(sum.reported, |start| sum.end.since(start)),
                tests: sum.tests,
            })));
        }
    }
}

fn suite_of(class: &str) -> String {
    // Parameters may stand in the names of suites, too (GoogleTest, JUnit).
    let (name, _) = pytest::split_parameters(class);
    if name.is_empty() { NAMELESS.to_owned() } else { name.to_owned() }
}

fn node_of(case: &Case) -> NodeId {
    let (name, parameters) = pytest::split_parameters(&case.name);
    NodeId { class: case.class.clone(), name: name.to_owned(), parameters: parameters.map(str::to_owned) }
}

const fn outcome_of(outcome: Outcome) -> TestOutcome {
    match outcome {
        Outcome::Passed => TestOutcome::Passed,
        Outcome::Failed => TestOutcome::Failed,
        Outcome::Skipped => TestOutcome::Skipped,
        Outcome::Error => TestOutcome::Error,
        Outcome::Xfailed => TestOutcome::Xfailed,
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
