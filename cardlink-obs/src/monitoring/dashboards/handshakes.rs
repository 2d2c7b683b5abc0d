//! Why handshakes fail, and who is slow in them.

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Heat, Lines, Stacked, Stat, Table},
    Unit, panel, q, quantile, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "handshake-doctor",
    title: "Handshake doctor",
    about: "TLS handshakes of the targets: how many failed, on which side, for which reason, and where the time went.",
    by_target: true,
    panels: &[
        row("Now"),
        panel(
            Stat,
            "Failed handshakes",
            Unit::Share,
            6,
            &[q(
                "sum(increase(cardlink_tls_handshakes_total{@T,result=\"failed\"}[$__range])) / sum(increase(cardlink_tls_handshakes_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the handshakes in the chosen time that failed. Port scans are no handshakes.")
        .steps(&[(0.05, Yellow), (0.2, Red)]),
        panel(Stat, "Handshakes", Unit::None, 6, &[q("sum(increase(cardlink_tls_handshakes_total{@T}[$__range]))", "")])
            .about("In the chosen time, failed or not."),
        panel(Stat, "Open connections", Unit::None, 6, &[q("sum(cardlink_tls_connections_active{@T})", "")])
            .about("Ends of TCP connections that the targets hold open."),
        panel(
            Stat,
            "95 % took at most",
            Unit::Seconds,
            6,
            &[q(
                "histogram_quantile(0.95, sum by (le) (rate(cardlink_tls_handshake_duration_seconds_bucket{@T,result=\"success\"}[$__range])))",
                "",
            )],
        )
        .about("Handshakes that succeeded, in the chosen time.")
        .steps(&[(5.0, Yellow), (20.0, Red)]),
        row("Why they failed"),
        panel(
            Stacked,
            "Failures by reason",
            Unit::PerSecond,
            12,
            &[q(
                "sum by (failure_reason) (rate(cardlink_tls_handshakes_total{@T,result=\"failed\"}[$__rate_interval]))",
                "{{failure_reason}}",
            )],
        )
        .about("The first thing that went wrong: docs/handshakes.md has every reason with its cure."),
        panel(
            Bars,
            "Which side ended it",
            Unit::None,
            12,
            &[q(
                "sum by (failure_side) (increase(cardlink_tls_handshakes_total{@T,result=\"failed\"}[$__range]))",
                "{{failure_side}}",
            )],
        )
        .about("`local` is the watched program, `peer` the other end."),
        panel(
            Table,
            "All failures",
            Unit::None,
            12,
            &[q(
                "sort_desc(sum by (target, failure_reason, failure_side, cipher_suite) (increase(cardlink_tls_handshakes_total{@T,result=\"failed\"}[$__range])) > 0)",
                "",
            )],
        )
        .about("In the chosen time. `cardlink-obs trace --failed` shows each with advice."),
        panel(
            Stacked,
            "Suites",
            Unit::PerSecond,
            12,
            &[q(
                "sum by (cipher_suite) (rate(cardlink_tls_handshakes_total{@T,result=\"success\"}[$__rate_interval]))",
                "{{cipher_suite}}",
            )],
        )
        .about("Cipher suites of the handshakes that succeeded."),
        row("Whose time it was"),
        panel(
            Lines,
            "How long handshakes took",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_tls_handshake_duration_seconds", ", result"), "{{result}}, half"),
                q(quantile!("0.95", "cardlink_tls_handshake_duration_seconds", ", result"), "{{result}}, 95 %"),
            ],
        )
        .about("From the first byte of the ClientHello to the last Finished, or to the failure."),
        panel(
            Lines,
            "Where the time went",
            Unit::Seconds,
            12,
            &[q(
                "sum by (phase) (rate(cardlink_tls_handshake_phase_seconds_sum{@T}[$__rate_interval])) / sum by (phase) (rate(cardlink_tls_handshake_phase_seconds_count{@T}[$__rate_interval]))",
                "{{phase}}",
            )],
        )
        .about("Mean: computing here (`local_compute`), waiting for the peer (`peer_wait`), or the peer's bytes had come and the program was not ready (`not_ready`)."),
        panel(
            Heat,
            "Times of all handshakes",
            Unit::None,
            12,
            &[q("sum by (le) (increase(cardlink_tls_handshake_duration_seconds_bucket{@T}[$__rate_interval]))", "{{le}}")],
        )
        .about("How many took how long."),
        row("Connections"),
        panel(
            Stacked,
            "What connections turned out to be",
            Unit::PerSecond,
            12,
            &[q("sum by (outcome) (rate(cardlink_tls_connections_total{@T}[$__rate_interval]))", "{{outcome}}")],
        )
        .about("`no_client_hello` is a port scan or a check of a load balancer: no failed handshake."),
        panel(
            Lines,
            "How long connections lived",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_tls_connection_duration_seconds", ", target"), "{{target}}, half"),
                q(quantile!("0.95", "cardlink_tls_connection_duration_seconds", ", target"), "{{target}}, 95 %"),
            ],
        )
        .about("From open to close, of connections on which a handshake was seen."),
    ],
};
