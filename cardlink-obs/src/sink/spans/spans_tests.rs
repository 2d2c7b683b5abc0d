//! Fixed observations, and the trees that they become.

use super::{Ids, MOST_EVENTS, Omitted, Sampling, Span, Spans, Trace, Value};
use crate::{
    observation::{
        Apdu, AtCommand, AtResult, Cause, CipherSuite, Connection, ConnectionClosed, ConnectionOutcome, DeviceType,
        Exchange, Extensions, Failure, FailureReason, Finding, FindingKind, Flight, Handshake, Interface, Observation,
        PeerAddress, Phases, Process, ProgramWait, PskIdentity, Role, Script, ScriptKind, Session, SessionOpened,
        SessionReason, SessionTime, SessionType, Side, Stamp, TargetChange, TargetEvent, TlsVersion, TraceParent, Tty,
    },
    sink::names::Names,
};
use std::{fmt::Write as _, sync::Arc, time::Duration};

const REMOTE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Milliseconds after some moment.
fn at(millis: u64) -> Stamp {
    Stamp::from_nanos((100_000 + millis) * 1_000_000)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn process() -> Arc<Process> {
    Arc::new(Process { pid: 4711, comm: Arc::from("lab-server"), target: Arc::from("lab") })
}

fn connection(number: u64) -> Arc<Connection> {
    let address = |text: &str| text.parse().map(PeerAddress::Ip).ok();
    Arc::new(Connection {
        number,
        process: process(),
        local: address("127.0.0.1:8443"),
        peer: address(&format!("[::ffff:10.0.0.7]:{}", 40_000 + number)),
        role: Some(Role::Server),
        opened: Some(at(0)),
        first_seen: at(0),
    })
}

fn handshake(connection: &Arc<Connection>, from: u64, to: u64, failure: Option<Failure>) -> Observation {
    let suite = CipherSuite { id: 0x00AE, name: Some("TLS_PSK_WITH_AES_128_CBC_SHA256") };
    Observation::Handshake(Box::new(Handshake {
        connection: Arc::clone(connection),
        role: Role::Server,
        start: at(from),
        end: at(to),
        failure,
        version: Some(TlsVersion::TLS_1_2),
        offered: vec![suite],
        chosen: Some(suite),
        identity: Some(PskIdentity::new(b"8944501234567890123".to_vec())),
        identity_hint: None,
        asked: Extensions::default(),
        granted: Extensions::default(),
        resumed: false,
        phases: Phases { local_compute: ms(5), peer_wait: ms(to - from - 5), not_ready: ms(0) },
        flights: vec![Flight {
            sender: Side::Peer,
            start: at(from),
            end: at(from + 1),
            before: Phases::default(),
            messages: vec!["ClientHello"],
        }],
        partial: false,
        incomplete: false,
        counted_elsewhere: false,
        cause: Cause::default(),
    }))
}

fn wrong_key() -> Failure {
    Failure {
        reason: FailureReason::WrongKey,
        side: Side::Peer,
        step: String::from("client Finished"),
        saw: String::from("client Finished → our alert 20 bad_record_mac"),
        advice: String::from("the keys differ"),
    }
}

fn opened(connection: &Arc<Connection>, number: u64, millis: u64) -> Observation {
    Observation::SessionOpened(Box::new(SessionOpened {
        number,
        connection: Arc::clone(connection),
        at: at(millis),
        start: at(millis),
        resumes: false,
        identity: None,
        agent: None,
        counted_elsewhere: false,
        cause: Cause::default(),
    }))
}

fn exchange(connection: &Arc<Connection>, session: Option<u64>, from: u64, status: u16) -> Exchange {
    Exchange {
        connection: Arc::clone(connection),
        session,
        start: at(from),
        request_end: at(from + 1),
        response_start: Some(at(from + 3)),
        end: at(from + 4),
        method: String::from("POST"),
        target: String::from("/lab?cmd=1"),
        status: Some(status),
        request_body: 0,
        response_body: 45,
        fault: None,
        peer: None,
        trace_parent: None,
        counted_elsewhere: false,
        cause: Cause::default(),
    }
}

fn exchanged(exchange: Exchange) -> Observation {
    Observation::Exchange(Box::new(exchange))
}

fn apdu(name: &'static str, header: [u8; 4], status_word: Option<u16>) -> Apdu {
    Apdu { name, detail: None, header, channel: 0, command_bytes: 7, status_word, response_bytes: 2, commands: 1 }
}

fn script(
    connection: &Arc<Connection>,
    session: u64,
    sent: u64,
    answered: Option<u64>,
    apdus: Vec<Apdu>,
) -> Observation {
    Observation::Script(Box::new(Script {
        connection: Arc::clone(connection),
        session: Some(session),
        device: DeviceType::Uicc,
        kind: ScriptKind::Ram,
        dialect: "expanded_indefinite",
        targeted_application: None,
        sent: at(sent),
        answered: answered.map(at),
        script_status: answered.map(|_| String::from("ok")),
        apdus,
        counted_elsewhere: false,
    }))
}

fn found(connection: &Arc<Connection>, session: Option<u64>, millis: u64) -> Observation {
    Observation::Finding(Box::new(Finding {
        kind: FindingKind::CardIdle,
        connection: Arc::clone(connection),
        session,
        at: at(millis),
        detail: String::from("30 s and more"),
        counted_elsewhere: false,
    }))
}

fn session(connection: &Arc<Connection>, number: u64, from: u64, to: u64, reason: SessionReason) -> Session {
    Session {
        number,
        connection: Arc::clone(connection),
        connections: 1,
        device: DeviceType::Uicc,
        kind: SessionType::Unknown,
        trigger: None,
        start: at(from),
        end: at(to),
        reason,
        identity: Some(PskIdentity::new(b"8944501234567890123".to_vec())),
        agent: None,
        exchanges: 2,
        scripts: 1,
        apdus: 2,
        apdu_errors: 1,
        unanswered: 0,
        findings: 1,
        time: SessionTime { handshake: ms(45), server: ms(8), bearer: Some(ms(10)), card: ms(37) },
        round_trip: Some(ms(5)),
        bytes_from_card: 100,
        bytes_to_card: 200,
        incomplete: false,
        counted_elsewhere: false,
    }
}

fn ended(session: Session) -> Observation {
    Observation::Session(Box::new(session))
}

fn closed(connection: &Arc<Connection>, millis: u64) -> Observation {
    Observation::ConnectionClosed(Box::new(ConnectionClosed {
        connection: Arc::clone(connection),
        at: at(millis),
        outcome: ConnectionOutcome::Handshake,
        spoke: None,
        lifetime: ms(millis),
        bytes_read: 1,
        bytes_written: 2,
        retransmits: 0,
        incomplete: false,
        counted_elsewhere: false,
        cause: Cause::default(),
    }))
}

fn tty() -> Arc<Tty> {
    Arc::new(Tty::new(process(), "/dev/ttyUSB2"))
}

fn at_command(tty: &Arc<Tty>, name: &str, from: u64, result: AtResult) -> Observation {
    Observation::AtCommand(Box::new(AtCommand {
        tty: Arc::clone(tty),
        name: name.to_owned(),
        line: vec![name.to_owned()],
        result,
        start: at(from),
        first_byte: Some(at(from + 10)),
        end: at(from + 20),
        prompt: None,
        unattended: ms(0),
        information_lines: 1,
        incomplete: false,
        cause: Cause::default(),
    }))
}

fn wait(tty: &Arc<Tty>, command: &str, answered: u64) -> Observation {
    Observation::ProgramWait(Box::new(ProgramWait {
        tty: Arc::clone(tty),
        interface: Interface::At,
        command: command.to_owned(),
        answered: at(answered),
        wait: ms(700),
    }))
}

fn target(parent: Option<&str>) -> Observation {
    Observation::Target(Box::new(TargetChange {
        at: at(0),
        process: process(),
        event: TargetEvent::Found,
        trace_parent: parent.and_then(|text| text.parse().ok()),
    }))
}

fn spans(sampling: Sampling) -> Spans {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).expect("the key can be written");
    let mut permissions = std::fs::metadata(&key).expect("it is there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&key, permissions).expect("it is ours");
    Spans::new(Ids::new("a boot"), Names::with_key_file(&key, false).expect("a key"), sampling)
}

fn made(spans: &mut Spans, observations: &[Observation]) -> Vec<Trace> {
    let mut out = Vec::new();
    for observation in observations {
        spans.take(observation, &mut out);
    }
    out
}

fn all(observations: &[Observation]) -> Vec<Trace> {
    let mut spans = spans(Sampling::default());
    let mut out = made(&mut spans, observations);
    spans.finish(&mut out);
    assert_eq!(spans.take_omitted(), Omitted::default());
    out
}

/// Everything of a trace, for people.
fn shown(traces: &[Trace]) -> String {
    let mut text = String::new();
    for trace in traces {
        let root = trace.first().expect("a root");
        let _ = writeln!(text, "trace {}", root.context.trace);
        for span in trace {
            one(span, root, &mut text);
        }
    }
    text
}

fn one(span: &Span, root: &Span, text: &mut String) {
    assert_eq!(span.context.trace, root.context.trace);
    let time = |stamp: Stamp| stamp.as_nanos() as f64 / 1e6 - 100_000.0;
    let depth = if std::ptr::eq(span, root) {
        "  "
    } else {
        assert_eq!(span.parent.map(|parent| parent.span), Some(root.context.span));
        "    "
    };
    let parent = match span.parent {
        Some(parent) if parent.remote => format!(" under {}", parent.span),
        _ => String::new(),
    };
    let _ = writeln!(
        text,
        "{depth}{} {:?} {} {}..{} {:?}{parent}",
        span.name,
        span.kind,
        span.context.span,
        time(span.start),
        time(span.end),
        span.status
    );
    for link in &span.links {
        let _ = writeln!(text, "{depth}  → {link:?}");
    }
    for (key, value) in span.attributes.iter() {
        let _ = writeln!(text, "{depth}  {key} = {}", value_shown(value));
    }
    for event in &span.events {
        let attributes: Vec<_> =
            event.attributes.iter().map(|(key, value)| format!("{key}={}", value_shown(value))).collect();
        let _ = writeln!(text, "{depth}  * {} {} {}", time(event.at), event.name, attributes.join(" "));
    }
}

fn value_shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Texts(texts) => texts.join(" | "),
        Value::Whole(number) => number.to_string(),
        Value::Number(number) => format!("{number:?}"),
        Value::Flag(flag) => flag.to_string(),
    }
}

