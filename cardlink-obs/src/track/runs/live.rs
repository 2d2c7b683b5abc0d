//! One process that runs tests with pytest: which test is under way, and what its outcome was.
//!
//! pytest puts each phase (set-up, call, tear-down) into its environment, and takes the variable out after a tear-down that
//! went well. The terminal reporter writes the outcome of a phase before the next one begins, as the last thing that is
//! written; with pytest-rerunfailures all outcomes come after the tear-down. A worker of pytest-xdist writes nothing, and
//! sends a report of each phase.

use crate::{
    observation::{Stamp, TestOutcome, TestPhases},
    protocol::pytest::{self, NodeId, Phase, Plain, Word, WorkerReport, Written},
};

/// A test that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub node: NodeId,
    pub start: Stamp,
    pub end: Stamp,
    pub phases: TestPhases,
    pub outcome: TestOutcome,
}

/// What a process is at.
#[derive(Debug, Default)]
pub struct Live {
    under: Option<Under>,
    /// Its tear-down is over, and what it came to is not known yet.
    done: Option<Under>,
    /// The outcome that the last write ended in, since the last change of phase.
    said: Option<Word>,
    /// It sends reports: it is a worker.
    pub worker: bool,
    /// A test has ended without a word of the reporter: there is none, and what is written is the tests' own.
    mute: bool,
    /// A test began before the tear-down of the one before: the process runs several at once, and what it does may be any
    /// one's.
    mixed: bool,
}

#[derive(Debug)]
struct Under {
    node: NodeId,
    setup: Option<Stamp>,
    call: Option<Stamp>,
    teardown: Option<Stamp>,
    /// What was said before the tear-down.
    word: Option<Word>,
    reports: [Option<WorkerReport>; 3],
    end: Option<Stamp>,
}

impl Live {
    /// A phase begins. Whether a test begins with it.
    pub fn phase(&mut self, node: NodeId, phase: Phase, at: Stamp, out: &mut Vec<Ended>) -> bool {
        let goes_on = phase != Phase::Setup && self.under.as_ref().is_some_and(|under| under.node == node);
        let said = self.said.take();
        if !goes_on {
            self.mixed |= self.under.as_ref().is_some_and(|under| under.teardown.is_none());
            self.settle(at, true, out);
            self.under = Some(Under::new(node));
        }
        let Some(under) = &mut self.under else { return false };
        match phase {
            Phase::Setup => under.setup = Some(at),
            Phase::Call => under.call = Some(at),
            Phase::Teardown => {
                under.teardown = Some(at);
                under.word = said.filter(|_| !self.mute);
            }
        }
        !goes_on
    }

    /// The test that is under way, and no other, with its start.
    pub fn under_way(&self) -> Option<(&NodeId, Stamp)> {
        let under = self.under.as_ref().filter(|_| !self.mixed)?;
        Some((&under.node, under.start()))
    }

    /// The variable is gone: the tear-down went well.
    pub fn over(&mut self, at: Stamp, out: &mut Vec<Ended>) {
        self.said = None;
        let Some(mut under) = self.under.take() else { return };
        under.end = Some(at);
        self.give_up(at, out);
        if under.word.is_some() && !self.worker {
            out.push(under.ended(at, true));
        } else {
            self.done = Some(under);
        }
    }

    /// The process wrote to its standard output.
    pub fn output(&mut self, bytes: &[u8], at: Stamp, out: &mut Vec<Ended>) {
        let word = match pytest::written(bytes) {
            Written::Outcome(word) => Some(word),
            Written::Addition => return,
            Written::Other => None,
        };
        if self.under.is_none()
            && !(self.worker || self.mute)
            && word.is_some()
            && let Some(mut done) = self.done.take()
        {
            done.word = word;
            out.push(done.ended(at, true));
            return;
        }
        self.said = word;
    }

    /// The process sent a message.
    pub fn message(&mut self, bytes: &[u8], at: Stamp, out: &mut Vec<Ended>) {
        let Some(report) = pytest::report(bytes) else { return };
        self.worker = true;
        let phase = report.phase;
        let is = |test: &&mut Under| test.node == report.node;
        if let Some(done) = self.done.as_mut().filter(is) {
            done.report(report);
            if phase == Phase::Teardown {
                out.extend(self.done.take().map(|done| done.ended(at, true)));
            }
        } else if let Some(under) = self.under.as_mut().filter(is) {
            under.report(report);
            if phase == Phase::Teardown {
                // The variable is still there: the tear-down failed.
                out.extend(self.under.take().map(|under| under.ended(at, false)));
            }
        }
    }

