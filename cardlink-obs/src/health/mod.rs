//! Health checks: each runs on a thread of its own, has a time-out, and is remembered for its interval. Whoever asks gets
//! what is known, and never waits for a check.

mod checks;
mod facts;
mod report;
mod runner;

pub use facts::Facts;
pub use report::{Outcome, Report, Row};

use crate::{client::Deadline, config::CheckConfig, sink::metrics::table};
use runner::Runner;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Healthy,
    /// It works, but somebody should look.
    Degraded,
    Unhealthy,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Healthy, Self::Degraded, Self::Unhealthy].into_iter().find(|status| status.as_str() == text)
    }

    /// For the metric.
    pub const fn value(self) -> f64 {
        match self {
            Self::Healthy => 1.0,
            Self::Degraded => 0.5,
            Self::Unhealthy => 0.0,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: Status,
    /// One sentence.
    pub message: String,
}

impl Verdict {
    pub fn healthy(message: impl Into<String>) -> Self {
        Self { status: Status::Healthy, message: message.into() }
    }

    pub fn degraded(message: impl Into<String>) -> Self {
        Self { status: Status::Degraded, message: message.into() }
    }

    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { status: Status::Unhealthy, message: message.into() }
    }

    /// A share of something that should not fall: below `degraded` or `unhealthy`.
    pub fn at_least(share: f64, degraded: f64, unhealthy: f64, message: String) -> Self {
        let status = if share < unhealthy {
            Status::Unhealthy
        } else if share < degraded {
            Status::Degraded
        } else {
            Status::Healthy
        };
        Self { status, message }
    }
}

/// Something that can be looked at again and again.
pub trait Check: Send {
    /// Looks. It should be done by the deadline; whoever is not is told as unhealthy until it is.
    fn look(&mut self, deadline: Deadline) -> Verdict;
}

/// A check with its name and times.
pub struct Registration {
    pub name: String,
    pub kind: &'static str,
    pub interval: Duration,
    pub timeout: Duration,
    /// It concerns the agent itself: the agent is not ready without it.
    pub own: bool,
    pub check: Box<dyn Check>,
}

/// The check of the recording, which there is when something is recorded.
pub fn recording(facts: &Arc<Facts>) -> Registration {
    checks::recording(facts)
}

/// The checks that run.
#[derive(Clone)]
pub struct Health {
    facts: Arc<Facts>,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
}

struct Running {
    runner: Runner,
    /// What it was made of, when that was an entry of the configuration.
    config: Option<CheckConfig>,
}

impl Health {
    pub fn new(facts: Arc<Facts>) -> Self {
        Self { facts, running: Arc::default() }
    }

    /// Lets exactly these checks of the configuration run: those that are new or have changed begin anew, others go on.
    pub fn configure(&self, configs: &[CheckConfig]) -> io::Result<()> {
        let gone: Vec<String> = {
            let running = self.running();
            let stays = |config: &CheckConfig| configs.contains(config);
            let of_config = |one: &Running| one.config.as_ref().is_some_and(|config| !stays(config));
            running.iter().filter(|(_, one)| of_config(one)).map(|(name, _)| name.clone()).collect()
        };
        for name in gone {
            self.unregister(&name);
        }
        for config in configs {
            if self.running().contains_key(&config.name) {
                continue;
            }
            let registration = Registration {
                name: config.name.clone(),
                kind: config.kind.name,
                interval: config.common.interval,
                timeout: config.common.timeout,
                own: checks::is_own(&config.what),
                check: checks::make(&config.what, &self.facts),
            };
            self.start(registration, Some(config.clone()))?;
        }
        Ok(())
    }

    /// Adds a check; one of the same name goes.
    pub fn register(&self, registration: Registration) -> io::Result<()> {
        self.start(registration, None)
    }

    /// Takes a check away. One that hangs is left to itself.
    pub fn unregister(&self, name: &str) {
        if let Some(gone) = self.running().remove(name) {
            gone.runner.stop();
            self.facts.registry.remove(&table::OWN_HEALTH, &[name]);
        }
    }

    /// What is known now.
    pub fn report(&self) -> Report {
        let rows: Vec<Row> = self.running().values().map(|one| one.runner.row()).collect();
        for row in &rows {
            if let Some(outcome) = &row.outcome {
                self.facts.registry.set(&table::OWN_HEALTH, &[&row.name], outcome.verdict.status.value());
            }
        }
        Report::new(rows, self.facts.is_alive(), self.facts.uptime())
    }

    /// Ends all of them.
    pub fn stop(&self) {
        let names: Vec<String> = self.running().keys().cloned().collect();
        for name in names {
            self.unregister(&name);
        }
    }

    fn start(&self, registration: Registration, config: Option<CheckConfig>) -> io::Result<()> {
        let name = registration.name.clone();
        self.unregister(&name);
        let runner = Runner::start(registration, Arc::clone(&self.facts))?;
        self.running().insert(name, Running { runner, config });
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
