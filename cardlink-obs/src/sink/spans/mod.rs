//! From observations to traces: one for each OTA session, and one for what belongs to none. Knows no SDK and no clock.
//!
//! The spans of a session are held until it ends, since only then it is known whether it failed, how long it took, and
//! whose trace it belongs to. What is held is bounded; what finds no room is counted. `docs/traces.md` describes the spans.

mod connect;
mod contexts;
mod database;
mod describe;
mod ids;
mod in_tests;
mod run;
mod sampling;
mod span;
mod tested;

pub use contexts::{Contexts, Root};
pub use ids::{Ids, boot_id};
pub use run::RunSpan;
pub use sampling::Sampling;
pub use span::{Attributes, Context, Kind, MOST_EVENTS, Parent, Span, SpanEvent, SpanId, Status, TraceId, Value};

use super::names::Names;
use crate::observation::{
    AdbCommand, AdbOperation, AtCommand, Cause, ConnectFailed, Connection, ConnectionClosed, DeviceApdu, Exchange,
    Finding, FunctionCall, Handshake, Observation, ProgramWait, Query, Script, Session, SessionOpened, Stamp, Test,
    TestKey, TestStarted,
};
use in_tests::InTests;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Spans and events that wait for the end of their session, all sessions together.
const MOST_HELD: usize = 65_536;
/// The same of one session: one that goes on for days must not take the room of all.
const MOST_OF_ONE: usize = 8_192;
/// Sessions, and connections, that something is kept of.
const MOST_OPEN: usize = 16_384;
/// So long a command waits for what its program does after the answer.
const LINGER: Duration = Duration::from_secs(5);
/// Commands that linger.
const MOST_LINGERING: usize = 256;

/// What became of spans that were not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Omitted {
    /// Their trace was not chosen.
    pub sampled_out: u64,
    /// There was no room to hold them.
    pub no_room: u64,
}

/// A trace that is complete, as far as the agent has a part in it: the root comes first.
pub type Trace = Vec<Span>;

/// Makes traces.
#[derive(Debug)]
pub struct Spans {
    contexts: Contexts,
    names: Names,
    sampling: Sampling,
    connections: HashMap<u64, OnConnection>,
    sessions: HashMap<u64, Held>,
    /// Commands that were answered, oldest first.
    lingering: VecDeque<Lingering>,
    in_tests: InTests,
    held: usize,
    omitted: Omitted,
}

/// What is known of a connection before there is a session, or if there never is one.
#[derive(Debug, Default)]
struct OnConnection {
    handshake: Option<Span>,
    findings: Vec<SpanEvent>,
    /// The session that is, or was, on it last.
    session: Option<u64>,
    tls: bool,
}

/// A session that is under way.
#[derive(Debug, Default)]
struct Held {
    children: Vec<Span>,
    findings: Vec<SpanEvent>,
    weight: usize,
    no_room: u64,
    /// The test that it is told with.
    test: Option<TestKey>,
}

#[derive(Debug)]
struct Lingering {
    command: Box<AtCommand>,
    span: Span,
    root: Root,
}

impl Spans {
    pub fn new(ids: Ids, names: Names, sampling: Sampling) -> Self {
        Self {
            contexts: Contexts::new(ids),
            names,
            sampling,
            connections: HashMap::new(),
            sessions: HashMap::new(),
            lingering: VecDeque::new(),
            in_tests: InTests::default(),
            held: 0,
            omitted: Omitted::default(),
        }
    }

    /// What was left out since this was last asked.
    pub fn take_omitted(&mut self) -> Omitted {
        std::mem::take(&mut self.omitted)
    }

    /// Spans and events that are held.
    pub fn held(&self) -> usize {
        self.held + self.in_tests.held()
    }

