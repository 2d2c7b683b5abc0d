//! The live view for people: the `strace` of this field.

mod adb;
mod connect;
mod database;
mod device;
mod filter;
mod function;
mod modem;
mod session;
mod test;

pub use filter::Filter;

use super::{Sink, names::Names, wall::WallClock};
use crate::observation::{
    Blind, Connection, ConnectionClosed, ConnectionOutcome, Handshake, Observation, Phases, Role, Stamp, TargetChange,
    TargetEvent,
};
use crate::protocol::tls::is_signal;
use crate::words::counted;
use anstyle::{AnsiColor, Style};
use filter::is_followed;
use std::{
    io::{self, Write},
    time::Duration,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
const HEAD: Style = Style::new().bold();

/// Lines about the same connection that come so soon need no heading of their own.
const SAME: Duration = Duration::from_millis(500);
/// Width of the bar that shows where the time went.
const BAR: usize = 12;
/// Shorter waits of a program are nobody's trouble.
const TOLD_WAIT: Duration = Duration::from_millis(100);

/// What a block of lines is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heading {
    Tty(u32, String),
    Connection(u64),
    /// A device, by the process that uses it and its name.
    Device(u32, String),
    Tests(u32),
}

/// Writes observations as lines for people.
pub struct Text<W> {
    out: W,
    clock: WallClock,
    names: Names,
    filter: Filter,
    /// What the last heading was about, so that it is not said again.
    heading: Option<(Heading, Stamp)>,
    /// The reader has gone.
    unread: bool,
}

impl<W: Write> Text<W> {
    pub fn new(out: W, clock: WallClock, names: Names, filter: Filter) -> Self {
        Self { out, clock, names, filter, heading: None, unread: false }
    }

    fn write(&mut self, observation: &Observation) -> io::Result<()> {
        match observation {
            Observation::Handshake(handshake) => self.handshake(handshake),
            Observation::Test(test) => self.test(test),
            Observation::TestSuite(suite) => self.suite(suite),
            Observation::ConnectionClosed(closed) => self.closed(closed),
            Observation::Plaintext(plaintext) => self.plaintext(plaintext),
            Observation::Exchange(exchange) => self.exchange(exchange),
            Observation::Script(script) => self.script(script),
            Observation::Session(ended) => self.session(ended),
            Observation::Finding(finding) => self.finding(finding),
            Observation::AtCommand(command) => self.at_command(command),
            Observation::Trigger(trigger) => self.trigger(trigger),
            Observation::Line(change) => self.line_settings(change),
            Observation::AtUnsolicited(code) => self.unsolicited(code),
            Observation::ProgramWait(wait) => self.program_wait(wait),
            Observation::Target(change) => self.target(change),
            Observation::Blind(blind) => self.blind(blind),
            Observation::Function(call) => self.function(call),
            Observation::DeviceApdu(apdu) => self.device_apdu(apdu),
            Observation::DeviceOperation(operation) => self.device_operation(operation),
            Observation::DeviceChange(change) => self.device_change(change),
            Observation::DeviceFinding(finding) => self.device_finding(finding),
            Observation::Query(query) => self.query(query),
            Observation::DatabaseConnection(told) => self.database(told),
            Observation::ConnectFailed(failed) => self.connect_failed(failed),
            Observation::AdbOperation(one) => self.adb_operation(one),
            Observation::AdbCommand(run) => self.adb_command(run),
            Observation::PhoneList(list) => self.phones(list),
            Observation::Incomplete(incomplete) => {
                let time = self.clock.time_of_day(incomplete.at);
                let what = match incomplete.bytes {
                    0 => String::from("events were lost"),
                    bytes => format!("{bytes} bytes were lost"),
                };
                writeln!(self.out, "{time} {WARN}incomplete{WARN:#} {} {what}", incomplete.source)
            }
            Observation::ConnectionOpened(_)
            | Observation::SessionOpened(_)
            | Observation::TestStarted(_)
            | Observation::Process(_) => Ok(()),
        }
    }

