//! Tests and suites, for people.

use super::{BAD, DIM, GOOD, HEAD, Heading, Text, WARN, duration};
use crate::observation::{Test, TestOutcome, TestSuite};
use anstyle::Style;
use std::io::{self, Write};

const fn style(outcome: TestOutcome) -> Style {
    match outcome {
        TestOutcome::Passed | TestOutcome::Xfailed => GOOD,
        TestOutcome::Failed | TestOutcome::Error => BAD,
        TestOutcome::Rerun | TestOutcome::Xpassed => WARN,
        TestOutcome::Skipped | TestOutcome::Unknown => DIM,
    }
}

impl<W: Write> Text<W> {
    pub(super) fn test(&mut self, test: &Test) -> io::Result<()> {
        let pid = test.process.pid;
        if !matches!(self.heading, Some((Heading::Tests(of), _)) if of == pid) {
            self.heading = Some((Heading::Tests(pid), test.end));
            let time = self.time(test.end);
            writeln!(self.out, "{time} {HEAD}{}{HEAD:#}({pid}) tests", test.process.comm)?;
        }
        let style = style(test.outcome);
        let parameters = test.parameters.as_ref().map(|parameters| format!("[{}]", self.names.parameters(parameters)));
        let took = test.duration.map(duration).unwrap_or_default();
        write!(
            self.out,
            "  {} :: {}{}  {style}{}{style:#}   {took}",
            test.suite,
            test.name,
            parameters.unwrap_or_default(),
            test.outcome.as_str()
        )?;
        if let Some(phases) = test.phases {
            let (setup, teardown) = (duration(phases.setup), duration(phases.teardown));
            write!(self.out, "   {DIM}set-up {setup}, tear-down {teardown}{DIM:#}")?;
        }
        if test.flaky {
            write!(self.out, "   {WARN}flaky: it has passed and failed{WARN:#}")?;
        }
        writeln!(self.out)
    }

    pub(super) fn suite(&mut self, suite: &TestSuite) -> io::Result<()> {
        self.heading = None;
        let time = self.time(suite.end);
        let counts: Vec<String> = TestOutcome::ALL
            .iter()
            .zip(suite.tests)
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{count} {}", outcome.as_str()))
            .collect();
        let (pid, comm, took) = (suite.process.pid, &suite.process.comm, duration(suite.duration));
        writeln!(self.out, "{time} {HEAD}{comm}{HEAD:#}({pid}) suite {}: {}   {took}", suite.suite, counts.join(", "))
    }
}
