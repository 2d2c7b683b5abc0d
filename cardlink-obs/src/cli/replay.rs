//! `replay`: a recording, read again.

use super::{CliError, LimitArgs, live, trace::ShowArgs};
use crate::{
    agent::hand_out,
    pipeline::Pipeline,
    sink::{
        Sink,
        metrics::{Metrics, Registry},
        recording::Recording,
        wall::WallClock,
    },
};
use clap::Args;
use std::{path::PathBuf, sync::Arc, time::Instant};

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A file that `run --record` wrote.
    file: PathBuf,
    /// Print the metrics page instead of what happened.
    #[arg(long, conflicts_with = "json")]
    metrics: bool,
    /// Say at the end how many events were read, and how fast.
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

pub fn replay(args: &ReplayArgs) -> Result<i32, CliError> {
    let mut recording = Recording::open(&args.file)?;
    let clock = WallClock::recorded(recording.header.boot_nanos());
    let registry = Arc::new(Registry::new());
    let mut sinks: Vec<Box<dyn Sink>> = if args.metrics {
        vec![Box::new(Metrics::new(Arc::clone(&registry)))]
    } else {
        vec![args.show.sink(clock, live::names(false)?)]
    };
    let mut pipeline = Pipeline::new(live::pipeline_settings(&args.limits));
    let mut observations = Vec::new();
    let mut last = 0;
    let began = Instant::now();
    let result = loop {
        match recording.next_event() {
            Ok(Some(event)) => {
                last = event.at();
                pipeline.handle(&event, &mut observations);
            }
            Ok(None) => break Ok(0),
            // What was read is shown; then the error is told.
            Err(error) => break Err(error.into()),
        }
        hand_out(&mut observations, &mut sinks);
        pipeline.take_orders();
    };
    pipeline.finish(last, &mut observations);
    hand_out(&mut observations, &mut sinks);
    for sink in &mut sinks {
        sink.flush();
    }
    if args.metrics {
        print!("{}", registry.render());
    }
    if args.stats {
        let took = began.elapsed().as_secs_f64();
        let events = recording.events();
        eprintln!("{events} events in {took:.3} s: {:.0} events/s", events as f64 / took.max(f64::MIN_POSITIVE));
    }
    result
}