    /// Whether there is anything to say of it.
    pub fn shows(&self, observation: &Observation) -> bool {
        let worth_telling = match observation {
            Observation::ConnectionOpened(_)
            | Observation::SessionOpened(_)
            | Observation::TestStarted(_)
            | Observation::Process(_) => false,
            Observation::AtUnsolicited(_) | Observation::PhoneList(_) => self.filter.all,
            Observation::ProgramWait(wait) => wait.wait >= TOLD_WAIT,
            Observation::Target(change) => self.filter.all || change.event == TargetEvent::Found,
            Observation::ConnectionClosed(closed) => self.tells(closed),
            Observation::ConnectFailed(failed) => self.filter.all || !failed.other_answered,
            _ => true,
        };
        worth_telling && self.filter.passes(observation)
    }

    /// Says that so many observations are missing here. What comes next has its heading again.
    pub fn left_out(&mut self, at: Stamp, observations: u64) {
        self.heading = None;
        let time = self.clock.time_of_day(at);
        let what = counted(observations, "observation", "observations");
        let result = writeln!(self.out, "{time} {WARN}{what} left out{WARN:#}: they were not read fast enough");
        self.unread = self.unread || is_gone(&result);
    }

    fn tells(&self, closed: &ConnectionClosed) -> bool {
        self.filter.all
            || match closed.outcome {
                ConnectionOutcome::Handshake | ConnectionOutcome::Unknown | ConnectionOutcome::NotConnected => false,
                ConnectionOutcome::NotTls => !closed.spoke.is_some_and(is_followed),
                ConnectionOutcome::NoClientHello => true,
            }
    }

    fn time(&self, at: Stamp) -> String {
        self.clock.time_of_day(at)
    }

    fn connection_heading(&mut self, at: Stamp, connection: &Connection) -> io::Result<()> {
        let now = Heading::Connection(connection.number);
        if self.heading.as_ref().is_some_and(|(heading, said)| *heading == now && at.since(*said) < SAME) {
            return Ok(());
        }
        let arrow = match connection.role {
            Some(Role::Client) => "→",
            Some(Role::Server) => "←",
            None => "↔",
        };
        let peer = connection.peer.as_ref().map_or_else(|| String::from("unknown peer"), ToString::to_string);
        let time = self.time(at);
        self.heading = Some((now, at));
        writeln!(self.out, "{time} {HEAD}#{}{HEAD:#} {} {arrow} {peer}", connection.number, connection.process.comm)
    }

    fn handshake(&mut self, handshake: &Handshake) -> io::Result<()> {
        self.connection_heading(handshake.end, &handshake.connection)?;
        let took = duration(handshake.duration());
        let suite = handshake.chosen.map_or_else(String::new, |suite| format!("{suite}  "));
        let split = split(handshake.role, handshake.phases);
        match &handshake.failure {
            None => writeln!(self.out, "  TLS   {GOOD}ok{GOOD:#}  {suite}{took}   {split}")?,
            Some(failure) => {
                writeln!(
                    self.out,
                    "  TLS   {BAD}FAILED {}{BAD:#} at {}   {suite}{took}   {split}",
                    failure.reason, failure.step
                )?;
                writeln!(self.out, "    {DIM}saw{DIM:#}   {}", failure.saw)?;
                writeln!(self.out, "    {DIM}do{DIM:#}    {}", failure.advice)?;
            }
        }
        let details = self.details(handshake);
        if !details.is_empty() {
            writeln!(self.out, "    {DIM}{}{DIM:#}", details.join(" · "))?;
        }
        Ok(())
    }

    fn details(&self, handshake: &Handshake) -> Vec<String> {
        let mut details = Vec::new();
        if let Some(version) = handshake.version {
            details.push(version.to_string());
        }
        if let Some(identity) = &handshake.identity {
            details.push(format!("identity {}", self.names.identity(identity)));
        }
        if handshake.resumed {
            details.push(String::from("resumed"));
        }
        if let Some(length) = handshake.granted.max_fragment_length.or(handshake.asked.max_fragment_length) {
            details.push(format!("max fragment {length}"));
        }
        if handshake.failure.is_some() && handshake.chosen.is_none() && !handshake.offered.is_empty() {
            let suites: Vec<_> = handshake.offered.iter().filter(|suite| !is_signal(suite.id)).collect();
            let offered: Vec<String> = suites.iter().take(6).map(ToString::to_string).collect();
            let more = suites.len().saturating_sub(6);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            details.push(format!("offered {}{more}", offered.join(", ")));
        }
        if handshake.partial {
            details.push(String::from("was under way when the agent came"));
        }
        if handshake.counted_elsewhere {
            details.push(String::from("counted at the server's end"));
        }
        if handshake.incomplete {
            details.push(String::from("bytes were lost"));
        }
        details
    }

