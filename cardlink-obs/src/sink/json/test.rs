//! Tests and suites as JSON.

use super::{seconds, with};
use crate::{
    observation::{Test, TestOutcome, TestStarted, TestSuite},
    sink::{names::Names, wall::WallClock},
};
use serde_json::{Map, Value, json};

pub(super) fn test(test: &Test, clock: &WallClock, names: &Names) -> Value {
    with(
        json!({
            "type": "test",
            "time": clock.iso(test.end),
            "suite": test.suite,
            "name": test.name,
            "parameters": test.parameters.as_ref().map(|parameters| names.parameters(parameters)),
            "outcome": test.outcome.as_str(),
            "start": test.start.map(|start| clock.iso(start)),
            "duration": test.duration.map(seconds),
            "phases": test.phases.map(|phases| json!({
                "setup": seconds(phases.setup),
                "call": seconds(phases.call),
                "teardown": seconds(phases.teardown),
            })),
            "source": test.source.as_str(),
            "flaky": test.flaky,
        }),
        super::process_json(&test.process),
    )
}

pub(super) fn started(started: &TestStarted, clock: &WallClock, names: &Names) -> Value {
    with(
        json!({
            "type": "test_started",
            "time": clock.iso(started.at),
            "suite": started.suite,
            "name": started.name,
            "parameters": started.parameters.as_ref().map(|parameters| names.parameters(parameters)),
        }),
        super::process_json(&started.process),
    )
}

pub(super) fn suite(suite: &TestSuite, clock: &WallClock) -> Value {
    let counts: Map<String, Value> = TestOutcome::ALL
        .iter()
        .zip(suite.tests)
        .map(|(outcome, count)| (outcome.as_str().to_owned(), Value::from(count)))
        .collect();
    with(
        json!({
            "type": "test_suite",
            "time": clock.iso(suite.end),
            "suite": suite.suite,
            "duration": seconds(suite.duration),
            "tests": counts,
        }),
        super::process_json(&suite.process),
    )
}
