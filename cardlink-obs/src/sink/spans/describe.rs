//! From one observation to one span: names, attributes, events. Which trace it is in is decided elsewhere.
//!
//! Attributes are those of OpenTelemetry's semantic conventions where these have a word for it, `cardlink.*` else.

use super::{
    ids::Ids,
    span::{Attributes, Context, Kind, Parent, Span, SpanEvent, Status, Value},
};
use crate::{
    observation::{
        AdbCommand, AdbOperation, AdbResult, Apdu, AtCommand, Connection, ConnectionClosed, DeviceApdu, Exchange,
        Finding, Flight, FunctionCall, Handshake, PeerAddress, Process, ProgramWait, Role, RunStatus, Script, Session,
        SessionStatus, TlsVersion, Trigger,
    },
    protocol::apdu::{Category, StatusWord},
    sink::names::Names,
};
use std::borrow::Cow;

/// Who, and between which addresses.
pub(super) fn connection(connection: &Connection, into: &mut Attributes) {
    into.put("cardlink.target", connection.process.target.to_string());
    into.put("cardlink.connection", connection.number);
    let (server, client) = match connection.role {
        Some(Role::Client) => (&connection.peer, &connection.local),
        _ => (&connection.local, &connection.peer),
    };
    address(server.as_ref(), "server.address", "server.port", into);
    address(client.as_ref(), "client.address", "client.port", into);
    address(connection.peer.as_ref(), "network.peer.address", "network.peer.port", into);
    let transport = match connection.local {
        Some(PeerAddress::Unix { .. }) => "unix",
        _ => "tcp",
    };
    into.put("network.transport", transport);
    process(&connection.process, into);
}

/// Whose it is.
pub(super) fn process(of: &Process, into: &mut Attributes) {
    into.put("process.pid", of.pid);
    into.put("process.executable.name", of.comm.to_string());
}

/// A server that the process asked, where there is no connection.
pub(super) fn peer(of: Option<&PeerAddress>, into: &mut Attributes) {
    address(of, "server.address", "server.port", into);
    address(of, "network.peer.address", "network.peer.port", into);
}

fn address(of: Option<&PeerAddress>, name: &'static str, port: &'static str, into: &mut Attributes) {
    match of {
        Some(PeerAddress::Ip(address)) => {
            into.put(name, address.ip().to_canonical().to_string());
            into.put(port, address.port());
        }
        Some(PeerAddress::Unix { path: Some(path), .. }) => into.put(name, path.to_string()),
        Some(PeerAddress::Unix { path: None, .. }) | None => {}
    }
}

/// The side that the watched program is on.
const fn kind(connection: &Connection) -> Kind {
    match connection.role {
        Some(Role::Client) => Kind::Client,
        _ => Kind::Server,
    }
}

pub fn handshake(handshake: &Handshake, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, "tls.handshake", Kind::Internal, handshake.start, handshake.end);
    let into = &mut span.attributes;
    connection(&handshake.connection, into);
    into.put("cardlink.tls.role", handshake.role.as_str());
    into.put("tls.established", handshake.failure.is_none());
    if let Some((protocol, version)) = handshake.version.map(version) {
        into.put("tls.protocol.name", protocol);
        into.put("tls.protocol.version", version);
    }
    into.put_some("tls.cipher", handshake.chosen.map(|suite| suite.to_string()));
    into.put("tls.resumed", handshake.resumed);
    if !handshake.offered.is_empty() {
        let offered = handshake.offered.iter().map(|suite| Cow::Owned(suite.to_string())).collect();
        into.put("tls.client.supported_ciphers", Value::Texts(offered));
    }
    into.put_some("cardlink.psk.identity", handshake.identity.as_ref().map(|identity| names.identity(identity)));
    into.put_some("cardlink.psk.identity_hint", handshake.identity_hint.as_ref().map(|hint| names.identity(hint)));
    into.put_some("cardlink.tls.max_fragment_length", handshake.granted.max_fragment_length);
    into.put("cardlink.tls.local_compute", handshake.phases.local_compute);
    into.put("cardlink.tls.peer_wait", handshake.phases.peer_wait);
    into.put("cardlink.tls.not_ready", handshake.phases.not_ready);
    into.put_true("cardlink.tls.partial", handshake.partial);
    into.put_true("cardlink.incomplete", handshake.incomplete);
    if let Some(failure) = &handshake.failure {
        into.put("error.type", failure.reason.to_string());
        into.put("cardlink.tls.failure.side", failure.side.as_str());
        into.put("cardlink.tls.failure.step", failure.step.clone());
        into.put("cardlink.tls.failure.saw", failure.saw.clone());
        into.put("cardlink.tls.failure.advice", failure.advice.clone());
        span.status = Status::Error(format!("{}: {}", failure.reason, failure.saw).into());
    }
    for flight in &handshake.flights {
        span.event(of_flight(flight));
    }
    span
}

