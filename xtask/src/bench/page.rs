//! The metrics page: thousands of series with many scrapers at once, and a flood of names that are all different.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::lab::Server;
use super::report::Report;
use super::running::Running;
use super::stats::Spread;
use super::watcher::Agent;
use super::worker::Worker;
use super::{Bench, system};

/// Programs with a modem each: what all commands and results of three of them are is more than 10,000 series.
const PROGRAMS: usize = 3;
/// More commands than have a label of their own.
const COMMANDS: u32 = 220;
const SERIES: usize = 10_000;
const SCRAPERS: usize = 8;
const OPEN: &str = "application/openmetrics-text; version=1.0.0";

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let server = Server::start(bench)?;
    let mut modems = Vec::new();
    let mut programs = Vec::new();
    for number in 0..PROGRAMS {
        modems.push(modem(bench, number)?);
        programs.push(Worker::start(bench)?);
    }
    let pids: Vec<u32> = programs.iter().map(Worker::pid).chain([server.pid()]).collect();
    let agent = Agent::start(bench, &pids, &[])?;
    report.started.push(agent.ready_ms);
    send(bench, &mut programs, COMMANDS)?;
    let series = agent.settled_series()?;
    ensure!(series >= SERIES, "the page has {series} series, fewer than {SERIES}");

    let one = |value: f64| -> Spread { [value].into_iter().collect() };
    report.section(format!("The metrics page ({series} series)"));
    for (what, scrapers, format) in
        [("one scraper", 1, ""), ("8 scrapers", SCRAPERS, ""), ("8 scrapers, OpenMetrics", SCRAPERS, OPEN)]
    {
        let mut p50 = Vec::new();
        let mut p99 = Vec::new();
        let mut size = 0;
        for _ in 0..bench.sizes.rounds {
            let times = scrapes(agent.address(), scrapers, bench.sizes.scrapes, format, &mut size)?;
            p50.push(times.get(times.len() / 2).copied().unwrap_or(f64::NAN));
            p99.push(times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN));
        }
        report.figure(format!("{what}: median of a scrape"), "ms", p50.into_iter().collect());
        let p99: Spread = p99.into_iter().collect();
        if scrapers == SCRAPERS && format.is_empty() {
            report.aim(format!("{what}: 99 of 100 scrapes within"), "ms", p99, 10.0);
        } else {
            report.figure(format!("{what}: 99 of 100 scrapes within"), "ms", p99);
        }
        report.figure(format!("{what}: bytes of a page, compressed"), "", one(f64::from(u32::try_from(size)?)));
    }
    delays(bench, &agent, &mut programs, report)?;

    // Three programs send commands, and cards come with identities: none of them twice.
    let flood = bench.sizes.flood;
    let before = system::memory(agent.pid(), "VmRSS")?;
    let (series, handshakes) = (agent.settled_series()?, agent.metric("cardlink_tls_handshakes_total{")?);
    let start = Instant::now();
    let identities = thread::scope(|scope| -> Result<u32> {
        let cards = scope.spawn(|| server.strangers(bench, flood / 4));
        send(bench, &mut programs, flood / PROGRAMS as u32)?;
        cards.join().ok().context("the cards failed")??;
        Ok(flood / 4)
    })?;
    let took = start.elapsed();
    let after = agent.settled_series()?;
    let counted = agent.metric("cardlink_tls_handshakes_total{")? - handshakes;
    let lost = agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")?;
    let rss = system::memory(agent.pid(), "VmRSS")?;
    report.stopped.push(agent.stop()?);
    report.section(format!(
        "A flood of {flood} command names and {identities} identities, all different, in {:.0} s",
        took.as_secs_f64()
    ));
    report.figure("series before", "", one(series as f64));
    report.figure("handshakes that were counted of these identities", "", one(counted));
    report.figure("events that found the ring full", "", one(lost));
    // The announced series of the reasons why handshakes fail, and what ends as `other`, come once.
    report.aim("series that came with it", "", one(after as f64 - series as f64), 1000.0);
    report.aim("resident memory that came with it", "MiB", one(rss - before), 8.0);
    Ok(())
}

