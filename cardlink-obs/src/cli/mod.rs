//! The command line.

mod docs;
mod doctor;
mod exit;
mod live;
mod replay;
mod run;
mod trace;

pub use docs::Page;
pub use exit::{CODES, CliError};

use crate::{
    capture::selector::Selectors,
    logging::{self, LogFormat},
};
use clap::{Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use regex::Regex;
use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

/// Watches PSK-TLS servers and modem programs of SIM/UICC over-the-air administration from outside.
#[derive(Debug, Parser)]
#[command(name = "cardlink-obs", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Watch programs and serve what is measured to Prometheus.
    Run(run::RunArgs),
    /// Watch programs and print what happens.
    Trace(trace::TraceArgs),
    /// Read a recording again, without root: the same observations and metrics.
    Replay(replay::ReplayArgs),
    /// Say what can be seen on this host and of these programs, and what not.
    Doctor(doctor::DoctorArgs),
    /// Print a page of the documentation that is made from the program itself.
    #[command(hide = true)]
    Docs(docs::DocsArgs),
}

/// Who is watched. *Or* within a kind of selector, *and* across kinds.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Who is watched")]
struct SelectorArgs {
    /// A running process.
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// Whoever listens on this TCP port.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// Processes of this name (`ps -o comm`), running or started later.
    #[arg(long, value_name = "NAME")]
    comm: Vec<String>,
    /// Processes of this executable: a full path, or a file name.
    #[arg(long, value_name = "PATH")]
    exe: Vec<PathBuf>,
    /// Processes whose command line matches.
    #[arg(long, value_name = "REGEX")]
    cmdline: Vec<Regex>,
    /// Processes of this systemd unit.
    #[arg(long, value_name = "UNIT")]
    unit: Vec<String>,
    /// Processes in this control group, or below it.
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<String>,
    /// Start this command and watch it; its exit code is passed on.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl SelectorArgs {
    fn selectors(&self) -> Selectors {
        Selectors {
            pids: self.pid.clone(),
            ports: self.port.clone(),
            comms: self.comm.iter().map(|comm| comm.chars().take(15).collect()).collect(),
            exes: self.exe.clone(),
            cmdlines: self.cmdline.clone(),
            units: self.unit.clone(),
            cgroups: self.cgroup.clone(),
        }
    }
}

/// How the kernel side is set up.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kernel side")]
struct KernelArgs {
    /// Size of the ring buffer in KiB: a power of two, at least 4.
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = ring_size)]
    ring_kib: u32,
    /// Let the BPF programs tell about themselves, at this level (1 error to 5 trace).
    #[arg(long, value_name = "LEVEL", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=5))]
    bpf_log: u8,
    /// Let the kernel measure what each probe costs (`cardlink_obs_probe_cost_seconds_total`).
    #[arg(long)]
    probe_cost: bool,
    /// Load this BPF object instead of the built-in one.
    #[arg(long, value_name = "FILE", env = "CARDLINK_OBS_BPF_OBJECT", hide = true)]
    bpf_object: Option<PathBuf>,
}

fn ring_size(text: &str) -> Result<u32, String> {
    let size: u32 = text.parse().map_err(|_| String::from("a number of KiB is wanted"))?;
    if size.is_power_of_two() && (4..=1 << 20).contains(&size) {
        Ok(size)
    } else {
        Err(String::from("must be a power of two from 4 to 1048576"))
    }
}

/// The agent's own log, on standard error.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
struct LogArgs {
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// A level, or levels per component: `info,cardlink_obs::capture=debug`.
    #[arg(long, value_name = "LEVELS", default_value = "info")]
    log_level: String,
}

impl LogArgs {
    fn start(&self) -> Result<(), CliError> {
        logging::start(self.log_format, &self.log_level).map_err(CliError::Usage)
    }
}

/// Limits of the trackers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// A handshake in which nothing moves for so long has timed out.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    handshake_timeout: Duration,
    /// An AT command without a final result code after so long has timed out.
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = duration)]
    at_timeout: Duration,
}

/// `500ms`, `3s`, `2m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| String::from("a time is wanted, like 500ms, 3s or 2m"))?;
    let scale = match unit.trim() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(String::from("the unit must be us, ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * scale).map_err(|_| String::from("that time is too long"))
}

/// The command line, described: what `docs/cli.md` is made of.
pub fn command() -> Command {
    // doctor starts no command and takes no events, so it does not offer what is for that.
    let not_for_doctor = ["command", "ring_kib", "bpf_log", "probe_cost"];
    Cli::command().mut_subcommand("doctor", |doctor| {
        not_for_doctor.into_iter().fold(doctor, |doctor, name| doctor.mut_arg(name, |arg| arg.hide(true)))
    })
}

/// Runs the command line; never panics on input.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Subcommands::Run(args) => run::run(&args),
        Subcommands::Trace(args) => trace::trace(&args),
        Subcommands::Replay(args) => replay::replay(&args),
        Subcommands::Doctor(args) => doctor::doctor(&args),
        Subcommands::Docs(args) => Ok(docs::docs(&args)),
    };
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cardlink-obs: {error}");
            error.code()
        }
    };
    ExitCode::from(u8::try_from(code.clamp(0, 255)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::{command, duration};
    use std::time::Duration;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert!(duration("soon").is_err());
        assert!(duration("3 days").is_err());
    }
}
