//! What traces cost: sessions with the agent alone, and with all their spans sent to a collector.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::lab::{Load, Server};
use super::report::Report;
use super::stats::Spread;
use super::watcher::Agent;
use super::{Bench, system};

/// Longer than spans wait for others to be sent with.
const SENT: Duration = Duration::from_secs(6);

struct Measured {
    server_us: f64,
    /// Of the agent, until all spans were sent.
    agent_us: f64,
}

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let server = Server::start(bench)?;
    server.lap(bench, Load::Session, bench.sizes.connections, None)?;
    let collector = collector()?;
    let (mut off, mut on) = (Vec::new(), Vec::new());
    let mut spans = 0.0;
    for round in 0..bench.sizes.rounds {
        for turn in 0..2 {
            let traced = (round + turn) % 2 == 1;
            let measured = lap(bench, report, &server, traced.then_some(collector.as_str()), &mut spans)?;
            if traced { on.push(measured) } else { off.push(measured) }
        }
    }
    let of = |laps: &[Measured], what: fn(&Measured) -> f64| -> Vec<f64> { laps.iter().map(what).collect() };
    let (server_us, agent_us) = (|lap: &Measured| lap.server_us, |lap: &Measured| lap.agent_us);
    report.section(String::from(
        "Traces on and off (sessions that are read with a key file; OTLP over HTTP to a collector here)",
    ));
    for (what, laps) in [("off", &off), ("on", &on)] {
        report.figure(format!("{what}: server CPU per session"), "µs", of(laps, server_us).into_iter().collect());
        report.figure(format!("{what}: agent CPU per session"), "µs", of(laps, agent_us).into_iter().collect());
    }
    let ratio = |what| Spread::of_pairs(&of(&on, what), &of(&off, what), |on, off| on / off);
    report.figure("spans per session", "", [spans].into_iter().collect());
    report.figure("on, of off: server CPU per session", "×", ratio(server_us));
    report.figure("on, of off: agent CPU per session", "×", ratio(agent_us));
    Ok(())
}

fn lap(
    bench: &Bench,
    report: &mut Report,
    server: &Server,
    collector: Option<&str>,
    spans: &mut f64,
) -> Result<Measured> {
    let count = bench.sizes.connections * u32::try_from(bench.sizes.laps)?;
    let keys = bench.dir.join("keys").display().to_string();
    let mut args = vec!["--psk-file", &keys];
    if let Some(collector) = collector {
        args.extend(["--otlp-endpoint", collector, "--otlp-protocol", "http", "--otlp-signals", "traces"]);
    }
    let agent = Agent::start(bench, &[server.pid()], &args)?;
    report.started.push(agent.ready_ms);
    let before = system::cpu(agent.pid())?;
    let lap = server.best_lap(bench, Load::Session)?;
    agent.counted(count)?;
    agent.counted_sessions(count)?;
    thread::sleep(SENT);
    let cpu = system::cpu(agent.pid())?.saturating_sub(before);
    if collector.is_some() {
        let sent = agent.metric("cardlink_obs_otlp_spans_total{fate=\"sent\"}")?;
        let all = agent.metric("cardlink_obs_otlp_spans_total{")?;
        ensure!(sent > 0.0 && sent.to_bits() == all.to_bits(), "of {all} spans {sent} were sent");
        *spans = sent / f64::from(count);
    }
    report.stopped.push(agent.stop()?);
    Ok(Measured { server_us: lap.cpu_us, agent_us: cpu.as_secs_f64() * 1e6 / f64::from(count) })
}

/// Takes what comes, until this program ends: its address.
fn collector() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = serve(&stream);
            });
        }
    });
    Ok(format!("http://{address}"))
}

fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut requests = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if requests.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
        let mut answer = stream;
        answer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")?;
    }
}