/// A modem with a link to its tty.
pub fn modem(bench: &Bench, number: usize) -> Result<Running> {
    let link = link(bench, number);
    let _ = std::fs::remove_file(&link);
    let mut command = Command::new(bench.programs.lab.join("lab-modem"));
    let mut running = Running::start(command.arg("--link").arg(&link))?;
    running.wait_until(Duration::from_secs(10), |_| link.exists().then_some(()))?;
    Ok(running)
}

pub fn link(bench: &Bench, number: usize) -> std::path::PathBuf {
    bench.dir.join(format!("tty{number}"))
}

/// Each program sends so many commands, all at the same time. Returns the nanoseconds that a command took, at most.
fn send(bench: &Bench, programs: &mut [Worker], count: u32) -> Result<f64> {
    let times = thread::scope(|scope| -> Result<Vec<f64>> {
        let threads: Vec<_> = programs
            .iter_mut()
            .enumerate()
            .map(|(number, program)| {
                let words = format!("at {} {count}", link(bench, number).display());
                scope.spawn(move || program.ask(&words))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a program failed")?).collect()
    })?;
    Ok(times.into_iter().fold(0.0, f64::max))
}

/// Whether scrapes delay what is watched, or lose events: commands with 8 scrapers, of commands without.
fn delays(bench: &Bench, agent: &Agent, programs: &mut [Worker], report: &mut Report) -> Result<()> {
    let count = bench.sizes.scrapes;
    let lost = agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")?;
    let mut ratios = Vec::new();
    for _ in 0..bench.sizes.rounds {
        let without = send(bench, programs, count)?;
        let stop = AtomicBool::new(false);
        let with = thread::scope(|scope| -> Result<f64> {
            for _ in 0..SCRAPERS {
                scope.spawn(|| {
                    // Ten times a second each: a hundred times as often as Prometheus does.
                    while !stop.load(Ordering::Relaxed) {
                        let _ = scrape(agent.address(), "");
                        thread::sleep(Duration::from_millis(100));
                    }
                });
            }
            let with = send(bench, programs, count);
            stop.store(true, Ordering::Relaxed);
            with
        })?;
        ratios.push(with / without);
    }
    let lost = agent.metric("cardlink_obs_events_total{fate=\"ring_full\"}")? - lost;
    report.figure("an AT command with 80 scrapes a second, of one without", "×", ratios.into_iter().collect());
    report.figure("events lost meanwhile", "", [lost].into_iter().collect());
    Ok(())
}

/// The times of all scrapes, in milliseconds and in order of size.
fn scrapes(address: SocketAddr, scrapers: usize, count: u32, format: &str, size: &mut usize) -> Result<Vec<f64>> {
    let mut times = thread::scope(|scope| -> Result<Vec<f64>> {
        let scraper = || -> Result<Vec<f64>> { (0..count).map(|_| Ok(scrape(address, format)?.0)).collect() };
        let threads: Vec<_> = (0..scrapers).map(|_| scope.spawn(scraper)).collect();
        let mut times = Vec::new();
        for thread in threads {
            times.extend(thread.join().ok().context("a scraper failed")??);
        }
        Ok(times)
    })?;
    *size = scrape(address, format)?.1;
    times.sort_unstable_by(f64::total_cmp);
    Ok(times)
}

/// As Prometheus does it, but with a connection of its own: milliseconds, and bytes of the compressed page.
fn scrape(address: SocketAddr, format: &str) -> Result<(f64, usize)> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).context("the agent does not answer")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let accept = if format.is_empty() { "*/*" } else { format };
    let head = format!("Host: {address}\r\nConnection: close\r\nAccept-Encoding: gzip\r\nAccept: {accept}\r\n");
    write!(stream, "GET /metrics HTTP/1.1\r\n{head}\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the agent's page cannot be read")?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("not an answer of HTTP")?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "the page was refused");
    Ok((took, answer.len() - end - 4))
}
