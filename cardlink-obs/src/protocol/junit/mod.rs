//! Reports of test runs in the XML form that JUnit's Ant task began and every runner writes: pytest, nextest, GoogleTest,
//! Surefire, Gradle, Jest. There is no standard; what the runners have in common is read.
//!
//! A report is read within bounds: bytes, depth, cases, lengths of names. Entities other than those of XML itself are not
//! expanded, and nothing outside the document is fetched. Texts (messages, what a test printed, properties) are passed over.

mod reduce;

#[cfg(test)]
mod tests;

pub use reduce::reduced;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use std::time::Duration;

/// A report beyond this is not read.
pub const MOST_BYTES: usize = 16 << 20;
/// Cases of one report that are read.
pub const MOST_CASES: usize = 50_000;
/// Elements within each other.
const MOST_DEPTH: usize = 64;
/// Bytes of a name that are kept.
const MOST_NAME: usize = 1024;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Passed,
    Failed,
    Skipped,
    Error,
    /// It failed as was expected (pytest).
    Xfailed,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Error => "error",
            Self::Xfailed => "xfailed",
        }
    }
}

/// A `testcase`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Place of its suite in [`Report::suites`]; `None` when it stands in none.
    pub suite: Option<usize>,
    pub class: String,
    /// With its parameters, if it has any.
    pub name: String,
    pub outcome: Outcome,
    pub duration: Option<Duration>,
    /// Runs before the last one that failed (Surefire and nextest tell of them).
    pub reruns: u32,
}

/// A `testsuite`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suite {
    pub name: String,
    pub duration: Option<Duration>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub suites: Vec<Suite>,
    pub cases: Vec<Case>,
    /// There is more than was read: it is cut off, or beyond a bound.
    pub cut: bool,
}

/// Whether bytes may be a report: its first element is `testsuites` or `testsuite`.
pub fn is_report(bytes: &[u8]) -> bool {
    let mut reader = Reader::from_reader(bytes);
    let mut buffer = Vec::new();
    for _ in 0..64 {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(start) | Event::Empty(start)) => {
                return matches!(start.local_name().as_ref(), b"testsuites" | b"testsuite");
            }
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
        buffer.clear();
    }
    false
}

/// Reads a report; what follows a mistake in it is not read. `None` when it is none.
pub fn read(bytes: &[u8]) -> Option<Report> {
    if bytes.len() > MOST_BYTES || !is_report(bytes) {
        return None;
    }
    let mut building = Building::default();
    let mut reader = Reader::from_reader(bytes);
    // Runners write messages with all kinds of characters into them: names of elements decide, not what is between.
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(start)) => {
                building.depth += 1;
                if building.depth > MOST_DEPTH {
                    building.report.cut = true;
                    break;
                }
                building.begins(&start);
            }
            Ok(Event::Empty(start)) => {
                building.begins(&start);
                building.ends(start.local_name().as_ref());
            }
            Ok(Event::End(end)) => {
                building.depth = building.depth.saturating_sub(1);
                building.ends(end.local_name().as_ref());
            }
            Ok(Event::Eof) => {
                building.report.cut |= building.depth > 0;
                break;
            }
            Ok(_) => {}
            Err(_) => {
                building.report.cut = true;
                break;
            }
        }
        if building.report.cases.len() >= MOST_CASES {
            building.report.cut = true;
            break;
        }
        buffer.clear();
    }
    Some(building.report)
}

/// For the fuzzer: whatever comes in, what is reduced reads as the same cases.
pub fn fuzz(bytes: &[u8]) {
    let Some(report) = read(bytes) else { return };
    assert!(report.cases.len() <= MOST_CASES);
    assert!(report.cases.iter().all(|case| case.name.len() <= MOST_NAME && case.class.len() <= MOST_NAME));
    let short = reduced(bytes, &mut |_| String::from("~0")).unwrap_or_default();
    let again = read(&short).expect("what is reduced is a report");
    let outcomes = |report: &Report| report.cases.iter().map(|case| case.outcome).collect::<Vec<_>>();
    assert!(outcomes(&report).starts_with(&outcomes(&again)));
}

#[derive(Default)]
struct Building {
    report: Report,
    /// Suites that are open, outermost first.
    open: Vec<usize>,
    case: Option<Case>,
    depth: usize,
}

impl Building {
    fn begins(&mut self, start: &BytesStart<'_>) {
        match start.local_name().as_ref() {
            b"testsuite" => {
                let mut suite = Suite::default();
                each(start, |key, value| match key {
                    b"name" => value.clone_into(&mut suite.name),
                    b"time" => suite.duration = seconds(value),
                    _ => {}
                });
                if self.report.suites.len() < MOST_CASES {
                    self.open.push(self.report.suites.len());
                    self.report.suites.push(suite);
                }
            }
            b"testcase" => {
                self.finish();
                self.case = Some(self.begin_case(start));
            }
            other => {
                let Some(case) = &mut self.case else { return };
                // The first one decides: a test that failed, and whose tear-down did too, has failed.
                let so_far = case.outcome == Outcome::Passed;
                match other {
                    b"failure" if so_far => case.outcome = Outcome::Failed,
                    b"error" if so_far => case.outcome = Outcome::Error,
                    b"skipped" | b"ignored" if so_far => {
                        case.outcome = Outcome::Skipped;
                        each(start, |key, value| {
                            if key == b"type" && value == "pytest.xfail" {
                                case.outcome = Outcome::Xfailed;
                            }
                        });
                    }
                    b"rerunFailure" | b"rerunError" | b"flakyFailure" | b"flakyError" => {
                        case.reruns = case.reruns.saturating_add(1);
                    }
                    _ => {}
                }
            }
        }
    }

    fn begin_case(&self, start: &BytesStart<'_>) -> Case {
        let mut case = Case {
            suite: self.open.last().copied(),
            class: String::new(),
            name: String::new(),
            outcome: Outcome::Passed,
            duration: None,
            reruns: 0,
        };
        each(start, |key, value| match key {
            b"name" => value.clone_into(&mut case.name),
            b"classname" => value.clone_into(&mut case.class),
            b"time" => case.duration = seconds(value),
            // GoogleTest: it was disabled or filtered out.
            b"status" if matches!(value, "notrun" | "disabled" | "skipped") => case.outcome = Outcome::Skipped,
            _ => {}
        });
        case
    }

    fn ends(&mut self, name: &[u8]) {
        match name {
            b"testcase" => self.finish(),
            b"testsuite" => {
                self.finish();
                self.open.pop();
            }
            _ => {}
        }
    }

    fn finish(&mut self) {
        self.report.cases.extend(self.case.take());
    }
}

/// Every attribute, with the entities of XML resolved; one that cannot be read is passed over.
fn each(start: &BytesStart<'_>, mut take: impl FnMut(&[u8], &str)) {
    for attribute in start.attributes().with_checks(false).flatten() {
        let raw = String::from_utf8_lossy(&attribute.value);
        let raw = cut(&raw, MOST_NAME * 2);
        let value = quick_xml::escape::unescape(raw).unwrap_or(std::borrow::Cow::Borrowed(raw));
        take(attribute.key.local_name().as_ref(), cut(&value, MOST_NAME));
    }
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// `0.004`, and `1,234.5` as Surefire writes it.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().replace(',', "").parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
