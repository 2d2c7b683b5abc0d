#![expect(clippy::float_cmp, reason = "they are counts")]

use super::super::apdus::{ANNOUNCED, MAX_STATUS_WORDS};
use crate::{
    observation::{
        Apdu, Cause, Connection, DeviceType, Exchange, Finding, FindingKind, Observation, Plaintext, PlaintextWay,
        Process, Script, ScriptKind, Sealed, Session, SessionOpened, SessionReason, SessionTime, SessionType, Stamp,
    },
    protocol::apdu::CommandName,
    sink::{
        Sink,
        metrics::{Metrics, registry::Registry, table},
    },
};
use std::{sync::Arc, time::Duration};

const T: &str = "server";
const UICC: &str = "uicc";

/// The sink, and what it counts in.
struct Bench {
    registry: Arc<Registry>,
    metrics: Metrics,
}

impl Bench {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        Self { metrics: Metrics::new(Arc::clone(&registry)), registry }
    }

    fn opened(&mut self, number: u64, counted_elsewhere: bool) {
        self.metrics.take(&Observation::SessionOpened(Box::new(SessionOpened {
            number,
            connection: connection(),
            at: at(1),
            start: at(1),
            resumes: false,
            identity: None,
            agent: None,
            counted_elsewhere,
            cause: Cause::default(),
        })));
    }

    fn ended(&mut self, number: u64, reason: SessionReason, counted_elsewhere: bool) {
        self.metrics.take(&Observation::Session(Box::new(Session {
            number,
            connection: connection(),
            connections: 1,
            device: DeviceType::Uicc,
            kind: SessionType::Unknown,
            trigger: None,
            start: at(1),
            end: at(4),
            reason,
            identity: None,
            agent: None,
            exchanges: 2,
            scripts: 1,
            apdus: 1,
            apdu_errors: 0,
            unanswered: 0,
            findings: 0,
            time: SessionTime::default(),
            round_trip: None,
            bytes_from_card: 1,
            bytes_to_card: 1,
            incomplete: false,
            counted_elsewhere,
        })));
    }

    fn script(&mut self, apdus: Vec<Apdu>, counted_elsewhere: bool) {
        self.metrics.take(&Observation::Script(Box::new(Script {
            connection: connection(),
            session: Some(1),
            device: DeviceType::Uicc,
            kind: ScriptKind::Ram,
            dialect: "expanded_definite",
            targeted_application: None,
            sent: at(1),
            answered: Some(at(2)),
            script_status: None,
            apdus,
            counted_elsewhere,
        })));
    }

    fn exchange(&mut self, session: Option<u64>, counted_elsewhere: bool) {
        self.metrics.take(&Observation::Exchange(Box::new(Exchange {
            connection: connection(),
            session,
            start: at(1),
            request_end: at(2),
            response_start: Some(at(3)),
            end: at(4),
            method: "POST".into(),
            target: "/".into(),
            status: Some(200),
            request_body: 0,
            response_body: 0,
            fault: None,
            peer: Some(Duration::from_secs(9)),
            trace_parent: None,
            counted_elsewhere,
            cause: Cause::default(),
        })));
    }

    fn finding(&mut self, kind: FindingKind, counted_elsewhere: bool) {
        self.metrics.take(&Observation::Finding(Box::new(Finding {
            kind,
            connection: connection(),
            session: Some(1),
            at: at(1),
            detail: String::new(),
            counted_elsewhere,
        })));
    }

    fn sessions(&self, status: &str) -> f64 {
        self.registry.value(&table::SESSIONS, &[T, status, "unknown", UICC])
    }

    fn active(&self) -> f64 {
        self.registry.value(&table::SESSIONS_ACTIVE, &[T, UICC])
    }

    /// A line of the page.
    fn has(&self, line: &str) -> bool {
        self.registry.render().lines().any(|one| one == line)
    }
}

fn connection() -> Arc<Connection> {
    let process = Arc::new(Process { pid: 7, comm: "server".into(), target: T.into() });
    Arc::new(Connection { number: 1, process, local: None, peer: None, role: None, opened: None, first_seen: at(0) })
}

const fn at(seconds: u64) -> Stamp {
    Stamp::from_nanos(seconds * 1_000_000_000)
}

fn apdu(name: &'static str, status_word: Option<u16>) -> Apdu {
    Apdu {
        name,
        detail: None,
        header: [0; 4],
        channel: 0,
        command_bytes: 7,
        status_word,
        response_bytes: if status_word.is_some() { 5 } else { 0 },
        commands: 1,
    }
}

#[test]
fn what_is_announced_is_in_the_table_of_commands() {
    for name in ANNOUNCED {
        assert!(CommandName::all().any(|known| known.as_str() == name), "{name}");
    }
}

#[test]
fn counters_start_at_zero_once_a_target_serves_cards() {
    let mut bench = Bench::new();
    // A connection is no card yet.
    bench.metrics.take(&Observation::ConnectionOpened(connection()));
    assert!(!bench.registry.render().contains("cardlink_findings_total{"));
    bench.opened(1, false);
    let page = bench.registry.render();
    let zeros = |metric: &str| page.lines().filter(|line| line.starts_with(metric) && line.ends_with(" 0")).count();
    assert_eq!(zeros(&format!("{}{{", table::FINDINGS.name)), FindingKind::ALL.len());
    assert_eq!(zeros(&format!("{}{{", table::SESSIONS.name)), 9);
    assert_eq!(zeros(&format!("{}{{", table::APDU_COMMANDS.name)), ANNOUNCED.len());
    assert_eq!(zeros(&format!("{}{{", table::APDU_RESPONSES.name)), ANNOUNCED.len());
    assert_eq!(zeros(&format!("{}{{", table::APDU_BYTES.name)), 2);
    assert_eq!(zeros(&format!("{}_count{{", table::SESSION_DURATION.name)), 3);
    assert_eq!(zeros(&format!("{}_count{{", table::SCP81_EXCHANGE.name)), 2);
}

