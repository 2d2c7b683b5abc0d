//! `docs`: the pages of the documentation that are made from the program itself. Hidden; a test keeps the files in step.

use super::{CODES, CliError, command, out, reference};
use crate::{
    monitoring::pages,
    observation::FindingKind,
    sink::metrics::table::{self, Kind, Metric},
};
use clap::{Arg, ArgAction, Args, Command, ValueEnum};
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub struct DocsArgs {
    /// Which page.
    #[arg(value_enum)]
    page: Page,
}

/// A page that is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// `docs/metrics.md`, from the table of metrics.
    Metrics,
    /// `docs/cli.md`, from the command line.
    Cli,
    /// `docs/findings.md`, from the table of findings.
    Findings,
    /// `docs/configuration.md`, from the table of settings.
    Configuration,
    /// `docs/dashboards.md`, from the tables of the dashboards.
    Dashboards,
    /// `docs/alerts.md`, from the table of the alerts.
    Alerts,
}

impl Page {
    pub const ALL: [Self; 6] =
        [Self::Metrics, Self::Cli, Self::Findings, Self::Configuration, Self::Dashboards, Self::Alerts];

    /// The file's name under `docs/`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Metrics => "metrics.md",
            Self::Cli => "cli.md",
            Self::Findings => "findings.md",
            Self::Configuration => "configuration.md",
            Self::Dashboards => "dashboards.md",
            Self::Alerts => "alerts.md",
        }
    }

    /// The page, in Markdown.
    pub fn render(self) -> String {
        match self {
            Self::Metrics => metrics(),
            Self::Cli => command_line(),
            Self::Findings => findings(),
            Self::Configuration => format!("{GENERATED}{}", reference::page()),
            Self::Dashboards => format!("{GENERATED}{}", pages::dashboards()),
            Self::Alerts => format!("{GENERATED}{}", pages::alerts()),
        }
    }
}

pub fn docs(args: &DocsArgs) -> Result<i32, CliError> {
    out::text(&args.page.render())?;
    Ok(0)
}

const GENERATED: &str = "<!-- Generated: CARDLINK_OBS_WRITE_DOCS=1 cargo test -p cardlink-obs --test docs -->\n";

const METRICS_HEAD: &str = "\
# Metrics

`cardlink-obs run` serves these at `/metrics`, in the Prometheus text format (gzip when the scraper accepts it). The page is
rendered beside the requests, at most four times a second: what is small when it is asked for, what is large in advance. A
scrape never waits for what is measured.
A scraper that prefers OpenMetrics (`Accept: application/openmetrics-text; version=1.0.0`, as Prometheus does) gets that. The
series are the same but for the bounds of buckets, which are written as floats there: `le=\"1.0\"` instead of `le=\"1\"`.
`cardlink_obs_page_timestamp_seconds` tells its age.
`cardlink-obs replay --metrics FILE` prints the same page from a recording, without the agent's ledger, probes and ring.

- Durations are seconds, sizes bytes, counters end in `_total`.
- Counters exist with the value 0 before they count, so that `increase()` sees the first failure: those of TLS from the
  moment that a target is known, each suite's from its first handshake, those of an AT command (`ok`, `error`, `timeout`) from its first use.
- Labels have bounded sets of values. Past the bound the value is `other`.
- A connection that is watched at both ends is counted once, at the serving end.
";

/// The page's sections: title, note, and what the names of their metrics begin with.
const GROUPS: [(&str, &str, &[&str]); 7] = [
    ("TLS", "", &["cardlink_tls_"]),
    (
        "Sessions and APDUs",
        "Of connections that can be read ([how](sessions.md#plaintext)). Those of a target exist from its first session on.",
        &["cardlink_session", "cardlink_scp81_", "cardlink_apdu_", "cardlink_findings_"],
    ),
    (
        "Devices on this host",
        "Of modems, readers and phones that a watched program uses ([devices](devices.md)).",
        &["cardlink_device", "cardlink_adb_"],
    ),
    ("AT commands and programs", "", &["cardlink_at_", "cardlink_program_"]),
    ("Databases", "See [databases](databases.md).", &["cardlink_db_"]),
    // All others.
    (
        "Targets and processes",
        "Figures of processes are read from procfs every `--sample-every`, those of connections come as they fail or are closed; what is open when its program ends is not in them.",
        &[],
    ),
    ("The agent itself", "", &["cardlink_obs_"]),
];

