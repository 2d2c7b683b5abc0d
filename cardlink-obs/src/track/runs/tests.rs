use super::TestRuns;
use crate::{
    event::TestNote,
    observation::{Observation, Process, Stamp, Test, TestSource},
};
use std::{borrow::Cow, sync::Arc};

fn process(pid: u32) -> Arc<Process> {
    Arc::new(Process { pid, comm: Arc::from("pytest"), target: Arc::from("pytest") })
}

/// A script of what a process does: `+value` sets the variable, `-` takes it out, everything else is written.
fn play(runs: &mut TestRuns, pid: u32, script: &[&str], out: &mut Vec<Observation>) {
    for (step, what) in script.iter().enumerate() {
        let note = match what.strip_prefix('+') {
            Some(value) => TestNote::Current(Cow::Borrowed(value)),
            None if *what == "-" => TestNote::Over,
            None => TestNote::Output(Cow::Borrowed(what.as_bytes())),
        };
        runs.note(&process(pid), &note, Stamp::from_nanos((step as u64 + 1) * 1_000_000), out);
    }
}

fn tests(out: &[Observation]) -> Vec<&Test> {
    out.iter().filter_map(|one| if let Observation::Test(test) = one { Some(&**test) } else { None }).collect()
}

fn outcomes(out: &[Observation]) -> Vec<String> {
    tests(out).iter().map(|test| format!("{} {}", test.name, test.outcome.as_str())).collect()
}

fn played(script: &[&str]) -> Vec<String> {
    let (mut runs, mut out) = (TestRuns::default(), Vec::new());
    play(&mut runs, 7, script, &mut out);
    runs.process_ended(7, Stamp::from_nanos(1_000_000_000), &mut out);
    outcomes(&out)
}

#[test]
fn every_outcome() {
    let found = played(&[
        "test_a.py ",
        "+a.py::pass (setup)",
        "+a.py::pass (call)",
        ".",
        "+a.py::pass (teardown)",
        "-",
        "+a.py::fail (setup)",
        "+a.py::fail (call)",
        "F",
        "+a.py::fail (teardown)",
        "-",
        "s",
        "+a.py::marked (teardown)",
        "-",
        "+a.py::inside (setup)",
        "+a.py::inside (call)",
        "s",
        "+a.py::inside (teardown)",
        "-",
        "+a.py::fixture (setup)",
        "E",
        "+a.py::fixture (teardown)",
        "-",
        "+a.py::xf (setup)",
        "+a.py::xf (call)",
        "x",
        "+a.py::xf (teardown)",
        "-",
        "+a.py::xp (setup)",
        "+a.py::xp (call)",
        "X",
        "+a.py::xp (teardown)",
        "-",
        "+a.py::after (setup)",
        "+a.py::after (call)",
        ".",
        "+a.py::after (teardown)",
        "E",
        "s",
        "+a.py::next (teardown)",
        "-",
        "+a.py::both (setup)",
        "+a.py::both (call)",
        "F",
        "+a.py::both (teardown)",
        "E",
        "+a.py::last (setup)",
        "+a.py::last (call)",
        ".",
        "+a.py::last (teardown)",
        "E",
    ]);
    assert_eq!(
        found,
        [
            "pass passed",
            "fail failed",
            "marked skipped",
            "inside skipped",
            "fixture error",
            "xf xfailed",
            "xp xpassed",
            "after error",
            "next skipped",
            "both failed",
            "last error",
        ]
    );
}

#[test]
fn with_v_and_s() {
    let found = played(&[
        "a.py::one ",
        "+a.py::one (setup)",
        "+a.py::one (call)",
        "FAILED",
        "\n",
        "hello\n",
        "PASSED",
        "   [ 50%]",
        "+a.py::one (teardown)",
        "-",
        "a.py::two ",
        "SKIPPED",
        " (why (not))",
        "  [100%]",
        "+a.py::two (teardown)",
        "-",
    ]);
    assert_eq!(found, ["one passed", "two skipped"]);
}

/// A program that writes what looks like an outcome, without a reporter.
#[test]
fn what_tests_write_is_not_taken_for_an_outcome() {
    let one = ["+a.py::t (setup)", "+a.py::t (call)", "+a.py::t (teardown)", "-"];
    let two = ["+a.py::u (setup)", "+a.py::u (call)", ".", "+a.py::u (teardown)", "-", "F"];
    let script: Vec<&str> = one.into_iter().chain(two).collect();
    assert_eq!(played(&script), ["t unknown", "u unknown"]);
    let odd = ["+a.py::t (setup)", "+a.py::t (call)", "E", "+a.py::t (teardown)", "-"];
    assert_eq!(played(&odd), ["t unknown"]);
}

