//! Traces, metrics and the agent's log to a collector, by OTLP. The only code that knows opentelemetry.
//!
//! The pipeline's thread makes spans and puts them into a bounded queue; a thread of its own, with its own runtime, sends
//! them. A collector that is dead, slow, refusing or mute costs a full queue, and what finds no room there is counted.

mod lines;
mod link;
mod logs;
mod message;
mod metrics;
mod queue;
mod settings;
mod traces;
mod transport;
mod trial;
mod worker;

pub use lines::Lines;
pub use trial::{Tried, try_out};

pub use settings::{Endpoint, Flags, OtlpError, Protocol, Settings, Signal, TlsFiles, ratio};

use super::{
    Sink,
    metrics::{Registry, table},
    spans::{Omitted, Span, Spans, Trace},
    wall::WallClock,
};
use crate::observation::{Observation, Stamp};
use link::Link;
use logs::Logs;
use metrics::Metrics;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use queue::{Dated, Queue};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;
use traces::Traces;
use worker::{Stop, Worker};

/// How long whoever can wait does so for room.
const PATIENCE: Duration = Duration::from_secs(30);

/// The running sender.
pub struct Sender {
    queue: Arc<Queue>,
    registry: Arc<Registry>,
    traces: bool,
    stop: Stop,
}

/// Starts the sender's thread. `host` is where the observations come from, `lines` has the log.
///
/// Privileges belong to a thread: to be called after they were dropped.
pub fn start(
    settings: &Settings,
    registry: Arc<Registry>,
    host: &str,
    lines: Option<Lines>,
) -> Result<Sender, OtlpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let resource = resource(settings, host);
    let traces = settings.traces.as_ref().map(|to| Traces::new(to, &resource)).transpose()?;
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let start = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
    let metrics = settings.metrics.as_ref().map(|to| Metrics::new(to, &resource, start)).transpose()?;
    let logs = settings.logs.as_ref().map(|to| Logs::new(to, &resource)).transpose()?;
    drop(entered);
    worker::announce(settings, &registry);
    let queue = Arc::new(Queue::new(settings.queue));
    let worker = Worker {
        queue: Arc::clone(&queue),
        registry: Arc::clone(&registry),
        traces,
        metrics,
        logs: logs.zip(lines),
        linger: settings.linger,
        metrics_every: settings.metrics_every,
        link: Link::new(Arc::clone(&registry)),
    };
    let (by, told) = watch::channel(None);
    let (ending, ended) = mpsc::channel();
    thread::Builder::new().name("otlp".into()).spawn(move || {
        runtime.block_on(worker.run(told));
        // Names that are being looked up do not hold up the end.
        runtime.shutdown_background();
        drop(ending);
    })?;
    Ok(Sender { queue, registry, traces: settings.traces.is_some(), stop: Stop { by, ended } })
}

fn resource(settings: &Settings, host: &str) -> Resource {
    let given = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let own = [
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", host),
        ("host.name", host),
        ("os.type", "linux"),
    ];
    let is_given = |key: &str| settings.resource.iter().any(|(given, _)| given == key);
    let own = own.into_iter().filter(|(key, _)| !is_given(key));
    Resource::builder_empty()
        .with_attributes(own.map(|(key, value)| KeyValue::new(key, value.to_owned())))
        .with_attributes(given)
        .build()
}

impl Sender {
    /// The sink that makes spans for it; `None` when no traces are wanted.
    pub fn sink(&self, spans: Spans, clock: WallClock) -> Option<Otlp> {
        self.traces.then(|| Otlp {
            spans,
            clock,
            queue: Arc::clone(&self.queue),
            registry: Arc::clone(&self.registry),
            made: Vec::new(),
            patient: false,
        })
    }

    /// One span by itself.
    pub fn send(&self, span: Span, clock: &WallClock) {
        put(&self.queue, &self.registry, Dated { trace: vec![span], boot: clock.boot() }, false);
    }

    /// Sends what is left, as long as that takes no longer than `grace`. Returns how many spans could not be sent, in all.
    #[expect(clippy::cast_sign_loss, reason = "counters are not negative")]
    pub fn stop(self, grace: Duration) -> u64 {
        self.queue.close();
        let _ = self.stop.by.send(Some(Instant::now() + grace));
        let _ = self.stop.ended.recv_timeout(grace + grace / 4);
        let of = |fate| self.registry.value(&table::OWN_OTLP_SPANS, &[fate]);
        let lost: f64 = ["no_room", "queue_full", "given_up", "unsent"].into_iter().map(of).sum();
        lost as u64 + self.queue.spans() as u64
    }
}

/// Without [`Sender::stop`]: nothing is waited for.
impl Drop for Sender {
    fn drop(&mut self) {
        self.queue.close();
        // It may have been told already.
        self.stop.by.send_if_modified(|by| {
            let first = by.is_none();
            by.get_or_insert_with(Instant::now);
            first
        });
    }
}

/// Makes spans of observations and puts them where the sender finds them.
pub struct Otlp {
    spans: Spans,
    clock: WallClock,
    queue: Arc<Queue>,
    registry: Arc<Registry>,
    made: Vec<Trace>,
    patient: bool,
}

impl Otlp {
    /// Waits for room instead of dropping spans: not for what runs beside others.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    fn hand_on(&mut self) {
        let boot = self.clock.boot();
        for trace in self.made.drain(..) {
            put(&self.queue, &self.registry, Dated { trace, boot }, self.patient);
        }
    }

    fn count(&mut self) {
        let Omitted { sampled_out, no_room } = self.spans.take_omitted();
        for (fate, spans) in [("sampled_out", sampled_out), ("no_room", no_room)] {
            if spans > 0 {
                self.registry.add(&table::OWN_OTLP_SPANS, &[fate], spans as f64);
            }
        }
    }
}

fn put(queue: &Queue, registry: &Registry, trace: Dated, patient: bool) {
    let put = if patient { queue.push_patiently(trace, PATIENCE) } else { queue.push(trace) };
    if let Err(back) = put {
        registry.add(&table::OWN_OTLP_SPANS, &["queue_full"], back.trace.len() as f64);
    }
}

impl Sink for Otlp {
    fn take(&mut self, observation: &Observation) {
        self.spans.take(observation, &mut self.made);
        if !self.made.is_empty() {
            self.hand_on();
        }
    }

    fn flush(&mut self) {
        self.clock.refresh();
        if self.clock.is_live() {
            self.spans.expire(Stamp::from_nanos(crate::capture::now()), &mut self.made);
            self.hand_on();
        }
        self.count();
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.spans.finish(&mut self.made);
        self.hand_on();
        self.count();
    }
}

#[cfg(test)]
#[path = "otlp_tests.rs"]
mod tests;
