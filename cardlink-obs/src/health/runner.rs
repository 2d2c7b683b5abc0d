//! One check on one thread. What hangs is seen by the clock, not by waiting for it.

use super::{Check, Facts, Outcome, Registration, Row, Status, Verdict};
use crate::{client::Deadline, sink::metrics::table};
use jiff::Timestamp;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A check that is run again and again.
pub(super) struct Runner {
    name: String,
    kind: &'static str,
    own: bool,
    timeout: Duration,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    /// Since when it is at it.
    since: Option<(Instant, Timestamp)>,
    last: Option<Outcome>,
    stop: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runner {
    pub(super) fn start(registration: Registration, facts: Arc<Facts>) -> io::Result<Self> {
        let Registration { name, kind, interval, timeout, own, check } = registration;
        let shared = Arc::new(Shared::default());
        let (at_work, label) = (Arc::clone(&shared), name.clone());
        // The kernel keeps 15 bytes of a thread's name.
        let thread_name: String = format!("check-{name}").chars().take(15).collect();
        thread::Builder::new()
            .name(thread_name)
            .spawn(move || keep_looking(&at_work, &label, check, interval, timeout, &facts))?;
        Ok(Self { name, kind, own, timeout, shared })
    }

    pub(super) fn stop(&self) {
        self.shared.state().stop = true;
        self.shared.stopped.notify_all();
    }

    /// The last result; that of a run that goes on past its time-out is that it does.
    pub(super) fn row(&self) -> Row {
        let state = self.shared.state();
        let late = state.since.filter(|(since, _)| since.elapsed() > self.timeout);
        let outcome = match late {
            Some((since, at)) => Some(Outcome { verdict: too_late(self.timeout), took: since.elapsed(), at }),
            None => state.last.clone(),
        };
        Row { name: self.name.clone(), kind: self.kind, own: self.own, outcome }
    }
}

fn too_late(timeout: Duration) -> Verdict {
    Verdict::unhealthy(format!("no result within {timeout:?}"))
}

fn keep_looking(
    shared: &Shared,
    name: &str,
    mut check: Box<dyn Check>,
    interval: Duration,
    timeout: Duration,
    facts: &Facts,
) {
    loop {
        let (began, at) = (Instant::now(), Timestamp::now());
        {
            let mut state = shared.state();
            if state.stop {
                return;
            }
            state.since = Some((began, at));
        }
        let looked = catch_unwind(AssertUnwindSafe(|| check.look(Deadline::after(timeout))));
        let took = began.elapsed();
        let verdict = match looked {
            Ok(_) if took > timeout => too_late(timeout),
            Ok(verdict) => verdict,
            Err(_) => Verdict::unhealthy("the check itself failed: please report this"),
        };
        let mut state = shared.state();
        state.since = None;
        if state.stop {
            return;
        }
        told(name, state.last.as_ref().map(|last| &last.verdict), &verdict);
        facts.registry.set(&table::OWN_HEALTH, &[name], verdict.status.value());
        state.last = Some(Outcome { verdict, took, at });
        let rest = interval.saturating_sub(took).max(Duration::from_millis(50));
        let waited = shared.stopped.wait_timeout_while(state, rest, |state| !state.stop);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.stop {
            return;
        }
    }
}

/// A change is told once.
fn told(name: &str, before: Option<&Verdict>, now: &Verdict) {
    let before = before.map_or(Status::Healthy, |verdict| verdict.status);
    match (before, now.status) {
        (before, now) if before == now => {}
        (_, Status::Healthy) => tracing::info!(check = name, "healthy again: {}", now.message),
        (_, status) => tracing::warn!(check = name, "{}: {}", status.as_str(), now.message),
    }
}
