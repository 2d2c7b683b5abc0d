//! `trace`: what happens, for people, or as JSON for programs.

use super::{CliError, KernelArgs, LimitArgs, LogArgs, SelectorArgs, duration, live};
use crate::{
    agent::{Deserted, Run},
    sink::{
        Sink,
        json::Json,
        names::Names,
        text::{Filter, Text},
        wall::WallClock,
    },
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

#[derive(Debug, Args)]
pub struct TraceArgs {
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    show: ShowArgs,
    /// Show PSK identities as they are, not as hashes.
    #[arg(long, help_heading = "What is shown")]
    clear_identities: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    kernel: KernelArgs,
}

pub fn trace(args: &TraceArgs) -> Result<i32, CliError> {
    args.log.start()?;
    let live = live::start(&args.selectors, &args.kernel, &args.limits, Duration::ZERO)?;
    let sink = args.show.sink(WallClock::of_this_host(), live::names(args.clear_identities)?);
    let outcome = Run {
        capture: live.capture,
        pipeline: live.pipeline,
        sinks: vec![sink],
        recorder: None,
        command: live.command,
        deserted: if live.open_ended { Deserted::Wait } else { Deserted::Stop },
        after_drain: Box::new(|_, _, _| {}),
    }
    .until_stopped(&live.signals)?;
    outcome.capture.leave();
    Ok(outcome.command.unwrap_or(0))
}
