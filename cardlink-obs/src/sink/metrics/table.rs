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
pub const APDU_BUCKETS: &[f64] = HANDSHAKE_BUCKETS;
pub const QUERY_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
pub const ADB_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0];
pub const SCRAPE_BUCKETS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
pub const EXPORT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];

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
    CONNECT_FAILURES: Kind::Counter, "cardlink_connect_failures_total" ["target", "reason"]
        "Connections (TCP, unix sockets) that the target asked for and did not get, by reason.";
    PLAINTEXT: Kind::Counter, "cardlink_tls_plaintext_total" ["target", "way", "reason"]
        "Connections by the way in which their plaintext is read (none: it is not), and why not.";
    SESSIONS_ACTIVE: Kind::Gauge, "cardlink_sessions_active" ["target", "device_type"]
        "Sessions of remote administration that are under way.";
    SESSIONS: Kind::Counter, "cardlink_sessions_total" ["target", "status", "session_type", "device_type"]
        "Sessions of remote administration that ended, across resumed connections.";
    SESSION_DURATION: Kind::Histogram(SESSION_BUCKETS), "cardlink_session_duration_seconds" ["target", "status"]
        "From the first byte of a session to the end of what belongs to it.";
    TRIGGERS_SENT: Kind::Counter, "cardlink_triggers_sent_total" ["target", "device", "trigger_type"]
        "SMS-PP data downloads that a modem took, by what they ask the card for.";
    TRIGGER_FAILURES: Kind::Counter, "cardlink_trigger_failures_total" ["target", "device", "trigger_type"]
        "SMS-PP data downloads that a modem refused, or did not answer.";
    SCP81_EXCHANGE: Kind::Histogram(SESSION_BUCKETS), "cardlink_scp81_exchange_duration_seconds" ["target", "party"]
        "What each party took: the server from request to response, the peer (bearer, terminal and card) from response to the next request.";
    APDU_COMMANDS: Kind::Counter, "cardlink_apdu_commands_total" ["target", "command_type", "device_type", "device"]
        "C-APDUs, by command; in a script, a chain of GET RESPONSE or of a repeat is one.";
    APDU_RESPONSES: Kind::Counter, "cardlink_apdu_responses_total"
        ["target", "status_word", "status_category", "command_type", "device_type", "device"]
        "R-APDUs, by status word (folded: 61xx, 6Cxx, 91xx, 9Fxx, 63Cx) and its category.";
    APDU_BYTES: Kind::Counter, "cardlink_apdu_bytes_total" ["target", "direction", "device_type", "device"]
        "Bytes of APDUs: C-APDUs are sent, R-APDUs received, whatever the vantage.";
    APDU_DURATION: Kind::Histogram(APDU_BUCKETS), "cardlink_apdu_duration_seconds" ["target", "command_type", "device_type", "device"]
        "From C-APDU to R-APDU, where each has a time of its own: not inside a script.";
    DEVICES_CONNECTED: Kind::Gauge, "cardlink_devices_connected" ["device_type"]
        "Devices that are there, as far as it was seen: modems, phones, readers, and cards (uicc) in readers.";
    DEVICE_ERRORS: Kind::Counter, "cardlink_device_errors_total" ["target", "device_type", "device", "error_type"]
        "What a device, or what drives it, could not do.";
    FINDINGS: Kind::Counter, "cardlink_findings_total" ["target", "finding"]
        "Where one side broke the specification, or does what it should not.";
    AT_COMMAND_DURATION: Kind::Histogram(AT_BUCKETS), "cardlink_at_command_duration_seconds" ["target", "device", "command"]
        "From the end of the command line to the final result code.";
    AT_COMMANDS: Kind::Counter, "cardlink_at_commands_total" ["target", "device", "command", "result"]
        "AT commands, by final result code.";
    ADB_OPERATION_DURATION: Kind::Histogram(ADB_BUCKETS), "cardlink_adb_operation_duration_seconds" ["target", "device", "operation"]
        "From the first byte of a request to the adb server, the choice of the phone included, to the end of its answer; of a run of adb of which none was seen, from its fork to its end.";
    ADB_OPERATIONS: Kind::Counter, "cardlink_adb_operations_total" ["target", "device", "operation", "result"]
        "Requests to the adb server, or through it to a phone, and runs of adb of which none was seen, by result.";
    ADB_PHONES: Kind::Gauge, "cardlink_adb_phones" ["state"]
        "Phones that adb servers know, by what they say of them.";
    PROGRAM_WAIT: Kind::Histogram(AT_BUCKETS), "cardlink_program_wait_seconds" ["target", "device", "interface"]
        "Time that the program went on polling or reading after its answer was complete.";
    DB_CONNECTIONS_ACTIVE: Kind::Gauge, "cardlink_db_connections_active" ["target", "db_system"]
        "Connections to databases that are ready for use; one that is watched at both ends is counted at the server's.";
    DB_CONNECTION_FAILURES: Kind::Counter, "cardlink_db_connection_failures_total" ["target", "db_system", "reason"]
        "Connections to databases that nobody took, or that the server refused or ended, by reason.";
    DB_QUERIES: Kind::Counter, "cardlink_db_queries_total" ["target", "db_system", "query_type", "table", "result"]
        "Statements, by what they do, the first table that they name, and ok or the class of the error.";
    DB_QUERY_DURATION: Kind::Histogram(QUERY_BUCKETS), "cardlink_db_query_duration_seconds"
        ["target", "db_system", "query_type", "table"]
        "From the first byte of the request to the last byte of its result.";
    DB_PROGRAM_TIME: Kind::Counter, "cardlink_db_program_time_seconds_total" ["target", "db_system", "query_type", "table"]
        "Time that programs spent on other things between the parts of results that they fetched.";
    DB_ROWS: Kind::Counter, "cardlink_db_rows_total" ["target", "db_system", "query_type", "table"]
        "Rows that statements returned or changed.";
    DB_POOL: Kind::Gauge, "cardlink_db_pool_connections" ["target", "db_system", "state"]
        "Connections to databases that a client holds: in_use (a statement or a transaction is under way) and idle.";
    DB_SETUP: Kind::Histogram(QUERY_BUCKETS), "cardlink_db_connection_setup_seconds" ["target", "db_system"]
        "From connect or accept until a connection to a database can be used.";
    DB_FIRST_USE: Kind::Histogram(SESSION_BUCKETS), "cardlink_db_connection_first_use_seconds" ["target", "db_system"]
        "From connect or accept to the first statement.";
    TESTS: Kind::Counter, "cardlink_tests_total" ["target", "suite_name", "status"]
        "Tests that ended, by outcome; rerun is a failure that the runner tries again, unknown an outcome that could not be seen.";
    TESTS_FLAKY: Kind::Counter, "cardlink_tests_flaky_total" ["target", "suite_name"]
        "Tests that have both passed and failed while the agent ran, each once.";
    TEST_DURATION: Kind::Histogram(SESSION_BUCKETS), "cardlink_test_duration_seconds" ["target", "suite_name"]
        "From the begin of a test's set-up to the end of its tear-down, or what the report says.";
    TEST_SUITE_DURATION: Kind::Histogram(SESSION_BUCKETS), "cardlink_test_suite_duration_seconds" ["target", "suite_name"]
        "From the begin of a suite's first test to the end of its last, or what the report says.";
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
    PROCESS_RETRANSMITS: Kind::Counter, "cardlink_process_tcp_retransmits_total" ["target"]
        "TCP segments that the target's connections sent again; of each connection when it is closed.";
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
        "Losses that were noticed, by what lost bytes: tls, at, tcp, pcsc, sqlite (let go of), or the ring as a whole.";
    OWN_PROBE_STATUS: Kind::Gauge, "cardlink_obs_probe_status" ["probe", "status"]
        "1 for the verdict of each probe: ok, unsupported, not_applicable or broken.";
    OWN_PROBE_COST: Kind::Counter, "cardlink_obs_probe_cost_seconds_total" ["probe"]
        "Time that each hook took from those who ran into it, watched or not; sys_enter and sys_exit stand for all system calls of the host. Only with --probe-cost.";
    OWN_PROBE_RUNS: Kind::Counter, "cardlink_obs_probe_runs_total" ["probe"]
        "Runs of each hook; sys_enter and sys_exit stand for all system calls of the host. Only with --probe-cost.";
    OWN_BLIND: Kind::Counter, "cardlink_obs_blind_total" ["target", "way"]
        "Uses of ways that the probes cannot see: io_uring, ktls, sendfile, splice.";
    OWN_HEALTH: Kind::Gauge, "cardlink_obs_health_status" ["check"]
        "Result of each health check: 1 healthy, 0.5 degraded, 0 unhealthy.";
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
    OWN_OTLP_SPANS: Kind::Counter, "cardlink_obs_otlp_spans_total" ["fate"]
        "Spans by what became of them; only with --otlp-endpoint.";
    OWN_OTLP_QUEUE: Kind::Gauge, "cardlink_obs_otlp_queue_spans" []
        "Spans that wait to be sent.";
    OWN_OTLP_LINES: Kind::Counter, "cardlink_obs_otlp_log_lines_total" ["fate"]
        "Lines of the log by what became of them; only with --otlp-signals logs.";
    OWN_OTLP_EXPORTS: Kind::Counter, "cardlink_obs_otlp_exports_total" ["signal", "result"]
        "Messages to the OTLP collector, by whether it took them.";
    OWN_OTLP_EXPORT_TIME: Kind::Histogram(EXPORT_BUCKETS), "cardlink_obs_otlp_export_seconds" ["signal"]
        "Time until the OTLP collector had answered, or had not.";
    OWN_SCRAPE: Kind::Histogram(SCRAPE_BUCKETS), "cardlink_obs_render_seconds" []
        "Time that it takes to render the metrics page, off the request path.";
    OWN_PAGE_TIME: Kind::Gauge, "cardlink_obs_page_timestamp_seconds" []
        "When this page was rendered, seconds of the epoch.";
    OWN_RECORDED: Kind::Counter, "cardlink_obs_recorded_events_total" ["fate"]
        "Events for the recording: written to its file, or lost because that failed; only with --record.";
}
