//! Test runs.

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Lines, Stacked, Stat, Table},
    Unit, panel, q, quantile, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "test-results",
    title: "Test results",
    about: "Test runs that the agent watched: outcomes and times by suite, beside what the cards answered meanwhile.",
    by_target: true,
    panels: &[
        row("Outcome"),
        panel(Stat, "Tests", Unit::None, 6, &[q("sum(increase(cardlink_tests_total{@T}[$__range]))", "")])
            .about("Tests that ended in the chosen time."),
        panel(
            Stat,
            "Failed",
            Unit::None,
            6,
            &[q("sum(increase(cardlink_tests_total{@T,status=~\"failed|error\"}[$__range]))", "")],
        )
        .about("Tests that failed, or whose set-up or tear-down did, in the chosen time.")
        .steps(&[(1.0, Red)]),
        panel(
            Stat,
            "Skipped",
            Unit::Share,
            6,
            &[q(
                "(sum(increase(cardlink_tests_total{@T,status=\"skipped\"}[$__range])) or vector(0)) / sum(increase(cardlink_tests_total{@T}[$__range]))",
                "",
            )],
        )
        .about("A share that grows hides failures.")
        .steps(&[(0.1, Yellow)]),
        panel(
            Stat,
            "APDUs with an error meanwhile",
            Unit::None,
            6,
            &[q("sum(increase(cardlink_apdu_responses_total{@A,status_category=\"error\"}[$__range]))", "")],
        )
        .about("R-APDUs of all targets in the chosen time whose status word is an error."),
        row("Suites"),
        panel(
            Stacked,
            "Tests by status",
            Unit::PerSecond,
            12,
            &[q("sum by (status) (rate(cardlink_tests_total{@T}[$__rate_interval]))", "{{status}}")],
        )
        .about("Passed, failed, skipped, error."),
        panel(
            Table,
            "By suite",
            Unit::None,
            12,
            &[q("sum by (suite_name, status) (increase(cardlink_tests_total{@T}[$__range])) > 0", "")],
        )
        .about("Tests in the chosen time, by suite and status."),
        panel(
            Lines,
            "How long tests took",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_test_duration_seconds", ", suite_name"), "{{suite_name}}, half"),
                q(quantile!("0.95", "cardlink_test_duration_seconds", ", suite_name"), "{{suite_name}}, 95 %"),
            ],
        )
        .about("Single tests, by suite. Single tests by name are in the traces."),
        panel(
            Bars,
            "How long suites took",
            Unit::Seconds,
            12,
            &[q(
                "sum by (suite_name) (increase(cardlink_test_suite_duration_seconds_sum{@T}[$__range])) / sum by (suite_name) (increase(cardlink_test_suite_duration_seconds_count{@T}[$__range]))",
                "{{suite_name}}",
            )],
        )
        .about("Mean time of a whole suite in the chosen time."),
        row("Trust"),
        panel(
            Bars,
            "Flaky tests",
            Unit::None,
            12,
            &[q("sum by (suite_name) (increase(cardlink_tests_flaky_total{@T}[$__range])) > 0", "{{suite_name}}")],
        )
        .about("Tests that have both passed and failed, by suite. Their names are in the trace."),
        panel(
            Stacked,
            "Outcomes that could not be seen",
            Unit::PerSecond,
            12,
            &[q(
                "sum by (suite_name) (rate(cardlink_tests_total{@T,status=\"unknown\"}[$__rate_interval]))",
                "{{suite_name}}",
            )],
        )
        .about("Write a JUnit report (--junit-xml): its outcomes complete what was seen."),
    ],
};
