//! What lies under the session, or the test, that it was done for.

use super::*;
use crate::observation::{
    ConnectFailed, ConnectReason, DatabaseSystem, PeerAddress, Query, Test, TestKey, TestOutcome, TestParameters,
    TestPhases, TestSource, TestStarted,
};
use std::borrow::Cow;

fn query(session: Option<u64>, from: u64) -> Query {
    Query {
        number: 1,
        process: process(),
        connection: Some(connection(9)),
        system: DatabaseSystem::Postgresql,
        role: Role::Client,
        operation: "INSERT",
        table: Some(Arc::from("cards")),
        start: at(from),
        end: at(from + 2),
        took: Some(ms(2)),
        rows: Some(1),
        error: None,
        counted_elsewhere: false,
        cause: Cause { session, test: None },
    }
}

fn asked(query: Query) -> Observation {
    Observation::Query(Box::new(query))
}

#[test]
fn a_query_lies_under_the_session_that_it_was_asked_for() {
    let on = connection(1);
    let mut observations = one_session(&on);
    observations.insert(3, asked(query(Some(1), 48)));
    observations.insert(4, asked(query(None, 49)));
    observations.push(asked(query(Some(1), 200)));
    let traces = all(&observations);
    let session = vec!["session", "tls.handshake", "POST /lab", "INSERT cards", "script", "POST /lab"];
    assert_eq!(names(&traces), [vec!["INSERT cards"], session, vec!["INSERT cards"]]);
    let session = &traces[1];
    assert_eq!(session[3].parent.map(|parent| parent.span), Some(session[0].context.span));
    assert!(session.iter().all(|span| span.context.trace == session[0].context.trace));
    // The session is over: its query is a trace of its own.
    assert_ne!(traces[2][0].context.trace, session[0].context.trace);
    assert_eq!(traces[2][0].parent, None);
}

#[test]
fn the_line_of_a_query_in_the_log_names_the_trace_of_its_session() {
    let on = connection(1);
    let mut contexts = super::super::Contexts::new(Ids::new("a boot"));
    let opened = opened(&on, 1, 47);
    contexts.see(&opened);
    let session = contexts.of(&opened).expect("it is known");
    let of = |session| contexts.of(&asked(query(session, 48))).expect("a span");
    assert_eq!(of(Some(1)).trace, session.trace);
    assert_ne!(of(None).trace, session.trace);
}

fn runner(pid: u32) -> Arc<Process> {
    Arc::new(Process { pid, comm: Arc::from("pytest"), target: Arc::from("tests") })
}

fn key(pid: u32, start: u64) -> TestKey {
    TestKey { pid, start: at(start) }
}

fn begins(pid: u32, from: u64, within: Option<TestKey>) -> Observation {
    Observation::TestStarted(Box::new(TestStarted {
        process: runner(pid),
        suite: String::from("test_card.TestPin"),
        name: String::from("test_verify"),
        parameters: Some(TestParameters::new(String::from("1234"))),
        at: at(from),
        cause: Cause { session: None, test: within },
    }))
}

fn ends(pid: u32, from: u64, to: u64, outcome: TestOutcome) -> Observation {
    Observation::Test(Box::new(Test {
        process: runner(pid),
        suite: String::from("test_card.TestPin"),
        name: String::from("test_verify"),
        parameters: Some(TestParameters::new(String::from("1234"))),
        outcome,
        start: Some(at(from)),
        end: at(to),
        duration: Some(ms(to - from)),
        phases: Some(TestPhases { setup: ms(2), call: ms(to - from - 3), teardown: ms(1) }),
        source: TestSource::Live,
        flaky: false,
    }))
}

/// The same, done in a test.
fn in_test(mut observation: Observation, test: TestKey) -> Observation {
    match &mut observation {
        Observation::Handshake(handshake) => handshake.cause.test = Some(test),
        Observation::SessionOpened(opened) => opened.cause.test = Some(test),
        Observation::Exchange(exchange) => exchange.cause.test = Some(test),
        Observation::AtCommand(command) => command.cause.test = Some(test),
        Observation::Query(query) => query.cause.test = Some(test),
        Observation::ConnectionClosed(closed) => closed.cause.test = Some(test),
        Observation::ConnectFailed(failed) => failed.cause.test = Some(test),
        _ => {}
    }
    observation
}

/// A test with a session in it, a query in that, a query beside it, and an AT command.
fn one_test(outcome: TestOutcome, at_result: AtResult, after: &[Observation]) -> Vec<Observation> {
    let mut observations = one_session(&connection(1));
    observations.insert(3, asked(query(Some(1), 48)));
    observations.insert(4, asked(query(None, 49)));
    observations.push(at_command(&tty(), "AT+CSQ", 100, at_result));
    let mut all: Vec<_> = observations.into_iter().map(|one| in_test(one, key(5, 0))).collect();
    all.insert(0, begins(5, 0, None));
    all.push(ends(5, 0, 300, outcome));
    all.extend_from_slice(after);
    all
}

