//! What something takes with the agent and without it, in turns.

use std::time::Duration;

use anyhow::Result;

use super::report::Report;
use super::stats::Spread;
use super::watcher::Agent;
use super::{Bench, system};

/// Whom the agent watches, how, and what it must have counted.
pub struct Watched<'a> {
    pub pids: &'a [u32],
    pub words: &'a [&'a str],
    /// How the lines of the metric begin.
    pub counted: &'a str,
}

/// Nanoseconds that `command` tells, with the agent and without it.
pub fn in_turns(
    bench: &Bench,
    report: &mut Report,
    watched: &Watched<'_>,
    what: &str,
    command: &mut dyn FnMut() -> Result<f64>,
) -> Result<()> {
    // What is done for the first time is done now.
    command()?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut lost = 0.0;
    for _ in 0..bench.sizes.rounds {
        without.push(system::undisturbed(&mut *command)? / 1e3);
        with.push(system::undisturbed(|| {
            let agent = Agent::start(bench, watched.pids, watched.words)?;
            report.started.push(agent.ready_ms);
            let took = command()? / 1e3;
            agent.wait_for(watched.counted, Duration::from_secs(10))?;
            lost += agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")?;
            report.stopped.push(agent.stop()?);
            Ok(took)
        })?);
    }
    let added = Spread::of_pairs(&with, &without, |with, without| with - without);
    report.figure(format!("{what}: added"), "µs", added);
    report.figure(format!("{what}: without the agent"), "µs", without.into_iter().collect());
    report.figure(format!("{what}: events that found the ring full"), "", [lost].into_iter().collect());
    Ok(())
}
