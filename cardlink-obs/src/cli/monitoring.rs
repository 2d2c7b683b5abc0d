//! `dashboards` and `alerts`: what is given to Grafana and to Prometheus.

use super::{
    CliError, export,
    flags::{self, ConfigArgs, Flags, Offer},
    out,
};
use crate::monitoring::{alerts as rules, dashboards};
use clap::{Args, Subcommand};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct DashboardsCommand {
    #[command(subcommand)]
    what: Dashboards,
}

#[derive(Debug, Subcommand)]
enum Dashboards {
    /// Write the dashboards as JSON files, for Grafana 9 and later; files of the same names are replaced.
    Export {
        /// Where to; it is made when it is not there.
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct AlertsCommand {
    #[command(subcommand)]
    what: Alerts,
}

#[derive(Debug, Subcommand)]
enum Alerts {
    /// Write the rules as YAML, with these limits.
    Export(Box<ExportArgs>),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Where to; `-` for standard output.
    file: PathBuf,
    /// Recording rules instead: metrics under the names of the platform's own instrumentation, for older dashboards.
    #[arg(long)]
    names: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    flags: Flags<Limits>,
}

/// The settings that `alerts export` takes as flags.
#[derive(Debug, Clone)]
struct Limits;

impl Offer for Limits {
    const SECTIONS: &'static [&'static str] = &["alerts"];
}

pub fn dashboards(args: &DashboardsCommand) -> Result<i32, CliError> {
    let Dashboards::Export { folder } = &args.what;
    fs::create_dir_all(folder).map_err(|error| CliError::File { what: folder.display().to_string(), error })?;
    for dashboard in dashboards::ALL {
        export::write(&folder.join(dashboard.file()), &dashboard.render())?;
        let panels = dashboard.shown().count();
        out::line(format_args!("{:24} {} ({panels} panels)", dashboard.file(), dashboard.title))?;
    }
    out::line(format_args!("{} dashboards in {}", dashboards::ALL.len(), folder.display()))?;
    Ok(0)
}

pub fn alerts(args: &AlertsCommand) -> Result<i32, CliError> {
    let Alerts::Export(args) = &args.what;
    let loaded = flags::load(&args.flags.inputs(args.config.choice(), &[]))?;
    let limits = &loaded.config.alerts;
    let (text, count, what) = if args.names {
        (rules::names(limits), rules::NAMES.len(), "metrics under other names")
    } else {
        (rules::alerts(limits), rules::ALERTS.len(), "alerts")
    };
    if args.file == Path::new("-") {
        out::text(&text)?;
        return Ok(0);
    }
    export::write(&args.file, &text)?;
    out::line(format_args!("{count} {what} in {}", args.file.display()))?;
    Ok(0)
}
