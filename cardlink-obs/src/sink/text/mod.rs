//! The live view for people: the `strace` of this field.

mod adb;
mod connect;
mod database;
mod device;
mod function;
mod session;
mod test;

use super::{Sink, names::Names, wall::WallClock};
use crate::observation::{
    AdbResult, AtCommand, AtResult, AtUnsolicited, Blind, Call, Connection, ConnectionClosed, ConnectionOutcome,
    DatabaseChange, Handshake, LineChange, Observation, PeerAddress, Phases, Process, ProgramWait, Role, SessionStatus,
    Stamp, TargetChange, TargetEvent, Trigger, Tty,
};
use crate::protocol::tls::is_signal;
use crate::track::dialogue::KINDS;
use crate::words::counted;
use anstyle::{AnsiColor, Style};
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
/// So long a program must have looked away before its answers' times are said to be upper bounds.
const UNATTENDED: Duration = Duration::from_millis(20);

/// What is to be shown.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what failed.
    pub failed: bool,
    /// Only what took at least so long.
    pub slower: Option<Duration>,
    /// Only this connection.
    pub connection: Option<u64>,
    /// Only peers whose address begins with this.
    pub peer: Option<String>,
    /// Unsolicited result codes, closes, and every process that starts and ends, too.
    pub all: bool,
}

impl Filter {
    fn narrows(&self) -> bool {
        self.failed || self.slower.is_some() || self.connection.is_some() || self.peer.is_some()
    }

    fn wants_connection(&self, connection: &Connection) -> bool {
        self.connection.is_none_or(|number| number == connection.number) && self.wants_peer(connection.peer.as_ref())
    }

    fn wants_peer(&self, address: Option<&PeerAddress>) -> bool {
        self.peer
            .as_ref()
            .is_none_or(|peer| address.is_some_and(|address| address.to_string().starts_with(peer.as_str())))
    }

    fn wants_maybe(&self, connection: Option<&Connection>) -> bool {
        match connection {
            Some(connection) => self.wants_connection(connection),
            None => self.connection.is_none() && self.peer.is_none(),
        }
    }

    fn wants(&self, failed: bool, took: Duration) -> bool {
        (!self.failed || failed) && self.slower.is_none_or(|limit| took >= limit)
    }

    /// Whether an observation passes.
    pub fn passes(&self, observation: &Observation) -> bool {
        let no_connection = self.connection.is_none() && self.peer.is_none();
        match observation {
            Observation::Handshake(handshake) => {
                self.wants_connection(&handshake.connection)
                    && self.wants(handshake.failure.is_some(), handshake.duration())
            }
            Observation::ConnectionOpened(connection) => {
                self.wants_connection(connection) && !self.failed && self.slower.is_none()
            }
            Observation::ConnectionClosed(closed) => {
                self.wants_connection(&closed.connection) && !self.failed && self.slower.is_none()
            }
            Observation::Plaintext(plaintext) => {
                self.wants_connection(&plaintext.connection) && self.slower.is_none() && !self.failed
            }
            Observation::Exchange(exchange) => {
                let took = exchange.server().or(exchange.waited()).max(exchange.peer).unwrap_or_default();
                let failed = exchange.broken().is_some() || exchange.status.is_none_or(|status| status >= 400);
                self.wants_connection(&exchange.connection) && self.wants(failed, took)
            }
            Observation::Script(script) => {
                let took = script.answered.map(|answered| answered.since(script.sent)).unwrap_or_default();
                self.wants_connection(&script.connection) && self.wants(session::has_failed(script), took)
            }
            Observation::SessionOpened(opened) => {
                self.wants_connection(&opened.connection) && self.slower.is_none() && !self.failed
            }
            Observation::Session(ended) => {
                let failed = ended.status() != SessionStatus::Completed || ended.apdu_errors > 0;
                self.wants_connection(&ended.connection) && self.wants(failed, ended.duration())
            }
            Observation::Finding(finding) => self.wants_connection(&finding.connection) && self.slower.is_none(),
            Observation::AtCommand(command) => {
                no_connection && self.wants(command.result.is_failure(), command.duration())
            }
            Observation::ProgramWait(wait) => {
                no_connection && !self.failed && self.slower.is_none_or(|l| wait.wait >= l)
            }
            Observation::Test(test) => {
                no_connection && self.wants(test.outcome.is_failure(), test.duration.unwrap_or_default())
            }
            Observation::Trigger(trigger) => {
                no_connection && self.wants(!trigger.was_sent(), trigger.end.since(trigger.sent))
            }
            Observation::Function(call) => {
                let took = call.calls.first().map(Call::duration).unwrap_or_default();
                no_connection && !self.failed && self.slower.is_none_or(|limit| took >= limit)
            }
            Observation::AtUnsolicited(_)
            | Observation::Line(_)
            | Observation::TestSuite(_)
            | Observation::TestStarted(_)
            | Observation::Target(_)
            | Observation::Process(_)
            | Observation::DeviceChange(_)
            | Observation::PhoneList(_) => !self.narrows(),
            Observation::Query(query) => {
                self.wants_maybe(query.connection.as_deref())
                    && self.wants(query.error.is_some(), query.took.unwrap_or_default())
            }
            Observation::DatabaseConnection(told) => {
                self.wants_maybe(told.connection.as_deref())
                    && self.slower.is_none()
                    && (!self.failed || matches!(told.change, DatabaseChange::Failed(_)))
            }
            Observation::ConnectFailed(failed) => {
                let peer = failed.peer.as_ref();
                let number = failed.connection.as_ref().map(|connection| connection.number);
                self.connection.is_none_or(|wanted| number == Some(wanted))
                    && self.wants_peer(peer)
                    && self.wants(!failed.other_answered, failed.took.unwrap_or_default())
            }
            Observation::Incomplete(_) | Observation::Blind(_) => true,
            Observation::DeviceApdu(apdu) => {
                self.wants_maybe(apdu.connection.as_deref()) && self.wants(device::has_failed(apdu), apdu.duration())
            }
            Observation::AdbOperation(one) => {
                self.wants_connection(&one.connection) && self.wants(adb::has_failed(one), one.duration())
            }
            Observation::AdbCommand(run) => {
                let failed = !matches!(run.result, AdbResult::Ok);
                no_connection && (self.all || !run.counted_elsewhere || failed) && self.wants(failed, run.duration())
            }
            Observation::DeviceOperation(operation) => {
                self.wants_maybe(operation.connection.as_deref())
                    && self.wants(operation.error.is_some(), operation.duration())
            }
            Observation::DeviceFinding(finding) => {
                self.wants_maybe(finding.connection.as_deref()) && self.slower.is_none()
            }
        }
    }
}