/// The section that a metric belongs to.
fn group(metric: &Metric) -> &'static str {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| metric.name.starts_with(prefix));
    let found = GROUPS.iter().find(|(_, _, prefixes)| begins(prefixes)).or(GROUPS.get(5));
    found.map_or("", |(title, ..)| title)
}

/// What the labels mean, in the order of the page.
const LABELS: &[(&str, &str)] = &[
    (
        "target",
        "Who it was: the unit when `--unit` names one, the command's file name after `--`, else the program's name. Never a pid. At most 64.",
    ),
    (
        "outcome",
        "`handshake`; `no_client_hello` (opened and closed without a byte from the client); `not_tls`; `unknown` (under way when the agent came).",
    ),
    (
        "result",
        "Handshakes: `success`, `failed`. AT commands: see [AT commands](at.md#results). Of adb: [results](devices.md#operations). Statements: `ok`, or the [class of the error](databases.md#errors).",
    ),
    ("operation", "What the adb server was asked for ([operations](devices.md#operations))."),
    (
        "db_system",
        "`postgresql`, `sqlite`, `mariadb`, or `mysql` for what speaks MySQL's protocol and has not said that it is MariaDB.",
    ),
    (
        "query_type",
        "What a statement does, by its first word: `SELECT`, `INSERT`, …; `OTHER` for what is not known, `unknown` where the text was not seen. At most 67.",
    ),
    (
        "table",
        "The first table that a statement names, as it is named; empty when there is none, or the text was not seen. At most 100.",
    ),
    (
        "state",
        "Of a connection to a database: `in_use` (a statement or a transaction is under way), `idle`. Of a phone, what the adb server says: `device`, `offline`, `unauthorized`, …",
    ),
    ("cipher_suite", "IANA name of the chosen suite; empty when none was chosen. At most 64."),
    ("failure_reason", "Empty on success; else one of the [reasons](handshakes.md#reasons)."),
    (
        "failure_side",
        "Empty on success; `local` is the watched program, `peer` the other end: the side that ended the handshake.",
    ),
    (
        "phase",
        "`local_compute`, `peer_wait`, `not_ready`: the three add up to the duration ([phases](handshakes.md#phases)).",
    ),
    (
        "device",
        "Of AT commands the path of the tty; of APDUs and errors the name of the device, with a hash for its serial number, and empty for cards over the air. At most 64.",
    ),
    ("error_type", "In a word: [errors](devices.md#errors)."),
    ("command", "Name of the AT command without arguments, `?`, `=` or `=?`: `AT+CSQ`, `ATD`, `AT`. At most 200."),
    (
        "suite_name",
        "Of pytest the module and classes, `tests.test_card.TestPin`; else the suite's name in the report ([tests](tests.md)). At most 256, then `other`.",
    ),
    ("interface", "What the program waited on: `at`."),
    ("type", "`rss`, `vms`; `voluntary`, `involuntary`."),
    ("direction", "Of storage: `read`, `written`. Of APDUs: `sent` (C-APDUs), `received` (R-APDUs)."),
    (
        "fate",
        "What became of an event ([the ledger](architecture.md#the-ledger)), of a span ([bounds](traces.md#bounds)), or of an event for the recording (`written`, `lost`).",
    ),
    ("signal", "`traces`, `metrics`."),
    ("source", "What lost bytes: `tls`, `at`, `tcp`, `pcsc`, or `ring` for events that found no room."),
    ("probe", "Name of the BPF program."),
    ("check", "Name of the [health check](health.md)."),
    (
        "reason",
        "Why a connection is not read: `no_key_file`, `no_key_for_identity`, `forward_secrecy`, … ([all](sessions.md#why-not)). Empty when it is. Of databases: the [class of the error](databases.md#errors), or why nobody [took the connection](databases.md#connections). Of connections: [why not](troubleshooting.md#it-has-no-connection).",
    ),
    (
        "device_type",
        "What answers the APDUs: `uicc` (a card over the air; among the connected devices a card in a reader), `reader`, `modem`, `phone`.",
    ),
    (
        "session_type",
        "`triggered` (a trigger SMS of a watched program), `polled` (messages are watched, and there was none), `unknown`.",
    ),
    (
        "trigger_type",
        "What a trigger SMS asks the card for: `scp81`, `bip`, `cat_tp`; `sms_pp` for all that is enciphered, or something else.",
    ),
    (
        "party",
        "`server`: request complete to response complete. `peer`: response complete to next request; bearer, terminal and card.",
    ),
    (
        "command_type",
        "Name of the command: `SELECT`, `GET_STATUS`, …; `INS_XX` when it has none, `UNSEEN` when only its answer was seen.",
    ),
    (
        "status_word",
        "The status word, folded where it counts or measures: `9000`, `6A82`, `61xx`, `6Cxx`, `91xx`, `92xx`, `9Fxx`, `63Cx`. At most 128.",
    ),
    ("status_category", "`success`, `warning`, `error`."),
    ("finding", "One of the [findings](findings.md)."),
    (
        "status",
        "Sessions: `completed`, `failed`, `timeout`. Tests: `passed`, `failed`, `skipped`, `error`, `xfailed`, `xpassed`, `rerun`, `unknown`. Probes: `ok`; `not_applicable` (loaded, not needed now); `unsupported` (not possible on this kernel or in this target); `broken`.",
    ),
    (
        "way",
        "Of plaintext: `clear`, `null_suite`, `key_file`, a TLS library's name, or `none`. Past the probes: `io_uring`, `ktls`, `sendfile`, `splice`.",
    ),
    ("version", "Of the agent. `platform`, `kernel` and `bpf_object` say where it runs and with which object."),
];