/// Told when its last byte has moved.
fn of_flight(flight: &Flight) -> SpanEvent {
    let mut attributes = Attributes::default();
    attributes.put("cardlink.tls.sender", flight.sender.as_str());
    let messages = flight.messages.iter().map(|name| Cow::Borrowed(*name)).collect();
    attributes.put("cardlink.tls.messages", Value::Texts(messages));
    attributes.put("cardlink.tls.flight.duration", flight.end.since(flight.start));
    attributes.put("cardlink.tls.local_compute", flight.before.local_compute);
    attributes.put("cardlink.tls.peer_wait", flight.before.peer_wait);
    attributes.put("cardlink.tls.not_ready", flight.before.not_ready);
    SpanEvent { name: Cow::Borrowed("tls.flight"), at: flight.end, attributes }
}

/// As the semantic conventions write it: `tls`, `1.2`.
fn version(version: TlsVersion) -> (&'static str, String) {
    match version {
        TlsVersion::SSL_3_0 => ("ssl", String::from("3.0")),
        other => ("tls", other.to_string().trim_start_matches("TLS ").to_owned()),
    }
}

pub fn exchange(exchange: &Exchange, context: Context, tls: bool) -> Span {
    let (path, query) = match exchange.target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (&*exchange.target, None),
    };
    let kind = kind(&exchange.connection);
    let name = format!("{} {path}", exchange.method);
    let mut span = Span::new(context, name, kind, exchange.start, exchange.end);
    let into = &mut span.attributes;
    connection(&exchange.connection, into);
    into.put_some("cardlink.session", exchange.session);
    into.put("http.request.method", exchange.method.clone());
    into.put("url.path", path.to_owned());
    into.put_some("url.query", query);
    into.put("url.scheme", if tls { "https" } else { "http" });
    into.put("network.protocol.name", "http");
    into.put_some("http.response.status_code", exchange.status);
    into.put("http.request.body.size", exchange.request_body);
    into.put("http.response.body.size", exchange.response_body);
    into.put_some("cardlink.exchange.server", exchange.server());
    into.put_some("cardlink.exchange.waited", exchange.waited());
    into.put_some("cardlink.exchange.peer_before", exchange.peer);
    // A server has failed by 5xx only; for a client 4xx is a failure, too.
    let limit = if kind == Kind::Client { 400 } else { 500 };
    if let Some((word, sentence)) = exchange.broken() {
        into.put("error.type", word);
        span.status = Status::Error(Cow::Borrowed(sentence));
    } else if let Some(status) = exchange.status {
        if status >= limit {
            into.put("error.type", status.to_string());
            span.status = Status::Error(Cow::Borrowed(""));
        }
    } else {
        into.put("error.type", "no_response");
        span.status = Status::Error(Cow::Borrowed("there was no response"));
    }
    let mut moment = |name: &'static str, at| {
        span.event(SpanEvent { name: Cow::Borrowed(name), at, attributes: Attributes::default() });
    };
    moment("http.request.complete", exchange.request_end);
    if let Some(start) = exchange.response_start {
        moment("http.response.start", start);
    }
    span.links.extend(exchange.trace_parent.filter(|_| exchange.session.is_some()).map(Context::from));
    span
}