fn names(traces: &[Trace]) -> Vec<Vec<&str>> {
    traces.iter().map(|trace| trace.iter().map(|span| &*span.name).collect()).collect()
}

/// Handshake, two exchanges, a script, a finding.
fn one_session(connection: &Arc<Connection>) -> Vec<Observation> {
    vec![
        handshake(connection, 1, 46, None),
        opened(connection, 1, 47),
        exchanged(exchange(connection, Some(1), 47, 200)),
        found(connection, Some(1), 80),
        script(
            connection,
            1,
            51,
            Some(90),
            vec![
                apdu("GET_STATUS", [0x80, 0xF2, 0x40, 0x02], Some(0x9000)),
                apdu("SELECT", [0, 0xA4, 4, 0], Some(0x6A82)),
            ],
        ),
        exchanged(exchange(connection, Some(1), 90, 204)),
        ended(session(connection, 1, 1, 94, SessionReason::NothingMore)),
        closed(connection, 99),
    ]
}

#[test]
fn a_session_is_one_trace() {
    let traces = all(&one_session(&connection(1)));
    assert_eq!(names(&traces), [["session", "tls.handshake", "POST /lab", "script", "POST /lab"]]);
    insta::assert_snapshot!(shown(&traces));
}

#[test]
fn a_session_over_two_connections_is_one_trace() {
    let (first, second) = (connection(1), connection(2));
    let mut whole = session(&second, 1, 1, 400, SessionReason::NothingMore);
    whole.connections = 2;
    let traces = all(&[
        handshake(&first, 1, 46, None),
        opened(&first, 1, 47),
        exchanged(exchange(&first, Some(1), 47, 200)),
        closed(&first, 60),
        handshake(&second, 300, 340, None),
        exchanged(exchange(&second, Some(1), 341, 204)),
        ended(whole),
        closed(&second, 401),
    ]);
    assert_eq!(names(&traces), [["session", "tls.handshake", "POST /lab", "tls.handshake", "POST /lab"]]);
}

