//! Is remote administration well? Sessions, who was slow, what was found, and the servers that do it.

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Lines, Stacked, Stat, Table},
    Unit, panel, q, quantile, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "ota-overview",
    title: "OTA overview",
    about: "Sessions of remote administration (SCP81): how many, how they ended, whose time it was; the servers and their databases.",
    by_target: true,
    panels: &[
        row("Now"),
        panel(Stat, "Sessions under way", Unit::None, 4, &[q("sum(cardlink_sessions_active{@T})", "")])
            .about("Sessions that have begun and not ended. One that stays for long is stuck: see the table of the handshake doctor."),
        panel(Stat, "Sessions that ended", Unit::None, 4, &[q("sum(increase(cardlink_sessions_total{@T}[$__range]))", "")])
            .about("In the chosen time, across resumed connections: one session may have used several."),
        panel(
            Stat,
            "Sessions that did not complete",
            Unit::Share,
            4,
            &[q(
                "sum(increase(cardlink_sessions_total{@T,status!=\"completed\"}[$__range])) / sum(increase(cardlink_sessions_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the sessions in the chosen time that failed or timed out.")
        .steps(&[(0.02, Yellow), (0.1, Red)]),
        panel(
            Stat,
            "Failed handshakes",
            Unit::Share,
            4,
            &[q(
                "sum(increase(cardlink_tls_handshakes_total{@T,result=\"failed\"}[$__range])) / sum(increase(cardlink_tls_handshakes_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the TLS handshakes in the chosen time that failed. The handshake doctor says why.")
        .steps(&[(0.05, Yellow), (0.2, Red)]),
        panel(
            Stat,
            "APDUs with an error",
            Unit::Share,
            4,
            &[q(
                "(sum(increase(cardlink_apdu_responses_total{@T,status_category=\"error\"}[$__range])) or vector(0)) / sum(increase(cardlink_apdu_responses_total{@T}[$__range]))",
                "",
            )],
        )
        .about("Share of the R-APDUs in the chosen time whose status word is an error.")
        .steps(&[(0.05, Yellow), (0.2, Red)]),
        panel(Stat, "Processes that are watched", Unit::None, 4, &[q("sum(cardlink_target_processes{@T})", "")])
            .about("Processes of the chosen targets. 0: they have ended, or not begun."),
        row("Sessions"),
        panel(
            Stacked,
            "Sessions by how they ended",
            Unit::PerSecond,
            12,
            &[q("sum by (status) (rate(cardlink_sessions_total{@T}[$__rate_interval]))", "{{status}}")],
        )
        .about("`completed`: the server said 204 or the like. `timeout`: somebody owed an answer for too long."),
        panel(
            Lines,
            "How long sessions took",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_session_duration_seconds", ", status"), "{{status}}, half"),
                q(quantile!("0.95", "cardlink_session_duration_seconds", ", status"), "{{status}}, 95 %"),
            ],
        )
        .about("From the first byte of a session to the end of what belongs to it."),
        panel(
            Lines,
            "Who was slow",
            Unit::Seconds,
            12,
            &[
                q(quantile!("0.5", "cardlink_scp81_exchange_duration_seconds", ", party"), "{{party}}, half"),
                q(quantile!("0.95", "cardlink_scp81_exchange_duration_seconds", ", party"), "{{party}}, 95 %"),
            ],
        )
        .about("Time for each exchange: `server` from request to response; `peer` (bearer, terminal and card) from response to the next request."),
        panel(
            Stacked,
            "Sessions by what started them",
            Unit::PerSecond,
            6,
            &[q("sum by (session_type) (rate(cardlink_sessions_total{@T}[$__rate_interval]))", "{{session_type}}")],
        )
        .about("`triggered` by a message that was seen; `polled` when the way of triggers is watched and none was sent; else `unknown`."),
        panel(
            Lines,
            "Triggers",
            Unit::PerSecond,
            6,
            &[
                q("sum by (trigger_type) (rate(cardlink_triggers_sent_total{@T}[$__rate_interval]))", "{{trigger_type}}"),
                q(
                    "sum by (trigger_type) (rate(cardlink_trigger_failures_total{@T}[$__rate_interval]))",
                    "{{trigger_type}} failed",
                ),
            ],
        )
        .about("Messages that ask cards to open a session, and those that could not be sent."),
        panel(
            Table,
            "Findings",
            Unit::None,
            12,
            &[q("sort_desc(sum by (target, finding) (increase(cardlink_findings_total{@T}[$__range])) > 0)", "")],
        )
        .about("Where a card or a server broke the specification in the chosen time, or did what it should not: docs/findings.md has each."),
        panel(
            Bars,
            "How sessions are read",
            Unit::None,
            12,
            &[q("sum by (way, reason) (increase(cardlink_tls_plaintext_total{@T}[$__range]))", "{{way}} {{reason}}")],
        )
        .about("Connections by where their plaintext comes from. `none` with a reason: what is inside is not counted above."),
        row("Servers"),
        panel(
            Lines,
            "CPU",
            Unit::Cores,
            8,
            &[q("sum by (target) (rate(cardlink_process_cpu_seconds_total{@T}[$__rate_interval]))", "{{target}}")],
        )
        .about("CPU time of the targets' processes, user and system, in each second."),
        panel(
            Lines,
            "Memory",
            Unit::Bytes,
            8,
            &[q("sum by (target, type) (cardlink_process_memory_bytes{@T})", "{{target}} {{type}}")],
        )
        .about("Resident (`rss`) and virtual (`vms`). A resident size that only grows is a leak."),
        panel(
            Lines,
            "Descriptors and threads",
            Unit::None,
            8,
            &[
                q("sum by (target) (cardlink_process_open_fds{@T})", "{{target}} descriptors"),
                q("sum by (target) (cardlink_process_threads{@T})", "{{target}} threads"),
            ],
        )
        .about("Descriptors that only grow are not closed somewhere."),
        panel(
            Lines,
            "Context switches",
            Unit::PerSecond,
            8,
            &[q("sum by (target, type) (rate(cardlink_process_context_switches_total{@T}[$__rate_interval]))", "{{target}} {{type}}")],
        )
        .about("`voluntary`: it waited. `involuntary`: it was interrupted, and would have liked to go on."),
        panel(
            Lines,
            "Storage",
            Unit::BytesPerSecond,
            8,
            &[q("sum by (target, direction) (rate(cardlink_process_io_bytes_total{@T}[$__rate_interval]))", "{{target}} {{direction}}")],
        )
        .about("Bytes that really went to or came from storage."),
        panel(Lines, "Uptime", Unit::Seconds, 8, &[q("max by (target) (cardlink_uptime_seconds{@T})", "{{target}}")])
            .about("Age of the target's oldest process: a drop is a restart."),
        panel(
            Lines,
            "TCP segments sent again",
            Unit::PerSecond,
            8,
            &[q("sum by (target) (rate(cardlink_process_tcp_retransmits_total{@T}[$__rate_interval]))", "{{target}}")],
        )
        .about("Of connections that were closed: what they had to send again is the network's doing, or the peer's."),
        panel(
            Lines,
            "Connections that the targets did not get",
            Unit::PerSecond,
            8,
            &[q(
                "sum by (target, reason) (rate(cardlink_connect_failures_total{@T}[$__rate_interval]))",
                "{{target}} {{reason}}",
            )],
        )
        .about("Asked for, and not taken: `refused` and `no_socket` if nobody listens, `timeout` if nobody answers."),
        row("Database"),
        panel(
            Lines,
            "Queries",
            Unit::PerSecond,
            8,
            &[q("sum by (query_type) (rate(cardlink_db_queries_total{@T}[$__rate_interval]))", "{{query_type}}")],
        )
        .about("Queries of the targets, by operation."),
        panel(
            Lines,
            "How long queries took",
            Unit::Seconds,
            8,
            &[
                q(quantile!("0.5", "cardlink_db_query_duration_seconds", ", query_type"), "{{query_type}}, half"),
                q(quantile!("0.95", "cardlink_db_query_duration_seconds", ", query_type"), "{{query_type}}, 95 %"),
            ],
        )
        .about("From the query to the end of its result."),
        panel(
            Lines,
            "Connections to databases",
            Unit::None,
            8,
            &[q("sum by (target) (cardlink_db_connections_active{@T})", "{{target}}")],
        )
        .about("Connections that the targets hold open: a pool that is at its limit makes others wait."),
        panel(
            Lines,
            "Database connections that failed",
            Unit::PerSecond,
            8,
            &[q("sum by (reason) (rate(cardlink_db_connection_failures_total{@T}[$__rate_interval]))", "{{reason}}")],
        )
        .about("Taken by nobody, or refused or ended by the server."),
        panel(
            Lines,
            "What pools hold",
            Unit::None,
            8,
            &[q("sum by (target, state) (cardlink_db_pool_connections{@T})", "{{target}} {{state}}")],
        )
        .about("Connections of clients: `in_use` has a statement or a transaction under way."),
        panel(
            Lines,
            "From connect to use",
            Unit::Seconds,
            8,
            &[
                q(quantile!("0.95", "cardlink_db_connection_setup_seconds", ""), "ready, 95 %"),
                q(quantile!("0.95", "cardlink_db_connection_first_use_seconds", ""), "first statement, 95 %"),
            ],
        )
        .about("Until a connection can be used, and until it is."),
        panel(
            Lines,
            "Rows",
            Unit::PerSecond,
            8,
            &[q("sum by (query_type) (rate(cardlink_db_rows_total{@T}[$__rate_interval]))", "{{query_type}}")],
        )
        .about("Rows that statements returned or changed."),
        panel(
            Lines,
            "The program's own time within queries",
            Unit::Share,
            8,
            &[q(
                "sum by (target, query_type) (rate(cardlink_db_program_time_seconds_total{@T}[$__rate_interval]))",
                "{{target}} {{query_type}}",
            )],
        )
        .about("Time between the parts of results that a program fetches row by row: then it is the program that is slow, not the database."),
    ],
};