pub fn script(script: &Script, context: Context) -> Span {
    let end = script.answered.unwrap_or(script.sent);
    let mut span = Span::new(context, "script", Kind::Internal, script.sent, end);
    let into = &mut span.attributes;
    into.put("cardlink.target", script.connection.process.target.to_string());
    into.put("cardlink.connection", script.connection.number);
    into.put_some("cardlink.session", script.session);
    into.put("cardlink.device.type", script.device.as_str());
    into.put("cardlink.script.kind", script.kind.as_str());
    into.put("cardlink.script.dialect", script.dialect);
    into.put_some("cardlink.script.targeted_application", script.targeted_application.clone());
    into.put_some("cardlink.script.status", script.script_status.clone());
    into.put("cardlink.script.apdus", script.apdus.len());
    let refused = script.script_status.as_deref().filter(|status| *status != "ok");
    if let Some(status) = refused {
        into.put("error.type", "script_failed");
        span.status = Status::Error(format!("the card refused it: {status}").into());
    } else if script.answered.is_none() {
        into.put("error.type", "unanswered");
        span.status = Status::Error(Cow::Borrowed("the card did not answer"));
    }
    for (index, one) in script.apdus.iter().enumerate() {
        // One time for all: when the answers came. When the card ran each of them is not on the wire.
        span.event(SpanEvent { name: Cow::Borrowed(one.name), at: end, attributes: apdu(one, index) });
    }
    span
}

fn apdu(apdu: &Apdu, index: usize) -> Attributes {
    let mut attributes = Attributes::default();
    attributes.put("cardlink.apdu.index", index + 1);
    put_apdu(apdu, &mut attributes);
    attributes
}

fn put_apdu(apdu: &Apdu, attributes: &mut Attributes) {
    let [cla, ins, p1, p2] = apdu.header;
    attributes.put_some("cardlink.apdu.detail", apdu.detail);
    attributes.put("cardlink.apdu.header", format!("{cla:02X}{ins:02X}{p1:02X}{p2:02X}"));
    attributes.put("cardlink.apdu.command_bytes", apdu.command_bytes);
    if let Some(status_word) = apdu.status_word.map(StatusWord) {
        attributes.put("cardlink.apdu.status_word", status_word.to_string());
        attributes.put("cardlink.apdu.status_category", status_word.category().as_str());
        attributes.put("cardlink.apdu.response_bytes", apdu.response_bytes);
    }
}

pub fn session(session: &Session, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, "session", Kind::Internal, session.start, session.end);
    let into = &mut span.attributes;
    connection(&session.connection, into);
    into.put("cardlink.session", session.number);
    into.put("cardlink.session.status", session.status().as_str());
    into.put("cardlink.session.reason", session.reason.as_str());
    into.put("cardlink.session.type", session.kind.as_str());
    into.put_some("cardlink.trigger", session.trigger.as_ref().map(|trigger| trigger.number));
    into.put("cardlink.device.type", session.device.as_str());
    into.put_some("cardlink.psk.identity", session.identity.as_ref().map(|identity| names.identity(identity)));
    into.put_some("cardlink.agent", session.agent.as_ref().map(|agent| names.agent(agent)));
    into.put("cardlink.session.connections", session.connections);
    into.put("cardlink.session.exchanges", session.exchanges);
    into.put("cardlink.session.scripts", session.scripts);
    into.put("cardlink.session.apdus", session.apdus);
    into.put("cardlink.session.apdu_errors", session.apdu_errors);
    into.put("cardlink.session.unanswered", session.unanswered);
    into.put("cardlink.session.findings", session.findings);
    into.put("cardlink.session.time.handshake", session.time.handshake);
    into.put("cardlink.session.time.server", session.time.server);
    into.put_some("cardlink.session.time.bearer_estimate", session.time.bearer);
    into.put("cardlink.session.time.card_estimate", session.time.card);
    into.put_some("cardlink.session.round_trip", session.round_trip);
    into.put("cardlink.session.bytes_from_card", session.bytes_from_card);
    into.put("cardlink.session.bytes_to_card", session.bytes_to_card);
    into.put_true("cardlink.incomplete", session.incomplete);
    if session.status() != SessionStatus::Completed {
        into.put("error.type", session.reason.as_str());
        span.status = Status::Error(Cow::Borrowed(session.reason.sentence()));
    }
    span
}

/// A connection on which there was no session.
pub fn closed(closed: &ConnectionClosed, context: Context) -> Span {
    let from = closed.connection.opened.unwrap_or(closed.connection.first_seen);
    let mut span = Span::new(context, "connection", Kind::Internal, from, closed.at);
    let into = &mut span.attributes;
    connection(&closed.connection, into);
    into.put("cardlink.connection.outcome", closed.outcome.as_str());
    into.put("cardlink.connection.bytes_read", closed.bytes_read);
    into.put("cardlink.connection.bytes_written", closed.bytes_written);
    into.put_true("cardlink.incomplete", closed.incomplete);
    span
}

