//! `run`: watch, and serve what is measured.

use super::{CliError, KernelArgs, LimitArgs, LogArgs, SelectorArgs, duration, live};
use crate::{
    agent::{Deserted, Run},
    server,
    sink::{
        Sink,
        log::Log,
        metrics::{Metrics, Registry, own::Own},
        text::{Filter, Text},
        wall::WallClock,
    },
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where Prometheus scrapes.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Between two readings of the processes' figures; 0 for none.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    sample_every: Duration,
    /// Keep the events in a file, for `cardlink-obs replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Begin a new file when this one has so many MiB; the old one becomes FILE.1. 0 for no limit.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    record_max_mib: u64,
    /// Print what happens, as `trace` does, instead of logging what fails.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    kernel: KernelArgs,
}

pub fn run(args: &RunArgs) -> Result<i32, CliError> {
    args.log.start()?;
    let mut live = live::start(&args.selectors, &args.kernel, &args.limits, args.sample_every)?;
    let names = live::names(false)?;
    let registry = Arc::new(Registry::new());
    let mut own = Own::new(Arc::clone(&registry), args.kernel.ring_kib * 1024);
    own.probes(live.capture.probes());
    let server = server::start(args.listen, Arc::clone(&registry))?;
    tracing::info!("metrics at http://{}/metrics", server.address);
    let recorder =
        args.record.as_deref().map(|path| live::recorder(path, args.record_max_mib << 20, &names)).transpose()?;
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Metrics::new(Arc::clone(&registry)))];
    if args.verbose {
        // It says all that the log would, and more readably.
        let out = anstream::AutoStream::auto(std::io::stdout());
        sinks.push(Box::new(Text::new(out, WallClock::of_this_host(), names, Filter::default())));
    } else {
        sinks.push(Box::new(Log::new(names)));
    }
    let page = server.page();
    let outcome = Run {
        capture: live.capture,
        pipeline: live.pipeline,
        sinks,
        recorder,
        command: live.command.take(),
        deserted: if live.open_ended { Deserted::Wait } else { Deserted::Tell },
        after_drain: Box::new(move |capture, pipeline, count| {
            if own.after_drain(capture, pipeline.open_streams(), count) || count > 0 {
                page.changed();
            }
        }),
    }
    .until_stopped(&live.signals)?;
    server.stop();
    if let Some(recorder) = outcome.recorder {
        recorder.finish()?;
    }
    outcome.capture.leave();
    Ok(outcome.command.unwrap_or(0))
}
