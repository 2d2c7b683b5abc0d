//! `replay`: a recording, read again.

use super::{
    CliError,
    flags::{self, Flags, Offer},
    live::{self, Plaintext},
    otlp, out,
    trace::{Failure, ShowArgs},
};
use crate::{
    agent::hand_out,
    config::{Config, FileChoice},
    observation::Observation,
    pipeline::Pipeline,
    protocol::tls::open::Keyring,
    sink::{
        Sink,
        metrics::{Metrics, Registry},
        otlp as sink_otlp,
        recording::{Header, Recording},
        spans::{Ids, Spans},
        wall::WallClock,
    },
    track::Kept,
    words::counted,
};
use clap::Args;
use std::{
    io::{self, Write as _},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// The settings that `replay` takes. A file of the host it runs on is not one that the recording was made with.
#[derive(Debug, Clone)]
pub struct Replayed;

impl Offer for Replayed {
    const SECTIONS: &'static [&'static str] = &["tracing", "limits", "sessions", "databases"];
}

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
    flags: Flags<Replayed>,
}

/// The collector may take so long for the last spans.
const GRACE: Duration = Duration::from_secs(10);

/// As they were when it was made.
fn ids(header: &Header) -> Ids {
    Ids::new(if header.boot_id.is_empty() { &header.boot } else { &header.boot_id })
}

/// Reads the events of a recording through the pipeline.
pub struct Player {
    pipeline: Pipeline,
    keyring: Option<Arc<Keyring>>,
}

impl Player {
    pub fn new(header: &Header, config: &Config) -> Result<Self, CliError> {
        let vault = live::vault(config)?;
        if config.sessions.psk_file.is_some() && !header.ciphertext {
            tracing::warn!(
                "this recording holds no ciphertext: the key file is of no use (record with --record-ciphertext)"
            );
        }
        let recorded = if header.ciphertext { Kept::Clear } else { Kept::All };
        let plaintext = Plaintext { recorded, tap: Kept::None };
        let pipeline = Pipeline::new(live::pipeline_settings(config, &vault, plaintext));
        Ok(Self { pipeline, keyring: vault.keyring() })
    }

    /// Hands out what is told, to the end, or until `take` wants no more. What comes before an error in the file is told,
    /// too.
    pub fn play(
        &mut self,
        recording: &mut Recording,
        take: &mut dyn FnMut(&mut Vec<Observation>) -> ControlFlow<()>,
    ) -> Result<(), CliError> {
        let mut observations = Vec::new();
        let mut last = 0;
        let result = loop {
            match recording.next_event() {
                Ok(Some(event)) => {
                    last = event.at();
                    self.pipeline.handle(&event, &mut observations);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
            if take(&mut observations).is_break() {
                return Ok(());
            }
            self.pipeline.take_orders();
        };
        self.pipeline.finish(last, &mut observations);
        let _ = take(&mut observations);
        result
    }
}

pub fn replay(args: &ReplayArgs) -> Result<i32, CliError> {
    let loaded = flags::load(&args.flags.inputs(FileChoice::None, &[]))?;
    let config = &loaded.config;
    let mut recording = Recording::open(&args.file)?;
    let clock = WallClock::recorded(recording.header.boot_nanos());
    let registry = Arc::new(Registry::new());
    let mut player = Player::new(&recording.header, config)?;
    let names = live::names(config, false, player.keyring.as_deref())?;
    let failed = Failure::default();
    let mut sinks: Vec<Box<dyn Sink>> = if args.metrics {
        vec![Box::new(Metrics::new(Arc::clone(&registry)).naming(names.clone()))]
    } else {
        vec![args.show.sink(&failed, clock, names.clone())]
    };
    let sender = match otlp::settings(&loaded)? {
        // Its metrics are of now, and what is read is not.
        Some(settings) if settings.traces.is_some() => {
            let settings = sink_otlp::Settings { metrics: None, ..settings };
            let sender = sink_otlp::start(&settings, Arc::clone(&registry), &recording.header.host, None)?;
            let spans = Spans::new(ids(&recording.header), names.clone(), settings.sampling);
            let clock = WallClock::recorded(recording.header.boot_nanos());
            sinks.extend(sender.sink(spans, clock).map(|sink| Box::new(sink.patient()) as Box<dyn Sink>));
            Some(sender)
        }
        _ => None,
    };
    let began = Instant::now();
    // What a collector is to get does not depend on who reads what is printed.
    let may_stop = sender.is_none() && !args.metrics;
    let result = player.play(&mut recording, &mut |observations| {
        hand_out(observations, &mut sinks);
        if may_stop && (failed.borrow().is_some() || sinks.iter().any(|sink| sink.is_unread())) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    for sink in &mut sinks {
        sink.flush();
    }
    drop(sinks);
    if let Some(sender) = sender {
        let lost = sender.stop(GRACE);
        if lost > 0 {
            out::complain(format_args!("spans that could not be sent to the OTLP collector: {lost}"));
        }
    }
    if args.metrics {
        out::text(&registry.render())?;
    }
    if args.stats {
        let took = began.elapsed().as_secs_f64();
        let events = recording.events();
        let events_told = counted(events, "event", "events");
        let rate = events as f64 / took.max(f64::MIN_POSITIVE);
        let _ = writeln!(io::stderr(), "{events_told} in {took:.3} s: {rate:.0} events/s");
    }
    if let Some(error) = failed.take() {
        return Err(CliError::File { what: String::from("standard output"), error });
    }
    result.map(|()| 0)
}
