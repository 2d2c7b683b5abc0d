//! Which span of which trace an observation belongs to. What makes the spans and what writes the log ask here, each on its
//! own: both get the same answer.

use super::{
    ids::{Ids, number_of},
    span::{Context, Parent, SpanId, TraceId},
};
use crate::observation::{
    AdbOperation, AtCommand, Carrier, Connection, DeviceApdu, Exchange, FunctionCall, Handshake, Observation, Query,
    Session, SessionOpened, Stamp, TargetEvent, TraceParent, Trigger, Tty,
};
use std::collections::{HashMap, HashSet};

/// Things of a kind that are kept in mind at most; past that an answer is made without what came before.
const MOST: usize = 65_536;

/// A span that others are put under, and what it is under itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    pub context: Context,
    pub parent: Option<TraceParent>,
}

impl Root {
    /// As the parent of a span.
    pub const fn above(&self) -> Option<Parent> {
        match self.parent {
            Some(parent) => Some(Parent { span: SpanId(parent.span), remote: true }),
            None => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct OfSession {
    root: Root,
    /// The parent is what the card's side said, and not what the target was started with.
    from_request: bool,
}

/// Follows observations, as far as it takes to know whose trace each belongs to.
#[derive(Debug, Clone)]
pub struct Contexts {
    ids: Ids,
    /// `TRACEPARENT` of targets, by pid.
    environment: HashMap<u32, TraceParent>,
    /// Connections that a session was seen on.
    used: HashSet<u64>,
    sessions: HashMap<u64, OfSession>,
}

impl Contexts {
    pub fn new(ids: Ids) -> Self {
        Self { ids, environment: HashMap::new(), used: HashSet::new(), sessions: HashMap::new() }
    }

    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Takes an observation in; to be done before it is asked about.
    pub fn see(&mut self, observation: &Observation) {
        match observation {
            Observation::Target(change) => {
                let pid = change.process.pid;
                match (change.event, change.trace_parent) {
                    (TargetEvent::Found | TargetEvent::Started, Some(parent)) => {
                        if self.environment.len() < MOST {
                            self.environment.insert(pid, parent);
                        }
                    }
                    _ => {
                        self.environment.remove(&pid);
                    }
                }
            }
            Observation::SessionOpened(opened) => self.opened(opened),
            Observation::Exchange(exchange) => self.exchanged(exchange),
            _ => {}
        }
    }

    /// Forgets what is over; to be done after it was asked about.
    pub fn forget(&mut self, observation: &Observation) {
        match observation {
            Observation::Session(session) => {
                self.sessions.remove(&session.number);
            }
            Observation::ConnectionClosed(closed) => {
                self.used.remove(&closed.connection.number);
            }
            _ => {}
        }
    }

    /// The span that tells of an observation, where there is one.
    pub fn of(&self, observation: &Observation) -> Option<Context> {
        Some(match observation {
            Observation::Handshake(handshake) => self.handshake(handshake),
            Observation::Exchange(exchange) => self.exchange(exchange).context,
            Observation::SessionOpened(opened) => self.session(opened.number)?.context,
            Observation::Session(session) => self.ended(session).context,
            Observation::Finding(finding) => match finding.session {
                Some(number) => self.session(number)?.context,
                None => self.connection(&finding.connection).context,
            },
            Observation::AtCommand(command) => self.at_command(command).context,
            Observation::Function(call) => self.function(call).context,
            Observation::DeviceApdu(apdu) => self.device_apdu(apdu).context,
            Observation::Query(query) => self.query(query).context,
            Observation::AdbOperation(one) => self.adb_operation(one).context,
            _ => return None,
        })
    }

    /// The span of a connection on which there is no session.
    pub fn connection(&self, connection: &Connection) -> Root {
        let parent = self.environment.get(&connection.process.pid).copied();
        let trace = trace(parent, || self.ids.trace(connection));
        Root {
            context: Context { trace, span: self.ids.span("connection", connection, connection.first_seen) },
            parent,
        }
    }

    pub fn handshake(&self, handshake: &Handshake) -> Context {
        let trace = self.connection(&handshake.connection).context.trace;
        Context { trace, span: self.ids.span("handshake", &handshake.connection, handshake.start) }
    }

    pub fn session(&self, number: u64) -> Option<Root> {
        Some(self.sessions.get(&number)?.root)
    }

    /// The span of a session; also of one whose beginning was not kept in mind.
    pub fn ended(&self, session: &Session) -> Root {
        self.session(session.number).unwrap_or_else(|| self.begin(&session.connection, session.number, false))
    }

    /// The span of an exchange, and what it is under when it is in no session.
    pub fn exchange(&self, exchange: &Exchange) -> Root {
        let span = self.ids.span("exchange", &exchange.connection, exchange.start);
        let session = exchange.session.and_then(|number| self.session(number));
        let pid = exchange.connection.process.pid;
        let parent = exchange.trace_parent.or_else(|| self.environment.get(&pid).copied());
        let own = || trace(parent, || self.ids.trace_of("exchange", &[number_of_span(span)]));
        let trace = session.map_or_else(own, |session| session.context.trace);
        Root { context: Context { trace, span }, parent }
    }

    pub fn at_command(&self, command: &AtCommand) -> Root {
        self.written(&command.tty, command.start)
    }

    /// Of the AT command that carried an APDU.
    pub fn carrier(&self, carrier: &Carrier) -> Root {
        self.written(&carrier.tty, carrier.start)
    }

    /// Of a trigger within the trace of its session, and of the AT command that sent it.
    pub fn trigger(&self, trigger: &Trigger) -> (SpanId, Context) {
        let command = self.written(&trigger.tty, trigger.start).context;
        (self.ids.span_of("trigger", &[number_of_span(command.span), trigger.number]), command)
    }

    /// Of a command on a tty, by the time when it was written.
    fn written(&self, tty: &Tty, start: Stamp) -> Root {
        let process = &tty.process;
        let what = [number_of(&tty.path), u64::from(process.pid), start.as_nanos()];
        let parent = self.environment.get(&process.pid).copied();
        let mut context = self.ids.alone("at", &what);
        context.trace = trace(parent, || context.trace);
        Root { context, parent }
    }

    pub fn adb_operation(&self, one: &AdbOperation) -> Root {
        let pid = one.connection.process.pid;
        let what = [number_of(one.operation), one.connection.number, one.start.as_nanos(), one.end.as_nanos()];
        let parent = self.environment.get(&pid).copied();
        let mut context = self.ids.alone("adb", &what);
        context.trace = trace(parent, || context.trace);
        Root { context, parent }
    }

    /// The span of a call of a named function, and what it is under when it is in no session.
    pub fn function(&self, call: &FunctionCall) -> Root {
        let span = self.ids.of_call(call, 0);
        let parent = self.environment.get(&call.process.pid).copied();
        let session = call.cause.session.and_then(|number| self.session(number));
        let own = || trace(parent, || self.ids.trace_of("function", &[number_of_span(span)]));
        let trace = session.map_or_else(own, |session| session.context.trace);
        Root { context: Context { trace, span }, parent }
    }

    pub fn device_apdu(&self, apdu: &DeviceApdu) -> Root {
        let pid = apdu.process.pid;
        let what = [number_of(&apdu.device.name), u64::from(pid), apdu.start.as_nanos(), apdu.end.as_nanos()];
        let parent = self.environment.get(&pid).copied();
        let mut context = self.ids.alone("apdu", &what);
        context.trace = match &apdu.carrier {
            Some(carrier) => self.carrier(carrier).context.trace,
            None => trace(parent, || context.trace),
        };
        Root { context, parent }
    }

    pub fn query(&self, query: &Query) -> Root {
        let connection = query.connection.as_ref();
        let first_seen = connection.map_or(0, |connection| connection.first_seen.as_nanos());
        let number = connection.map_or(0, |connection| connection.number);
        let pid = query.process.pid;
        let what = [first_seen, number, u64::from(pid), query.number, query.start.as_nanos()];
        let parent = self.environment.get(&pid).copied();
        let session = query.cause.session.and_then(|number| self.session(number));
        let mut context = self.ids.alone("query", &what);
        context.trace = session.map_or_else(|| trace(parent, || context.trace), |session| session.context.trace);
        Root { context, parent }
    }

    fn opened(&mut self, opened: &SessionOpened) {
        let connection = &opened.connection;
        let first = !self.used.contains(&connection.number);
        let root = self.begin(connection, opened.number, first);
        if self.sessions.len() < MOST && self.used.len() < MOST {
            self.used.insert(connection.number);
            self.sessions.insert(opened.number, OfSession { root, from_request: false });
        }
    }

    fn begin(&self, connection: &Connection, number: u64, first: bool) -> Root {
        let parent = self.environment.get(&connection.process.pid).copied();
        let own = || if first { self.ids.trace(connection) } else { self.ids.trace_of_session(connection, number) };
        let span = self.ids.span_of("session", &[connection.first_seen.as_nanos(), connection.number, number]);
        Root { context: Context { trace: trace(parent, own), span }, parent }
    }

    /// The first request that names a trace decides: it is nearer than the environment.
    fn exchanged(&mut self, exchange: &Exchange) {
        let (Some(number), Some(parent)) = (exchange.session, exchange.trace_parent) else { return };
        if let Some(session) = self.sessions.get_mut(&number)
            && !session.from_request
        {
            session.from_request = true;
            session.root.parent = Some(parent);
            session.root.context.trace = TraceId(parent.trace);
        }
    }
}

fn trace(parent: Option<TraceParent>, own: impl FnOnce() -> TraceId) -> TraceId {
    parent.map_or_else(own, |parent| TraceId(parent.trace))
}

fn number_of_span(span: SpanId) -> u64 {
    u64::from_be_bytes(span.0)
}
