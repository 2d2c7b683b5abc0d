//! One span, one metric and one line of the log to the collector, to see whether it takes them.

use super::{
    Settings,
    lines::Line,
    logs::Logs,
    metrics::Metrics,
    queue::Dated,
    resource,
    settings::{Endpoint, OtlpError},
    traces::Traces,
};
use crate::{
    observation::Stamp,
    sink::{
        metrics::{Registry, table},
        spans::{Ids, RunSpan},
        wall::WallClock,
    },
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::Level;

/// What became of a signal.
#[derive(Debug, Clone)]
pub struct Tried {
    pub signal: &'static str,
    pub url: String,
    /// The time until the collector had taken it, or why it has not.
    pub result: Result<Duration, String>,
}

/// Sends a span named `run test`, the metric of the build and a line that says what it is, each where that signal goes.
pub fn try_out(settings: &Settings, host: &str) -> Result<Vec<Tried>, OtlpError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let resource = resource(settings, host);
    let entered = runtime.enter();
    let mut tried = Vec::new();
    if let Some(to) = &settings.traces {
        let traces = Traces::new(to, &resource)?;
        let clock = WallClock::of_this_host();
        let now = Stamp::from_nanos(crate::capture::now());
        let span = RunSpan::begin(&Ids::of_this_host(), String::from("test"), now, None, &settings.sampling);
        let sent = [Dated { trace: vec![span.end(now, None)], boot: clock.boot() }];
        tried.push(timed("traces", to, || runtime.block_on(traces.send(&sent))));
    }
    if let Some(to) = &settings.metrics {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut metrics = Metrics::new(to, &resource, now)?;
        let registry = Registry::new();
        registry.set(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION"), "test", "", ""], 1.0);
        tried.push(timed("metrics", to, || runtime.block_on(metrics.send(&registry, now))));
    }
    if let Some(to) = &settings.logs {
        let mut logs = Logs::new(to, &resource)?;
        let line = Line {
            at: SystemTime::now(),
            level: Level::INFO,
            component: module_path!(),
            message: String::from("a line of `cardlink-obs test`"),
            fields: Vec::new(),
        };
        tried.push(timed("logs", to, || runtime.block_on(logs.send(&[line]))));
    }
    drop(entered);
    runtime.shutdown_background();
    Ok(tried)
}

fn timed(signal: &'static str, to: &Endpoint, send: impl FnOnce() -> Result<(), String>) -> Tried {
    let began = Instant::now();
    let result = send().map(|()| began.elapsed());
    let host = to.url.host().unwrap_or_default();
    // Without what may stand before the host: it is for nobody else.
    let port = to.url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let url = format!("{}://{host}{port}", to.url.scheme_str().unwrap_or("http"));
    Tried { signal, url, result }
}