    /// No word comes for the test that is over.
    fn give_up(&mut self, at: Stamp, out: &mut Vec<Ended>) {
        if let Some(done) = self.done.take() {
            // Of one that was seen from its tear-down on only, the word has been said before.
            self.mute |= !self.worker && (done.setup.is_some() || done.call.is_some());
            out.push(done.ended(at, true));
        }
    }

    /// Nothing more comes of what is under way. `goes_on`: because the next test begins.
    pub fn settle(&mut self, at: Stamp, goes_on: bool, out: &mut Vec<Ended>) {
        self.give_up(at, out);
        if let Some(under) = self.under.take() {
            // A process that is killed in a tear-down says nothing of it.
            let failed = goes_on || self.said == Some(Word::Error);
            let mut ended = under.ended(at, !failed);
            if !goes_on && !failed {
                ended.outcome = TestOutcome::Unknown;
            }
            out.push(ended);
        }
        self.said = None;
    }
}

impl Under {
    fn new(node: NodeId) -> Self {
        Self { node, setup: None, call: None, teardown: None, word: None, reports: [None, None, None], end: None }
    }

    fn report(&mut self, report: WorkerReport) {
        let place = report.phase as usize;
        if let Some(slot) = self.reports.get_mut(place) {
            *slot = Some(report);
        }
    }

    fn start(&self) -> Stamp {
        self.setup.or(self.call).or(self.teardown).unwrap_or_default()
    }

    /// `torn_down`: the tear-down went well.
    fn ended(self, at: Stamp, torn_down: bool) -> Ended {
        let end = self.end.unwrap_or(at);
        let from = |from: Option<Stamp>, to: Option<Stamp>| from.map(|from| to.unwrap_or(end).since(from));
        let phases = TestPhases {
            setup: from(self.setup, self.call.or(self.teardown)).unwrap_or_default(),
            call: from(self.call, self.teardown).unwrap_or_default(),
            teardown: from(self.teardown, None).unwrap_or_default(),
        };
        let so_far = self.by_reports().unwrap_or_else(|| self.by_word());
        let outcome = match so_far {
            TestOutcome::Failed | TestOutcome::Error | TestOutcome::Rerun => so_far,
            _ if self.teardown_failed() || (!torn_down && self.teardown.is_some()) => TestOutcome::Error,
            _ if self.teardown.is_none() => TestOutcome::Unknown,
            other => other,
        };
        Ended { start: self.start(), end, phases, outcome, node: self.node }
    }

    fn teardown_failed(&self) -> bool {
        let [.., teardown] = &self.reports;
        teardown.as_ref().is_some_and(|report| report.outcome == Plain::Failed)
    }

    fn by_word(&self) -> TestOutcome {
        match self.word {
            // A set-up that went well is not told, one that failed is an error, and a call that failed is none: that was
            // not the reporter.
            Some(Word::Passed | Word::Xpassed | Word::Failed) if self.call.is_none() => TestOutcome::Unknown,
            Some(Word::Error) if self.call.is_some() => TestOutcome::Unknown,
            Some(Word::Passed) => TestOutcome::Passed,
            Some(Word::Failed) => TestOutcome::Failed,
            Some(Word::Error) => TestOutcome::Error,
            Some(Word::Skipped) => TestOutcome::Skipped,
            Some(Word::Xfailed) => TestOutcome::Xfailed,
            Some(Word::Xpassed) => TestOutcome::Xpassed,
            Some(Word::Rerun) => TestOutcome::Rerun,
            None => TestOutcome::Unknown,
        }
    }

    fn by_reports(&self) -> Option<TestOutcome> {
        let [setup, call, _] = &self.reports;
        if let Some(report) = call {
            return Some(match (report.outcome, report.xfail) {
                (Plain::Failed, _) => TestOutcome::Failed,
                (Plain::Rerun, _) => TestOutcome::Rerun,
                (Plain::Passed, Some(false)) => TestOutcome::Passed,
                (Plain::Passed, Some(true)) => TestOutcome::Xpassed,
                (Plain::Skipped, Some(false)) => TestOutcome::Skipped,
                (Plain::Skipped, Some(true)) => TestOutcome::Xfailed,
                (_, None) => TestOutcome::Unknown,
            });
        }
        let report = setup.as_ref()?;
        Some(match (report.outcome, report.xfail) {
            (Plain::Failed, _) => TestOutcome::Error,
            (Plain::Rerun, _) => TestOutcome::Rerun,
            (Plain::Skipped, Some(true)) => TestOutcome::Xfailed,
            (Plain::Skipped, Some(false)) => TestOutcome::Skipped,
            _ => TestOutcome::Unknown,
        })
    }
}