#[test]
fn two_sessions_on_one_connection_are_two_traces() {
    let on = connection(1);
    let traces = all(&[
        handshake(&on, 1, 46, None),
        opened(&on, 1, 47),
        exchanged(exchange(&on, Some(1), 47, 204)),
        ended(session(&on, 1, 1, 51, SessionReason::NothingMore)),
        opened(&on, 2, 60),
        exchanged(exchange(&on, Some(2), 60, 204)),
        ended(session(&on, 2, 60, 64, SessionReason::NothingMore)),
        closed(&on, 70),
    ]);
    assert_eq!(names(&traces), [vec!["session", "tls.handshake", "POST /lab"], vec!["session", "POST /lab"]]);
    assert_ne!(traces[0][0].context.trace, traces[1][0].context.trace);
}

#[test]
fn a_handshake_that_is_told_after_the_first_request_is_in_the_session() {
    let on = connection(1);
    let traces = all(&[
        opened(&on, 1, 47),
        handshake(&on, 1, 46, None),
        exchanged(exchange(&on, Some(1), 47, 204)),
        ended(session(&on, 1, 1, 51, SessionReason::NothingMore)),
        closed(&on, 70),
    ]);
    assert_eq!(names(&traces), [["session", "tls.handshake", "POST /lab"]]);
}

