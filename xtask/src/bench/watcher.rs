//! Who watches the server: the agent, or a tool that people use for it today.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::lab::Server;
use super::running::Running;
use super::{Bench, system};

/// Long enough for a tool on a busy machine.
const READY: Duration = Duration::from_secs(30);

/// The agent, watching.
#[derive(Debug)]
pub struct Agent {
    running: Running,
    address: SocketAddr,
    /// From its start until everything was attached and the page was there.
    pub ready_ms: f64,
}

impl Agent {
    pub fn start(bench: &Bench, pids: &[u32], args: &[&str]) -> Result<Self> {
        let mut command = Command::new(&bench.programs.agent);
        command.args(["run", "--listen", "127.0.0.1:0"]).args(args);
        for pid in pids {
            command.args(["--pid", &pid.to_string()]);
        }
        let start = Instant::now();
        let mut running = Running::start(&mut command)?;
        let address = running.wait_until(READY, |agent| {
            let said = agent.said();
            let address = said.split_once("http://")?.1.split_once('/')?.0.parse().ok()?;
            Some(address)
        })?;
        Ok(Self { running, address, ready_ms: start.elapsed().as_secs_f64() * 1e3 })
    }

    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The sum of the series whose line begins so.
    pub fn metric(&self, prefix: &str) -> Result<f64> {
        let page = self.page()?;
        let values = page.lines().filter(|line| line.starts_with(prefix));
        // Not `sum`: that of nothing is -0.
        Ok(values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).fold(0.0, |sum, value| sum + value))
    }

    fn page(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.address).context("the agent does not answer")?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut page = String::new();
        stream.read_to_string(&mut page).context("the agent's page cannot be read")?;
        Ok(page)
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of series, once no more come.
    pub fn settled_series(&self) -> Result<usize> {
        let mut last = usize::MAX;
        loop {
            // A page of thousands of series is rendered every few seconds.
            thread::sleep(Duration::from_secs(6));
            let page = self.page()?;
            let series = page.lines().filter(|line| line.starts_with("cardlink_")).count();
            if series == last {
                return Ok(series);
            }
            last = series;
        }
    }

    /// Waits until the agent has counted so many handshakes: what was measured is what was seen.
    pub fn counted(&self, handshakes: u32) -> Result<()> {
        self.has("cardlink_tls_handshakes_total{", handshakes, "handshakes")
    }

    /// The same for sessions that it has read.
    pub fn counted_sessions(&self, sessions: u32) -> Result<()> {
        self.has("cardlink_sessions_total{", sessions, "sessions")
    }

    /// The same for C-APDUs.
    pub fn counted_apdus(&self, apdus: u32) -> Result<()> {
        self.has("cardlink_apdu_commands_total{", apdus, "APDUs")
    }

    /// Waits until any series whose line begins so has counted something.
    pub fn wait_for(&self, metric: &str, limit: Duration) -> Result<()> {
        let seen = self.until(metric, limit, |seen| seen > 0.0)?;
        ensure!(seen > 0.0, "the agent has counted nothing of {metric}");
        Ok(())
    }

    /// The sum of these series: when it is as wanted, or the last one within the limit.
    fn until(&self, metric: &str, limit: Duration, wanted: impl Fn(f64) -> bool) -> Result<f64> {
        let start = Instant::now();
        loop {
            let seen = self.metric(metric)?;
            if wanted(seen) || start.elapsed() >= limit {
                return Ok(seen);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn has(&self, metric: &str, wanted: u32, what: &str) -> Result<()> {
        let is_it = |seen: f64| seen.to_bits() == f64::from(wanted).to_bits();
        let seen = self.until(metric, Duration::from_secs(3), is_it)?;
        ensure!(is_it(seen), "the agent counted {seen} {what}, but there were {wanted}");
        Ok(())
    }

    /// Ends it, and waits until the kernel has let go of every hook. Returns how long the agent itself took, in ms.
    pub fn stop(self) -> Result<f64> {
        let group = self.pid();
        let start = Instant::now();
        let (status, said) = self.running.stop(Signal::SIGTERM)?;
        let took = start.elapsed().as_secs_f64() * 1e3;
        ensure!(status.success(), "the agent failed ({status}): {}", said.trim());
        system::group_ended(group, READY)?;
        Ok(took)
    }
}

/// Tools to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Strace,
    BpftraceLibssl,
    BpftraceCalls,
    Tcpdump,
}

impl Tool {
    pub const ALL: [Self; 4] = [Self::Strace, Self::BpftraceLibssl, Self::BpftraceCalls, Self::Tcpdump];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Strace => "strace -f -e network,read,write",
            Self::BpftraceLibssl => "bpftrace, uprobes on libssl",
            Self::BpftraceCalls => "bpftrace, system calls",
            Self::Tcpdump => "tcpdump -i lo port …",
        }
    }

    pub const fn program(self) -> &'static str {
        match self {
            Self::Strace => "strace",
            Self::BpftraceLibssl | Self::BpftraceCalls => "bpftrace",
            Self::Tcpdump => "tcpdump",
        }
    }

    /// It alone. bpftrace looks for system calls in tracefs: where that is not mounted, it gets one that nobody else sees.
    fn command(self) -> Command {
        if self.program() != "bpftrace" || Path::new(TRACEFS).join("events").exists() {
            return Command::new(self.program());
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c"]);
        command.arg(format!("mount -t tracefs tracefs {TRACEFS} && exec \"$0\" \"$@\"")).arg(self.program());
        command
    }
}

