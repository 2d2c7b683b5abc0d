//! `run`: watch, and serve what is measured.

use super::{
    CliError,
    flags::{self, CommandArgs, ConfigArgs, Flags, Offer},
    live, otlp, out,
    reload::Reloader,
};
use crate::{
    agent::{Deserted, Run},
    capture,
    control::{self, ControlError, Followed, Hub, Waker},
    health::{self, Facts, Health},
    logging,
    observation::Stamp,
    server,
    service::Manager,
    sink::{
        Sink,
        log::Log,
        metrics::{Metrics, Registry, own::Own, page::Page},
        otlp::{self as sink_otlp, Settings},
        recording::Recorder,
        spans::{Contexts, Ids, RunSpan, Spans},
        text::{Filter, Text},
        wall::WallClock,
    },
    track::Kept,
};
use clap::Args;
use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

/// The settings that `run` takes as flags: all that have one.
#[derive(Debug, Clone)]
pub struct Served;

impl Offer for Served {
    const SECTIONS: &'static [&'static str] =
        &["watch", "metrics", "record", "log", "limits", "sessions", "databases", "tracing", "control", "kernel"];
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print what happens, as `trace` does, instead of logging what fails.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    flags: Flags<Served>,
    #[command(flatten)]
    command: CommandArgs,
}

/// What is left is sent to the collector for so long at the end.
const GRACE: Duration = Duration::from_millis(600);

