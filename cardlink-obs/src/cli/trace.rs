//! `trace`: what happens, for people, or as JSON for programs.

use super::{
    CliError,
    flags::{self, CommandArgs, ConfigArgs, Flags, Offer},
    live,
};
use crate::{
    agent::{Deserted, Run},
    client::OwnConnections,
    config::{Log, duration},
    logging,
    sink::{
        Sink,
        json::Json,
        names::Names,
        text::{Filter, Text},
        wall::WallClock,
    },
    track::Kept,
};
use clap::Args;
use std::{io, time::Duration};

/// What is shown, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What is shown")]
pub struct ShowArgs {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only what failed.
    #[arg(long)]
    failed: bool,
    /// Only what took at least so long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    slower: Option<Duration>,
    /// Only the connection of this number.
    #[arg(long, value_name = "N")]
    conn: Option<u64>,
    /// Only peers whose address begins with this.
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<String>,
    /// Closes, unsolicited result codes, and every process that starts or ends, too.
    #[arg(long)]
    all: bool,
}

impl ShowArgs {
    fn filter(&self) -> Filter {
        Filter {
            failed: self.failed,
            slower: self.slower,
            connection: self.conn,
            peer: self.peer.clone(),
            all: self.all,
        }
    }

    /// The sink that was asked for, on standard output.
    pub fn sink(&self, clock: WallClock, names: Names) -> Box<dyn Sink> {
        if self.json {
            Box::new(Json::new(io::BufWriter::new(io::stdout()), clock, names, self.filter()))
        } else {
            Box::new(Text::new(anstream::AutoStream::auto(io::stdout()), clock, names, self.filter()))
        }
    }
}

/// The settings that `trace` takes.
#[derive(Debug, Clone)]
pub struct Traced;

impl Offer for Traced {
    const SECTIONS: &'static [&'static str] = &["watch", "log", "limits", "sessions", "kernel"];
    // The log file is the service's.
    const BUT: &'static [&'static str] = &["log-file", "log-max-mib", "log-keep"];
}

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    flags: Flags<Traced>,
    #[command(flatten)]
    command: CommandArgs,
    #[command(flatten)]
    show: ShowArgs,
    /// Show PSK identities as they are, not as hashes.
    #[arg(long, help_heading = "What is shown")]
    clear_identities: bool,
}

pub fn trace(args: &TraceArgs) -> Result<i32, CliError> {
    let words = &args.command.command;
    let loaded = flags::load(&args.flags.inputs(args.config.choice(), words))?;
    let config = &loaded.config;
    logging::start(&Log { file: None, ..config.log.clone() })?;
    flags::warn_of_strange(&loaded);
    let what =
        live::What { sample_every: Duration::ZERO, tap: Kept::None, reloads: false, trace_context: false, run: None };
    let live = live::start(config, words, what)?;
    let sink = args
        .show
        .sink(WallClock::of_this_host(), live::names(config, args.clear_identities, live.vault.keyring().as_deref())?);
    let outcome = Run {
        capture: live.capture,
        pipeline: live.pipeline,
        sinks: vec![sink],
        recorder: None,
        command: live.command,
        deserted: if live.open_ended { Deserted::Wait } else { Deserted::Stop },
        after_drain: Box::new(|_, _, _| {}),
        reload: Box::new(|_, _| {}),
        own: OwnConnections::default(),
    }
    .until_stopped(&live.signals)?;
    outcome.capture.leave();
    Ok(outcome.command.unwrap_or(0))
}
