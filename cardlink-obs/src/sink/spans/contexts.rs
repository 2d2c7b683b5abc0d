//! Which span of which trace an observation belongs to. What makes the spans and what writes the log ask here, each on its
//! own: both get the same answer.

use super::{
    ids::{Ids, number_of},
    span::{Context, Parent, SpanId, TraceId},
};
use crate::observation::{
    AdbCommand, AdbOperation, AdbRun, AtCommand, Carrier, ConnectFailed, Connection, DeviceApdu, Exchange,
    FunctionCall, Handshake, Observation, Query, Session, SessionOpened, Stamp, TargetEvent, TestKey, TestStarted,
    TraceParent, Trigger, Tty,
};
use std::collections::{HashMap, HashSet, VecDeque};

/// Things of a kind that are kept in mind at most; past that an answer is made without what came before.
const MOST: usize = 65_536;
/// Tests that are over and kept in mind: what began in them may be told later.
const MOST_OVER: usize = 1024;

/// A span that others are put under, and what it is under itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    pub context: Context,
    /// What the whole trace is under.
    pub parent: Option<TraceParent>,
    /// The span of the test that it is under.
    pub above: Option<SpanId>,
    /// The test with which it is sent, or not: the outermost one that it is under.
    pub test: Option<TestKey>,
    /// The span of the test in which it was done, when it is under something nearer.
    pub done_in: Option<Context>,
}

impl Root {
    const fn new(context: Context, parent: Option<TraceParent>) -> Self {
        Self { context, parent, above: None, test: None, done_in: None }
    }

