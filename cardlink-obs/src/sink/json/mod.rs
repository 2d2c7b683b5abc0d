//! Observations as JSON, one object a line. `docs/trace.md` describes the fields.

mod adb;
mod connect;
mod database;
mod device;
mod session;
mod test;

use super::{
    Sink,
    names::Names,
    text::{Filter, is_gone},
    wall::WallClock,
};
use crate::observation::{Connection, Extensions, Handshake, Observation, Phases, Process, Stamp, TargetEvent, Tty};
use serde_json::{Map, Value, json};
use std::{io::Write, time::Duration};

/// Writes observations as JSON lines.
pub struct Json<W> {
    out: W,
    clock: WallClock,
    names: Names,
    filter: Filter,
    /// The reader has gone.
    unread: bool,
}

impl<W: Write> Json<W> {
    pub fn new(out: W, clock: WallClock, names: Names, filter: Filter) -> Self {
        Self { out, clock, names, filter, unread: false }
    }

    /// Whether it is asked for.
    pub fn shows(&self, observation: &Observation) -> bool {
        self.filter.passes(observation)
    }

    /// Says that so many observations are missing here.
    pub fn left_out(&mut self, at: Stamp, observations: u64) {
        let value = json!({"type": "left_out", "time": self.clock.iso(at), "observations": observations});
        let result = writeln!(self.out, "{value}");
        self.unread = self.unread || is_gone(&result);
    }
}

