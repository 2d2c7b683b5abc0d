//! Whether the collector takes what it is sent: told once when it does not, and once when it does again.

use super::settings::Signal;
use crate::sink::metrics::{Registry, table};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

pub struct Link {
    registry: Arc<Registry>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Signals that are not taken.
    down: Vec<Signal>,
    /// Since when, and how many spans had been lost by then.
    since: Option<(Instant, f64)>,
}

impl Link {
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, state: Mutex::default() }
    }

    pub fn fails(&self, signal: Signal, reason: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.down.contains(&signal) {
            state.down.push(signal);
        }
        if state.since.is_none() {
            state.since = Some((Instant::now(), self.lost()));
            tracing::warn!(
                signal = signal.as_str(),
                "the OTLP collector does not take what it is sent ({reason}): it is tried again, spans wait as long as there is room"
            );
        } else {
            tracing::debug!(signal = signal.as_str(), "OTLP: {reason}");
        }
    }

    pub fn works(&self, signal: Signal) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.down.retain(|other| *other != signal);
        if state.down.is_empty()
            && let Some((since, lost_before)) = state.since.take()
        {
            let lost = self.lost() - lost_before;
            let seconds = since.elapsed().as_secs();
            tracing::info!(
                "the OTLP collector takes what it is sent again, after {seconds} s; {lost} spans found no room"
            );
        }
    }

    fn lost(&self) -> f64 {
        let of = |fate| self.registry.value(&table::OWN_OTLP_SPANS, &[fate]);
        of("queue_full") + of("given_up")
    }
}
