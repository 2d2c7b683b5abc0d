use super::{MOST_BYTES, Outcome, is_report, read, reduced};
use std::time::Duration;

/// Name, outcome, seconds.
fn cases(xml: &str) -> Vec<(String, &'static str, Option<f64>)> {
    let report = read(xml.as_bytes()).expect("a report");
    let told = report.cases.iter().map(|case| {
        let name = if case.class.is_empty() { case.name.clone() } else { format!("{}::{}", case.class, case.name) };
        (name, case.outcome.as_str(), case.duration.map(|time| time.as_secs_f64()))
    });
    told.collect()
}

fn told(name: &str, outcome: &'static str, seconds: f64) -> (String, &'static str, Option<f64>) {
    (name.to_owned(), outcome, Some(seconds))
}

#[test]
fn as_pytest_writes_it() {
    let xml = r#"<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="1" skipped="2" tests="5" time="0.069" timestamp="2026-01-05T10:00:00" hostname="h"><testcase classname="tests.test_a.TestPin" name="test_one[0000-&lt;x&gt;]" time="0.001" /><testcase classname="tests.test_a" name="test_two" time="0.002"><failure message="assert 1 == 2">def test_two():
&gt;       assert 1 == 2</failure></testcase><testcase classname="tests.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="no">x</skipped></testcase><testcase classname="tests.test_a" name="test_x" time="0.000"><skipped type="pytest.xfail" message="" /></testcase><testcase classname="tests.test_a" name="test_e" time="0.000"><error message="failed on setup">x</error></testcase></testsuite></testsuites>"#;
    assert_eq!(
        cases(xml),
        [
            told("tests.test_a.TestPin::test_one[0000-<x>]", "passed", 0.001),
            told("tests.test_a::test_two", "failed", 0.002),
            told("tests.test_a::test_skip", "skipped", 0.0),
            told("tests.test_a::test_x", "xfailed", 0.0),
            told("tests.test_a::test_e", "error", 0.0),
        ]
    );
}

#[test]
fn as_nextest_surefire_and_googletest_write_it() {
    let nextest = r#"<testsuites name="nextest-run" tests="2" failures="1" errors="0" uuid="x" time="0.01"><testsuite name="crate::bin" tests="2"><testcase name="a::b" classname="crate::bin" time="0.004"></testcase><testcase name="a::c" classname="crate::bin" time="0.005"><flakyFailure time="0.1" type="test failure"><system-out>x</system-out></flakyFailure></testcase></testsuite></testsuites>"#;
    assert_eq!(cases(nextest), [told("crate::bin::a::b", "passed", 0.004), told("crate::bin::a::c", "passed", 0.005)]);
    assert_eq!(read(nextest.as_bytes()).expect("a report").cases[1].reruns, 1);

    let surefire = r#"<?xml version="1.0"?><testsuite xmlns:xsi="x" name="org.a.CardTest" time="1,234.5"><properties><property name="java.home" value="/x"/></properties><testcase name="opens" classname="org.a.CardTest" time="1,234.0"/><testcase name="closes" classname="org.a.CardTest" time="0.5"><error type="E"><![CDATA[<testcase name="not one"/>]]></error><system-out>a</system-out></testcase></testsuite>"#;
    assert_eq!(
        cases(surefire),
        [told("org.a.CardTest::opens", "passed", 1234.0), told("org.a.CardTest::closes", "error", 0.5)]
    );
    assert_eq!(read(surefire.as_bytes()).expect("a report").suites[0].duration, Some(Duration::from_millis(1_234_500)));

    let gtest = r#"<testsuites tests="3"><testsuite name="Pin" tests="3" time="0.1"><testcase name="Ok" status="run" result="completed" time="0.1" classname="Pin" /><testcase name="DISABLED_Off" status="notrun" result="suppressed" time="0" classname="Pin" /><testcase name="Bad" status="run" result="completed" time="0" classname="Pin"><failure message="x&#x0A;y" type=""><![CDATA[f.cc:1]]></failure></testcase></testsuite></testsuites>"#;
    assert_eq!(
        cases(gtest),
        [told("Pin::Ok", "passed", 0.1), told("Pin::DISABLED_Off", "skipped", 0.0), told("Pin::Bad", "failed", 0.0)]
    );
}

#[test]
fn bombs_and_depths_are_harmless() {
    let bomb = r#"<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><testsuite name="&b;"><testcase name="&c;&b;" classname="x"/></testsuite>"#;
    let report = read(bomb.as_bytes()).expect("a report");
    assert_eq!(report.cases[0].name, "&c;&b;");
    let deep = "<testsuite>".repeat(100_000);
    let report = read(deep.as_bytes()).expect("a report");
    assert!(report.cut && report.suites.len() < 100);
    let many = format!("<testsuite>{}</testsuite>", "<testcase/>".repeat(60_000));
    let report = read(many.as_bytes()).expect("a report");
    assert!(report.cut && report.cases.len() == super::MOST_CASES);
    let long = format!("<testsuite><testcase name=\"{}\"/></testsuite>", "é".repeat(100_000));
    assert!(read(long.as_bytes()).expect("a report").cases[0].name.len() <= 1024);
    assert_eq!(read(&vec![b' '; MOST_BYTES + 1]), None);
}

#[test]
fn what_is_cut_off_is_read_as_far_as_it_goes() {
    let xml = r#"<testsuites><testsuite name="a"><testcase name="x" time="1"/><testcase name="y"><failure/></testcase><testcase na"#;
    let report = read(xml.as_bytes()).expect("a report");
    assert!(report.cut);
    assert_eq!(report.cases.len(), 2);
    for end in 0..xml.len() {
        let _ = read(&xml.as_bytes()[..end]);
    }
}

#[test]
fn other_documents_are_no_reports() {
    assert!(!is_report(b"<html><testsuite/></html>"));
    assert!(!is_report(b""));
    assert!(!is_report(b"\x00\xff<testsuit"));
    assert_eq!(read(b"<coverage/>"), None);
}

#[test]
fn what_is_reduced_tells_the_same_without_parameters_and_messages() {
    let xml = r#"<testsuite name="a"><properties><property value="SECRET"/></properties><testcase classname="c" name="t[SECRET]" time="0.5"><failure message="SECRET">SECRET</failure></testcase><testcase name="u"><skipped type="pytest.xfail" message="SECRET"/></testcase><testcase name="v"><rerunFailure message="SECRET"/><error/></testcase></testsuite>"#;
    let short = reduced(xml.as_bytes(), &mut |_| String::from("~1")).expect("a report");
    assert!(!String::from_utf8_lossy(&short).contains("SECRET"));
    let (long, short) = (read(xml.as_bytes()).expect("a report"), read(&short).expect("a report"));
    assert_eq!(short.cases[0].name, "t[~1]");
    assert_eq!(short.suites, long.suites);
    for (long, short) in long.cases.iter().zip(&short.cases) {
        assert_eq!((long.outcome, long.duration, long.reruns), (short.outcome, short.duration, short.reruns));
    }
    assert_eq!(short.cases[1].outcome, Outcome::Xfailed);
}
