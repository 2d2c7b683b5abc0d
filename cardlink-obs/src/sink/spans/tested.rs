//! Spans of tests, with the attributes of OpenTelemetry's conventions for tests.

use super::{
    describe::process,
    span::{Attributes, Context, Kind, Span, SpanEvent, Status},
};
use crate::{
    observation::{Test, TestOutcome, TestPhases},
    sink::names::Names,
};
use std::borrow::Cow;

/// A test that was seen as it ran; `None` when only a report told of it: when it began is not known.
pub fn test(test: &Test, context: Context, names: &Names) -> Option<Span> {
    let start = test.start?;
    let name = format!("{}::{}", test.suite, test.name);
    let mut span = Span::new(context, name, Kind::Internal, start, test.end);
    let into = &mut span.attributes;
    into.put("cardlink.target", test.process.target.to_string());
    into.put("test.case.name", test.name.clone());
    into.put("test.suite.name", test.suite.clone());
    into.put_some("test.case.result.status", status(test.outcome));
    into.put("cardlink.test.outcome", test.outcome.as_str());
    into.put_some("cardlink.test.parameters", test.parameters.as_ref().map(|parameters| names.parameters(parameters)));
    into.put_true("cardlink.test.flaky", test.flaky);
    process(&test.process, into);
    if let Some(TestPhases { setup, call, teardown }) = test.phases {
        let phases = [
            ("cardlink.test.setup", "test.setup", setup),
            ("cardlink.test.call", "test.call", call),
            ("cardlink.test.teardown", "test.teardown", teardown),
        ];
        let mut at = start;
        for (attribute, event, took) in phases.into_iter().filter(|(.., took)| !took.is_zero()) {
            span.attributes.put(attribute, took);
            span.event(SpanEvent { name: Cow::Borrowed(event), at, attributes: Attributes::default() });
            at = at + took;
        }
    }
    if test.outcome.is_failure() {
        span.attributes.put("error.type", test.outcome.as_str());
        span.status = Status::Error(Cow::Borrowed(""));
    }
    Some(span)
}

/// The conventions know two results; what was skipped, or went wrong as expected, is neither.
const fn status(outcome: TestOutcome) -> Option<&'static str> {
    match outcome {
        TestOutcome::Passed | TestOutcome::Xpassed => Some("pass"),
        TestOutcome::Failed | TestOutcome::Error | TestOutcome::Rerun => Some("fail"),
        TestOutcome::Skipped | TestOutcome::Xfailed | TestOutcome::Unknown => None,
    }
}