pub fn finding(finding: &Finding) -> SpanEvent {
    let mut attributes = Attributes::default();
    attributes.put("cardlink.finding", finding.kind.as_str());
    attributes.put("cardlink.finding.severity", finding.kind.severity().as_str());
    attributes.put("cardlink.finding.clause", finding.kind.clause());
    attributes.put("cardlink.finding.sentence", finding.kind.sentence());
    if !finding.detail.is_empty() {
        attributes.put("cardlink.finding.detail", finding.detail.clone());
    }
    SpanEvent { name: Cow::Borrowed("finding"), at: finding.at, attributes }
}

pub fn at_command(command: &AtCommand, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, command.name.clone(), Kind::Client, command.start, command.end);
    let into = &mut span.attributes;
    into.put("cardlink.target", command.tty.process.target.to_string());
    into.put("cardlink.device", names.device(&command.tty.device));
    into.put("cardlink.tty", command.tty.path.to_string());
    into.put("cardlink.at.command", command.name.clone());
    if command.line.len() > 1 {
        into.put("cardlink.at.line", Value::Texts(command.line.iter().cloned().map(Cow::Owned).collect()));
    }
    into.put("cardlink.at.result", command.result.to_string());
    into.put("cardlink.at.information_lines", command.information_lines);
    into.put("cardlink.at.unattended", command.unattended);
    into.put_some("cardlink.at.prompt", command.prompt);
    process(&command.tty.process, into);
    into.put_true("cardlink.incomplete", command.incomplete);
    if command.result.is_failure() {
        into.put("error.type", command.result.to_string());
        span.status = Status::Error(Cow::Borrowed(""));
    }
    if let Some(at) = command.first_byte {
        span.event(SpanEvent { name: Cow::Borrowed("at.first_byte"), at, attributes: Attributes::default() });
    }
    span
}

pub fn adb_operation(one: &AdbOperation, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, format!("adb {}", one.operation), kind(&one.connection), one.start, one.end);
    let into = &mut span.attributes;
    connection(&one.connection, into);
    into.put("cardlink.device.type", "phone");
    into.put_some("cardlink.device", one.device.as_ref().map(|device| names.device(device)));
    into.put("cardlink.adb.operation", one.operation);
    into.put("cardlink.adb.result", one.result.as_str());
    into.put_some("cardlink.adb.program", one.program);
    if !one.at.is_empty() {
        into.put("cardlink.at.line", Value::Texts(one.at.iter().cloned().map(Cow::Owned).collect()));
    }
    into.put_true("cardlink.incomplete", one.incomplete);
    match one.result {
        AdbResult::Exit(code) => into.put("cardlink.adb.exit_code", code),
        AdbResult::Failed(_) | AdbResult::Hangup => {
            into.put("error.type", one.result.as_str());
            span.status = Status::Error(Cow::Borrowed(""));
        }
        AdbResult::Ok | AdbResult::Aborted | AdbResult::Unknown => {}
    }
    if let Some(at) = one.first_byte {
        span.event(SpanEvent { name: Cow::Borrowed("adb.first_byte"), at, attributes: Attributes::default() });
    }
    span
}

pub fn adb_command(run: &AdbCommand, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, format!("adb run {}", run.operation), Kind::Internal, run.start, run.end);
    let into = &mut span.attributes;
    into.put("cardlink.target", run.process.target.to_string());
    process(&run.process, into);
    into.put("cardlink.device.type", "phone");
    into.put_some("cardlink.device", run.device.as_ref().map(|device| names.device(device)));
    into.put("cardlink.adb.operation", run.operation);
    into.put("cardlink.adb.result", run.result.as_str());
    match run.status {
        RunStatus::Exit(code) => into.put("process.exit.code", code),
        RunStatus::Signal(signal) => into.put("cardlink.process.signal", signal),
    }
    if let Some(error) = run.result.error() {
        into.put("error.type", error);
        span.status = Status::Error(Cow::Borrowed(""));
    }
    if run.began != run.start {
        span.event(SpanEvent { name: Cow::Borrowed("adb.began"), at: run.began, attributes: Attributes::default() });
    }
    span
}