    /// As the parent of a span.
    pub const fn above(&self) -> Option<Parent> {
        match (self.above, self.parent) {
            (Some(span), _) => Some(Parent { span, remote: false }),
            (None, Some(parent)) => Some(Parent { span: SpanId(parent.span), remote: true }),
            (None, None) => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct OfSession {
    root: Root,
    /// The parent is what the card's side said, and neither a test nor what the target was started with.
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
    tests: HashMap<TestKey, Root>,
    /// Of these, those that are over, oldest first.
    over: VecDeque<TestKey>,
}

impl Contexts {
    pub fn new(ids: Ids) -> Self {
        Self {
            ids,
            environment: HashMap::new(),
            used: HashSet::new(),
            sessions: HashMap::new(),
            tests: HashMap::new(),
            over: VecDeque::new(),
        }
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
                    (TargetEvent::Found | TargetEvent::Forked | TargetEvent::Started, Some(parent)) => {
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
            Observation::TestStarted(started) => self.test_started(started),
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
            Observation::Test(test) => {
                if let Some(key) = test.key().filter(|key| self.tests.contains_key(key)) {
                    self.over.push_back(key);
                    if self.over.len() > MOST_OVER
                        && let Some(oldest) = self.over.pop_front()
                    {
                        self.tests.remove(&oldest);
                    }
                }
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
                None => self.connection(&finding.connection, None).context,
            },
            Observation::AtCommand(command) => self.at_command(command).context,
            Observation::Function(call) => self.function(call).context,
            Observation::DeviceApdu(apdu) => self.device_apdu(apdu).context,
            Observation::Query(query) => self.query(query).context,
            Observation::ConnectFailed(failed) if self.has_span(failed) => self.connect_failed(failed).context,
            Observation::AdbOperation(one) => self.adb_operation(one).context,
            Observation::AdbCommand(run) => self.adb_command(run).context,
            Observation::Test(test) => self.test(test.key()?).context,
            _ => return None,
        })
    }

    /// The span of a test.
    pub fn test(&self, key: TestKey) -> Root {
        self.tests.get(&key).copied().unwrap_or_else(|| self.begin_test(key, None))
    }

    fn begin_test(&self, key: TestKey, within: Option<TestKey>) -> Root {
        self.root(key.pid, within, self.ids.alone("test", &[u64::from(key.pid), key.start.as_nanos()]))
    }

    fn test_started(&mut self, started: &TestStarted) {
        if self.tests.len() < MOST {
            let key = started.key();
            self.tests.insert(key, self.begin_test(key, started.cause.test));
        }
    }

    /// Puts what has a trace of its own under the test in which it was done, or under what its process was started in.
    fn root(&self, pid: u32, test: Option<TestKey>, own: Context) -> Root {
        if let Some((key, under)) = test.map(|key| (key, self.test(key))) {
            let context = Context { trace: under.context.trace, ..own };
            let (parent, above) = (under.parent, Some(under.context.span));
            return Root { context, parent, above, test: under.test.or(Some(key)), done_in: None };
        }
        let parent = self.environment.get(&pid).copied();
        Root::new(Context { trace: trace(parent, || own.trace), ..own }, parent)
    }

    /// What a request says is nearer than all else.
    fn by_request(&self, parent: TraceParent, test: Option<TestKey>, span: SpanId) -> Root {
        let done_in = test.map(|test| self.test(test).context);
        Root { done_in, ..Root::new(Context { trace: TraceId(parent.trace), span }, Some(parent)) }
    }

    /// The span of a connection on which there is no session.
    pub fn connection(&self, connection: &Connection, test: Option<TestKey>) -> Root {
        let span = self.ids.span("connection", connection, connection.first_seen);
        self.root(connection.process.pid, test, Context { trace: self.ids.trace(connection), span })
    }

    pub fn handshake(&self, handshake: &Handshake) -> Context {
        let trace = self.connection(&handshake.connection, handshake.cause.test).context.trace;
        Context { trace, span: self.ids.span("handshake", &handshake.connection, handshake.start) }
    }

    pub fn session(&self, number: u64) -> Option<Root> {
        Some(self.sessions.get(&number)?.root)
    }

    /// The span of a session; also of one whose beginning was not kept in mind.
    pub fn ended(&self, session: &Session) -> Root {
        self.session(session.number).unwrap_or_else(|| self.begin(&session.connection, session.number, false, None))
    }

    /// The span of an exchange, and what it is under when it is in no session.
    pub fn exchange(&self, exchange: &Exchange) -> Root {
        let span = self.ids.span("exchange", &exchange.connection, exchange.start);
        let test = exchange.cause.test;
        let mut root = if let Some(parent) = exchange.trace_parent {
            self.by_request(parent, test, span)
        } else {
            let trace = self.ids.trace_of("exchange", &[number_of_span(span)]);
            self.root(exchange.connection.process.pid, test, Context { trace, span })
        };
        if let Some(session) = exchange.session.and_then(|number| self.session(number)) {
            root.context.trace = session.context.trace;
        }
        root
    }

    pub fn at_command(&self, command: &AtCommand) -> Root {
        self.written(&command.tty, command.start, command.cause.test)
    }

    /// Of the AT command that carried an APDU, both done in this test.
    pub fn carrier(&self, carrier: &Carrier, test: Option<TestKey>) -> Root {
        self.written(&carrier.tty, carrier.start, test)
    }

    /// Of a trigger within the trace of its session, and of the AT command that sent it.
    pub fn trigger(&self, trigger: &Trigger) -> (SpanId, Context) {
        let command = self.written(&trigger.tty, trigger.start, trigger.cause.test).context;
        (self.ids.span_of("trigger", &[number_of_span(command.span), trigger.number]), command)
    }

    /// Of a command on a tty, by the time when it was written.
    fn written(&self, tty: &Tty, start: Stamp, test: Option<TestKey>) -> Root {
        let pid = tty.process.pid;
        let what = [number_of(&tty.path), u64::from(pid), start.as_nanos()];
        self.root(pid, test, self.ids.alone("at", &what))
    }

    pub fn adb_operation(&self, one: &AdbOperation) -> Root {
        let pid = one.connection.process.pid;
        let what = [number_of(one.operation), one.connection.number, one.start.as_nanos(), one.end.as_nanos()];
        let own = self.ids.alone("adb", &what);
        let Some(run) = one.run else { return self.root(pid, one.cause.test, own) };
        let around = self.run(run, one.cause.test);
        let context = Context { span: own.span, ..around.context };
        Root { context, above: Some(around.context.span), ..around }
    }

    /// Of a run of adb, around what it asked the server.
    pub fn adb_command(&self, run: &AdbCommand) -> Root {
        self.run(run.run(), run.cause.test)
    }

    fn run(&self, run: AdbRun, test: Option<TestKey>) -> Root {
        let what = [u64::from(run.pid), run.began.as_nanos()];
        self.root(run.pid, test, self.ids.alone("adb run", &what))
    }

    /// The span of a call of a named function, and what it is under when it is in no session.
    pub fn function(&self, call: &FunctionCall) -> Root {
        let span = self.ids.of_call(call, 0);
        let trace = self.ids.trace_of("function", &[number_of_span(span)]);
        let root = self.root(call.process.pid, call.cause.test, Context { trace, span });
        self.in_session(root, call.cause.session)
    }

    pub fn device_apdu(&self, apdu: &DeviceApdu) -> Root {
        let pid = apdu.process.pid;
        let what = [number_of(&apdu.device.name), u64::from(pid), apdu.start.as_nanos(), apdu.end.as_nanos()];
        let mut root = self.root(pid, apdu.cause.test, self.ids.alone("apdu", &what));
        if let Some(carrier) = &apdu.carrier {
            let carrier = self.carrier(carrier, apdu.cause.test);
            root.context.trace = carrier.context.trace;
            root.above = Some(carrier.context.span);
        }
        root
    }

    pub fn query(&self, query: &Query) -> Root {
        let connection = query.connection.as_ref();
        let first_seen = connection.map_or(0, |connection| connection.first_seen.as_nanos());
        let number = connection.map_or(0, |connection| connection.number);
        let pid = query.process.pid;
        let what = [first_seen, number, u64::from(pid), query.number, query.start.as_nanos()];
        self.in_session(self.root(pid, query.cause.test, self.ids.alone("query", &what)), query.cause.session)
    }

    /// Programs that try again and again would fill the traces: one is made where a database is missed, or within something.
    pub fn has_span(&self, failed: &ConnectFailed) -> bool {
        let cause = failed.cause;
        let within = cause.test.is_some() || cause.session.is_some_and(|number| self.session(number).is_some());
        let wanted = failed.database.is_some() || within || self.environment.contains_key(&failed.process.pid);
        wanted && !failed.other_answered
    }

    pub fn connect_failed(&self, failed: &ConnectFailed) -> Root {
        let pid = failed.process.pid;
        let peer = failed.peer.as_ref().map(ToString::to_string).unwrap_or_default();
        let what = [number_of(&peer), u64::from(pid), failed.at.as_nanos()];
        self.in_session(self.root(pid, failed.cause.test, self.ids.alone("connect", &what)), failed.cause.session)
    }

    /// In the trace of a session, when that is open.
    fn in_session(&self, mut root: Root, session: Option<u64>) -> Root {
        if let Some(session) = session.and_then(|number| self.session(number)) {
            root.context.trace = session.context.trace;
        }
        root
    }

    fn opened(&mut self, opened: &SessionOpened) {
        let connection = &opened.connection;
        let first = !self.used.contains(&connection.number);
        let root = self.begin(connection, opened.number, first, opened.cause.test);
        if self.sessions.len() < MOST && self.used.len() < MOST {
            self.used.insert(connection.number);
            self.sessions.insert(opened.number, OfSession { root, from_request: false });
        }
    }

    fn begin(&self, connection: &Connection, number: u64, first: bool, test: Option<TestKey>) -> Root {
        let trace = if first { self.ids.trace(connection) } else { self.ids.trace_of_session(connection, number) };
        let span = self.ids.span_of("session", &[connection.first_seen.as_nanos(), connection.number, number]);
        self.root(connection.process.pid, test, Context { trace, span })
    }

    /// The first request that names a trace decides: it is nearer than the environment.
    fn exchanged(&mut self, exchange: &Exchange) {
        let (Some(number), Some(parent)) = (exchange.session, exchange.trace_parent) else { return };
        let Some(session) = self.sessions.get(&number).filter(|session| !session.from_request) else { return };
        let root = self.by_request(parent, exchange.cause.test, session.root.context.span);
        self.sessions.insert(number, OfSession { root, from_request: true });
    }
}

fn trace(parent: Option<TraceParent>, own: impl FnOnce() -> TraceId) -> TraceId {
    parent.map_or_else(own, |parent| TraceId(parent.trace))
}

fn number_of_span(span: SpanId) -> u64 {
    u64::from_be_bytes(span.0)
}