#[test]
fn the_gauge_comes_back_to_zero() {
    let mut bench = Bench::new();
    for number in 1..=3 {
        bench.opened(number, false);
    }
    // Told again, as when a damaged recording repeats it.
    bench.opened(3, false);
    assert_eq!(bench.active(), 3.0);
    bench.ended(2, SessionReason::NothingMore, false);
    bench.ended(1, SessionReason::CardGone, false);
    bench.ended(3, SessionReason::ServerSilent, false);
    bench.ended(3, SessionReason::ServerSilent, false);
    assert_eq!(bench.active(), 0.0);
    assert_eq!((bench.sessions("completed"), bench.sessions("failed"), bench.sessions("timeout")), (1.0, 1.0, 2.0));
    assert!(bench.has(&format!("{}_sum{{status=\"completed\",target=\"server\"}} 3", table::SESSION_DURATION.name)));
    // One that was there before anybody looked.
    bench.ended(9, SessionReason::LastScript, false);
    assert_eq!(bench.active(), 0.0);
}

#[test]
fn what_counts_at_the_other_end_counts_there_only() {
    let mut bench = Bench::new();
    for elsewhere in [true, false] {
        bench.opened(if elsewhere { 1 } else { 2 }, elsewhere);
        bench.exchange(Some(1), elsewhere);
        bench.script(vec![apdu("SELECT", Some(0x9000))], elsewhere);
        bench.finding(FindingKind::CardIdle, elsewhere);
        bench.ended(if elsewhere { 1 } else { 2 }, SessionReason::NothingMore, elsewhere);
        let wanted = if elsewhere { 0.0 } else { 1.0 };
        assert_eq!(bench.active(), 0.0);
        assert_eq!(bench.sessions("completed"), wanted);
        assert_eq!(bench.registry.value(&table::APDU_COMMANDS, &[T, "SELECT", UICC, ""]), wanted);
        assert_eq!(bench.registry.value(&table::FINDINGS, &[T, "card_idle"]), wanted);
        for party in ["peer", "server"] {
            let line = format!("{}_count{{party=\"{party}\",target=\"server\"}} {wanted}", table::SCP81_EXCHANGE.name);
            assert!(bench.has(&line), "{line}");
        }
    }
}

#[test]
fn exchanges_have_two_parties_and_only_those_of_sessions_count() {
    let mut bench = Bench::new();
    bench.exchange(None, false);
    assert!(!bench.registry.render().contains(&format!("{}_count{{", table::SCP81_EXCHANGE.name)));
    bench.exchange(Some(1), false);
    for (party, seconds) in [("server", 2), ("peer", 9)] {
        let line = format!("{}_sum{{party=\"{party}\",target=\"server\"}} {seconds}", table::SCP81_EXCHANGE.name);
        assert!(bench.has(&line), "{}", bench.registry.render());
    }
}

#[test]
fn apdus_by_command_and_folded_status_word() {
    let mut bench = Bench::new();
    bench.script(
        vec![
            apdu("SELECT", Some(0x9000)),
            apdu("INSTALL", Some(0x6A88)),
            apdu("GET_DATA", None),
            apdu("SELECT", Some(0x9112)),
        ],
        false,
    );
    let responses = |sw: &str, category: &str, name: &str| {
        bench.registry.value(&table::APDU_RESPONSES, &[T, sw, category, name, UICC, ""])
    };
    assert_eq!(responses("9000", "success", "SELECT"), 1.0);
    assert_eq!(responses("6A88", "error", "INSTALL"), 1.0);
    assert_eq!(responses("91xx", "success", "SELECT"), 1.0);
    assert_eq!(bench.registry.value(&table::APDU_COMMANDS, &[T, "GET_DATA", UICC, ""]), 1.0);
    assert_eq!(bench.registry.value(&table::APDU_BYTES, &[T, "sent", UICC, ""]), 28.0);
    assert_eq!(bench.registry.value(&table::APDU_BYTES, &[T, "received", UICC, ""]), 15.0);
}

#[test]
fn cards_that_make_up_status_words_fill_no_page() {
    let mut bench = Bench::new();
    for sw in 0x6500..0x6700 {
        bench.script(vec![apdu("SELECT", Some(sw))], false);
    }
    let page = bench.registry.render();
    let series = page.lines().filter(|line| line.starts_with(&format!("{}{{", table::APDU_RESPONSES.name))).count();
    assert!(series <= MAX_STATUS_WORDS + ANNOUNCED.len() + 3, "{series}");
    assert!(page.contains("status_word=\"other\""));
}

#[test]
fn how_connections_are_read() {
    let mut bench = Bench::new();
    let sealed = Sealed { reason: "forward_secrecy".into(), advice: "none".into() };
    for way in [Ok(PlaintextWay::KeyFile), Ok(PlaintextWay::Library("openssl")), Err(sealed)] {
        bench.metrics.take(&Observation::Plaintext(Box::new(Plaintext { connection: connection(), at: at(1), way })));
    }
    for labels in [[T, "key_file", ""], [T, "openssl", ""], [T, "none", "forward_secrecy"]] {
        assert_eq!(bench.registry.value(&table::PLAINTEXT, &labels), 1.0, "{labels:?}");
    }
}