    /// Takes in one observation; traces that are complete by it are put out.
    pub fn take(&mut self, observation: &Observation, out: &mut Vec<Trace>) {
        self.contexts.see(observation);
        match observation {
            Observation::Handshake(handshake) => self.handshake(handshake, out),
            Observation::SessionOpened(opened) => self.opened(opened),
            Observation::Exchange(exchange) => self.exchange(exchange, out),
            Observation::Script(script) => self.script(script),
            Observation::Finding(finding) => self.finding(finding),
            Observation::Session(session) => self.session(session, out),
            Observation::ConnectionClosed(closed) => self.closed(closed, out),
            Observation::AtCommand(command) => self.at_command(command, out),
            Observation::ProgramWait(wait) => self.program_wait(wait, out),
            Observation::Function(call) => self.function(call, out),
            Observation::DeviceApdu(apdu) => self.device_apdu(apdu, out),
            Observation::Query(query) => self.query(query, out),
            Observation::ConnectFailed(failed) => self.connect_failed(failed, out),
            Observation::TestStarted(started) => self.test_started(started),
            Observation::Test(test) => self.test(test, out),
            Observation::AdbOperation(one) => self.adb_operation(one, out),
            Observation::AdbCommand(run) => self.adb_command(run, out),
            _ => {}
        }
        self.contexts.forget(observation);
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Stamp, out: &mut Vec<Trace>) {
        while self.lingering.front().is_some_and(|oldest| now.since(oldest.command.end) >= LINGER) {
            self.let_go(0, out);
        }
        self.in_tests.expire(now, &mut self.omitted);
    }

    /// Nothing more comes.
    pub fn finish(&mut self, out: &mut Vec<Trace>) {
        while !self.lingering.is_empty() {
            self.let_go(0, out);
        }
        self.in_tests.finish(&mut self.omitted);
    }

    fn handshake(&mut self, handshake: &Handshake, out: &mut Vec<Trace>) {
        // It is told at the serving end.
        if handshake.counted_elsewhere {
            return;
        }
        let mut span = describe::handshake(handshake, self.contexts.handshake(handshake), &self.names);
        if handshake.failure.is_some() {
            let root = self.contexts.connection(&handshake.connection, handshake.cause.test);
            let before = self.connections.remove(&handshake.connection.number).unwrap_or_default();
            self.held = self.held.saturating_sub(before.findings.len());
            for finding in before.findings {
                span.event(finding);
            }
            span.parent = root.above();
            self.judge(vec![span], &root, out);
            return;
        }
        let Some(on) = self.on(&handshake.connection) else { return };
        on.tls = true;
        if let Some(session) = on.session {
            self.hold(session, span);
        } else {
            let weight = span.weight();
            on.handshake = Some(span);
            self.held += weight;
        }
    }

    /// What is kept of a connection; `None` when there is no room.
    fn on(&mut self, connection: &Connection) -> Option<&mut OnConnection> {
        let room = self.connections.len() < MOST_OPEN && self.held < MOST_HELD;
        if !room && !self.connections.contains_key(&connection.number) {
            self.omitted.no_room += 1;
            return None;
        }
        Some(self.connections.entry(connection.number).or_default())
    }

    fn opened(&mut self, opened: &SessionOpened) {
        if opened.counted_elsewhere {
            return;
        }
        if self.sessions.len() >= MOST_OPEN {
            self.omitted.no_room += 1;
            return;
        }
        let test = self.contexts.session(opened.number).and_then(|root| root.test);
        if let Some(test) = test {
            self.in_tests.session(test, true);
        }
        self.sessions.insert(opened.number, Held { test, ..Held::default() });
        self.belongs(&opened.connection, opened.number);
    }

    /// A connection carries this session from here on: what it has so far is the session's.
    fn belongs(&mut self, connection: &Connection, session: u64) {
        if !self.sessions.contains_key(&session) {
            return;
        }
        let Some(on) = self.on(connection) else { return };
        if on.session.replace(session) == Some(session) {
            return;
        }
        let (handshake, findings) = (on.handshake.take(), std::mem::take(&mut on.findings));
        self.held = self.held.saturating_sub(handshake.as_ref().map_or(0, Span::weight) + findings.len());
        for finding in findings {
            self.hold_finding(session, finding);
        }
        if let Some(handshake) = handshake {
            self.hold(session, handshake);
        }
    }