impl<W: Write> Sink for Json<W> {
    fn take(&mut self, observation: &Observation) {
        if !self.unread && self.shows(observation) {
            let value = to_json(observation, &self.clock, &self.names);
            self.unread = is_gone(&writeln!(self.out, "{value}"));
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

/// An observation as a JSON object; durations are seconds, times ISO 8601 in UTC.
pub fn to_json(observation: &Observation, clock: &WallClock, names: &Names) -> Value {
    match observation {
        Observation::ConnectionOpened(connection) => with(
            json!({"type": "connection_opened", "time": clock.iso(connection.first_seen)}),
            connection_json(connection),
        ),
        Observation::ConnectionClosed(closed) => with(
            json!({
                "type": "connection_closed",
                "time": clock.iso(closed.at),
                "outcome": closed.outcome.as_str(),
                "spoke": closed.spoke,
                "lifetime": seconds(closed.lifetime),
                "bytes_read": closed.bytes_read,
                "bytes_written": closed.bytes_written,
                "retransmits": closed.retransmits,
                "incomplete": closed.incomplete,
                "counted_elsewhere": closed.counted_elsewhere,
            }),
            connection_json(&closed.connection),
        ),
        Observation::Handshake(handshake) => {
            with(handshake_json(handshake, clock, names), connection_json(&handshake.connection))
        }
        Observation::Plaintext(plaintext) => {
            with(session::plaintext(plaintext, clock), connection_json(&plaintext.connection))
        }
        Observation::Exchange(exchange) => {
            with(session::exchange(exchange, clock), connection_json(&exchange.connection))
        }
        Observation::Script(script) => with(session::script(script, clock), connection_json(&script.connection)),
        Observation::SessionOpened(opened) => {
            with(session::opened(opened, clock, names), connection_json(&opened.connection))
        }
        Observation::Session(ended) => with(session::ended(ended, clock, names), connection_json(&ended.connection)),
        Observation::Finding(finding) => with(session::finding(finding, clock), connection_json(&finding.connection)),
        Observation::AtCommand(command) => with(
            json!({
                "type": "at_command",
                "time": clock.iso(command.end),
                "command": command.name,
                "line": command.line,
                "result": command.result.to_string(),
                "duration": seconds(command.duration()),
                "first_byte": command.first_byte.map(|first| seconds(first.since(command.start))),
                "unattended": seconds(command.unattended),
                "prompt": command.prompt.map(seconds),
                "information_lines": command.information_lines,
                "incomplete": command.incomplete,
            }),
            tty_json(&command.tty, names),
        ),
        Observation::Line(change) => with(device::line(change, clock), tty_json(&change.tty, names)),
        Observation::Trigger(trigger) => with(device::trigger(trigger, clock), tty_json(&trigger.tty, names)),
        Observation::AtUnsolicited(code) => with(
            json!({"type": "at_unsolicited", "time": clock.iso(code.at), "code": code.code}),
            tty_json(&code.tty, names),
        ),
        Observation::ProgramWait(wait) => with(
            json!({
                "type": "program_wait",
                "time": clock.iso(wait.answered + wait.wait),
                "interface": wait.interface.as_str(),
                "command": wait.command,
                "answered": clock.iso(wait.answered),
                "wait": seconds(wait.wait),
            }),
            tty_json(&wait.tty, names),
        ),
        Observation::Function(call) => with(
            json!({
                "type": "function",
                "time": clock.iso(call.calls.first().map(|outermost| outermost.end).unwrap_or_default()),
                "thread": call.tid,
                "session": call.cause.session,
                "calls": call.calls.iter().map(|call| json!({
                    "name": &*call.name,
                    "start": clock.iso(call.start),
                    "duration": seconds(call.duration()),
                    "within": call.within,
                })).collect::<Vec<_>>(),
                "calls_left_out": call.left_out,
            }),
            process_json(&call.process),
        ),
        Observation::Test(ended) => test::test(ended, clock, names),
        Observation::TestSuite(suite) => test::suite(suite, clock),
        Observation::TestStarted(started) => test::started(started, clock, names),
        Observation::Process(sample) => with(
            json!({
                "type": "process",
                "time": clock.iso(sample.at),
                "cpu": seconds(sample.cpu),
                "rss_bytes": sample.rss_bytes,
                "vms_bytes": sample.vms_bytes,
                "open_fds": sample.open_fds,
                "threads": sample.threads,
                "uptime": seconds(sample.uptime),
            }),
            process_json(&sample.process),
        ),
        Observation::Target(change) => with(
            json!({
                "type": "target",
                "time": clock.iso(change.at),
                "event": match change.event {
                    TargetEvent::Found => "found",
                    TargetEvent::Forked => "forked",
                    TargetEvent::Started => "started",
                    TargetEvent::Ended => "ended",
                },
            }),
            process_json(&change.process),
        ),
        Observation::Incomplete(incomplete) => json!({
            "type": "incomplete",
            "time": clock.iso(incomplete.at),
            "target": &*incomplete.target,
            "source": incomplete.source,
            "bytes": incomplete.bytes,
        }),
        Observation::Query(query) => database::query(query, clock),
        Observation::ConnectFailed(failed) => connect::failed(failed, clock),
        Observation::DatabaseConnection(told) => database::connection(told, clock),
        Observation::Blind(blind) => with(
            json!({"type": "blind", "time": clock.iso(blind.at), "way": blind.way.as_str()}),
            process_json(&blind.process),
        ),
        Observation::DeviceApdu(apdu) => with(device::apdu(apdu, clock, names), process_json(&apdu.process)),
        Observation::DeviceOperation(operation) => {
            with(device::operation(operation, clock, names), process_json(&operation.process))
        }
        Observation::DeviceChange(change) => {
            let process = change.process.as_deref().map_or_else(|| json!({}), process_json);
            with(device::change(change, clock, names), process)
        }
        Observation::DeviceFinding(finding) => {
            with(device::finding(finding, clock, names), process_json(&finding.process))
        }
        Observation::AdbOperation(one) => with(adb::operation(one, clock, names), connection_json(&one.connection)),
        Observation::AdbCommand(run) => with(adb::command(run, clock, names), process_json(&run.process)),
        Observation::PhoneList(list) => with(adb::phones(list, clock, names), connection_json(&list.connection)),
    }
}

fn handshake_json(handshake: &Handshake, clock: &WallClock, names: &Names) -> Value {
    let offset = |at: Stamp| seconds(at.since(handshake.start));
    json!({
        "type": "handshake",
        "time": clock.iso(handshake.end),
        "role": handshake.role.as_str(),
        "result": if handshake.failure.is_some() { "failed" } else { "success" },
        "duration": seconds(handshake.duration()),
        "version": handshake.version.map(|version| version.to_string()),
        "cipher_suite": handshake.chosen.map(|suite| suite.to_string()),
        "offered": handshake.offered.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "identity": handshake.identity.as_ref().map(|identity| names.identity(identity)),
        "identity_hint": handshake.identity_hint.as_ref().map(|hint| names.identity(hint)),
        "asked": extensions(handshake.asked),
        "granted": extensions(handshake.granted),
        "resumed": handshake.resumed,
        "phases": phases(handshake.phases),
        "flights": handshake.flights.iter().map(|flight| json!({
            "sender": flight.sender.as_str(),
            "start": offset(flight.start),
            "end": offset(flight.end),
            "before": phases(flight.before),
            "messages": flight.messages,
        })).collect::<Vec<_>>(),
        "failure": handshake.failure.as_ref().map(|failure| json!({
            "reason": failure.reason.to_string(),
            "side": failure.side.as_str(),
            "step": failure.step,
            "saw": failure.saw,
            "advice": failure.advice,
        })),
        "partial": handshake.partial,
        "incomplete": handshake.incomplete,
        "counted_elsewhere": handshake.counted_elsewhere,
    })
}

fn extensions(extensions: Extensions) -> Value {
    json!({
        "max_fragment_length": extensions.max_fragment_length,
        "extended_master_secret": extensions.extended_master_secret,
        "encrypt_then_mac": extensions.encrypt_then_mac,
        "session_ticket": extensions.session_ticket,
    })
}

fn phases(phases: Phases) -> Value {
    json!({
        "local_compute": seconds(phases.local_compute),
        "peer_wait": seconds(phases.peer_wait),
        "not_ready": seconds(phases.not_ready),
    })
}

fn connection_json(connection: &Connection) -> Value {
    with(
        json!({
            "connection": connection.number,
            "local": connection.local.as_ref().map(ToString::to_string),
            "peer": connection.peer.as_ref().map(ToString::to_string),
        }),
        process_json(&connection.process),
    )
}

fn tty_json(tty: &Tty, names: &Names) -> Value {
    with(json!({"device": names.device(&tty.device), "tty": &*tty.path}), process_json(&tty.process))
}

fn process_json(process: &Process) -> Value {
    json!({"target": &*process.target, "pid": process.pid, "comm": &*process.comm})
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Puts the members of `more` behind those of `object`.
fn with(object: Value, more: Value) -> Value {
    let (Value::Object(mut object), Value::Object(more)) = (object, more) else { return Value::Object(Map::new()) };
    object.extend(more);
    Value::Object(object)
}
