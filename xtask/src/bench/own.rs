//! What the agent needs itself.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::lab::{Load, Server};
use super::report::Report;
use super::stats::Spread;
use super::watcher::Agent;
use super::{Bench, system};

/// Windows of the moderate load and of the idle agent: their spread tells what the sampling of processes every 15 s
/// does.
const WINDOWS: u32 = 3;
/// Sessions a second of the moderate load.
const RATE: u32 = 100;

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let server = Server::start(bench)?;
    let calibration = server.lap(bench, Load::Session, bench.sizes.connections, None)?;
    let agent = Agent::start(bench, &[server.pid()], &[])?;
    report.started.push(agent.ready_ms);
    thread::sleep(Duration::from_secs(1));
    let rss_at_start = system::memory(agent.pid(), "VmRSS")?;

    let laps = bench.sizes.load.as_millis() / calibration.took.as_millis().max(1);
    let full = bench.sizes.connections * u32::try_from(laps).unwrap_or(1).max(1);
    let events = agent.metric("cardlink_obs_events_total{fate=\"submitted\"}")?;
    let loaded = load(bench, &server, &agent, full, None)?;
    agent.counted(full)?;
    thread::sleep(Duration::from_millis(1200));
    let events = agent.metric("cardlink_obs_events_total{fate=\"submitted\"}")? - events;
    let lost = agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")?;

    let paced = RATE * u32::try_from(bench.sizes.load.as_secs())? / WINDOWS;
    let mut moderate = Vec::new();
    for _ in 0..WINDOWS {
        moderate.push(load(bench, &server, &agent, paced, Some(RATE))?.cpu);
    }
    agent.counted(full + WINDOWS * paced)?;

    // The drain timer slows down when nothing comes.
    thread::sleep(bench.sizes.calm);
    let (mut idle, before, start) = (Vec::new(), system::sleeps(agent.pid())?, Instant::now());
    for _ in 0..WINDOWS {
        idle.push(share(&agent, bench.sizes.idle / WINDOWS)?);
    }
    let wakes = (system::sleeps(agent.pid())? - before) as f64 / start.elapsed().as_secs_f64();
    let rss = system::memory(agent.pid(), "VmRSS")?;
    let most = system::memory(agent.pid(), "VmHWM")?;
    report.stopped.push(agent.stop()?);

    let one = |value: f64| -> Spread { [value].into_iter().collect() };
    report.section("The agent itself (in percent of one core)");
    report.figure("full load: sessions a second", "1/s", one(loaded.per_second));
    report.figure("full load: CPU", "%", one(loaded.cpu));
    report.figure("full load: CPU per session", "µs", one(loaded.cpu * 1e4 / loaded.per_second));
    report.figure("full load: events per session", "", one(events / f64::from(full)));
    report.figure("full load: ring in use, at most (a lower bound)", "%", one(loaded.ring * 100.0));
    report.figure("full load: events that found the ring full", "", one(lost));
    report.aim(format!("agent CPU at {RATE} sessions a second"), "%", moderate.into_iter().collect(), 1.0);
    report.aim("agent CPU when idle", "%", idle.into_iter().collect(), 0.1);
    report.figure("idle: threads that wake, a second", "1/s", one(wakes));
    report.figure("this host: the same work after a second of sleep", "×", one(system::dearer_after_sleep()?));
    report.figure("resident memory after the start", "MiB", one(rss_at_start));
    report.aim("agent's resident memory after all that", "MiB", one(rss), 30.0);
    report.figure("resident memory at its peak (kernel type information is read at the start)", "MiB", one(most));
    Ok(())
}

/// What a stretch of load did to the agent.
struct Loaded {
    per_second: f64,
    /// Percent of a core.
    cpu: f64,
    /// Share of the ring, at most.
    ring: f64,
}

/// Lets cards come, and scrapes once a second meanwhile.
fn load(bench: &Bench, server: &Server, agent: &Agent, connections: u32, rate: Option<u32>) -> Result<Loaded> {
    let before = system::cpu(agent.pid())?;
    let (lap, ring) = thread::scope(|scope| -> Result<_> {
        let cards = scope.spawn(|| server.lap(bench, Load::Session, connections, rate));
        let mut ring = 0.0;
        while !cards.is_finished() {
            thread::sleep(Duration::from_secs(1));
            ring = agent.metric("cardlink_obs_ring_used_ratio")?.max(ring);
        }
        let lap = cards.join().ok().context("the load failed")??;
        Ok((lap, ring))
    })?;
    let cpu = system::cpu(agent.pid())?.saturating_sub(before);
    Ok(Loaded { per_second: lap.per_second, cpu: percent(cpu, lap.took), ring })
}

/// CPU of the agent over some time, in percent of a core.
fn share(agent: &Agent, time: Duration) -> Result<f64> {
    let (before, start) = (system::cpu(agent.pid())?, Instant::now());
    thread::sleep(time);
    Ok(percent(system::cpu(agent.pid())?.saturating_sub(before), start.elapsed()))
}

fn percent(cpu: Duration, wall: Duration) -> f64 {
    cpu.as_secs_f64() / wall.as_secs_f64() * 100.0
}
