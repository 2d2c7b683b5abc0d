//! Every metric, once. Registry, exposition, documentation and tests read this table.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// Upper bounds of the buckets; a value on a boundary belongs to the lower bucket (`le`).
    Histogram(&'static [f64]),
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub labels: &'static [&'static str],
}

/// 1-2.5-5 steps.
pub const HANDSHAKE_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];
pub const SESSION_BUCKETS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 3600.0];
pub const AT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 180.0];
pub const SCRAPE_BUCKETS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];

macro_rules! metrics {
    ($($id:ident: $kind:expr, $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Metric =
                Metric { name: $name, kind: $kind, help: $help, labels: &[$($label),*] };
        )*
        /// All metrics, in the order of the documentation.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    TLS_CONNECTIONS: Kind::Counter, "cardlink_tls_connections_total" ["target", "outcome"]
        "TCP connections of the target that ended, by what they turned out to be.";
    TLS_HANDSHAKES: Kind::Counter, "cardlink_tls_handshakes_total"
        ["target", "result", "cipher_suite", "failure_reason", "failure_side"]
        "TLS handshakes, by result, chosen cipher suite (IANA name) and, when failed, by the first thing that went wrong.";
    TLS_HANDSHAKE_DURATION: Kind::Histogram(HANDSHAKE_BUCKETS), "cardlink_tls_handshake_duration_seconds" ["target", "result"]
        "From the first ClientHello byte to the last Finished, or to the failure.";
    TLS_HANDSHAKE_PHASE: Kind::Histogram(HANDSHAKE_BUCKETS), "cardlink_tls_handshake_phase_seconds" ["target", "phase"]
        "Where the time of a handshake went: computing here, waiting for the peer, or not ready when the peer's bytes came.";
    TLS_CONNECTIONS_ACTIVE: Kind::Gauge, "cardlink_tls_connections_active" ["target"]
        "Ends of TCP connections that the target holds open.";
    TLS_CONNECTION_DURATION: Kind::Histogram(SESSION_BUCKETS), "cardlink_tls_connection_duration_seconds" ["target"]
        "From open to close of connections on which a TLS handshake was seen.";
    AT_COMMAND_DURATION: Kind::Histogram(AT_BUCKETS), "cardlink_at_command_duration_seconds" ["target", "device", "command"]
        "From the end of the command line to the final result code.";
    AT_COMMANDS: Kind::Counter, "cardlink_at_commands_total" ["target", "device", "command", "result"]
        "AT commands, by final result code.";
    PROGRAM_WAIT: Kind::Histogram(AT_BUCKETS), "cardlink_program_wait_seconds" ["target", "device", "interface"]
        "Time that the program went on polling or reading after its answer was complete.";
    PROCESS_CPU: Kind::Counter, "cardlink_process_cpu_seconds_total" ["target"]
        "CPU time of the target's processes, user and system.";
    PROCESS_MEMORY: Kind::Gauge, "cardlink_process_memory_bytes" ["target", "type"]
        "Memory of the target's processes: resident (rss) and virtual (vms).";
    PROCESS_FDS: Kind::Gauge, "cardlink_process_open_fds" ["target"]
        "Open descriptors of the target's processes.";
    PROCESS_THREADS: Kind::Gauge, "cardlink_process_threads" ["target"]
        "Threads of the target's processes.";
    PROCESS_SWITCHES: Kind::Counter, "cardlink_process_context_switches_total" ["target", "type"]
        "Context switches of the target's processes: voluntary (it waited) and involuntary (it was interrupted).";
    PROCESS_IO: Kind::Counter, "cardlink_process_io_bytes_total" ["target", "direction"]
        "Bytes that the target's processes really read from or wrote to storage.";
    UPTIME: Kind::Gauge, "cardlink_uptime_seconds" ["target"]
        "Age of the target's oldest process.";
    TARGET_PROCESSES: Kind::Gauge, "cardlink_target_processes" ["target"]
        "Processes of the target that are watched.";
    BUILD_INFO: Kind::Gauge, "cardlink_build_info" ["version", "platform", "kernel", "bpf_object"]
        "Always 1; the labels tell what runs.";
    OWN_EVENTS: Kind::Counter, "cardlink_obs_events_total" ["fate"]
        "Kernel events by fate; seen is the sum of all others.";
    OWN_RECEIVED: Kind::Counter, "cardlink_obs_received_events_total" ["fate"]
        "Events that reached the agent (decoded, undecodable), and runs of probes that the kernel skipped (missed).";
    OWN_INCOMPLETE: Kind::Counter, "cardlink_obs_incomplete_total" ["source"]
        "Losses that were noticed, by what lost bytes: tls, at, tcp, or the ring as a whole.";
    OWN_PROBE_STATUS: Kind::Gauge, "cardlink_obs_probe_status" ["probe", "status"]
        "1 for the verdict of each probe: ok, unsupported, not_applicable or broken.";
    OWN_PROBE_COST: Kind::Counter, "cardlink_obs_probe_cost_seconds_total" ["probe"]
        "Time that each probe took from those who ran into it, watched or not; only with --probe-cost.";
    OWN_PROBE_RUNS: Kind::Counter, "cardlink_obs_probe_runs_total" ["probe"]
        "Runs of each probe; only with --probe-cost.";
    OWN_BLIND: Kind::Counter, "cardlink_obs_blind_total" ["target", "way"]
        "Uses of ways that the probes cannot see: io_uring, ktls, sendfile, splice.";
    OWN_CPU: Kind::Counter, "cardlink_obs_process_cpu_seconds_total" []
        "CPU time of the agent itself.";
    OWN_MEMORY: Kind::Gauge, "cardlink_obs_process_memory_bytes" ["type"]
        "Memory of the agent itself.";
    OWN_RING_BYTES: Kind::Gauge, "cardlink_obs_ring_bytes" []
        "Size of the ring buffer.";
    OWN_RING_USED: Kind::Gauge, "cardlink_obs_ring_used_ratio" []
        "Largest share of the ring buffer that was found in use since the last page.";
    OWN_STREAMS: Kind::Gauge, "cardlink_obs_streams" []
        "Connections and ttys that are tracked.";
    OWN_SCRAPE: Kind::Histogram(SCRAPE_BUCKETS), "cardlink_obs_render_seconds" []
        "Time that it takes to render the metrics page, off the request path.";
    OWN_PAGE_TIME: Kind::Gauge, "cardlink_obs_page_timestamp_seconds" []
        "When this page was rendered, seconds of the epoch.";
}
