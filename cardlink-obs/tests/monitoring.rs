//! Dashboards and rules name metrics and labels that exist, and leave no metric out.

use cardlink_obs::{
    config::{FileChoice, Inputs, Loaded},
    monitoring::{
        alerts::{self, ALERTS, NAMES},
        dashboards::{self, Dashboard, Shape},
    },
    sink::metrics::table::{self, Kind},
};
use std::collections::{BTreeMap, BTreeSet};

/// Labels that Prometheus adds, and that of buckets.
const EVERYWHERE: [&str; 3] = ["instance", "job", "le"];

/// Names of series, with the labels that they may have.
fn series() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, labels: &[&'static str], histogram: bool| {
        let suffixes: &[&str] = if histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        for suffix in suffixes {
            all.insert(format!("{name}{suffix}"), labels.iter().copied().chain(EVERYWHERE).collect());
        }
    };
    for metric in table::ALL {
        put(metric.name, metric.labels, matches!(metric.kind, Kind::Histogram(_)));
    }
    all
}

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    /// Series, with the labels of their selectors.
    series: Vec<(String, Vec<String>)>,
    /// Labels after `by`, `on` and the like.
    grouping: Vec<String>,
}

/// Reads as much of PromQL as is needed for that.
fn named(expr: &str) -> Named {
    let mut named = Named::default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let mut rest = expr;
    while let Some(at) = rest.find(is_name) {
        rest = &rest[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if ["by", "on", "ignoring", "without", "group_left", "group_right"].contains(&word) {
            if let Some((labels, after)) = rest.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                named.grouping.extend(labels.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            }
        } else if word.starts_with("cardlink_") {
            let (labels, after) = selector(rest);
            named.series.push((word.to_owned(), labels));
            rest = after;
        }
    }
    named.grouping.retain(|label| !label.is_empty());
    named
}

/// The labels of `{a="b",c=~"d"}`, and what follows.
fn selector(text: &str) -> (Vec<String>, &str) {
    let Some(mut rest) = text.strip_prefix('{') else { return (Vec::new(), text) };
    let mut labels = Vec::new();
    while let Some((matcher, value)) = rest.split_once('"') {
        if matcher.contains('}') {
            break;
        }
        labels.push(matcher.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).to_owned());
        rest = value.split_once('"').expect("a value ends").1;
    }
    (labels, rest.split_once('}').expect("a selector ends").1)
}

/// Fails when an expression, or the name that its series get, is of something that does not exist.
fn check(what: &str, expr: &str, legend: &str) {
    let all = series();
    let found = named(expr);
    assert!(!found.series.is_empty(), "{what}: `{expr}` names no metric");
    let mut labels = BTreeSet::from(EVERYWHERE);
    for (name, selected) in &found.series {
        let known = all.get(name).unwrap_or_else(|| panic!("{what}: `{name}` is no series"));
        for label in selected {
            assert!(known.contains(label.as_str()), "{what}: `{name}` has no label `{label}`");
        }
        labels.extend(known);
    }
    for label in &found.grouping {
        assert!(labels.contains(label.as_str()), "{what}: `{label}` is no label of what is grouped: {expr}");
    }
    for (at, _) in legend.match_indices("{{") {
        let label = legend[at + 2..].split("}}").next().unwrap_or_default().trim();
        // What is summed by labels has these labels alone.
        let left = found.grouping.is_empty() || found.grouping.iter().any(|one| one == label);
        assert!(labels.contains(label) && left, "{what}: `{label}` is not there to name series by: {expr}");
    }
}

