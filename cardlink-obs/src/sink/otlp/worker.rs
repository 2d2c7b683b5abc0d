//! The thread that sends. What it waits for, nobody else waits for.

use super::{
    lines::{BATCH, Lines},
    link::Link,
    logs::Logs,
    metrics::Metrics,
    queue::{Dated, Queue},
    settings::{Settings, Signal},
    traces::Traces,
};
use crate::sink::metrics::{Registry, table};
use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;

/// Pauses after a failure: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A message that is refused for so long is given up, so that those behind it get their turn.
const GIVE_UP: Duration = Duration::from_mins(5);

/// What the thread has.
pub struct Worker {
    pub queue: Arc<Queue>,
    pub registry: Arc<Registry>,
    pub traces: Option<Traces>,
    pub metrics: Option<Metrics>,
    pub logs: Option<(Logs, Lines)>,
    pub linger: Duration,
    pub metrics_every: Duration,
    pub link: Link,
}

/// For its owner: how to end it.
pub struct Stop {
    /// The moment by which it must have ended.
    pub by: watch::Sender<Option<Instant>>,
    pub ended: mpsc::Receiver<()>,
}

impl Worker {
    /// Sends until it is told to stop, and then what is left, as long as it may.
    pub async fn run(self, by: watch::Receiver<Option<Instant>>) {
        let Self { queue, registry, traces, metrics, logs, linger, metrics_every, link } = self;
        let traces = async {
            if let Some(traces) = traces {
                send_traces(&traces, &queue, &registry, linger, &link, by.clone()).await;
            }
        };
        let metrics = async {
            if let Some(metrics) = metrics {
                send_metrics(metrics, &registry, metrics_every, &link, by.clone()).await;
            }
        };
        let logs = async {
            if let Some((logs, lines)) = logs {
                send_logs(logs, &lines, &registry, linger, &link, by.clone()).await;
            }
        };
        tokio::join!(traces, metrics, logs);
    }
}

async fn send_traces(
    traces: &Traces,
    queue: &Queue,
    registry: &Registry,
    linger: Duration,
    link: &Link,
    mut by: watch::Receiver<Option<Instant>>,
) {
    loop {
        let over = queue.is_over();
        let batch = queue.take_batch();
        registry.set(&table::OWN_OTLP_QUEUE, &[], queue.spans() as f64);
        if batch.is_empty() {
            if over {
                return;
            }
            more(queue.came(), queue.enough(), linger, &mut by).await;
            continue;
        }
        let fate = persist(Signal::Traces, registry, link, &mut by, async || traces.send(&batch).await).await;
        fate.count(&batch, registry);
        if fate == Fate::Unsent {
            fate.count(&queue.take(usize::MAX, usize::MAX), registry);
            return;
        }
    }
}

/// Waits until something has come, and for others that may go with it; or until the sender is to stop.
async fn more(
    came: impl Future<Output = ()>,
    enough: impl Future<Output = ()>,
    linger: Duration,
    by: &mut watch::Receiver<Option<Instant>>,
) {
    tokio::select! {
        () = came => {}
        _ = by.wait_for(Option::is_some) => return,
    }
    tokio::select! {
        () = tokio::time::sleep(linger) => {}
        () = enough => {}
        _ = by.wait_for(Option::is_some) => {}
    }
}

/// What became of spans, or lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Sent,
    /// Refused for too long.
    GivenUp,
    /// The agent stopped before they could be sent.
    Unsent,
}

impl Fate {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
            Self::Unsent => "unsent",
        }
    }

    fn count(self, traces: &[Dated], registry: &Registry) {
        let spans: usize = traces.iter().map(|dated| dated.trace.len()).sum();
        registry.add(&table::OWN_OTLP_SPANS, &[self.as_str()], spans as f64);
    }
}

