//! `cargo xtask demo`: the agent at work, on the lab's server, card and modem.

mod lab;
pub mod modem_tool;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::programs::Programs;
use crate::project::{is_root, run as run_command, show, step, target_dir};
use lab::Lab;

/// `cargo xtask demo`
#[derive(Debug, Args)]
pub struct Options {
    /// How long the agent watches.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the agent can be scraped.
    #[arg(long, default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
}

/// The metrics that the demo shows at its end begin with these.
const SHOWN: &[&str] = &[
    "cardlink_tls_handshakes_total{",
    "cardlink_sessions_total{",
    "cardlink_apdu_responses_total{",
    "cardlink_findings_total{",
    "cardlink_at_commands_total{",
];

pub fn run(options: &Options) -> Result<()> {
    let programs = Programs::build()?;
    let dir = target_dir().join("demo");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    step("Starting a PSK-TLS administration server, and a program that drives a modem");
    let lab = Lab::start(&programs, &dir)?;

    let mut command = agent(&programs);
    command.args(["run", "--verbose", "--listen", &options.listen.to_string(), "--psk-file"]).arg(lab.keys());
    for pid in lab.pids() {
        command.arg("--pid").arg(pid.to_string());
    }
    step(format!("Watching them for {} s: {}", options.seconds, show(&command)));
    println!("    Scrape http://{}/metrics meanwhile.\n", options.listen);
    let mut agent = command.stdin(Stdio::null()).spawn().context("cannot start the agent")?;
    let watched = watch(&lab, &programs, &mut agent, options);
    stop(&mut agent)?;
    let page = watched?;

    println!("\nOn the metrics page, among others:");
    let shown = |line: &&str| SHOWN.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0");
    for line in page.lines().filter(shown) {
        println!("    {line}");
    }
    println!("\nOn a host of your own:  sudo {} run --port 8443", programs.agent.display());
    Ok(())
}

/// Lets cards come until the time is over; returns the last metrics page.
fn watch(lab: &Lab, programs: &Programs, agent: &mut Child, options: &Options) -> Result<String> {
    let start = Instant::now();
    while scrape(options.listen).is_err() {
        if let Some(status) = agent.try_wait().context("cannot wait for the agent")? {
            bail!("the agent ended at once ({status}); what it said is above");
        }
        ensure!(start.elapsed() < Duration::from_secs(20), "the agent does not answer on {}", options.listen);
        thread::sleep(Duration::from_millis(100));
    }
    let _cards = lab.cards(programs)?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(options.seconds) {
        if let Some(status) = agent.try_wait().context("cannot wait for the agent")? {
            bail!("the agent ended ({status}); what it said is above");
        }
        thread::sleep(Duration::from_millis(100));
    }
    scrape(options.listen)
}

/// The agent needs root.
fn agent(programs: &Programs) -> Command {
    if is_root() {
        return Command::new(&programs.agent);
    }
    let mut command = Command::new("sudo");
    command.arg(&programs.agent);
    command
}

/// Ends the agent as a service manager would.
fn stop(agent: &mut Child) -> Result<()> {
    if agent.try_wait().context("cannot wait for the agent")?.is_none() {
        let kill = if is_root() { &["kill"][..] } else { &["sudo", "kill"] };
        let (program, args) = kill.split_first().context("a command has a name")?;
        run_command(Command::new(program).args(args).args(["-TERM", &agent.id().to_string()]))?;
    }
    agent.wait().context("cannot wait for the agent")?;
    Ok(())
}

fn scrape(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    ensure!(page.starts_with("HTTP/1.1 200"), "the agent answers `{}`", page.lines().next().unwrap_or_default());
    Ok(page)
}
