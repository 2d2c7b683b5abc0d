//! `docs`: the pages of the documentation that are made from the program itself. Hidden; a test keeps the files in step.

use super::{CODES, command};
use crate::sink::metrics::table::{self, Kind, Metric};
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
}

impl Page {
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Cli];

    /// The file's name under `docs/`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Metrics => "metrics.md",
            Self::Cli => "cli.md",
        }
    }

    /// The page, in Markdown.
    pub fn render(self) -> String {
        match self {
            Self::Metrics => metrics(),
            Self::Cli => command_line(),
        }
    }
}

pub fn docs(args: &DocsArgs) -> i32 {
    print!("{}", args.page.render());
    0
}

const GENERATED: &str = "<!-- Generated: CARDLINK_OBS_WRITE_DOCS=1 cargo test -p cardlink-obs --test docs -->\n";

const METRICS_HEAD: &str = "\
# Metrics

`cardlink-obs run` serves these at `/metrics`, in the Prometheus text format (gzip when the scraper accepts it). The page is
rendered beside the requests, at most four times a second: a scrape never waits.
`cardlink_obs_page_timestamp_seconds` tells its age.
`cardlink-obs replay --metrics FILE` prints the same page from a recording, without the agent's ledger, probes and ring.

- Durations are seconds, sizes bytes, counters end in `_total`.
- Counters exist with the value 0 before they count, so that `increase()` sees the first failure: those of TLS from the
  moment that a target is known, each suite's from its first handshake, those of an AT command (`ok`, `error`, `timeout`) from its first use.
- Labels have bounded sets of values. Past the bound the value is `other`.
- A connection that is watched at both ends is counted once, at the serving end.
";

/// The page's sections: title, note, and what the names of their metrics begin with.
const GROUPS: [(&str, &str, &[&str]); 4] = [
    ("TLS", "", &["cardlink_tls_"]),
    ("AT commands and programs", "", &["cardlink_at_", "cardlink_program_"]),
    // All others.
    ("Targets and processes", "Figures of processes are read from procfs every `--sample-every`.", &[]),
    ("The agent itself", "", &["cardlink_obs_"]),
];

/// The section that a metric belongs to.
fn group(metric: &Metric) -> &'static str {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| metric.name.starts_with(prefix));
    let found = GROUPS.iter().find(|(_, _, prefixes)| begins(prefixes)).or(GROUPS.get(2));
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
    ("result", "Handshakes: `success`, `failed`. AT commands: see [AT commands](at.md#results)."),
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
    ("device", "Path of the tty. At most 64."),
    ("command", "Name of the AT command without arguments, `?`, `=` or `=?`: `AT+CSQ`, `ATD`, `AT`. At most 200."),
    ("interface", "What the program waited on: `at`."),
    ("type", "`rss`, `vms`; `voluntary`, `involuntary`."),
    ("direction", "`read`, `written`."),
    ("fate", "What became of an event ([the ledger](architecture.md#the-ledger))."),
    ("source", "What lost bytes: `tls`, `at`, `tcp`, or `ring` for events that found no room."),
    ("probe", "Name of the BPF program."),
    (
        "status",
        "`ok`; `not_applicable` (loaded, not needed now); `unsupported` (this kernel has no such hook); `broken`.",
    ),
    ("way", "`io_uring`, `ktls`, `sendfile`, `splice`."),
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

const CLI_HEAD: &str = "\
# Command line

`cardlink-obs COMMAND --help` says the same. Times are written `500ms`, `3s`, `2m`, `1h`, or as a number of seconds.

Selectors of one kind add up, different kinds narrow: `--comm a --comm b --port 8443` watches programs called `a` or `b`
that listen on port 8443. The names of programs are cut to 15 bytes, as the kernel does. Children of a watched process are
watched too.
";

const CLI_TAIL: &str = "
With `-- COMMAND …` the command's exit code is passed on; 128 plus the signal's number when a signal ended it. A run that is
ended by Ctrl-C or SIGTERM has the code 0, or that of its command. Errors are one line on standard error.

## Environment

| Variable | Meaning |
|---|---|
| `CARDLINK_OBS_HASH_KEY` | File with the key for hashes of identities, made when it is not there; otherwise `/var/lib/cardlink-obs/hash.key`. |
| `CARDLINK_OBS_BPF_OBJECT` | Load this BPF object instead of the built-in one (for developers). |
| `NO_COLOR` | When it is set, output has no colours. It has none either when it does not go to a terminal. |
| `TZ` | The time zone of `trace` and `replay`; JSON is in UTC. |

## HTTP

| Path of `--listen` | Answer |
|---|---|
| `/metrics` | The [metrics](metrics.md). |
| `/health/live` | `{\"status\":\"healthy\"}` while the agent runs. |
";

fn command_line() -> String {
    let mut page = format!("{GENERATED}{CLI_HEAD}");
    let mut root = command();
    root.build();
    for subcommand in root.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        if subcommand.get_name() != "help" {
            describe(subcommand, &mut page);
        }
    }
    page.push_str("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in CODES {
        let _ = writeln!(page, "| {code} | {meaning} |");
    }
    page.push_str(CLI_TAIL);
    page
}

fn describe(subcommand: &Command, page: &mut String) {
    let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n## {}\n\n{about}.\n", subcommand.get_name());
    let usage = subcommand.clone().render_usage().to_string();
    let _ = write!(page, "\n    {}\n", usage.trim_start_matches("Usage: "));
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
            let _ = writeln!(page, "| {} | {} |", cell(&name(arg)), cell(&help(arg)));
        }
    }
}

/// `--listen ADDRESS`, `FILE`, `-- COMMAND…`.
fn name(arg: &Arg) -> String {
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
