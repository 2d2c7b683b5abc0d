//! How fast a recording is read again.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::lab::{Load, Server};
use super::report::Report;
use super::stats::Spread;
use super::watcher::Agent;
use super::{Bench, system};

/// Events of a recording, and events a second.
struct Replay {
    events: f64,
    /// By the agent's own clock, with what others took of the core.
    by_clock: f64,
    /// By CPU time, with the start of the program.
    by_cpu: f64,
}

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let file = bench.dir.join("recording");
    let name = file.to_str().context("the folder's name is not UTF-8")?;
    let server = Server::start(bench)?;
    let agent = Agent::start(bench, &[server.pid()], &["--record", name, "--record-max-mib", "0"])?;
    report.started.push(agent.ready_ms);
    server.lap(bench, Load::Session, bench.sizes.recorded, None)?;
    agent.counted(bench.sizes.recorded)?;
    report.stopped.push(agent.stop()?);
    let bytes = fs::metadata(&file).context("there is no recording")?.len();

    let all: Vec<Replay> = (0..bench.sizes.rounds.max(3)).map(|_| replay(bench, &file)).collect::<Result<_>>()?;
    fs::remove_file(&file).context("cannot remove the recording")?;
    let spread = |of: fn(&Replay) -> f64| -> Spread { all.iter().map(of).collect() };
    report.section(format!("Replay (a recording of {} sessions)", bench.sizes.recorded));
    let events = spread(|replay| replay.events);
    report.figure("bytes per event", "B", events.values().iter().map(|events| bytes as f64 / events).collect());
    report.figure("events of the recording", "", events);
    report.aim_above("replay, events a second of one core", "1/s", spread(|replay| replay.by_cpu), 1e6);
    report.figure("events a second by the clock", "1/s", spread(|replay| replay.by_clock));
    Ok(())
}

fn replay(bench: &Bench, file: &Path) -> Result<Replay> {
    let before = system::cpu_of_children()?;
    let output = Command::new(&bench.programs.agent)
        .arg("replay")
        .arg(file)
        .args(["--metrics", "--stats"])
        .output()
        .context("cannot start the replay")?;
    let cpu = system::cpu_of_children()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the replay failed ({}): {}", output.status, said.trim());
    // `N events in S s: R events/s`
    let mut numbers = said.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    let (events, _seconds, by_clock) = (|| Some((numbers.next()?, numbers.next()?, numbers.next()?)))()
        .with_context(|| format!("the replay says `{said}`"))?;
    Ok(Replay { events, by_clock, by_cpu: events / cpu.as_secs_f64() })
}
