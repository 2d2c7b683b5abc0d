//! What a system call costs more while the agent watches: of a watched process, of another one, and of another kind.

use anyhow::{Result, ensure};

use super::report::Report;
use super::stats::Spread;
use super::watcher::Agent;
use super::worker::Worker;
use super::{Bench, system};

/// What is measured: in the watched process or not, the kind of call, its name, and one of how many calls are made.
const MEASURES: &[(bool, &str, &str, u32)] = &[
    (true, "tcp", "watched process, read of a tracked TCP stream (application data: not told)", 1),
    (true, "records", "watched process, read of a tracked TCP stream (handshake records: told)", 20),
    (true, "pipe", "watched process, read of an ignored descriptor (a pipe)", 1),
    (true, "getppid", "watched process, unrelated call (getppid)", 1),
    (false, "tcp", "unwatched process, read of a TCP stream", 1),
    (false, "pipe", "unwatched process, read of a pipe", 1),
    (false, "getppid", "unwatched process, unrelated call (getppid)", 1),
];

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (mut watched, mut other) = (Worker::start(bench)?, Worker::start(bench)?);
    let all = |watched: &mut Worker, other: &mut Worker| -> Result<Vec<f64>> {
        let measure = |&(inside, kind, _, share): &(bool, &str, &str, u32)| {
            let worker = if inside { &mut *watched } else { &mut *other };
            worker.measure(kind, bench.sizes.calls / share)
        };
        MEASURES.iter().map(measure).collect()
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let mut lost = 0.0;
    for _ in 0..bench.sizes.rounds {
        without.push(system::undisturbed(|| all(&mut watched, &mut other))?);
        with.push(system::undisturbed(|| {
            let agent = Agent::start(bench, &[watched.pid()], &[])?;
            report.started.push(agent.ready_ms);
            let measured = all(&mut watched, &mut other)?;
            lost += agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")?;
            report.stopped.push(agent.stop()?);
            Ok(measured)
        })?);
    }
    ensure!(without.len() == with.len(), "rounds without a pair");
    report.section(format!("What a system call costs more with the agent ({} calls each)", bench.sizes.calls));
    for (index, (_, _, name, _)) in MEASURES.iter().enumerate() {
        let column =
            |rounds: &[Vec<f64>]| -> Vec<f64> { rounds.iter().filter_map(|r| r.get(index).copied()).collect() };
        let (without, with) = (column(&without), column(&with));
        let added = Spread::of_pairs(&with, &without, |with, without| with - without);
        report.figure(format!("{name}: added"), "ns", added);
        report.figure(format!("{name}: without the agent"), "ns", without.into_iter().collect());
    }
    report.figure("events that found the ring full meanwhile", "", [lost].into_iter().collect());
    Ok(())
}