/// It is told in its own words.
fn is_followed(spoke: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == spoke)
}

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

    fn tty_heading(&mut self, at: Stamp, tty: &Tty) -> io::Result<()> {
        let Process { pid, comm, .. } = &*tty.process;
        let path = &*tty.path;
        let about = Heading::Tty(*pid, path.to_owned());
        if self.heading.as_ref().is_some_and(|(heading, _)| *heading == about) {
            return Ok(());
        }
        self.heading = Some((about, at));
        let time = self.time(at);
        let device = if *tty.device.name == *path { String::new() } else { self.names.device(&tty.device) };
        let space = if device.is_empty() { "" } else { " " };
        writeln!(self.out, "{time} {HEAD}{comm}{HEAD:#}({pid}) {path}{space}{device}")
    }

    fn at_command(&mut self, command: &AtCommand) -> io::Result<()> {
        self.tty_heading(command.end, &command.tty)?;
        let took = duration(command.duration());
        let (style, result) = match &command.result {
            AtResult::Ok => (GOOD, String::from("OK")),
            AtResult::Cme(number) => (BAD, format!("+CME ERROR {number}")),
            AtResult::Cms(number) => (BAD, format!("+CMS ERROR {number}")),
            other => (if other.is_failure() { BAD } else { GOOD }, other.to_string().replace('_', " ").to_uppercase()),
        };
        let name = if command.line.len() > 1 { command.line.join(" ; ") } else { command.name.clone() };
        let first = match command.first_byte {
            // Said only where it tells something: an answer that began well before it ended.
            Some(first) if command.end.since(first) > TOLD_WAIT => {
                format!("   {DIM}first byte {}{DIM:#}", duration(first.since(command.start)))
            }
            _ => String::new(),
        };
        let unattended = if command.unattended > UNATTENDED {
            format!("   {DIM}the program was not looking for {}{DIM:#}", duration(command.unattended))
        } else {
            String::new()
        };
        let prompt =
            command.prompt.map_or_else(String::new, |time| format!("   {DIM}prompt {}{DIM:#}", duration(time)));
        writeln!(self.out, "  {name:<14} {style}{result}{style:#}   {took}{first}{prompt}{unattended}")
    }

    fn program_wait(&mut self, wait: &ProgramWait) -> io::Result<()> {
        self.tty_heading(wait.answered + wait.wait, &wait.tty)?;
        writeln!(
            self.out,
            "  {:<14} {WARN}program +{}, polling after the answer ⚠{WARN:#} its parser missed it?",
            wait.command,
            duration(wait.wait)
        )
    }

    fn trigger(&mut self, trigger: &Trigger) -> io::Result<()> {
        self.tty_heading(trigger.end, &trigger.tty)?;
        let (style, what) = match &trigger.result {
            AtResult::Ok => (GOOD, String::from("sent")),
            other => (BAD, other.to_string().replace('_', " ")),
        };
        let tar = trigger.tar.map_or_else(String::new, |[a, b, c]| format!("   TAR {a:02X}{b:02X}{c:02X}"));
        let ciphered = if trigger.ciphered { "   enciphered" } else { "" };
        let kind = trigger.kind.as_str();
        writeln!(self.out, "  trigger {:<3} {kind}   {style}{what}{style:#}{tar}{DIM}{ciphered}{DIM:#}", trigger.number)
    }

    fn line_settings(&mut self, change: &LineChange) -> io::Result<()> {
        self.tty_heading(change.at, &change.tty)?;
        let flow = change.settings.flow.as_str().replace('_', " ");
        let pseudo = if change.pseudo { "   without effect on a pseudo-terminal" } else { "" };
        let during = if change.during_command { "   while a command waits ⚠" } else { "" };
        writeln!(
            self.out,
            "  {:<14} {}, flow control: {flow}{DIM}{pseudo}{DIM:#}{WARN}{during}{WARN:#}",
            "line", change.settings
        )
    }

    fn unsolicited(&mut self, code: &AtUnsolicited) -> io::Result<()> {
        self.tty_heading(code.at, &code.tty)?;
        writeln!(self.out, "  {:<14} {DIM}unsolicited{DIM:#}", code.code)
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
