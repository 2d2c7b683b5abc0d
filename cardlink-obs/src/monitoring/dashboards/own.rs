//! The agent itself: does it see everything, and what does it cost?

use super::{
    Colour::{Red, Yellow},
    Dashboard,
    Shape::{Bars, Heat, Lines, Stacked, Stat, Table},
    Unit, panel, q, row,
};

pub const DASHBOARD: Dashboard = Dashboard {
    name: "agent-self",
    title: "Agent self",
    about: "The agent: whether it loses anything, what its probes cost, how its checks and exports fare.",
    by_target: false,
    panels: &[
        row("Now"),
        panel(
            Stat,
            "Events lost",
            Unit::None,
            4,
            &[q("sum(increase(cardlink_obs_events_total{@A,fate=~\"ring_full|table_full\"}[$__range]))", "")],
        )
        .about("Kernel events in the chosen time for which there was no room. What the metrics say is too little then.")
        .steps(&[(1.0, Red)]),
        panel(
            Stat,
            "Probes that do not work",
            Unit::None,
            4,
            &[q("sum(cardlink_obs_probe_status{@A,status=\"broken\"}) or sum(0 * cardlink_build_info{@A})", "")],
        )
        .about("`cardlink-obs doctor` says why, and what is not seen.")
        .steps(&[(1.0, Red)]),
        panel(Stat, "Worst health", Unit::Share, 4, &[q("min(cardlink_obs_health_status{@A})", "")])
            .about("Of all checks: 100 % healthy, 50 % degraded, 0 % unhealthy."),
        panel(
            Stat,
            "Age of the page",
            Unit::Seconds,
            4,
            &[q("max(time() - cardlink_obs_page_timestamp_seconds{@A})", "")],
        )
        .about("Since the metrics page was rendered. More than half a minute beyond the scrape interval: the agent hangs.")
        .steps(&[(60.0, Yellow), (120.0, Red)]),
        panel(Stat, "CPU", Unit::Cores, 4, &[q("sum(rate(cardlink_obs_process_cpu_seconds_total{@A}[$__rate_interval]))", "")])
            .about("CPU time of the agents in each second.")
            .steps(&[(0.2, Yellow), (0.8, Red)]),
        panel(Stat, "Memory", Unit::Bytes, 4, &[q("max(cardlink_obs_process_memory_bytes{@A,type=\"rss\"})", "")])
            .about("Resident memory of the largest agent.")
            .steps(&[(104_857_600.0, Yellow), (524_288_000.0, Red)]),
        row("What is seen"),
        panel(
            Stacked,
            "Events by what became of them",
            Unit::PerSecond,
            12,
            &[q("sum by (fate) (rate(cardlink_obs_events_total{@A,fate!=\"seen\"}[$__rate_interval]))", "{{fate}}")],
        )
        .about("Every kernel event has one fate: docs/architecture.md explains them."),
        panel(
            Lines,
            "Events that reached the agent",
            Unit::PerSecond,
            12,
            &[q("sum by (fate) (rate(cardlink_obs_received_events_total{@A}[$__rate_interval]))", "{{fate}}")],
        )
        .about("`undecodable` and `missed` should stay at 0."),
        panel(
            Lines,
            "Losses that were noticed",
            Unit::PerSecond,
            8,
            &[q("sum by (source) (rate(cardlink_obs_incomplete_total{@A}[$__rate_interval]))", "{{source}}")],
        )
        .about("By what lost bytes."),
        panel(
            Lines,
            "Ring in use",
            Unit::Share,
            8,
            &[q("max by (instance) (cardlink_obs_ring_used_ratio{@A})", "{{instance}}")],
        )
        .about("Largest share between two pages. Beyond a half, a burst may lose events: raise kernel.ring_kib.")
        .steps(&[(0.5, Yellow), (0.9, Red)]),
        panel(
            Lines,
            "Streams that are tracked",
            Unit::None,
            8,
            &[q("sum by (instance) (cardlink_obs_streams{@A})", "{{instance}}")],
        )
        .about("Connections and ttys."),
        panel(
            Table,
            "Probes",
            Unit::None,
            12,
            &[q("cardlink_obs_probe_status{@A} == 1", "")],
        )
        .about("The verdict on each: `not_applicable` is loaded and not needed now, `unsupported` cannot be had on this kernel or in this target."),
        panel(
            Table,
            "Ways past the probes",
            Unit::None,
            12,
            &[q("sum by (instance, target, way) (cardlink_obs_blind_total{@A})", "")],
        )
        .about("Targets that move bytes by io_uring, kernel TLS, sendfile or splice: what went that way is not seen."),
        panel(
            Lines,
            "Events for the recording",
            Unit::PerSecond,
            12,
            &[q("sum by (instance, fate) (rate(cardlink_obs_recorded_events_total{@A}[$__rate_interval]))", "{{instance}} {{fate}}")],
        )
        .about("Only with `--record`. `lost`: the file could not be written, as on a full disk, and the recording has ended."),
        row("What it costs"),
        panel(
            Lines,
            "Time that probes take",
            Unit::Cores,
            8,
            &[q("sum by (probe) (rate(cardlink_obs_probe_cost_seconds_total{@A}[$__rate_interval]))", "{{probe}}")],
        )
        .about("From those who run into them, watched or not; `sys_enter` and `sys_exit` stand for all system calls. Only with `--probe-cost`."),
        panel(
            Lines,
            "Mean time of a probe",
            Unit::Seconds,
            8,
            &[q(
                "sum by (probe) (rate(cardlink_obs_probe_cost_seconds_total{@A}[$__rate_interval])) / sum by (probe) (rate(cardlink_obs_probe_runs_total{@A}[$__rate_interval]))",
                "{{probe}}",
            )],
        )
        .about("Only with `--probe-cost`."),
        panel(
            Lines,
            "Memory of the agent",
            Unit::Bytes,
            8,
            &[
                q("max by (instance, type) (cardlink_obs_process_memory_bytes{@A})", "{{instance}} {{type}}"),
                q("max by (instance) (cardlink_obs_ring_bytes{@A})", "{{instance}} ring"),
            ],
        )
        .about("Resident and virtual memory, and the size of the ring."),
        row("Health and exports"),
        panel(Lines, "Checks", Unit::Share, 12, &[q("min by (check) (cardlink_obs_health_status{@A})", "{{check}}")])
            .about("100 % healthy, 50 % degraded, 0 % unhealthy."),
        panel(
            Heat,
            "Rendering of the metrics page",
            Unit::None,
            12,
            &[q("sum by (le) (increase(cardlink_obs_render_seconds_bucket{@A}[$__rate_interval]))", "{{le}}")],
        )
        .about("Off the request path: a scrape does not wait for it."),
        panel(
            Stacked,
            "Spans and lines of the log by what became of them",
            Unit::PerSecond,
            8,
            &[
                q("sum by (fate) (rate(cardlink_obs_otlp_spans_total{@A}[$__rate_interval]))", "spans {{fate}}"),
                q("sum by (fate) (rate(cardlink_obs_otlp_log_lines_total{@A}[$__rate_interval]))", "lines {{fate}}"),
            ],
        )
        .about("Only with an OTLP endpoint; lines of the log only where `--otlp-signals` names them."),
        panel(
            Lines,
            "OTLP exports",
            Unit::PerSecond,
            8,
            &[q("sum by (signal, result) (rate(cardlink_obs_otlp_exports_total{@A}[$__rate_interval]))", "{{signal}} {{result}}")],
        )
        .about("Messages to the collector. Failures are told in the log, once."),
        panel(
            Lines,
            "How long exports took",
            Unit::Seconds,
            8,
            &[q(
                "histogram_quantile(0.95, sum by (le, signal) (rate(cardlink_obs_otlp_export_seconds_bucket{@A}[$__rate_interval])))",
                "{{signal}}, 95 %",
            )],
        )
        .about("Until the collector had answered, or had not."),
        panel(
            Bars,
            "Spans that wait",
            Unit::None,
            12,
            &[q("max by (instance) (cardlink_obs_otlp_queue_spans{@A})", "{{instance}}")],
        )
        .about("In the queue to the collector. Past its size, spans are dropped and counted."),
        panel(
            Table,
            "Versions",
            Unit::None,
            12,
            &[q("max by (instance, version, platform, kernel, bpf_object) (cardlink_build_info{@A})", "")],
        )
        .about("What runs where."),
    ],
};