/// Where programs look for tracefs.
const TRACEFS: &str = "/sys/kernel/tracing";

/// A tool at work.
#[derive(Debug)]
pub struct Watching {
    tool: Tool,
    running: Running,
    output: PathBuf,
}

impl Watching {
    pub fn start(bench: &Bench, tool: Tool, server: &Server) -> Result<Self> {
        let pid = server.pid().to_string();
        let output = bench.dir.join("output");
        let mut command = tool.command();
        match tool {
            Tool::Strace => {
                command.args(["-f", "-e", "trace=network,read,write", "-o", "/dev/null", "-p", &pid]);
            }
            Tool::BpftraceLibssl => {
                let library = system::library(server.pid(), "libssl.so").context("the server has no libssl")?;
                command.args(["-p", &pid, "-e", &libssl_script(&library)]);
            }
            Tool::BpftraceCalls => {
                command.args(["-e", &calls_script(&pid)]);
            }
            Tool::Tcpdump => {
                command.args(["-i", "lo", "-n", "-w", "/dev/null", "tcp", "port", server.port()?]);
            }
        }
        let file = File::create(&output).with_context(|| format!("cannot create {}", output.display()))?;
        command.stdin(Stdio::null()).stdout(file);
        let mut running = Running::start_as_it_is(&mut command, tool.program().to_owned())?;
        running.wait_until(READY, |watching| {
            let ready = match tool {
                Tool::Strace => system::is_traced(server.pid()),
                Tool::Tcpdump => watching.said().contains("listening on"),
                _ => fs::read_to_string(&output).is_ok_and(|text| text.contains("tick")),
            };
            ready.then_some(())
        })?;
        // What is not told: the last of bpftrace's probes, tcpdump's first packet.
        thread::sleep(Duration::from_millis(300));
        Ok(Self { tool, running, output })
    }

    /// Ends it; an error when it has not seen the connections.
    pub fn stop(self, connections: u32) -> Result<()> {
        let Self { tool, running, output } = self;
        let (_, said) = running.stop(Signal::SIGINT)?;
        let seen = match tool {
            // Every thread was traced when it began.
            Tool::Strace => return Ok(()),
            Tool::Tcpdump => {
                let captured = said.lines().find_map(|line| line.strip_suffix(" packets captured"));
                captured.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
            }
            _ => {
                let text = fs::read_to_string(&output).context("bpftrace's output cannot be read")?;
                text.lines().filter(|line| line.starts_with("call ")).count()
            }
        };
        let wanted = usize::try_from(connections).unwrap_or(usize::MAX);
        ensure!(seen >= wanted, "{} saw {seen} events of {connections} connections: {}", tool.name(), said.trim());
        Ok(())
    }
}

/// Tells that the script runs.
const TICK: &str = "interval:ms:200 { printf(\"tick\\n\"); }\n";

/// Entry and return of what people look at, with the time between.
fn libssl_script(library: &str) -> String {
    const FUNCTIONS: &[&str] = &["SSL_do_handshake", "SSL_read", "SSL_write", "SSL_read_ex", "SSL_write_ex"];
    let mut script = String::from(TICK);
    for function in FUNCTIONS {
        let _ = write!(
            script,
            "uprobe:{library}:{function} {{ @start_{function}[tid] = nsecs; }}\n\
             uretprobe:{library}:{function} /@start_{function}[tid]/ {{\n\
             printf(\"call {function} %d %d %d\\n\", tid, retval, nsecs - @start_{function}[tid]);\n\
             delete(@start_{function}[tid]); }}\n"
        );
    }
    script
}

/// The calls that the server makes for a connection, with their results and times.
fn calls_script(pid: &str) -> String {
    const CALLS: &[&str] = &["read", "write", "recvfrom", "sendto", "accept4", "close"];
    let mut script = String::from(TICK);
    for call in CALLS {
        let _ = write!(
            script,
            "tracepoint:syscalls:sys_enter_{call} /pid == {pid}/ {{ @start[tid] = nsecs; }}\n\
             tracepoint:syscalls:sys_exit_{call} /@start[tid]/ {{\n\
             printf(\"call {call} %d %d %d\\n\", tid, args->ret, nsecs - @start[tid]); delete(@start[tid]); }}\n"
        );
    }
    script
}
