//! What a handshake, and a session, costs the server: bare, with the agent, and with the tools that people use today.

use std::process::Command;

use anyhow::Result;

use super::Bench;
use super::instrumented;
use super::lab::{Lap, Load, Server};
use super::report::Report;
use super::running::Running;
use super::stats::Spread;
use super::system;
use super::watcher::{Agent, Tool, Watching};
use crate::project::which;

/// One way to run the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Bare,
    /// Once more, to see what the machine's noise alone does to the ratio.
    BareAgain,
    Agent,
    /// The agent watches somebody else: what the kernel's hooks alone cost a process of the same host.
    AgentElsewhere,
    /// With the server's key file: every record is copied, and decrypted by the agent.
    AgentWithKeys,
    /// With probes in the server's TLS library, and no key.
    AgentWithProbes,
    Tool(Tool),
}

/// C-APDUs in the script of a session.
const APDUS: u32 = 3;

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareAgain => "bare, once more",
            Self::Agent => "cardlink-obs run",
            Self::AgentElsewhere => "cardlink-obs run, watching another process",
            Self::AgentWithKeys => "cardlink-obs run --psk-file",
            Self::AgentWithProbes => "cardlink-obs run --library-probes on",
            Self::Tool(tool) => tool.name(),
        }
    }
}

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let installed = |tool: &Tool| {
        let there = which(tool.program()).is_some();
        if !there {
            println!("    without {}: it is not installed", tool.program());
        }
        there
    };
    let tools = Tool::ALL.into_iter().filter(&installed).map(Way::Tool);
    let ways: Vec<Way> =
        [Way::Bare, Way::Agent, Way::AgentElsewhere, Way::BareAgain].into_iter().chain(tools).collect();
    let laps = rounds(bench, report, Load::Handshake, &ways)?;
    let (count, of) = (bench.sizes.connections, bench.sizes.laps);
    report.section(format!("Server CPU per handshake (4 cards at a time; best of {of} laps of {count} handshakes)"));
    tell(report, "handshake", &ways, &laps);

    let mut ways = vec![Way::Bare, Way::Agent, Way::AgentWithKeys, Way::AgentWithProbes, Way::BareAgain];
    ways.extend([Tool::BpftraceLibssl].into_iter().filter(&installed).map(Way::Tool));
    let laps = rounds(bench, report, Load::Session, &ways)?;
    report.section(format!("Server CPU per session (handshake, command script, 204; best of {of} laps of {count})"));
    tell(report, "session", &ways, &laps);
    tell_plaintext(report, &ways, &laps);
    instrumented::measure(bench, report)
}

/// What plaintext costs: each way against bpftrace on the same functions, and for each APDU.
fn tell_plaintext(report: &mut Report, ways: &[Way], laps: &[Vec<Lap>]) {
    let added = |way: Way| -> Option<Vec<f64>> {
        let laps_of = |way| laps.get(ways.iter().position(|other| *other == way)?);
        let pairs = laps_of(way)?.iter().zip(laps_of(Way::Bare)?);
        Some(pairs.map(|(with, bare)| with.cpu_us - bare.cpu_us).collect())
    };
    for way in [Way::AgentWithKeys, Way::AgentWithProbes] {
        let per_apdu = added(way).into_iter().flatten().map(|added| added / f64::from(APDUS)).collect();
        report.figure(format!("{}: CPU that it adds, per APDU", way.name()), "µs", per_apdu);
    }
    if let (Some(probes), Some(bpftrace)) = (added(Way::AgentWithProbes), added(Way::Tool(Tool::BpftraceLibssl))) {
        let part = Spread::of_pairs(&probes, &bpftrace, |probes, bpftrace| probes / bpftrace);
        report.aim("server CPU that library probes add, of what bpftrace adds", "×", part, 0.25);
    }
}

/// The laps of each way, in the order of `ways`; each round begins with another one.
fn rounds(bench: &Bench, report: &mut Report, load: Load, ways: &[Way]) -> Result<Vec<Vec<Lap>>> {
    let server = Server::start(bench)?;
    // The first handshakes of a process are slower.
    server.lap(bench, load, bench.sizes.connections, None)?;
    let mut laps = vec![Vec::new(); ways.len()];
    for round in 0..bench.sizes.rounds {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let (Some(way), Some(laps)) = (ways.get(index), laps.get_mut(index)) else { continue };
            laps.push(system::undisturbed(|| lap(bench, report, &server, load, *way))?);
        }
    }
    Ok(laps)
}

fn lap(bench: &Bench, report: &mut Report, server: &Server, load: Load, way: Way) -> Result<Lap> {
    let count = bench.sizes.connections * u32::try_from(bench.sizes.laps)?;
    let lap = || server.best_lap(bench, load);
    match way {
        Way::Bare | Way::BareAgain => lap(),
        Way::Agent | Way::AgentWithKeys | Way::AgentWithProbes => {
            let keys = bench.dir.join("keys").display().to_string();
            let args: &[&str] = match way {
                Way::AgentWithKeys => &["--psk-file", &keys],
                Way::AgentWithProbes => &["--library-probes", "on"],
                _ => &[],
            };
            let agent = Agent::start(bench, &[server.pid()], args)?;
            report.started.push(agent.ready_ms);
            let lap = lap()?;
            agent.counted(count)?;
            if way != Way::Agent {
                agent.counted_sessions(count)?;
                agent.counted_apdus(count * APDUS)?;
            }
            report.stopped.push(agent.stop()?);
            Ok(lap)
        }
        Way::AgentElsewhere => {
            let idle = Running::start(Command::new("sleep").arg("600"))?;
            let agent = Agent::start(bench, &[idle.pid()], &[])?;
            let lap = lap()?;
            agent.counted(0)?;
            agent.stop()?;
            Ok(lap)
        }
        Way::Tool(tool) => {
            let watching = Watching::start(bench, tool, server)?;
            let lap = lap()?;
            watching.stop(count)?;
            Ok(lap)
        }
    }
}

fn tell(report: &mut Report, what: &str, ways: &[Way], laps: &[Vec<Lap>]) {
    let values =
        |index: usize, of: fn(&Lap) -> f64| -> Vec<f64> { laps.get(index).into_iter().flatten().map(of).collect() };
    let (cpu, speed) = (|lap: &Lap| lap.cpu_us, |lap: &Lap| lap.per_second);
    let (bare_cpu, bare_speed) = (values(0, cpu), values(0, speed));
    for (index, way) in ways.iter().enumerate() {
        let (this_cpu, this_speed) = (values(index, cpu), values(index, speed));
        let ratio = Spread::of_pairs(&this_cpu, &bare_cpu, |this, bare| this / bare);
        report.figure(format!("{}: CPU per {what}", way.name()), "µs", this_cpu.into_iter().collect());
        report.figure(format!("{}: {what}s a second", way.name()), "1/s", this_speed.iter().copied().collect());
        if *way != Way::Bare {
            let speed = Spread::of_pairs(&this_speed, &bare_speed, |this, bare| this / bare);
            report.figure(format!("{}: {what}s a second, of bare", way.name()), "×", speed);
            match way {
                Way::Agent => report.aim(format!("server CPU per {what}, of bare"), "×", ratio.clone(), 1.03),
                Way::AgentWithKeys => {
                    report.aim(format!("server CPU per {what} by key file, of bare"), "×", ratio.clone(), 1.05);
                }
                _ => {}
            }
            report.figure(format!("{}: CPU per {what}, of bare", way.name()), "×", ratio);
        }
    }
}