fn queries(dashboard: &Dashboard) -> impl Iterator<Item = (String, String, &'static str)> + '_ {
    dashboard.shown().flat_map(|panel| {
        panel
            .queries
            .iter()
            .map(|query| (format!("{}: {}", dashboard.title, panel.title), query.promql(), query.legend))
    })
}

#[test]
fn dashboards_name_what_exists() {
    for dashboard in dashboards::ALL {
        for (what, expr, legend) in queries(dashboard) {
            check(&what, &expr, legend);
            assert!(!expr.contains('@'), "{what}: {expr}");
            assert!(dashboard.by_target || !expr.contains("$target"), "{what} asks for a target that cannot be chosen");
        }
    }
}

#[test]
fn every_metric_has_a_panel() {
    let shown: BTreeSet<String> = dashboards::ALL
        .iter()
        .flat_map(queries)
        .flat_map(|(_, expr, _)| named(&expr).series.into_iter().map(|(name, _)| name))
        .collect();
    let missing = |name: &str| {
        let suffixes = ["", "_bucket", "_sum", "_count"];
        !suffixes.iter().any(|suffix| shown.contains(&format!("{name}{suffix}")))
    };
    let table = table::ALL.iter().map(|metric| metric.name);
    let left_out: Vec<&str> = table.filter(|name| missing(name)).collect();
    assert!(left_out.is_empty(), "no panel shows {left_out:?}: add one under monitoring/dashboards/");
}

#[test]
fn panels_are_complete() {
    let mut names = BTreeSet::new();
    for dashboard in dashboards::ALL {
        assert!(names.insert(dashboard.name), "{}", dashboard.name);
        let mut titles = BTreeSet::new();
        for panel in dashboard.panels {
            let what = format!("{}: {}", dashboard.title, panel.title);
            assert!(panel.shape == Shape::Row || titles.insert(panel.title), "{what}: twice");
            assert_eq!(panel.about.is_empty(), panel.shape == Shape::Row, "{what}: a description");
            assert_eq!(panel.queries.is_empty(), panel.shape == Shape::Row, "{what}: queries");
            assert!((1..=24).contains(&panel.width), "{what}");
            assert!(panel.steps.windows(2).all(|pair| pair[0].0 < pair[1].0), "{what}: steps in order");
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    for dashboard in dashboards::ALL {
        let made: serde_json::Value = serde_json::from_str(&dashboard.render()).expect("JSON");
        let mut taken = BTreeSet::new();
        for panel in made["panels"].as_array().expect("panels") {
            let at = |name: &str| panel["gridPos"][name].as_u64().expect("a number");
            assert!(at("x") + at("w") <= 24, "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{}: {} lies on another", dashboard.title, panel["title"]);
                }
            }
        }
    }
}

fn limits() -> cardlink_obs::config::Alerts {
    let inputs = Inputs { file: FileChoice::None, ..Inputs::default() };
    Loaded::new(&inputs, std::iter::empty()).expect("the defaults are valid").config.alerts
}

#[test]
fn alerts_name_what_exists() {
    for alert in ALERTS {
        let expr = alert.promql(&limits());
        assert!(!expr.contains('@'), "{}: {expr}", alert.name);
        if alert.name != "AgentDown" {
            check(alert.name, &expr, "");
        }
        // `{{ $labels.x }}`: a label that is left after grouping.
        let found = named(&expr);
        let mut labels: BTreeSet<&str> = found.grouping.iter().map(String::as_str).collect();
        if labels.is_empty() {
            labels.extend(EVERYWHERE);
            labels.extend(found.series.iter().filter_map(|(name, _)| series().remove(name)).flatten());
        }
        for text in [alert.summary, alert.description] {
            for (at, _) in text.match_indices("$labels.") {
                let label = text[at + 8..].split([' ', '}']).next().unwrap_or_default();
                assert!(labels.contains(label), "{}: there is no label `{label}`", alert.name);
            }
        }
    }
}

#[test]
fn names_are_of_series_that_exist() {
    for (name, of) in NAMES.iter().flat_map(alerts::Renamed::series) {
        let known = series();
        assert!(known.contains_key(&of), "{of}");
        assert!(!known.contains_key(&format!("cardlink_{name}")), "{name} is a name of ours");
    }
}

#[test]
fn limits_come_into_the_rules() {
    let flags = [
        ("alerts.window", "7m"),
        ("alerts.least", "1234"),
        ("alerts.apdu_errors", "12.5%"),
        ("alerts.session_timeouts", "77"),
        ("alerts.handshake_failures", "37.5%"),
        ("alerts.apdu_time", "1234ms"),
        ("alerts.session_time", "4321s"),
        ("alerts.events_lost", "99"),
        ("alerts.database_failures", "55"),
        ("alerts.databases", "my\\d\"b"),
        ("alerts.job", "others"),
        ("alerts.runbooks", "https://example.org/it's"),
    ];
    let inputs = Inputs {
        file: FileChoice::None,
        flags: flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect(),
        ..Inputs::default()
    };
    let limits = Loaded::new(&inputs, std::iter::empty()).expect("valid").config.alerts;
    let text = alerts::alerts(&limits);
    for wanted in [
        "[7m]",
        ">= 1234\n",
        "> 0.125\n",
        ">= 77\n",
        "> 0.375\n",
        "> 1.234\n",
        "> 4321\n",
        "> 99\n",
        ">= 55\n",
        "(420 / 3600)",
        "check=~\"my\\\\d\\\"b\"",
        "up{job=\"others\"}",
        "'https://example.org/it''s#agentdown'",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(!text.contains("10m]"), "{text}");
}

#[test]
fn every_alert_is_tested_to_fire_and_to_be_quiet() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../alerts/tests.yml");
    let text = std::fs::read_to_string(path).expect("the tests of the rules");
    for alert in ALERTS {
        // What follows the name until the next one: alerts that are expected, or `[]`.
        let cases: Vec<&str> = text.split(&format!("alertname: {}\n", alert.name)).skip(1).collect();
        let expected = |case: &&&str| !case.lines().next().unwrap_or_default().contains("exp_alerts: []");
        assert!(cases.iter().filter(expected).count() > 0, "{} is not tested to fire", alert.name);
        assert!(cases.iter().any(|case| !expected(&case)), "{} is not tested to stay quiet", alert.name);
    }
}

#[test]
fn the_reader_of_expressions_reads() {
    let expr = "sum by (le, a) (rate(cardlink_x_bucket{b=~\"{}\",c!=\"d\"}[5m])) / on(a) cardlink_y > 0";
    assert_eq!(
        named(expr),
        Named {
            series: vec![("cardlink_x_bucket".into(), vec!["b".into(), "c".into()]), ("cardlink_y".into(), vec![]),],
            grouping: vec!["le".into(), "a".into(), "a".into()],
        }
    );
}