/// Every span by its name, with the name of the one that it is under.
fn tree(traces: &[Trace]) -> Vec<String> {
    let spans: Vec<&Span> = traces.iter().flatten().collect();
    let above = |span: &Span| {
        let parent = span.parent?;
        spans.iter().find(|other| other.context.span == parent.span).map(|other| {
            assert_eq!(other.context.trace, span.context.trace);
            assert!(other.start <= span.start && span.end <= other.end, "{} is not within {}", span.name, other.name);
            other.name.to_string()
        })
    };
    let mut lines: Vec<String> = spans
        .iter()
        .map(|span| match above(span) {
            Some(above) => format!("{above} > {}", span.name),
            None if span.parent.is_some() => format!("? > {}", span.name),
            None => span.name.to_string(),
        })
        .collect();
    lines.sort();
    lines
}

const WHOLE: [&str; 9] = [
    "session > INSERT cards",
    "session > POST /lab",
    "session > POST /lab",
    "session > script",
    "session > tls.handshake",
    "test_card.TestPin::test_verify",
    "test_card.TestPin::test_verify > AT+CSQ",
    "test_card.TestPin::test_verify > INSERT cards",
    "test_card.TestPin::test_verify > session",
];

#[test]
fn what_a_test_caused_lies_under_it() {
    let traces = all(&one_test(TestOutcome::Failed, AtResult::Ok, &[]));
    assert_eq!(tree(&traces), WHOLE);
    let test = traces.iter().flatten().find(|span| span.name.starts_with("test_")).expect("the test");
    assert!(test.failed() && test.parent.is_none());
    let value =
        |key: &str| test.attributes.iter().find(|(known, _)| *known == key).map(|(_, value)| value_shown(value));
    assert_eq!(value("test.case.name").as_deref(), Some("test_verify"));
    assert_eq!(value("test.suite.name").as_deref(), Some("test_card.TestPin"));
    assert_eq!(value("test.case.result.status").as_deref(), Some("fail"));
    assert_eq!(value("cardlink.test.call").as_deref(), Some("0.297"));
    assert!(value("cardlink.test.parameters").is_some_and(|hash| !hash.contains("1234")));
    let events: Vec<_> = test.events.iter().map(|event| (&*event.name, event.at)).collect();
    assert_eq!(events, [("test.setup", at(0)), ("test.call", at(2)), ("test.teardown", at(299))]);
}

#[test]
fn a_test_is_under_what_its_process_was_started_in() {
    let environment = Observation::Target(Box::new(TargetChange {
        at: at(0),
        process: runner(5),
        event: TargetEvent::Started,
        trace_parent: REMOTE.parse().ok(),
    }));
    let mut observations = one_test(TestOutcome::Passed, AtResult::Ok, &[]);
    observations.insert(0, environment);
    let traces = all(&observations);
    let parent: TraceParent = REMOTE.parse().expect("it is well formed");
    assert!(traces.iter().flatten().all(|span| span.context.trace.0 == parent.trace));
    assert_eq!(tree(&traces).iter().filter(|line| line.starts_with("? > test_card")).count(), 1);
}

/// With nothing chosen by its id.
fn sampled(observations: &[Observation], slower: Option<Duration>) -> (Vec<Trace>, Omitted) {
    let mut spans = spans(Sampling { ratio: 0.0, slower, ..Sampling::default() });
    let mut out = made(&mut spans, observations);
    spans.finish(&mut out);
    assert_eq!(spans.held(), 0);
    let omitted = spans.take_omitted();
    (out, omitted)
}

#[test]
fn a_test_is_sent_whole_or_not_at_all() {
    let whole = |(traces, omitted): (Vec<Trace>, Omitted)| {
        assert_eq!(omitted, Omitted::default());
        assert_eq!(tree(&traces), WHOLE);
    };
    whole(sampled(&one_test(TestOutcome::Failed, AtResult::Ok, &[]), None));
    whole(sampled(&one_test(TestOutcome::Passed, AtResult::Error, &[]), None));
    whole(sampled(&one_test(TestOutcome::Passed, AtResult::Ok, &[]), Some(ms(300))));
    let (traces, omitted) = sampled(&one_test(TestOutcome::Passed, AtResult::Ok, &[]), Some(ms(301)));
    assert_eq!((traces.len(), omitted.sampled_out), (0, WHOLE.len() as u64));
}

#[test]
fn what_began_in_a_test_and_is_told_later_goes_with_it() {
    let on = connection(2);
    let late = [
        begins(5, 400, None),
        ends(5, 400, 410, TestOutcome::Passed),
        ended(session(&on, 2, 290, 20_000, SessionReason::CardGone)),
    ];
    let mut observations = one_test(TestOutcome::Passed, AtResult::Ok, &late);
    let end = observations.iter().position(|one| matches!(one, Observation::Test(_))).expect("it ends");
    observations.insert(end, in_test(opened(&on, 2, 290), key(5, 0)));
    // More than the time that a test waits goes by.
    let mut spans = spans(Sampling { ratio: 0.0, ..Sampling::default() });
    let mut out = Vec::new();
    for observation in &observations {
        if matches!(observation, Observation::Session(session) if session.number == 2) {
            spans.expire(at(19_000), &mut out);
            assert_eq!(out.len(), 0);
        }
        spans.take(observation, &mut out);
    }
    spans.finish(&mut out);
    let sent: Vec<&str> = out.iter().flatten().map(|span| &*span.name).collect();
    assert_eq!(sent.iter().filter(|name| **name == "session").count(), 2);
    assert_eq!(sent.iter().filter(|name| name.starts_with("test_card")).count(), 1);
    assert_eq!(spans.take_omitted().sampled_out, 1, "the other test");
}