#[test]
fn reruns_are_told_after_the_tear_down() {
    let (mut runs, mut out) = (TestRuns::default(), Vec::new());
    let attempt = ["+a.py::t[1] (setup)", "+a.py::t[1] (call)", "+a.py::t[1] (teardown)", "-"];
    let script: Vec<&str> = attempt.into_iter().chain(["R"]).chain(attempt).chain(["."]).collect();
    play(&mut runs, 7, &script, &mut out);
    assert_eq!(outcomes(&out), ["t rerun", "t passed"]);
    assert_eq!(tests(&out).iter().map(|test| test.flaky).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_cannot_be_seen_is_unknown_or_what_the_report_says() {
    let script = ["+a.py::t (setup)", "+a.py::t (call)", "done.", "+a.py::t (teardown)", "-"];
    assert_eq!(played(&script), ["t unknown"]);
    let (mut runs, mut out) = (TestRuns::default(), Vec::new());
    play(&mut runs, 7, &script, &mut out);
    assert!(tests(&out).is_empty(), "a report may come");
    let xml = br#"<testsuite name="pytest"><testcase classname="a" name="t" time="9"><failure/></testcase><testcase classname="a" name="u" time="2"/></testsuite>"#;
    runs.report(&process(7), xml, Stamp::from_nanos(9_000_000), &mut out);
    runs.report(&process(7), xml, Stamp::from_nanos(9_500_000), &mut out);
    assert_eq!(outcomes(&out), ["t failed", "u passed"]);
    assert_eq!(tests(&out)[0].source, TestSource::Live);
    assert_eq!(tests(&out)[0].end, Stamp::from_nanos(5_000_000));
    assert_eq!(tests(&out)[1].source, TestSource::Report);
    out.clear();
    runs.process_ended(7, Stamp::from_nanos(10_000_000), &mut out);
    assert!(matches!(&out[..], [Observation::TestSuite(suite)] if suite.suite == "a" && suite.tests[..2] == [1, 1]));
}

#[test]
fn what_was_seen_is_not_told_again_by_the_report() {
    let (mut runs, mut out) = (TestRuns::default(), Vec::new());
    play(&mut runs, 7, &["+a.py::t[x] (setup)", "+a.py::t[x] (call)", ".", "+a.py::t[x] (teardown)", "-"], &mut out);
    let xml = br#"<testsuite name="pytest"><testcase classname="a" name="t[x]"/></testsuite>"#;
    runs.report(&process(7), xml, Stamp::from_nanos(9_000_000), &mut out);
    assert_eq!(outcomes(&out), ["t passed"]);
}

#[test]
fn a_process_that_is_killed_leaves_its_test_unknown() {
    assert_eq!(played(&["+a.py::t (setup)", "+a.py::t (call)"]), ["t unknown"]);
    assert_eq!(played(&["+a.py::t (setup)", "+a.py::t (call)", ".", "+a.py::t (teardown)"]), ["t unknown"]);
}

#[test]
fn reports_of_others_are_told_with_their_suites() {
    let (mut runs, mut out) = (TestRuns::default(), Vec::new());
    let xml = br#"<testsuites><testsuite name="Pin" time="0.5"><testcase classname="Pin" name="a" time="0.1"/><testcase classname="Pin" name="b" time="0.2"><failure/></testcase></testsuite></testsuites>"#;
    runs.report(&process(9), xml, Stamp::from_nanos(9_000_000), &mut out);
    assert_eq!(outcomes(&out), ["a passed", "b failed"]);
    assert!(
        matches!(&out[2..], [Observation::TestSuite(suite)] if suite.suite == "Pin" && suite.duration.as_millis() == 500)
    );
}

/// Whoever comes in a tear-down has missed the word of that test, and of no other.
#[test]
fn from_a_tear_down_on() {
    let found = played(&[
        "+a.py::one (teardown)",
        "-",
        "+a.py::two (setup)",
        "+a.py::two (call)",
        ".",
        "+a.py::two (teardown)",
        "-",
        "+a.py::three (setup)",
        "+a.py::three (call)",
        "F",
        "+a.py::three (teardown)",
        "-",
    ]);
    assert_eq!(found, ["two passed", "three failed", "one unknown"]);
}