    fn closed(&mut self, closed: &ConnectionClosed) -> io::Result<()> {
        let what = match closed.outcome {
            ConnectionOutcome::Handshake | ConnectionOutcome::Unknown => String::from("closed"),
            // Its failure was told.
            ConnectionOutcome::NotConnected => return Ok(()),
            ConnectionOutcome::NoClientHello => {
                String::from("closed without a ClientHello: the bearer was up, the peer said nothing")
            }
            ConnectionOutcome::NotTls => {
                format!("not TLS: the peer spoke {}", closed.spoke.unwrap_or("something unknown"))
            }
        };
        self.connection_heading(closed.at, &closed.connection)?;
        let lifetime = duration(closed.lifetime);
        let again = match closed.retransmits {
            0 => String::new(),
            segments => format!(", {} sent again", counted(segments, "segment", "segments")),
        };
        writeln!(
            self.out,
            "  TCP   {what}   {DIM}{lifetime}, {} B read, {} B written{again}{DIM:#}",
            closed.bytes_read, closed.bytes_written
        )
    }

    fn target(&mut self, change: &TargetChange) -> io::Result<()> {
        let what = match change.event {
            TargetEvent::Found => "watching",
            TargetEvent::Forked => "forked",
            TargetEvent::Started => "started",
            TargetEvent::Ended => "ended",
        };
        self.heading = None;
        let time = self.time(change.at);
        writeln!(self.out, "{time} {DIM}{what} {}({}){DIM:#}", change.process.comm, change.process.pid)
    }

    fn blind(&mut self, blind: &Blind) -> io::Result<()> {
        let time = self.time(blind.at);
        writeln!(
            self.out,
            "{time} {WARN}{}({}) uses {}: bytes that move that way cannot be seen{WARN:#}",
            blind.process.comm,
            blind.process.pid,
            blind.way.as_str()
        )
    }
}

impl<W: Write> Sink for Text<W> {
    fn take(&mut self, observation: &Observation) {
        if !self.unread && self.shows(observation) {
            self.unread = is_gone(&self.write(observation));
        }
    }

    fn flush(&mut self) {
        self.unread = self.unread || is_gone(&self.out.flush());
        self.clock.refresh();
    }

    fn is_unread(&self) -> bool {
        self.unread
    }
}

/// Whether what was written to has no reader any more.
pub fn is_gone(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// `server 3 ms │ peer 409 ms ████████`: the bar is the share of the slower one.
fn split(role: Role, phases: Phases) -> String {
    let (here, there) = match role {
        Role::Server => ("server", "peer"),
        Role::Client => ("client", "server"),
    };
    let local = phases.local_compute + phases.not_ready;
    let total = local + phases.peer_wait;
    let bar = if total.is_zero() {
        String::new()
    } else {
        let share = phases.peer_wait.as_secs_f64() / total.as_secs_f64();
        #[expect(clippy::cast_sign_loss, reason = "a share lies between 0 and 1")]
        let filled = (share * BAR as f64).round() as usize;
        format!("  {DIM}{}{DIM:#}{}", "░".repeat(BAR.saturating_sub(filled)), "█".repeat(filled.min(BAR)))
    };
    let busy = if phases.not_ready > Duration::from_millis(1) {
        format!(" (of it {} not ready)", duration(phases.not_ready))
    } else {
        String::new()
    };
    format!("{here} {}{busy} │ {there} {}{bar}", duration(local), duration(phases.peer_wait))
}

/// `412 ms`, `3.20 s`, `87 µs`.
pub fn duration(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", time.as_millis()),
        1_000_000..60_000_000 => format!("{:.2} s", time.as_secs_f64()),
        _ => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}
