//! A report without what must not leave the host: names, outcomes and times only.

use super::{Case, Outcome, read};
use crate::protocol::pytest;
use quick_xml::escape::escape;
use std::{borrow::Cow, fmt::Write as _};

/// Bytes of a reduced report: it fits into a record of a recording.
const MOST: usize = 900 << 10;

/// The same report with suites, names, outcomes and times, with the parameters of its tests replaced by what `mask` makes
/// of them. `None` when it is no report. What finds no room is left out.
pub fn reduced(bytes: &[u8], mask: &mut dyn FnMut(&str) -> String) -> Option<Vec<u8>> {
    let report = read(bytes)?;
    let mut out = String::from("<testsuites>");
    let mut open: Option<Option<usize>> = None;
    for case in &report.cases {
        if out.len() > MOST {
            break;
        }
        if open != Some(case.suite) {
            if open.is_some() {
                out.push_str("</testsuite>");
            }
            let suite = case.suite.and_then(|place| report.suites.get(place));
            out.push_str("<testsuite");
            if let Some(suite) = suite {
                attribute(&mut out, "name", &pytest::with_parameters(&suite.name, mask));
                if let Some(time) = suite.duration {
                    attribute(&mut out, "time", &time.as_secs_f64().to_string());
                }
            }
            out.push('>');
            open = Some(case.suite);
        }
        self::case(&mut out, case, mask);
    }
    if open.is_some() {
        out.push_str("</testsuite>");
    }
    out.push_str("</testsuites>");
    Some(out.into_bytes())
}

fn case(out: &mut String, case: &Case, mask: &mut dyn FnMut(&str) -> String) {
    out.push_str("<testcase");
    attribute(out, "classname", &pytest::with_parameters(&case.class, mask));
    attribute(out, "name", &pytest::with_parameters(&case.name, mask));
    if let Some(time) = case.duration {
        attribute(out, "time", &time.as_secs_f64().to_string());
    }
    out.push('>');
    for _ in 0..case.reruns.min(1000) {
        out.push_str("<rerunFailure/>");
    }
    out.push_str(match case.outcome {
        Outcome::Passed => "",
        Outcome::Failed => "<failure/>",
        Outcome::Error => "<error/>",
        Outcome::Skipped => "<skipped/>",
        Outcome::Xfailed => "<skipped type=\"pytest.xfail\"/>",
    });
    out.push_str("</testcase>");
}

fn attribute(out: &mut String, name: &str, value: &str) {
    // Control characters are not of XML.
    let clean: Cow<'_, str> = if value.chars().any(char::is_control) {
        value.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>().into()
    } else {
        value.into()
    };
    let _ = write!(out, " {name}=\"{}\"", escape(clean));
}