#[test]
fn what_a_request_says_is_nearer_than_the_test() {
    let (on, test) = (connection(1), key(5, 0));
    let mut request = exchange(&on, Some(1), 47, 200);
    request.trace_parent = REMOTE.parse().ok();
    let traces = all(&[
        begins(5, 0, None),
        in_test(opened(&on, 1, 47), test),
        in_test(exchanged(request), test),
        ended(session(&on, 1, 47, 94, SessionReason::NothingMore)),
        ends(5, 0, 300, TestOutcome::Passed),
    ]);
    let root = &traces[0][0];
    assert_eq!(root.context.trace.to_string(), REMOTE[3..35]);
    assert_eq!(root.links, [traces[1][0].context]);
    assert_ne!(traces[1][0].context.trace, root.context.trace);
}

#[test]
fn a_test_within_a_test() {
    let observations = [
        begins(5, 0, None),
        begins(6, 20, Some(key(5, 0))),
        in_test(asked(query(None, 30)), key(6, 20)),
        ends(6, 20, 60, TestOutcome::Failed),
        ends(5, 0, 300, TestOutcome::Passed),
    ];
    let wanted = [
        "test_card.TestPin::test_verify",
        "test_card.TestPin::test_verify > INSERT cards",
        "test_card.TestPin::test_verify > test_card.TestPin::test_verify",
    ];
    assert_eq!(tree(&all(&observations)), wanted);
    let (traces, omitted) = sampled(&observations, None);
    assert_eq!((tree(&traces), omitted), (wanted.map(String::from).to_vec(), Omitted::default()));
}

#[test]
fn tests_that_never_end_keep_little() {
    let mut spans = spans(Sampling { ratio: 0.0, ..Sampling::default() });
    let mut out = Vec::new();
    for test in 0..20_000 {
        spans.take(&begins(5, test, None), &mut out);
        for number in 0..10 {
            spans.take(&in_test(asked(query(None, test + number)), key(5, test)), &mut out);
        }
    }
    assert_eq!(out.len(), 0);
    assert!(spans.held() <= 65_536);
    let omitted = spans.take_omitted();
    assert_eq!(omitted.no_room + omitted.sampled_out + spans.held() as u64, 200_000);
    spans.finish(&mut out);
    assert_eq!((out.len(), spans.held()), (0, 0));
}

fn not_connected(session: Option<u64>, database: Option<DatabaseSystem>, at_millis: u64) -> Observation {
    Observation::ConnectFailed(Box::new(ConnectFailed {
        at: at(at_millis),
        process: process(),
        connection: None,
        peer: Some(PeerAddress::Ip(([127, 0, 0, 1], 5432).into())),
        reason: ConnectReason::Refused,
        error: Some(Cow::Borrowed("ECONNREFUSED")),
        took: Some(ms(2)),
        database,
        other_answered: false,
        cause: Cause { session, test: None },
    }))
}

#[test]
fn a_connection_that_is_not_to_be_had_has_a_span_where_that_matters() {
    let missed = Some(DatabaseSystem::Postgresql);
    let mut observations = one_session(&connection(1));
    observations.insert(3, not_connected(Some(1), None, 49));
    observations.push(not_connected(None, missed, 200));
    // Nobody's database, in no session.
    observations.push(not_connected(None, None, 210));
    let traces = all(&observations);
    let session = vec!["session", "tls.handshake", "POST /lab", "connect", "script", "POST /lab"];
    assert_eq!(names(&traces), [session, vec!["connect"]]);
    let span = &traces[1][0];
    assert!(span.failed() && span.start == at(198) && span.end == at(200));
    let attribute = |name: &str| {
        span.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value_shown(value))
            .unwrap_or_default()
    };
    assert_eq!(attribute("error.type"), "ECONNREFUSED");
    assert_eq!(attribute("db.system.name"), "postgresql");
    assert_eq!(attribute("server.address"), "127.0.0.1");
    // In a test it is the test's.
    let observations =
        [begins(5, 0, None), in_test(not_connected(None, None, 20), key(5, 0)), ends(5, 0, 300, TestOutcome::Passed)];
    let traces = all(&observations);
    let [connect, test] = traces.as_slice() else { panic!("{:?}", names(&traces)) };
    assert_eq!(connect[0].parent.map(|parent| parent.span), Some(test[0].context.span));
    assert_eq!(connect[0].context.trace, test[0].context.trace);
}