pub fn run(args: &RunArgs) -> Result<i32, CliError> {
    let words = &args.command.command;
    let inputs = args.flags.inputs(args.config.choice(), words);
    let loaded = flags::load(&inputs)?;
    let config = loaded.config.clone();
    let otlp = otlp::settings(&loaded)?;
    let lines = otlp.as_ref().and_then(|settings| settings.logs.as_ref()).map(|_| sink_otlp::Lines::default());
    let logging = logging::start(&config.log, lines.clone())?;
    flags::warn_of_strange(&loaded);
    // What may fail comes before the probes are attached, and what needs privileges before they are dropped.
    let bound = server::bind(&config)?;
    let bound_control = control::bind(&config.control.socket)?;
    let traces = otlp.as_ref().filter(|settings| settings.traces.is_some());
    let ids = Ids::of_this_host();
    let mut run = traces.and_then(|settings| begin(words, &ids, settings));
    let tap = match (&config.record.file, config.record.ciphertext) {
        (None, _) => Kept::None,
        (Some(_), true) => Kept::Clear,
        (Some(_), false) => Kept::All,
    };
    let what = live::What {
        sample_every: config.metrics.sample_every,
        tap,
        reloads: true,
        trace_context: traces.is_some(),
        run: run.as_ref().map(RunSpan::trace_parent),
    };
    let mut live = live::start(&config, words, what)?;
    if let Some(run) = &mut run {
        run.released(live.released);
    }
    let names = live::names(&config, false, live.vault.keyring().as_deref())?;
    let recorder = config
        .record
        .file
        .as_deref()
        .map(|path| live::recorder(path, config.record.max_mib << 20, &names, config.record.ciphertext))
        .transpose()?;
    let progress = recorder.as_ref().map(Recorder::progress);
    let registry = Arc::new(Registry::new());
    let mut own = Own::new(Arc::clone(&registry), config.kernel.ring_kib * 1024);
    own.probes(live.capture.probes());
    let page = Page::start(Arc::clone(&registry))?;
    let mut facts = Facts::new(Arc::clone(&registry), Arc::clone(&page));
    facts.certificate.clone_from(&config.metrics.tls_certificate);
    facts.ports.clone_from(&config.watch.port);
    facts.recording.clone_from(&progress);
    let facts = Arc::new(facts);
    let health = Health::new(Arc::clone(&facts));
    tracing::info!("metrics at {}", bound.url);
    let url = bound.url.clone();
    let server = bound.serve(Arc::clone(&page), health.clone())?;
    if config.health.enabled {
        health.configure(&config.health.checks)?;
        if progress.is_some() {
            health.register(health::recording(&facts))?;
        }
    }
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(Metrics::new(Arc::clone(&registry)).naming(names.clone()))];
    let sender = otlp
        .as_ref()
        .map(|settings| sink_otlp::start(settings, Arc::clone(&registry), &live::host_name(), lines))
        .transpose()?;
    if let (Some(settings), Some(sender)) = (&otlp, &sender) {
        let spans = Spans::new(ids.clone(), names.clone(), settings.sampling);
        sinks.extend(sender.sink(spans, WallClock::of_this_host()).map(|sink| Box::new(sink) as Box<dyn Sink>));
    }
    let called = names.clone();
    if args.verbose {
        // It says all that the log would, and more readably.
        sinks.push(Box::new(Text::new(out::stdout(), WallClock::of_this_host(), names, Filter::default())));
    } else {
        sinks.push(Box::new(Log::new(names, traces.map(|_| Contexts::new(ids)))));
    }
    let server = Arc::new(server);
    let waker = Waker::new().map_err(ControlError::System)?;
    let control = match bound_control {
        Some(bound) => {
            let hub = Arc::new(Hub::new(waker.clone()));
            sinks.push(Box::new(Followed::new(Arc::clone(&hub), called.clone())));
            let (page, health, access) = (Arc::clone(&page), health.clone(), server.access.clone());
            let agent = control::Agent { page, health, access, logging: logging.clone(), url: url.clone() };
            tracing::info!("control socket at {}", bound.path().display());
            Some(bound.serve(agent, hub)?)
        }
        None => None,
    };
    let mut reloader = Reloader {
        inputs,
        names: called,
        started: loaded.clone(),
        current: loaded,
        logging,
        vault: live.vault,
        tap,
        health: health.clone(),
        server: Arc::clone(&server),
    };
    let own_connections = facts.own.clone();
    let status = format!("watching; metrics at {url}");
    let manager = &Manager::of_environment();
    manager.ready(&status);
    let outcome = Run {
        capture: live.capture,
        pipeline: live.pipeline,
        sinks,
        recorder,
        command: live.command.take(),
        deserted: if live.open_ended { Deserted::Wait } else { Deserted::Tell },
        after_drain: Box::new(move |capture, pipeline, count| {
            manager.alive();
            facts.beat(capture.watched());
            if let Some(progress) = &progress {
                own.recording(progress);
            }
            if own.after_drain(capture, pipeline.open_streams(), count) || count > 0 {
                page.changed();
            }
        }),
        reload: Box::new(move |capture, pipeline| {
            manager.reloading();
            reloader.reload(capture, pipeline);
            manager.ready(&status);
        }),
        own: own_connections,
        // The metrics are read by others.
        unread: Box::new(|| false),
        waker: Some(waker),
    }
    .until_stopped(&live.signals)?;
    manager.stopping();
    health.stop();
    if let Some(control) = control {
        control.stop();
    }
    server.stop();
    if let Some(sender) = sender {
        if let Some(run) = run {
            let span = run.end(Stamp::from_nanos(capture::now()), outcome.command);
            sender.send(span, &WallClock::of_this_host());
        }
        let lost = sender.stop(GRACE);
        if lost > 0 {
            tracing::warn!("spans that could not be sent to the OTLP collector: {lost}");
        }
    }
    let recorded = outcome.recorder.map(Recorder::finish).transpose();
    outcome.capture.leave();
    recorded?;
    Ok(outcome.command.unwrap_or(0))
}

/// The span that the command is under, when there is one.
fn begin(words: &[OsString], ids: &Ids, settings: &Settings) -> Option<RunSpan> {
    let name = Path::new(words.first()?).file_name()?.to_string_lossy().into_owned();
    let parent = std::env::var("TRACEPARENT").ok().and_then(|text| text.parse().ok());
    Some(RunSpan::begin(ids, name, Stamp::from_nanos(capture::now()), parent, &settings.sampling))
}
