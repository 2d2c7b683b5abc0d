use super::*;
use crate::observation::{Cause, DeviceType, Process, SessionReason, SessionType};

fn connection(number: u64, target: &str, role: Role) -> Arc<Connection> {
    Arc::new(Connection {
        number,
        process: Arc::new(Process { pid: 7, comm: "server".into(), target: target.into() }),
        local: None,
        peer: None,
        role: Some(role),
        opened: None,
        first_seen: seconds(0),
    })
}

const fn seconds(seconds: u64) -> Stamp {
    Stamp::from_nanos(seconds * 1_000_000_000)
}

fn identity(name: &str) -> Option<PskIdentity> {
    (!name.is_empty()).then(|| PskIdentity::new(name.as_bytes().to_vec()))
}

fn agent(name: &str) -> Option<AgentId> {
    (!name.is_empty()).then(|| AgentId::new(name.as_bytes().to_vec()))
}

/// One card at one end: target, role, identity, agent id.
#[derive(Clone, Copy)]
struct Who(&'static str, Role, &'static str, &'static str);

const CARD: Who = Who("server", Role::Server, "card", "agent");

/// The stage, and the numbers of connections.
struct Bench {
    sessions: Sessions,
    connections: u64,
    out: Vec<Observation>,
}

impl Bench {
    fn new(window: u64) -> Self {
        Self {
            sessions: Sessions::new(Duration::from_secs(window), Duration::from_mins(1)),
            connections: 0,
            out: Vec::new(),
        }
    }

    fn take(&mut self, observation: Observation) {
        let before = self.out.len();
        self.out.push(observation);
        self.sessions.refine(&mut self.out, before);
    }

    fn open(&mut self, who: Who, at: u64, resumes: bool) -> Arc<Connection> {
        self.connections += 1;
        let connection = connection(self.connections, who.0, who.1);
        self.take(Observation::SessionOpened(Box::new(SessionOpened {
            number: 0,
            connection: Arc::clone(&connection),
            at: seconds(at),
            start: seconds(at),
            resumes,
            identity: identity(who.2),
            agent: agent(who.3),
            counted_elsewhere: false,
            cause: Cause::default(),
        })));
        connection
    }

    fn end(&mut self, who: Who, connection: &Arc<Connection>, from: u64, to: u64, reason: SessionReason) {
        let time =
            SessionTime::share(Duration::from_secs(to - from), Duration::from_secs(1), Duration::from_secs(1), None);
        self.take(Observation::Session(Box::new(Session {
            number: 0,
            connection: Arc::clone(connection),
            connections: 1,
            device: DeviceType::Uicc,
            kind: SessionType::Unknown,
            trigger: None,
            start: seconds(from),
            end: seconds(to),
            reason,
            identity: identity(who.2),
            agent: agent(who.3),
            exchanges: 2,
            scripts: 1,
            apdus: 3,
            apdu_errors: 1,
            unanswered: 1,
            findings: 1,
            time,
            round_trip: None,
            bytes_from_card: 10,
            bytes_to_card: 20,
            incomplete: false,
            counted_elsewhere: false,
        })));
    }

    /// A session of ten seconds whose link drops.
    fn dropped(&mut self, who: Who, at: u64, resumes: bool) {
        let connection = self.open(who, at, resumes);
        self.end(who, &connection, at, at + 10, SessionReason::CardGone);
    }

    fn whole(&mut self, who: Who, at: u64, resumes: bool) {
        let connection = self.open(who, at, resumes);
        self.end(who, &connection, at, at + 10, SessionReason::NothingMore);
    }

    fn tick(&mut self, now: u64) {
        self.sessions.tick(seconds(now), &mut self.out);
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().map(line).collect()
    }
}

fn line(observation: &Observation) -> String {
    match observation {
        Observation::SessionOpened(opened) => format!("opened {}", opened.number),
        Observation::Session(session) => {
            let time = session.time;
            let sum = time.handshake + time.server + time.bearer.unwrap_or_default() + time.card;
            assert_eq!(sum, session.duration(), "the times are the duration");
            format!(
                "{} {} {}, {} connections, {} s, {} exchanges, {} findings",
                session.number,
                session.status().as_str(),
                session.reason.as_str(),
                session.connections,
                session.duration().as_secs(),
                session.exchanges,
                session.findings
            )
        }
        Observation::Finding(finding) => {
            format!("{} in {:?}: {}", finding.kind.as_str(), finding.session, finding.detail)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn sessions_are_numbered_as_they_open() {
    let mut bench = Bench::new(30);
    let one = bench.open(CARD, 1, false);
    let other = bench.open(Who("server", Role::Server, "other", ""), 2, false);
    bench.end(CARD, &other, 2, 5, SessionReason::NothingMore);
    bench.end(CARD, &one, 1, 6, SessionReason::ServerSilent);
    let told = bench.told();
    assert_eq!(told[..2], ["opened 1", "opened 2"]);
    assert_eq!(told[2], "2 completed nothing_more, 1 connections, 3 s, 2 exchanges, 1 findings");
    assert_eq!(told[3], "1 timeout server_silent, 1 connections, 5 s, 2 exchanges, 1 findings");
}

#[test]
fn a_card_that_comes_back_in_time_goes_on() {
    let mut bench = Bench::new(30);
    bench.dropped(CARD, 100, false);
    bench.tick(139);
    bench.dropped(CARD, 139, true);
    bench.whole(CARD, 170, true);
    bench.tick(1_000);
    assert_eq!(bench.told(), ["opened 1", "1 completed nothing_more, 3 connections, 80 s, 6 exchanges, 3 findings"]);
}

#[test]
fn a_card_that_comes_back_too_late_or_not_has_failed() {
    let mut bench = Bench::new(30);
    bench.dropped(CARD, 100, false);
    bench.tick(139);
    assert_eq!(bench.told(), ["opened 1"]);
    bench.tick(140);
    let lost = "1 failed card_gone, 1 connections, 10 s, 2 exchanges, 1 findings";
    assert_eq!(bench.told(), [lost]);
    bench.whole(CARD, 141, true);
    assert_eq!(bench.told(), ["opened 2", "2 completed nothing_more, 1 connections, 10 s, 2 exchanges, 1 findings"]);
    // One that begins anew has given the old one up.
    bench.dropped(CARD, 200, false);
    bench.whole(CARD, 220, false);
    assert_eq!(bench.told().len(), 3);
    bench.sessions.finish(&mut bench.out);
    assert_eq!(bench.told(), ["3 failed card_gone, 1 connections, 10 s, 2 exchanges, 1 findings"]);
    // Nobody wants to wait.
    let mut bench = Bench::new(0);
    bench.dropped(CARD, 100, false);
    assert_eq!(bench.told(), ["opened 1", lost]);
}

#[test]
fn only_the_same_card_at_the_same_end_goes_on() {
    let (server, client) = (Role::Server, Role::Client);
    for (before, after, same) in [
        (CARD, CARD, true),
        // The handshake was resumed, and shows no identity.
        (CARD, Who("server", server, "", "agent"), true),
        (Who("server", server, "", "agent"), Who("server", server, "", "agent"), true),
        (CARD, Who("server", server, "card", ""), true),
        // A module with two agents is one card.
        (CARD, Who("server", server, "card", "other"), true),
        (CARD, Who("server", server, "other", "agent"), false),
        (CARD, Who("server", server, "", "other"), false),
        (CARD, Who("server", server, "", ""), false),
        (Who("server", server, "", ""), Who("server", server, "", ""), false),
        (CARD, Who("another", server, "card", "agent"), false),
        (CARD, Who("server", client, "card", "agent"), false),
    ] {
        let mut bench = Bench::new(30);
        bench.dropped(before, 100, false);
        bench.whole(after, 120, true);
        bench.sessions.finish(&mut bench.out);
        let told = bench.told();
        assert_eq!(told.iter().any(|line| line.contains("2 connections")), same, "{told:?}");
        assert_eq!(told.iter().filter(|line| line.starts_with("opened")).count(), if same { 1 } else { 2 });
    }
}

#[test]
fn two_cards_of_one_target_keep_apart() {
    let other = Who("server", Role::Server, "other", "agent of the other");
    let mut bench = Bench::new(30);
    bench.dropped(CARD, 100, false);
    bench.dropped(other, 101, false);
    bench.whole(CARD, 120, true);
    bench.whole(other, 121, true);
    assert_eq!(
        bench.told(),
        [
            "opened 1",
            "opened 2",
            "1 completed nothing_more, 2 connections, 30 s, 4 exchanges, 2 findings",
            "2 completed nothing_more, 2 connections, 30 s, 4 exchanges, 2 findings"
        ]
    );
}

#[test]
fn what_may_be_resumed_and_what_not() {
    for (reason, waits) in [
        (SessionReason::CardGone, true),
        (SessionReason::CardLeft, true),
        (SessionReason::LinkReset, true),
        (SessionReason::ServerGone, true),
        (SessionReason::ServerLeft, true),
        (SessionReason::Lost, true),
        (SessionReason::NothingMore, false),
        (SessionReason::LastScript, false),
        (SessionReason::HttpError, false),
        (SessionReason::Undecodable, false),
        (SessionReason::CardSilent, false),
        (SessionReason::ServerSilent, false),
        (SessionReason::TlsAlert, false),
        (SessionReason::Unfinished, false),
    ] {
        let mut bench = Bench::new(30);
        let connection = bench.open(CARD, 1, false);
        bench.end(CARD, &connection, 1, 2, reason);
        assert_eq!(bench.told().len(), if waits { 1 } else { 2 }, "{reason:?}");
    }
}

#[test]
fn a_loop_is_told_once_and_counted() {
    let mut bench = Bench::new(30);
    bench.dropped(CARD, 0, false);
    for time in 1..6 {
        bench.dropped(CARD, 20 * time, true);
    }
    bench.whole(CARD, 120, true);
    let told = bench.told();
    assert_eq!(
        told,
        [
            "opened 1",
            "resume_loop in Some(1): resumed 3 times",
            "1 completed nothing_more, 7 connections, 130 s, 14 exchanges, 8 findings"
        ]
    );
}

#[test]
fn the_oldest_is_told_when_there_are_too_many() {
    let mut bench = Bench::new(30);
    for _ in 0..=MOST_SUSPENDED {
        bench.dropped(CARD, 100, false);
    }
    let told: Vec<String> = bench.told().into_iter().filter(|line| !line.starts_with("opened")).collect();
    assert_eq!(told, ["1 failed card_gone, 1 connections, 10 s, 2 exchanges, 1 findings"]);
    // The one that was dropped last goes on.
    bench.whole(CARD, 110, true);
    assert!(bench.told()[0].starts_with(&format!("{} completed", MOST_SUSPENDED + 1)));
}

#[test]
fn a_session_that_is_still_open_elsewhere_is_found() {
    let mut bench = Bench::new(30);
    let open = bench.open(CARD, 1, false);
    let opened = |resumes, who: Who, number| SessionOpened {
        number: 0,
        connection: connection(number, who.0, who.1),
        at: seconds(2),
        start: seconds(2),
        resumes,
        identity: identity(who.2),
        agent: agent(who.3),
        counted_elsewhere: false,
        cause: Cause::default(),
    };
    assert_eq!(bench.sessions.superseded_by(&opened(true, CARD, 2)), Some(open.number));
    assert_eq!(bench.sessions.superseded_by(&opened(false, CARD, 2)), None);
    assert_eq!(bench.sessions.superseded_by(&opened(true, CARD, open.number)), None, "it is this one");
    assert_eq!(bench.sessions.superseded_by(&opened(true, Who("server", Role::Client, "card", ""), 2)), None);
    bench.end(CARD, &open, 1, 2, SessionReason::NothingMore);
    assert_eq!(bench.sessions.superseded_by(&opened(true, CARD, 2)), None);
}

#[test]
fn what_is_told_of_no_session_has_no_number() {
    let mut bench = Bench::new(30);
    let connection = connection(9, "server", Role::Server);
    for session in [None, Some(0)] {
        bench.take(Observation::Finding(Box::new(Finding {
            kind: FindingKind::RecordTooLong,
            connection: Arc::clone(&connection),
            session,
            at: seconds(1),
            detail: String::from("x"),
            counted_elsewhere: false,
        })));
    }
    assert_eq!(bench.told(), ["record_too_long in None: x", "record_too_long in None: x"]);
}

#[test]
fn parts_that_overlap_still_add_up() {
    let mut bench = Bench::new(30);
    bench.dropped(CARD, 100, false);
    let connection = bench.open(CARD, 100, true);
    bench.end(CARD, &connection, 100, 101, SessionReason::NothingMore);
    assert_eq!(bench.told()[1], "1 completed nothing_more, 2 connections, 1 s, 4 exchanges, 2 findings");
}
