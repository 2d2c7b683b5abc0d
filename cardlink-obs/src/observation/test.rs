//! Tests that a watched program ran, and their suites.

use super::{Cause, Process, Stamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What stands in brackets behind the name of a test. It may hold keys and PINs: it is never printed as it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TestParameters(String);

impl TestParameters {
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The parameters themselves. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TestParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestParameters({} bytes)", self.0.len())
    }
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TestOutcome {
    Passed,
    Failed,
    Skipped,
    /// Its set-up or tear-down failed, or the runner did.
    Error,
    /// It failed as was expected.
    Xfailed,
    /// It was expected to fail and passed.
    Xpassed,
    /// It failed and is run again.
    Rerun,
    /// It was seen, and its outcome was not.
    Unknown,
}

impl TestOutcome {
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::Failed,
        Self::Skipped,
        Self::Error,
        Self::Xfailed,
        Self::Xpassed,
        Self::Rerun,
        Self::Unknown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Error => "error",
            Self::Xfailed => "xfailed",
            Self::Xpassed => "xpassed",
            Self::Rerun => "rerun",
            Self::Unknown => "unknown",
        }
    }

    /// Somebody has to look at it.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::Rerun)
    }
}

/// Where it is known from that a test ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TestSource {
    /// It was seen as it ran.
    Live,
    /// A report told of it afterwards.
    Report,
}

impl TestSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Report => "report",
        }
    }
}

/// Tells a test that was seen as it ran from all others: no process begins two at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TestKey {
    /// The process that runs it.
    pub pid: u32,
    /// When its first phase began.
    pub start: Stamp,
}

/// Where the time of a test went; zero for what it did not get to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestPhases {
    pub setup: Duration,
    pub call: Duration,
    pub teardown: Duration,
}

/// A test that begins, seen as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestStarted {
    /// The process that runs it.
    pub process: Arc<Process>,
    /// As of [`Test`].
    pub suite: String,
    /// Without parameters.
    pub name: String,
    pub parameters: Option<TestParameters>,
    /// When its first phase began.
    pub at: Stamp,
    /// The test that has started the process.
    pub cause: Cause,
}

impl TestStarted {
    pub fn key(&self) -> TestKey {
        TestKey { pid: self.process.pid, start: self.at }
    }
}

/// A test that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// The process that ran it, or that wrote the report.
    pub process: Arc<Process>,
    /// Of pytest the module and classes (`tests.test_card.TestPin`), else the runner's own word.
    pub suite: String,
    /// Without parameters.
    pub name: String,
    pub parameters: Option<TestParameters>,
    pub outcome: TestOutcome,
    /// When its first phase began; `None` when only a report told of it.
    pub start: Option<Stamp>,
    /// When its last phase ended, or the report was there.
    pub end: Stamp,
    /// `None` when nobody told.
    pub duration: Option<Duration>,
    pub phases: Option<TestPhases>,
    pub source: TestSource,
    /// The same test has ended the other way before: it passes and fails. Told at the first such end.
    pub flaky: bool,
}

impl Test {
    /// `None` when only a report told of it.
    pub fn key(&self) -> Option<TestKey> {
        Some(TestKey { pid: self.process.pid, start: self.start? })
    }
}

/// The tests of one suite in one run, told when the run is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestSuite {
    pub process: Arc<Process>,
    pub suite: String,
    pub end: Stamp,
    /// From the begin of its first test to the end of its last, or what the report says.
    pub duration: Duration,
    /// Tests by outcome, in the order of [`TestOutcome::ALL`].
    pub tests: [u64; TestOutcome::ALL.len()],
}