#[test]
fn a_failed_handshake_and_an_unreadable_connection_are_traces_of_their_own() {
    let (failed, unreadable, scanned) = (connection(1), connection(2), connection(3));
    let traces = all(&[
        handshake(&failed, 1, 46, Some(wrong_key())),
        closed(&failed, 50),
        handshake(&unreadable, 1, 46, None),
        found(&unreadable, None, 60),
        closed(&unreadable, 70),
        closed(&scanned, 71),
    ]);
    assert_eq!(names(&traces), [vec!["tls.handshake"], vec!["connection", "tls.handshake"]]);
    assert!(traces[0][0].failed() && !traces[1][0].failed());
    insta::assert_snapshot!(shown(&traces));
}

#[test]
fn commands_and_what_came_after_the_answer() {
    let tty = tty();
    let traces = all(&[
        at_command(&tty, "AT+CSQ", 0, AtResult::Ok),
        wait(&tty, "AT+CSQ", 20),
        at_command(&tty, "AT+CPIN", 1000, AtResult::Cme(10)),
        at_command(&tty, "AT", 2000, AtResult::Ok),
        wait(&tty, "AT+CPIN", 1020),
    ]);
    assert_eq!(names(&traces), [["AT+CSQ"], ["AT+CPIN"], ["AT"]]);
    insta::assert_snapshot!(shown(&traces));
}

#[test]
fn a_command_waits_for_its_program_for_a_while_only() {
    let tty = tty();
    let mut spans = spans(Sampling::default());
    let mut out = made(&mut spans, &[at_command(&tty, "AT", 0, AtResult::Ok)]);
    spans.expire(at(4000), &mut out);
    assert!(out.is_empty());
    spans.expire(at(5020), &mut out);
    assert_eq!(names(&out), [["AT"]]);
    spans.expire(at(9000), &mut out);
    assert_eq!(out.len(), 1);
}