    /// Holds a span for its session, when there is one and there is room.
    fn hold(&mut self, session: u64, span: Span) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        let weight = span.weight();
        if self.held + weight > MOST_HELD || held.weight + weight > MOST_OF_ONE {
            held.no_room += 1;
            self.omitted.no_room += 1;
            return;
        }
        held.weight += weight;
        self.held += weight;
        held.children.push(span);
    }

    fn hold_finding(&mut self, session: u64, finding: SpanEvent) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        if self.held < MOST_HELD && held.findings.len() < MOST_EVENTS {
            held.weight += 1;
            self.held += 1;
            held.findings.push(finding);
        }
    }

    fn exchange(&mut self, exchange: &Exchange, out: &mut Vec<Trace>) {
        if exchange.counted_elsewhere {
            return;
        }
        let root = self.contexts.exchange(exchange);
        let tls = self.connections.get(&exchange.connection.number).is_some_and(|on| on.tls);
        let mut span = describe::exchange(exchange, root.context, tls);
        if let Some(session) = exchange.session {
            self.belongs(&exchange.connection, session);
            self.hold(session, span);
        } else {
            span.parent = root.above();
            span.links.extend(root.done_in);
            self.judge(vec![span], &root, out);
        }
    }

    fn script(&mut self, script: &Script) {
        let Some(session) = script.session.filter(|_| !script.counted_elsewhere) else { return };
        self.belongs(&script.connection, session);
        let Some(root) = self.contexts.session(session) else { return };
        let span = self.contexts.ids().span("script", &script.connection, script.sent);
        self.hold(session, describe::script(script, Context { trace: root.context.trace, span }));
    }

    fn finding(&mut self, finding: &Finding) {
        if finding.counted_elsewhere {
            return;
        }
        let event = describe::finding(finding);
        if let Some(session) = finding.session {
            self.hold_finding(session, event);
            return;
        }
        if self.held < MOST_HELD
            && let Some(on) = self.on(&finding.connection)
            && on.findings.len() < MOST_EVENTS
        {
            on.findings.push(event);
            self.held += 1;
        }
    }

    fn session(&mut self, session: &Session, out: &mut Vec<Trace>) {
        self.belongs(&session.connection, session.number);
        let held = self.sessions.remove(&session.number);
        let held = held.unwrap_or_default();
        self.held = self.held.saturating_sub(held.weight);
        if !session.counted_elsewhere {
            self.tell_session(session, held.children, held.findings, held.no_room, out);
        }
        if let Some(test) = held.test {
            self.in_tests.session(test, false);
        }
    }

    fn tell_session(
        &mut self,
        session: &Session,
        children: Vec<Span>,
        findings: Vec<SpanEvent>,
        no_room: u64,
        out: &mut Vec<Trace>,
    ) {
        let under = self.contexts.ended(session);
        let context = under.context;
        let mut root = describe::session(session, context, &self.names);
        root.parent = under.above();
        root.links.extend(under.done_in);
        if no_room > 0 {
            root.attributes.put("cardlink.session.spans_dropped", no_room);
        }
        for finding in findings {
            root.event(finding);
        }
        let mut trace = vec![root];
        let triggered = session.trigger.as_deref().map(|trigger| self.contexts.trigger(trigger));
        if let (Some(trigger), Some((own, command))) = (&session.trigger, triggered) {
            let mut span = describe::trigger(trigger, Context { span: own, ..context }, command, &self.names);
            span.parent = Some(Parent { span: context.span, remote: false });
            trace.push(span);
        }
        for mut child in children {
            // The trace may have been found out after the child was made.
            child.context.trace = context.trace;
            child.parent.get_or_insert(Parent { span: context.span, remote: false });
            trace.push(child);
        }
        self.judge(trace, &under, out);
    }

    fn closed(&mut self, closed: &ConnectionClosed, out: &mut Vec<Trace>) {
        let Some(on) = self.connections.remove(&closed.connection.number) else { return };
        self.held = self.held.saturating_sub(on.handshake.as_ref().map_or(0, Span::weight) + on.findings.len());
        if closed.counted_elsewhere || (on.handshake.is_none() && on.findings.is_empty()) {
            return;
        }
        let root = self.contexts.connection(&closed.connection, closed.cause.test);
        let mut span = describe::closed(closed, root.context);
        span.parent = root.above();
        for finding in on.findings {
            span.event(finding);
        }
        let mut trace = vec![span];
        if let Some(mut handshake) = on.handshake {
            handshake.parent = Some(Parent { span: root.context.span, remote: false });
            trace.push(handshake);
        }
        self.judge(trace, &root, out);
    }

    fn at_command(&mut self, command: &AtCommand, out: &mut Vec<Trace>) {
        if let Some(before) = self.lingering.iter().position(|other| Arc::ptr_eq(&other.command.tty, &command.tty)) {
            self.let_go(before, out);
        }
        if self.lingering.len() >= MOST_LINGERING {
            self.let_go(0, out);
        }
        let root = self.contexts.at_command(command);
        let mut span = describe::at_command(command, root.context, &self.names);
        span.parent = root.above();
        self.lingering.push_back(Lingering { command: Box::new(command.clone()), span, root });
    }

    /// Under the session that its thread was serving, or by itself.
    fn function(&mut self, call: &FunctionCall, out: &mut Vec<Trace>) {
        let root = self.contexts.function(call);
        let mut spans = describe::functions(call, root.context, self.contexts.ids());
        if let Some(session) = call.cause.session.filter(|session| self.sessions.contains_key(session)) {
            for span in spans {
                self.hold(session, span);
            }
            return;
        }
        if let Some(outermost) = spans.first_mut() {
            outermost.parent = root.above();
        }
        self.judge(spans, &root, out);
    }

    fn query(&mut self, query: &Query, out: &mut Vec<Trace>) {
        if query.counted_elsewhere {
            return;
        }
        let root = self.contexts.query(query);
        self.caused(database::query(query, root.context), query.cause, &root, out);
    }

    fn connect_failed(&mut self, failed: &ConnectFailed, out: &mut Vec<Trace>) {
        if !self.contexts.has_span(failed) {
            return;
        }
        let root = self.contexts.connect_failed(failed);
        self.caused(connect::failed(failed, root.context), failed.cause, &root, out);
    }

    /// A span under the session that it was for, or by itself.
    fn caused(&mut self, mut span: Span, cause: Cause, root: &Root, out: &mut Vec<Trace>) {
        if let Some(session) = cause.session.filter(|session| self.sessions.contains_key(session)) {
            self.hold(session, span);
            return;
        }
        span.parent = root.above();
        self.judge(vec![span], root, out);
    }

    fn program_wait(&mut self, wait: &ProgramWait, out: &mut Vec<Trace>) {
        let of = |held: &Lingering| Arc::ptr_eq(&held.command.tty, &wait.tty) && held.command.name == wait.command;
        if let Some(at) = self.lingering.iter().position(of) {
            if let Some(held) = self.lingering.get_mut(at) {
                describe::program_wait(wait, &mut held.span);
            }
            self.let_go(at, out);
        }
    }

    fn adb_operation(&mut self, one: &AdbOperation, out: &mut Vec<Trace>) {
        if one.counted_elsewhere {
            return;
        }
        let root = self.contexts.adb_operation(one);
        let mut span = describe::adb_operation(one, root.context, &self.names);
        span.parent = root.above();
        self.judge(vec![span], &root, out);
    }

    /// Around what it asked the adb server.
    fn adb_command(&mut self, run: &AdbCommand, out: &mut Vec<Trace>) {
        let root = self.contexts.adb_command(run);
        let mut span = describe::adb_command(run, root.context, &self.names);
        span.parent = root.above();
        self.judge(vec![span], &root, out);
    }

    fn device_apdu(&mut self, apdu: &DeviceApdu, out: &mut Vec<Trace>) {
        // It is told at the serving end.
        if apdu.counted_elsewhere {
            return;
        }
        let root = self.contexts.device_apdu(apdu);
        let mut span = describe::device_apdu(apdu, root.context, &self.names);
        span.parent = root.above();
        self.judge(vec![span], &root, out);
    }

    fn let_go(&mut self, at: usize, out: &mut Vec<Trace>) {
        if let Some(over) = self.lingering.remove(at) {
            self.judge(vec![over.span], &over.root, out);
        }
    }

    fn test_started(&mut self, started: &TestStarted) {
        let root = self.contexts.test(started.key());
        if root.test.is_none() {
            let chosen = self.sampling.keeps(root.context.trace, root.parent, false, Duration::ZERO);
            self.in_tests.begin(started.key(), chosen);
        }
    }

    fn test(&mut self, test: &Test, out: &mut Vec<Trace>) {
        let Some(key) = test.key() else { return };
        let root = self.contexts.test(key);
        let Some(mut span) = tested::test(test, root.context, &self.names) else { return };
        span.parent = root.above();
        // It is sent with what lies under it, or with the test around it.
        let root = Root { test: root.test.or(Some(key)), ..root };
        self.judge(vec![span], &root, out);
        self.in_tests.end(key, test.end, &mut self.omitted);
    }

    /// Hands a trace on, or not.
    fn judge(&mut self, trace: Trace, under: &Root, out: &mut Vec<Trace>) {
        let Some(root) = trace.first() else { return };
        let took = root.end.since(root.start);
        let keeps = self.sampling.keeps(root.context.trace, under.parent, root.failed(), took);
        if let Some(test) = under.test {
            self.in_tests.put(test, trace, keeps, out, &mut self.omitted);
        } else if keeps {
            out.push(trace);
        } else {
            self.omitted.sampled_out += trace.len() as u64;
        }
    }
}

#[cfg(test)]
#[path = "spans_tests.rs"]
mod tests;