/// Tries until it is taken, given up, or the time to stop has come.
async fn persist(
    signal: Signal,
    registry: &Registry,
    link: &Link,
    by: &mut watch::Receiver<Option<Instant>>,
    mut send: impl AsyncFnMut() -> Result<(), String>,
) -> Fate {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let sent = tokio::select! {
            sent = timed(signal, registry, send()) => sent,
            () = the_end(by.clone()) => return Fate::Unsent,
        };
        let Err(reason) = sent else {
            link.works(signal);
            return Fate::Sent;
        };
        link.fails(signal, &reason);
        if by.borrow().is_some() {
            return Fate::Unsent;
        }
        if began.elapsed() >= GIVE_UP {
            return Fate::GivenUp;
        }
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            // Once more before the end.
            _ = by.wait_for(Option::is_some) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What is left at the end is sent, too.
async fn send_logs(
    mut logs: Logs,
    lines: &Lines,
    registry: &Registry,
    linger: Duration,
    link: &Link,
    mut by: watch::Receiver<Option<Instant>>,
) {
    loop {
        let stopping = by.borrow().is_some();
        let batch = lines.take(BATCH);
        let lost = lines.take_lost();
        if lost > 0 {
            registry.add(&table::OWN_OTLP_LINES, &["queue_full"], lost as f64);
        }
        if batch.is_empty() {
            if stopping {
                return;
            }
            more(lines.came(), lines.enough(), linger, &mut by).await;
            continue;
        }
        let fate = persist(Signal::Logs, registry, link, &mut by, async || logs.send(&batch).await).await;
        registry.add(&table::OWN_OTLP_LINES, &[fate.as_str()], batch.len() as f64);
        if fate == Fate::Unsent {
            let left = lines.take(usize::MAX).len();
            registry.add(&table::OWN_OTLP_LINES, &[fate.as_str()], left as f64);
            return;
        }
    }
}

/// Metrics are not kept: the next reading holds everything.
async fn send_metrics(
    mut metrics: Metrics,
    registry: &Registry,
    every: Duration,
    link: &Link,
    mut by: watch::Receiver<Option<Instant>>,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first comes at once, when there is nothing to tell.
    ticks.tick().await;
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            _ = by.wait_for(Option::is_some) => true,
        };
        let sent = tokio::select! {
            sent = timed(Signal::Metrics, registry, metrics.send(registry, now())) => sent,
            () = the_end(by.clone()) => return,
        };
        match sent {
            Ok(()) => link.works(Signal::Metrics),
            Err(reason) => link.fails(Signal::Metrics, &reason),
        }
        if last {
            return;
        }
    }
}

async fn timed(
    signal: Signal,
    registry: &Registry,
    sending: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let began = Instant::now();
    let sent = sending.await;
    let result = if sent.is_ok() { "success" } else { "failed" };
    registry.increment(&table::OWN_OTLP_EXPORTS, &[signal.as_str(), result]);
    registry.observe(&table::OWN_OTLP_EXPORT_TIME, &[signal.as_str()], began.elapsed().as_secs_f64());
    sent
}

/// Comes when the time to stop is up.
async fn the_end(mut by: watch::Receiver<Option<Instant>>) {
    let at = by.wait_for(Option::is_some).await.ok().and_then(|at| *at);
    tokio::time::sleep(at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))).await;
}

/// Some agents of one collector must not all come back at once.
fn jittered(pause: Duration) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    pause.mul_f64(0.75 + f64::from(nanos % 1000) / 2000.0)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Every series that the sender counts in, at 0.
pub fn announce(settings: &Settings, registry: &Registry) {
    if settings.traces.is_some() {
        for fate in ["sent", "sampled_out", "no_room", "queue_full", "given_up", "unsent"] {
            registry.add(&table::OWN_OTLP_SPANS, &[fate], 0.0);
        }
        registry.set(&table::OWN_OTLP_QUEUE, &[], 0.0);
    }
    if settings.logs.is_some() {
        for fate in ["sent", "queue_full", "given_up", "unsent"] {
            registry.add(&table::OWN_OTLP_LINES, &[fate], 0.0);
        }
    }
    let signals =
        [(Signal::Traces, &settings.traces), (Signal::Metrics, &settings.metrics), (Signal::Logs, &settings.logs)];
    for (signal, to) in signals {
        if to.is_some() {
            for result in ["success", "failed"] {
                registry.add(&table::OWN_OTLP_EXPORTS, &[signal.as_str(), result], 0.0);
            }
            registry.announce(&table::OWN_OTLP_EXPORT_TIME, &[signal.as_str()]);
        }
    }
}