fn metrics() -> String {
    let mut page = format!("{GENERATED}{METRICS_HEAD}");
    for (title, note, _) in GROUPS {
        let _ = write!(page, "\n## {title}\n\n");
        if !note.is_empty() {
            let _ = write!(page, "{note}\n\n");
        }
        page.push_str("| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n");
        for metric in table::ALL.iter().filter(|metric| group(metric) == title) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = kind(metric.kind);
            let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help);
        }
    }
    page.push_str("\n## Labels\n\n| Label | Values |\n|---|---|\n");
    for (label, meaning) in LABELS {
        let _ = writeln!(page, "| `{label}` | {meaning} |");
    }
    page.push_str("\n## Buckets\n\nUpper bounds, in seconds. A value on a boundary belongs to the lower bucket.\n\n");
    page.push_str("| Histogram | Buckets |\n|---|---|\n");
    for metric in table::ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
            let _ = writeln!(page, "| `{}` | {} |", metric.name, bounds.join(", "));
        }
    }
    page
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

const FINDINGS_HEAD: &str = "\
# Findings

What the agent says about either side when it breaks Amendment B, or does what it should not. Findings need plaintext
([sessions](sessions.md#plaintext)). They are counted in `cardlink_findings_total{finding}`, shown by `trace`, and of type
`finding` in its JSON, each with the connection, the session and what exactly was seen. Those about a whole session are
told once in it. Those about [devices](devices.md) need no plaintext, and name the device.

An `error` breaks the specification or loses something, a `warning` works here and may not elsewhere, a `note` is worth
knowing.
";

fn findings() -> String {
    let mut page = format!("{GENERATED}{FINDINGS_HEAD}");
    for kind in FindingKind::ALL {
        let _ = write!(
            page,
            "\n## {}\n\n*{}*, {}: {}.\n\nLikely cause and cure: {}.\n",
            kind.as_str(),
            kind.severity().as_str(),
            kind.clause(),
            kind.sentence(),
            kind.cure()
        );
    }
    page
}

const CLI_HEAD: &str = "\
# Command line

`cardlink-obs COMMAND --help` says the same. Times are written `500ms`, `3s`, `2m`, `1h`, or as a number of seconds.

Selectors of one kind add up, different kinds narrow: `--comm a --comm b --port 8443` watches programs called `a` or `b`
that listen on port 8443. The names of programs are cut to 15 bytes, as the kernel does. Children of a watched process are
watched too.
";

const CLI_TAIL: &str = "
With `-- COMMAND …` the command's exit code is passed on; 128 plus the signal's number when a signal ended it. A run that is
ended by Ctrl-C or SIGTERM has the code 0, or that of its command, which gets the signal and is waited for (SIGTERM is passed on; a
Ctrl-C reaches both from the terminal, so a SIGINT that was sent to the agent alone is not passed on); the same signal once
more does not wait. Errors are one line on standard error.

When whoever reads standard output goes away (`cardlink-obs trace | head -1`), `trace` and `replay` end at once with the code 0;
with `-- COMMAND`, `trace` goes on in silence until the command ends, and passes its code on. Other commands end with the code
that they would have had. None of them says a word about it.

## Environment

Every [setting](configuration.md) has a variable. Besides these:

| Variable | Meaning |
|---|---|
| `CARDLINK_OBS_CONFIG` | The configuration, as `--config` names it. |
| `CARDLINK_OBS_BPF_OBJECT` | Load this BPF object instead of the built-in one (for developers). |
| `NO_COLOR` | When it is set, output and log have no colours. They have none either where they do not go to a terminal, or to one that knows none (`TERM=dumb`). |
| `TZ` | The time zone of `trace` and `replay`; JSON is in UTC. |

## HTTP

| Path of `--listen` | Answer |
|---|---|
| `/metrics` (or `metrics.path`) | The [metrics](metrics.md), in the classic text format or, when asked for by `Accept`, in OpenMetrics 1.0.0; 503 when `metrics.enabled` is off. |
| `/health`, `/health/live`, `/health/ready` | [Health](health.md), as JSON. |
| `/` | Which paths there are. |
";

fn command_line() -> String {
    let mut page = format!("{GENERATED}{CLI_HEAD}");
    let mut root = command();
    root.build();
    for subcommand in root.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        if subcommand.get_name() != "help" {
            describe(subcommand, "##", &mut page);
        }
    }
    page.push_str("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in CODES {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page.push_str(CLI_TAIL);
    page
}

fn describe(subcommand: &Command, level: &str, page: &mut String) {
    let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = subcommand.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    // `cardlink-obs config init [OPTIONS]`: the heading is what stands before the brackets.
    let words = usage.split_whitespace().skip(1).take_while(|word| !word.starts_with(['[', '<', '-']));
    let name = words.collect::<Vec<_>>().join(" ");
    let _ = write!(page, "\n{level} {name}\n\n{about}.\n");
    let _ = write!(page, "\n    {usage}\n");
    let shown: Vec<&Arg> =
        subcommand.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "help").collect();
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in &shown {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    // What has no heading of its own is the subcommand's own: it comes first.
    headings.sort_by_key(Option::is_some);
    for heading in headings {
        let _ = write!(page, "\n| {} | |\n|---|---|\n", heading.unwrap_or("Options"));
        for arg in shown.iter().filter(|arg| arg.get_help_heading() == heading) {
            let _ = writeln!(page, "| {} | {} |", cell(&label(arg)), cell(&help(arg)));
        }
    }
    for below in subcommand.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        describe(below, "###", page);
    }
}

/// `--listen ADDRESS`, `FILE`, `-- COMMAND…`.
fn label(arg: &Arg) -> String {
    let values: Vec<&str> = arg.get_value_names().unwrap_or_default().iter().map(clap::builder::Str::as_str).collect();
    let values = if takes_value(arg) { values.join(" ") } else { String::new() };
    let repeats = if matches!(arg.get_action(), ArgAction::Append) { "…" } else { "" };
    match arg.get_long() {
        Some(long) => format!("`{}`{repeats}", format!("--{long} {values}").trim_end()),
        None if arg.is_last_set() => format!("`-- {values} …`"),
        None => format!("`{values}`"),
    }
}

fn help(arg: &Arg) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !help.ends_with('.') {
        help.push('.');
    }
    if takes_value(arg) {
        let values: Vec<String> = arg
            .get_possible_values()
            .iter()
            .map(|value| match value.get_help() {
                Some(meaning) => format!("`{}`: {meaning}", value.get_name()),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            let _ = write!(help, " {}.", values.join("; "));
        }
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if !defaults.is_empty() {
            let _ = write!(help, " Default: {}.", defaults.join(", "));
        }
    }
    if matches!(arg.get_action(), ArgAction::Append) && !arg.is_last_set() {
        help.push_str(" May be repeated.");
    }
    help
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