#[test]
fn the_environment_of_a_target_is_the_parent_of_all_it_does() {
    let (on, failed, clear) = (connection(1), connection(2), connection(3));
    let mut told = vec![target(Some(REMOTE))];
    told.extend(one_session(&on));
    told.push(handshake(&failed, 1, 46, Some(wrong_key())));
    told.push(exchanged(exchange(&clear, None, 100, 200)));
    told.push(at_command(&tty(), "AT", 0, AtResult::Ok));
    let remote: TraceParent = REMOTE.parse().expect("well-formed");
    let traces = all(&told);
    assert_eq!(traces.len(), 4);
    for trace in &traces {
        assert_eq!(trace[0].context.trace.0, remote.trace);
        assert_eq!(trace[0].parent.map(|parent| (parent.span.0, parent.remote)), Some((remote.span, true)));
    }
    // Another program in the same process has what it was started with.
    told.insert(1, target(None));
    assert!(all(&told).iter().all(|trace| trace[0].parent.is_none()));
}

#[test]
fn a_request_that_names_a_trace_is_nearer_than_the_environment() {
    let on = connection(1);
    let mut told = vec![target(Some(REMOTE))];
    told.extend(one_session(&on));
    let nearer: TraceParent = REMOTE.replace("4b", "5c").parse().expect("well-formed");
    let later: TraceParent = REMOTE.replace("4b", "6d").parse().expect("well-formed");
    let mut named = [nearer, later].into_iter();
    for observation in &mut told {
        if let Observation::Exchange(exchange) = observation {
            exchange.trace_parent = named.next();
        }
    }
    let mut alone = exchange(&connection(2), None, 100, 200);
    alone.trace_parent = Some(later);
    told.push(exchanged(alone));
    let traces = all(&told);
    let root = &traces[0][0];
    assert_eq!((root.context.trace.0, root.parent.map(|parent| parent.span.0)), (nearer.trace, Some(nearer.span)));
    let _ = shown(&traces);
    let links: Vec<_> = traces[0].iter().flat_map(|span| &span.links).map(|link| link.trace.0).collect();
    assert_eq!(links, [nearer.trace, later.trace]);
    assert_eq!(traces[1][0].context.trace.0, later.trace);
    assert!(traces[1][0].links.is_empty());
}

#[test]
fn a_sampled_out_session_is_kept_when_it_failed() {
    let sampling = Sampling { ratio: 0.0, ..Sampling::default() };
    let mut good = spans(sampling);
    assert!(made(&mut good, &one_session(&connection(1))).is_empty());
    assert_eq!(good.take_omitted(), Omitted { sampled_out: 5, no_room: 0 });
    let mut told = one_session(&connection(1));
    for observation in &mut told {
        if let Observation::Session(session) = observation {
            session.reason = SessionReason::CardSilent;
        }
    }
    let traces = made(&mut spans(sampling), &told);
    assert_eq!(names(&traces), [["session", "tls.handshake", "POST /lab", "script", "POST /lab"]]);
    let mut slow = spans(Sampling { slower: Some(ms(93)), ..sampling });
    assert_eq!(made(&mut slow, &one_session(&connection(1))).len(), 1);
}

