//! The command line.

#![deny(clippy::print_stdout, reason = "`out` writes it, and bears a reader that goes away")]

mod compare;
mod config;
mod docs;
mod doctor;
mod exit;
mod export;
mod flags;
mod follow;
mod health;
mod id;
mod live;
mod log;
mod monitoring;
mod narrow;
mod otlp;
mod out;
mod probe;
mod reference;
mod reload;
mod remote;
mod replay;
mod run;
mod shell;
mod socket;
mod status;
mod trace;

pub use docs::Page;
pub use exit::{CODES, CliError};

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;

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
    Run(Box<run::RunArgs>),
    /// Watch programs and print what happens.
    Trace(trace::TraceArgs),
    /// Read a recording again, without root: the same observations and metrics.
    Replay(replay::ReplayArgs),
    /// Compare two recordings: what got slower, what faster, which errors are new.
    Compare(compare::CompareArgs),
    /// Say what can be seen on this host and of these programs, and what not.
    Doctor(doctor::DoctorArgs),
    /// Say what a running agent has seen so far.
    Status(status::StatusArgs),
    /// Write all metrics of a running agent.
    Export(export::ExportArgs),
    /// Say how a running agent is, and what it looks after; the exit code says it, too.
    Health(health::HealthArgs),
    /// The log of a running agent.
    Log(log::LogCommand),
    /// Try whether what a running agent offers can be had.
    Test(probe::TestArgs),
    /// The configuration: write, show, change, check.
    Config(config::ConfigCommand),
    /// Say under which names a card, an agent id or a device appears on this host.
    Id(id::IdArgs),
    /// Dashboards for Grafana.
    Dashboards(monitoring::DashboardsCommand),
    /// Alerts for Prometheus.
    Alerts(monitoring::AlertsCommand),
    /// Print a script that completes this command line.
    Completions(shell::CompletionsArgs),
    /// Write the manual pages.
    #[command(hide = true)]
    Man(shell::ManArgs),
    /// Print a page of the documentation that is made from the program itself.
    #[command(hide = true)]
    Docs(docs::DocsArgs),
}

/// The command line, described: what `docs/cli.md` is made of.
pub fn command() -> Command {
    Cli::command()
}

/// Runs the command line; never panics on input.
pub fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Subcommands::Run(args) => run::run(&args),
        Subcommands::Trace(args) => trace::trace(&args),
        Subcommands::Replay(args) => replay::replay(&args),
        Subcommands::Compare(args) => compare::compare(&args),
        Subcommands::Doctor(args) => doctor::doctor(&args),
        Subcommands::Status(args) => status::status(&args),
        Subcommands::Export(args) => export::export(&args),
        Subcommands::Health(args) => health::health(&args),
        Subcommands::Log(args) => log::log(&args),
        Subcommands::Test(args) => probe::test(&args),
        Subcommands::Dashboards(args) => monitoring::dashboards(&args),
        Subcommands::Id(args) => id::id(&args),
        Subcommands::Alerts(args) => monitoring::alerts(&args),
        Subcommands::Completions(args) => shell::completions(&args),
        Subcommands::Man(args) => shell::man(&args),
        Subcommands::Config(args) => config::config(&args),
        Subcommands::Docs(args) => docs::docs(&args),
    };
    let code = match result {
        Ok(code) => code,
        Err(error) => {
            for line in error.to_string().lines() {
                out::complain(line);
            }
            error.code()
        }
    };
    ExitCode::from(u8::try_from(code.clamp(0, 255)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