pub fn device_apdu(one: &DeviceApdu, context: Context, names: &Names) -> Span {
    let mut span = Span::new(context, one.apdu.name, Kind::Client, one.start, one.end);
    let into = &mut span.attributes;
    into.put("cardlink.target", one.process.target.to_string());
    into.put("cardlink.device.type", one.device.kind.as_str());
    into.put("cardlink.device", names.device(&one.device));
    into.put_some("cardlink.connection", one.connection.as_ref().map(|connection| connection.number));
    put_apdu(&one.apdu, into);
    if let Some(of) = one.continues {
        into.put("cardlink.apdu.continues", of.command);
        into.put("cardlink.apdu.position", of.position);
    }
    if let Some(carrier) = &one.carrier {
        into.put("cardlink.at.command", carrier.command.clone());
        into.put("cardlink.tty", carrier.tty.path.to_string());
        into.put_some("cardlink.card_session", carrier.session.as_ref().map(|session| session.id));
        let application = carrier.session.as_ref().and_then(|session| session.application.as_ref());
        into.put_some("cardlink.card_session.application", application.map(ToString::to_string));
    }
    into.put_some("cardlink.program_before", one.program);
    process(&one.process, into);
    into.put_true("cardlink.incomplete", one.incomplete);
    match (one.error, one.apdu.status_word.map(StatusWord)) {
        (Some(error), _) => {
            into.put("error.type", error);
            span.status = Status::Error(Cow::Borrowed("there was no R-APDU"));
        }
        (None, Some(sw)) if sw.category() == Category::Error => {
            into.put("error.type", sw.folded().to_string());
            span.status = Status::Error(Cow::Borrowed(sw.meaning()));
        }
        _ => {}
    }
    span
}

/// The message that started a session, in the session's trace; `command` is the AT command that sent it.
pub fn trigger(trigger: &Trigger, context: Context, command: Context, names: &Names) -> Span {
    let mut span = Span::new(context, "trigger", Kind::Client, trigger.sent, trigger.end);
    let into = &mut span.attributes;
    into.put("cardlink.target", trigger.tty.process.target.to_string());
    into.put("cardlink.device.type", trigger.tty.device.kind.as_str());
    into.put("cardlink.device", names.device(&trigger.tty.device));
    into.put("cardlink.trigger", trigger.number);
    into.put("cardlink.trigger.type", trigger.kind.as_str());
    into.put_some("cardlink.trigger.tar", trigger.tar.map(|[a, b, c]| format!("{a:02X}{b:02X}{c:02X}")));
    into.put("cardlink.trigger.ciphered", trigger.ciphered);
    into.put("cardlink.at.command", trigger.command.clone());
    into.put("cardlink.at.result", trigger.result.to_string());
    process(&trigger.tty.process, into);
    if !trigger.was_sent() {
        into.put("error.type", trigger.result.to_string());
        span.status = Status::Error(Cow::Borrowed(""));
    }
    span.links.push(command);
    span
}

/// The program went on waiting after the answer: that is after the span's end.
pub fn program_wait(wait: &ProgramWait, span: &mut Span) {
    let mut attributes = Attributes::default();
    attributes.put("cardlink.program_wait", wait.wait);
    span.attributes.put("cardlink.program_wait", wait.wait);
    span.event(SpanEvent { name: Cow::Borrowed("program_wait"), at: wait.answered, attributes });
}

/// A call of a named function, and those within it; the outermost one first, and under nothing yet.
pub fn functions(of: &FunctionCall, context: Context, ids: &Ids) -> Vec<Span> {
    let mut spans = Vec::with_capacity(of.calls.len());
    for (place, call) in of.calls.iter().enumerate() {
        let context = Context { span: ids.of_call(of, place), ..context };
        let mut span = Span::new(context, call.name.to_string(), Kind::Internal, call.start, call.end);
        span.parent = call.within.map(|above| Parent { span: ids.of_call(of, above), remote: false });
        let into = &mut span.attributes;
        into.put("cardlink.target", of.process.target.to_string());
        into.put("code.function.name", call.name.to_string());
        into.put("thread.id", of.tid);
        process(&of.process, into);
        if place == 0 && of.left_out > 0 {
            into.put("cardlink.function.calls_dropped", of.left_out);
        }
        spans.push(span);
    }
    spans
}