#[test]
fn what_is_held_is_bounded_and_given_back() {
    let on = connection(1);
    let mut spans = spans(Sampling::default());
    let mut out = made(&mut spans, &[handshake(&on, 1, 46, None), opened(&on, 1, 47)]);
    for number in 0..20_000 {
        spans.take(&exchanged(exchange(&on, Some(1), 50 + number, 200)), &mut out);
    }
    assert!(out.is_empty());
    assert!(spans.held() <= super::MOST_OF_ONE, "{}", spans.held());
    // Those of others find room, up to that of all.
    for number in 2..30_000 {
        let other = connection(number);
        spans.take(&handshake(&other, 1, 46, None), &mut out);
        spans.take(&opened(&other, number, 47), &mut out);
    }
    assert!(spans.held() <= super::MOST_HELD, "{}", spans.held());
    let omitted = spans.take_omitted();
    assert!(omitted.no_room > 20_000 - super::MOST_OF_ONE as u64, "{omitted:?}");
    for number in 1..30_000 {
        let on = connection(number);
        spans.take(&ended(session(&on, number, 1, 100, SessionReason::NothingMore)), &mut out);
        spans.take(&closed(&on, 101), &mut out);
    }
    assert_eq!((spans.held(), spans.connections.len(), spans.sessions.len()), (0, 0, 0));
    assert_eq!(out.iter().filter(|trace| trace[0].name == "session").count(), 29_999);
    let dropped = out[0][0].attributes.iter().find(|(key, _)| *key == "cardlink.session.spans_dropped");
    assert!(dropped.is_some());
}

#[test]
fn events_of_one_span_are_bounded() {
    let on = connection(1);
    let apdus = vec![apdu("SELECT", [0, 0xA4, 4, 0], Some(0x9000)); 1000];
    let traces = all(&[
        opened(&on, 1, 47),
        script(&on, 1, 51, Some(90), apdus),
        ended(session(&on, 1, 1, 94, SessionReason::NothingMore)),
    ]);
    assert_eq!((traces[0][1].events.len(), traces[0][1].dropped_events), (MOST_EVENTS, 1000 - MOST_EVENTS as u32));
}

#[test]
fn the_other_end_of_a_session_makes_no_trace() {
    let on = connection(1);
    let mut told = one_session(&on);
    for observation in &mut told {
        match observation {
            Observation::Handshake(handshake) => handshake.counted_elsewhere = true,
            Observation::SessionOpened(opened) => opened.counted_elsewhere = true,
            Observation::Exchange(exchange) => exchange.counted_elsewhere = true,
            Observation::Script(script) => script.counted_elsewhere = true,
            Observation::Finding(finding) => finding.counted_elsewhere = true,
            Observation::Session(session) => session.counted_elsewhere = true,
            Observation::ConnectionClosed(closed) => closed.counted_elsewhere = true,
            _ => {}
        }
    }
    let mut spans = spans(Sampling::default());
    assert!(made(&mut spans, &told).is_empty());
    assert_eq!(spans.held(), 0);
}

#[test]
fn the_same_observations_give_the_same_ids_and_another_boot_gives_others() {
    let told = one_session(&connection(1));
    let ids =
        |spans: &mut Spans| -> Vec<_> { made(spans, &told).into_iter().flatten().map(|span| span.context).collect() };
    let one = ids(&mut spans(Sampling::default()));
    assert_eq!(one, ids(&mut spans(Sampling::default())));
    let names = Names::with_new_key(false).expect("random bytes");
    let other = ids(&mut Spans::new(Ids::new("another boot"), names, Sampling::default()));
    assert!(one.iter().zip(&other).all(|(one, other)| one.trace != other.trace && one.span != other.span));
    let distinct: std::collections::HashSet<_> = one.iter().map(|context| context.span).collect();
    assert_eq!(distinct.len(), one.len());
}

#[test]
fn what_the_log_is_told_is_in_the_trace() {
    let on = connection(1);
    let mut told = one_session(&on);
    told.push(handshake(&connection(2), 1, 46, Some(wrong_key())));
    let traces = all(&told);
    let known: Vec<_> = traces.iter().flatten().map(|span| span.context).collect();
    let mut contexts = super::Contexts::new(Ids::new("a boot"));
    for observation in &told {
        contexts.see(observation);
        if let Some(context) = contexts.of(observation) {
            assert!(known.contains(&context), "{observation:?}");
        }
        contexts.forget(observation);
    }
}

#[path = "causes_tests.rs"]
mod causes;
