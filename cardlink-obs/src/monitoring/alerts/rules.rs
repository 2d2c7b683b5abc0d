//! The alerts, in the order of the documentation.

use super::{
    Alert,
    Severity::{Critical, Warning},
};

pub const ALERTS: &[Alert] = &[
    Alert {
        name: "HighAPDUErrorRate",
        severity: Warning,
        hold: "5m",
        expr: "\
sum by (instance, target, device_type) (increase(cardlink_apdu_responses_total{status_category=\"error\"}[@WINDOW]))
  / sum by (instance, target, device_type) (increase(cardlink_apdu_responses_total[@WINDOW])) > @APDU_ERRORS
and sum by (instance, target, device_type) (increase(cardlink_apdu_responses_total[@WINDOW])) >= @LEAST",
        summary: "{{ $value | humanizePercentage }} of the APDUs of {{ $labels.target }} end in an error",
        description: "R-APDUs of {{ $labels.target }} ({{ $labels.device_type }}) on {{ $labels.instance }} whose status word is an error.",
        meaning: "More of the R-APDUs in the window than the limit have a status word that is an error, and there were enough of them to say so.",
        causes: "A script that does not fit the cards (an applet or file that is not there, a security domain that is not personalised), a batch of cards with another profile, a lost security condition.",
        steps: &[
            "Dashboard *APDU analysis*, table *What failed*: which command, which status word.",
            "`cardlink-obs trace --failed --psk-file keys` shows the scripts with the meaning of each status word.",
            "One status word on one command: the script. Many on all commands of one card: the card; its identity is in the trace.",
        ],
    },
    Alert {
        name: "SessionTimeoutSpike",
        severity: Warning,
        hold: "1m",
        expr: "\
sum by (instance, target) (increase(cardlink_sessions_total{status=\"timeout\"}[@WINDOW])) >= @SESSION_TIMEOUTS
unless sum by (instance, target) (increase(cardlink_sessions_total{status=\"timeout\"}[@WINDOW]))
  <= 2 * sum by (instance, target) (increase(cardlink_sessions_total{status=\"timeout\"}[1h] offset @WINDOW)) * (@WINDOW_SECONDS / 3600)",
        summary: "{{ $value | humanize }} sessions of {{ $labels.target }} have timed out",
        description: "Sessions on {{ $labels.instance }} in which somebody owed an answer for too long: more than twice as many as in the hour before.",
        meaning: "So many sessions in the window timed out, and more than twice as many as the hour before lets expect.",
        causes: "The bearer (coverage, a gateway), a server that hangs on its database, a firewall that forgets connections.",
        steps: &[
            "Dashboard *OTA overview*, *Who was slow*: did the server's time grow, or the peer's?",
            "The server's: look at *Database* and *CPU* there, and at `cardlink-obs trace --slower 10s`.",
            "The peer's: cards on one network, or of one kind? `trace` shows peer and identity of each session.",
            "Slow cards that are none: raise `sessions.card_timeout`.",
        ],
    },
    Alert {
        name: "TLSHandshakeFailures",
        severity: Warning,
        hold: "5m",
        expr: "\
sum by (instance, target) (increase(cardlink_tls_handshakes_total{result=\"failed\"}[@WINDOW]))
  / sum by (instance, target) (increase(cardlink_tls_handshakes_total[@WINDOW])) > @HANDSHAKE_FAILURES
and sum by (instance, target) (increase(cardlink_tls_handshakes_total[@WINDOW])) >= @LEAST",
        summary: "{{ $value | humanizePercentage }} of the handshakes of {{ $labels.target }} fail",
        description: "TLS handshakes of {{ $labels.target }} on {{ $labels.instance }}. Port scans do not count.",
        meaning: "More of the handshakes in the window than the limit failed, and there were enough of them to say so. Connections without a ClientHello are not handshakes.",
        causes: "Cards that the server has no key for, a key that was loaded in another form, a suite or version that one side no longer offers after an update.",
        steps: &[
            "Dashboard *Handshake doctor*: the reason, and the side.",
            "[Handshakes](handshakes.md#reasons) has the cure for each reason; `cardlink-obs trace --failed` says it for each handshake.",
        ],
    },
    Alert {
        name: "DeviceDisconnected",
        severity: Critical,
        hold: "1m",
        expr: "cardlink_devices_connected < max_over_time(cardlink_devices_connected[1h])",
        summary: "A {{ $labels.device_type }} is gone from {{ $labels.instance }}",
        description: "{{ $value }} of kind {{ $labels.device_type }} are connected now; in the last hour there were more.",
        meaning: "Fewer devices of a kind are there than at some time in the last hour. Of a kind that was never seen there is no alert. It ends when the device is back, or after an hour.",
        causes: "A plug, a hub without power, a modem that resets itself, a program that closed the port for good.",
        steps: &[
            "`dmesg | tail` and `lsusb`: does the kernel still see it?",
            "Dashboard *Device status*: did errors or slow answers come before?",
            "Was it taken away on purpose? The alert ends by itself within the hour.",
        ],
    },
    Alert {
        name: "DatabaseConnectionFailure",
        severity: Critical,
        hold: "2m",
        expr: "\
min by (instance, check) (cardlink_obs_health_status{check=~\"@DATABASES\"}) == 0
or sum by (instance, target, db_system, reason) (
  increase(cardlink_db_connection_failures_total[@WINDOW]) > 0
  or (cardlink_db_connection_failures_total unless cardlink_db_connection_failures_total offset @WINDOW)
) >= @DATABASE_FAILURES",
        summary: "{{ if $labels.check }}The database does not answer: check {{ $labels.check }}{{ else }}{{ $labels.target }} has no connection to {{ $labels.db_system }}: {{ $labels.reason }}{{ end }}",
        description: "{{ if $labels.check }}The health check {{ $labels.check }} of the agent on {{ $labels.instance }} fails.{{ else }}{{ $value | humanize }} connections of {{ $labels.target }} on {{ $labels.instance }} were not made or were ended: {{ $labels.reason }}.{{ end }}",
        meaning: "So many connections to a database failed in the window, for one reason ([which](databases.md#connections)); a failure counts also when it is the first that was ever seen. Or a [health check](health.md) of kind `database` fails: which checks are of databases is known by their names, `alerts.databases`.",
        causes: "The database is down (`refused`, `no_socket`), does not accept more connections (`too_many_connections`), does not let the program in (`authentication`), or cannot be reached from this host (`timeout`, `unreachable`).",
        steps: &[
            "`cardlink-obs trace --failed` says of each attempt whom it asked, what came back and after how long.",
            "`cardlink-obs health --verbose` has a check's message.",
            "Try the same from this host with the database's own client.",
            "A server that only waits for its database shows in *Who was slow* of the dashboard *OTA overview*.",
        ],
    },
    Alert {
        name: "HighAPDULatency",
        severity: Warning,
        hold: "5m",
        expr: "\
histogram_quantile(0.95, sum by (instance, target, device_type, le) (rate(cardlink_apdu_duration_seconds_bucket[@WINDOW]))) > @APDU_TIME
and sum by (instance, target, device_type) (increase(cardlink_apdu_duration_seconds_count[@WINDOW])) >= @LEAST",
        summary: "APDUs of {{ $labels.target }} take {{ $value | humanizeDuration }}",
        description: "95 % of the APDUs to {{ $labels.device_type }} on {{ $labels.instance }} took at most so long.",
        meaning: "The slowest 5 % of the APDUs in the window took longer than the limit, where the time of each is on the wire (modems, readers).",
        causes: "A card that makes keys or writes much, a reader on a bad contact, a modem that is busy with the network.",
        steps: &[
            "Dashboard *APDU analysis*, *How long commands took*: one command, or all?",
            "One: cards do differ; compare with another batch. All: the device, its cable, its driver.",
        ],
    },
    Alert {
        name: "LongSessionDuration",
        severity: Warning,
        hold: "5m",
        expr: "\
histogram_quantile(0.95, sum by (instance, target, le) (rate(cardlink_session_duration_seconds_bucket{status=\"completed\"}[@WINDOW]))) > @SESSION_TIME
and sum by (instance, target) (increase(cardlink_session_duration_seconds_count{status=\"completed\"}[@WINDOW])) >= @LEAST",
        summary: "Sessions of {{ $labels.target }} take {{ $value | humanizeDuration }}",
        description: "95 % of the completed sessions on {{ $labels.instance }} took at most so long.",
        meaning: "The slowest 5 % of the sessions that completed in the window took longer than the limit, and there were enough of them to say so.",
        causes: "Large loads, a slow bearer, a server that waits for something between two scripts.",
        steps: &[
            "Dashboard *OTA overview*, *Who was slow*: the server's part, or the peer's.",
            "`cardlink-obs trace --slower 1m` shows such sessions, and in which exchange the time went.",
            "When sessions of this host are meant to be long, raise `alerts.session_time`.",
        ],
    },
    Alert {
        name: "EventsLost",
        severity: Warning,
        hold: "0m",
        expr: "sum by (instance) (increase(cardlink_obs_events_total{fate=~\"ring_full|table_full\"}[@WINDOW])) > @EVENTS_LOST",
        summary: "The agent on {{ $labels.instance }} has lost {{ $value | humanize }} events",
        description: "There was no room for kernel events: what the metrics say is too little.",
        meaning: "The ring buffer, or a table of the kernel side, was full. Nothing false is told, but something is missing.",
        causes: "A burst of traffic, an agent that gets no CPU, a very large number of connections.",
        steps: &[
            "Dashboard *Agent self*, *Ring in use*: raise `kernel.ring_kib` when it is near 100 %.",
            "Does the agent get CPU time? A limit of its control group stops it as well.",
            "`table_full`: fewer targets, or report it; the tables are made for tens of thousands of connections.",
        ],
    },
    Alert {
        name: "ProbeBroken",
        severity: Warning,
        hold: "5m",
        expr: "sum by (instance, probe) (cardlink_obs_probe_status{status=\"broken\"}) > 0",
        summary: "The probe {{ $labels.probe }} on {{ $labels.instance }} does not work",
        description: "What this probe would see is not seen.",
        meaning: "A probe could not be attached although this kernel has the place for it.",
        causes: "A new kernel, missing rights, a lockdown.",
        steps: &[
            "`cardlink-obs doctor --json` has the kernel's reason.",
            "After an update of the kernel: boot the old one, or report it.",
        ],
    },
    Alert {
        name: "TargetGone",
        severity: Critical,
        hold: "2m",
        expr: "cardlink_target_processes == 0 and max_over_time(cardlink_target_processes[1h]) > 0",
        summary: "{{ $labels.target }} does not run any more",
        description: "No process of {{ $labels.target }} is left on {{ $labels.instance }}; in the last hour there was one.",
        meaning: "All processes of a target have ended and none has come for two minutes. A target that was never seen raises nothing; nor does a restart. It ends when the target is back, or after an hour.",
        causes: "A crash, a stop without a start, a program under another name after an update.",
        steps: &[
            "`systemctl status` of its unit, and `journalctl -u`.",
            "Another name? `cardlink-obs doctor` with the selector says what it finds.",
            "Under `--pid` a new process is not found again: select by `--comm`, `--unit` or `--port`.",
            "Targets that come and go on purpose (test runs): leave this alert out for them by the label `target` in Alertmanager.",
        ],
    },
    Alert {
        name: "AgentDown",
        severity: Critical,
        hold: "2m",
        expr: "up{job=\"@JOB\"} == 0",
        summary: "The agent {{ $labels.instance }} cannot be scraped",
        description: "Prometheus gets no metrics from {{ $labels.instance }}: nothing is watched there, or the way to it is blocked.",
        meaning: "Prometheus cannot get the page. The job is the one of `alerts.job`.",
        causes: "The agent has ended, its address or password has changed, a firewall, an expired certificate.",
        steps: &[
            "On the host: `systemctl status cardlink-obs`, `cardlink-obs test`.",
            "From Prometheus' host: `curl` of the address; the page *Targets* of Prometheus has the error.",
        ],
    },
    Alert {
        name: "AgentStuck",
        severity: Critical,
        hold: "1m",
        expr: "time() - cardlink_obs_page_timestamp_seconds > 60",
        summary: "The agent {{ $labels.instance }} serves an old page",
        description: "The metrics page is {{ $value | humanizeDuration }} old.",
        meaning: "The page is served and not renewed: the agent hangs, or the clocks of the two hosts differ by a minute.",
        causes: "An agent that gets no CPU time, a clock that is wrong.",
        steps: &[
            "`cardlink-obs health --verbose` on the host.",
            "`timedatectl` on both hosts.",
            "`systemctl restart cardlink-obs`, and report it with what `journalctl -u cardlink-obs` has.",
        ],
    },
];
