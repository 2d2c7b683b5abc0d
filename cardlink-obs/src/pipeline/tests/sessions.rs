//! Sessions whose link drops.

use super::*;
use crate::observation::{Script, Session};

const PROTOCOL: &str = "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n";
const FROM: &str = "X-Admin-From: //se-id/eid/89\r\n";
const RAM: &str = "Content-Type: application/vnd.globalplatform.card-content-mgt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

pub(super) fn first() -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\n{PROTOCOL}{FROM}\r\n").into_bytes()
}

/// The C-APDUs of a script, each after its length.
pub(super) fn script(hex: &str) -> Vec<u8> {
    let body = [bytes("AE80"), bytes(hex), bytes("0000")].concat();
    let head = format!("HTTP/1.1 200 OK\r\n{PROTOCOL}X-Admin-Next-URI: /b\r\n{RAM};version=1.0\r\nContent-Length: ");
    [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), &body].concat()
}

pub(super) fn answer(headers: &str, hex: &str) -> Vec<u8> {
    let body = [bytes("AF80"), bytes(hex), bytes("0000")].concat();
    let kind = format!("{RAM}-response;version=1.0\r\nX-Admin-Script-Status: ok\r\n");
    let head = format!("POST /b HTTP/1.1\r\n{PROTOCOL}{headers}{kind}Content-Length: ");
    [format!("{head}{}\r\n\r\n", body.len()).as_bytes(), &body].concat()
}

fn resume(hex: &str) -> Vec<u8> {
    answer(&format!("{FROM}X-Admin-Resume: true\r\n"), hex)
}

pub(super) fn nothing() -> Vec<u8> {
    format!("HTTP/1.1 204 No Content\r\n{PROTOCOL}\r\n").into_bytes()
}

pub(super) const COMMANDS: &str = "22 07 00A40400023F00 22 05 80CA006600";
pub(super) const ANSWERS: &str = "80 01 02 23 02 9000 23 02 6A88";

fn scripts(out: &[Observation]) -> Vec<&Script> {
    let mut scripts = Vec::new();
    for observation in out {
        if let Observation::Script(script) = observation {
            scripts.push(&**script);
        }
    }
    scripts
}

fn sessions(out: &[Observation]) -> Vec<&Session> {
    let mut sessions = Vec::new();
    for observation in out {
        if let Observation::Session(session) = observation {
            sessions.push(&**session);
        }
    }
    sessions
}

/// What happened of sessions, one word each and their numbers.
fn told(bench: &Bench) -> Vec<String> {
    let line = |observation: &Observation| match observation {
        Observation::SessionOpened(opened) => Some(format!("opened {}", opened.number)),
        Observation::Exchange(exchange) => Some(format!("exchange {:?}", exchange.session?)),
        Observation::Script(script) => Some(format!("script {:?} {}", script.session?, words(script))),
        Observation::Session(session) => Some(format!(
            "{} {}: {} connections, {} exchanges, {} scripts, {} APDUs, {} errors, {} unanswered",
            session.number,
            session.reason.as_str(),
            session.connections,
            session.exchanges,
            session.scripts,
            session.apdus,
            session.apdu_errors,
            session.unanswered
        )),
        Observation::Finding(finding) => {
            Some(format!("finding {:?} {} {}", finding.session, finding.kind.as_str(), finding.detail))
        }
        _ => None,
    };
    bench.out.iter().filter_map(line).collect()
}

fn words(script: &Script) -> String {
    let word = |sw: Option<u16>| sw.map_or_else(|| String::from("none"), |sw| format!("{sw:04X}"));
    let apdus: Vec<String> =
        script.apdus.iter().map(|apdu| format!("{}={}", apdu.name, word(apdu.status_word))).collect();
    apdus.join(" ")
}

/// The first connection of a session, up to a script that the card has taken.
fn sent(bench: &mut Bench, number: u64, commands: &str) {
    bench.accept(number).plain(number, false, &first()).plain(number, true, &script(commands));
}

#[test]
fn a_script_is_answered_on_the_next_connection() {
    for cut in [0, 100, usize::MAX] {
        let mut bench = Bench::new(PipelineSettings::default());
        sent(&mut bench, 1, COMMANDS);
        bench.fin(1).close(PID, 1).wait(20_000).tick();
        let back = resume(ANSWERS);
        let (one, other) = back.split_at(cut.min(back.len()));
        bench.accept(2).plain(2, false, one).plain(2, false, other).plain(2, true, &nothing()).fin(2).close(PID, 2);
        bench.wait(60_000).tick().finish();
        assert_eq!(
            told(&bench),
            [
                "opened 1",
                "exchange 1",
                "script 1 SELECT=9000 GET_DATA=6A88",
                "exchange 1",
                "1 nothing_more: 2 connections, 2 exchanges, 1 scripts, 2 APDUs, 1 errors, 0 unanswered"
            ]
        );
        let script = scripts(&bench.out)[0];
        assert!(script.answered.is_some_and(|answered| answered.since(script.sent) > Duration::from_secs(20)));
        assert_eq!(script.connection.number, 2);
    }
}

#[test]
fn a_script_whose_card_does_not_come_back_is_unanswered() {
    let wanted = [
        "opened 1",
        "exchange 1",
        "script 1 SELECT=none GET_DATA=none",
        "1 card_gone: 1 connections, 1 exchanges, 1 scripts, 2 APDUs, 0 errors, 2 unanswered",
    ];
    let mut bench = Bench::new(PipelineSettings::default());
    sent(&mut bench, 1, COMMANDS);
    bench.fin(1).close(PID, 1).wait(29_900).tick();
    assert_eq!(told(&bench), wanted[..2]);
    bench.wait(100).tick();
    assert_eq!(told(&bench), wanted);
    // The one that comes too late brings answers to nothing.
    bench.accept(2).plain(2, false, &resume(ANSWERS)).plain(2, true, &nothing()).close(PID, 2).finish();
    assert_eq!(
        told(&bench)[4..],
        [
            "opened 2",
            "script 2 UNSEEN=9000 UNSEEN=6A88",
            "exchange 2",
            "2 nothing_more: 1 connections, 1 exchanges, 0 scripts, 0 APDUs, 0 errors, 0 unanswered"
        ]
    );
    // At the end of the agent, and without waiting for anybody.
    let mut bench = Bench::new(PipelineSettings::default());
    sent(&mut bench, 1, COMMANDS);
    bench.fin(1).close(PID, 1).finish();
    assert_eq!(told(&bench), wanted);
    let settings = PipelineSettings { resume_window: Duration::ZERO, ..PipelineSettings::default() };
    let mut bench = Bench::new(settings);
    sent(&mut bench, 1, COMMANDS);
    bench.fin(1).close(PID, 1);
    assert_eq!(told(&bench), wanted);
}

#[test]
fn a_link_may_drop_again_while_the_answer_is_on_its_way() {
    let mut bench = Bench::new(PipelineSettings::default());
    sent(&mut bench, 1, COMMANDS);
    bench.fin(1).close(PID, 1).wait(1_000);
    let back = resume(ANSWERS);
    bench.accept(2).plain(2, false, &back[..back.len() - 5]).fin(2).close(PID, 2).wait(1_000);
    bench.accept(3).plain(3, false, &back).plain(3, true, &nothing()).close(PID, 3);
    let told = told(&bench);
    let of_scripts: Vec<&String> = told.iter().filter(|line| line.starts_with("script")).collect();
    assert_eq!(of_scripts, ["script 1 SELECT=9000 GET_DATA=6A88"], "{told:?}");
    assert!(told.last().is_some_and(|line| line.starts_with("1 nothing_more: 3 connections, 2 exchanges, 1 scripts")));
}

#[test]
fn a_card_may_be_back_before_anybody_notices_that_its_link_is_gone() {
    let mut bench = Bench::new(PipelineSettings::default());
    sent(&mut bench, 1, COMMANDS);
    bench.wait(10_000).accept(2).plain(2, false, &resume(ANSWERS)).plain(2, true, &nothing());
    // The old connection goes at last, by whatever means.
    bench.wait(400_000).tick().wait(1_000).tick().fin(1).close(PID, 1).close(PID, 2).finish();
    assert_eq!(
        told(&bench),
        [
            "opened 1",
            "exchange 1",
            "script 1 SELECT=9000 GET_DATA=6A88",
            "exchange 1",
            "1 nothing_more: 2 connections, 2 exchanges, 1 scripts, 2 APDUs, 1 errors, 0 unanswered"
        ]
    );
}

/// What is told of a script does not depend on the connection that its answer came by: neither the pairs, nor the chains,
/// nor what is wrong with it.
#[test]
fn a_link_that_drops_changes_nothing_in_a_script() {
    for (commands, answers) in [
        (COMMANDS, ANSWERS),
        // A chain of GET RESPONSE, one of a wrong Le.
        ("22 07 00A40400023F00 22 05 00C0000010 22 05 80CA006600", "23 02 6110 23 03 019000 23 02 9000"),
        ("22 05 00B0000000 22 05 00B0000010", "23 02 6C10 23 03 019000"),
        // One answer for all, fewer and more answers than commands, none.
        ("22 05 80CA006600 22 05 80CA006600 22 05 80CA006600", "80 01 03 23 02 6A88"),
        (COMMANDS, "80 01 01 23 02 6A88"),
        ("22 05 80CA006600", "23 02 9000 23 02 9000"),
        (COMMANDS, ""),
        // Cut off.
        (COMMANDS, "80 01 02 23 02 9000 23 04 9000"),
        ("22 05", ANSWERS),
    ] {
        let whole = {
            let mut bench = Bench::new(PipelineSettings::default());
            sent(&mut bench, 1, commands);
            bench.plain(1, false, &answer("", answers)).plain(1, true, &nothing()).close(PID, 1);
            bench
        };
        let dropped = {
            let mut bench = Bench::new(PipelineSettings::default());
            sent(&mut bench, 1, commands);
            bench.fin(1).close(PID, 1).accept(2).plain(2, false, &resume(answers)).plain(2, true, &nothing());
            bench.close(PID, 2);
            bench
        };
        let script = |bench: &Bench| {
            let [script] = scripts(&bench.out)[..] else { panic!("one script: {:?}", told(bench)) };
            (script.apdus.clone(), script.kind, script.dialect, script.script_status.clone())
        };
        assert_eq!(script(&whole), script(&dropped));
        let but_connections = |bench| -> Vec<String> {
            told(bench).into_iter().map(|line| line.replace("2 connections", "1 connections")).collect()
        };
        assert_eq!(but_connections(&whole), but_connections(&dropped));
        let sum = sessions(&dropped.out)[0];
        let time = sum.time;
        assert_eq!(time.handshake + time.server + time.bearer.unwrap_or_default() + time.card, sum.duration());
    }
}

#[test]
fn a_session_of_two_watched_ends_counts_once_whenever_it_is_told() {
    for stop in [false, true] {
        let mut bench = Bench::new(PipelineSettings::default());
        bench.process(8, "card");
        bench.open(PID, 1, 1, true).open(8, 2, 1, false);
        for (number, client) in [(1, false), (2, true)] {
            bench.plain(number, client, &first()).plain(number, !client, &script(COMMANDS));
        }
        bench.fin(1).close(PID, 1).close(8, 2);
        if stop {
            bench.finish();
        } else {
            // Long after the serving end is forgotten.
            bench.wait(60_000).tick();
        }
        let flags = |observation: &Observation| match observation {
            Observation::SessionOpened(opened) => Some((opened.connection.number, opened.counted_elsewhere)),
            Observation::Exchange(exchange) => Some((exchange.connection.number, exchange.counted_elsewhere)),
            Observation::Script(script) => Some((script.connection.number, script.counted_elsewhere)),
            Observation::Session(session) => Some((session.connection.number, session.counted_elsewhere)),
            _ => None,
        };
        let flags: Vec<(u64, bool)> = bench.out.iter().filter_map(flags).collect();
        assert_eq!(flags.len(), 8, "{:?}", told(&bench));
        assert!(flags.iter().all(|(number, elsewhere)| *elsewhere == (*number == 2)), "{flags:?}");
    }
}

#[test]
fn a_process_has_the_trace_context_that_came_just_before_it() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut bench = Bench::new(PipelineSettings::default());
    let context = |pid, parent| Event::TraceContext { at: 0, pid, parent: Cow::Borrowed(parent) };
    let mut told = |context: Option<Event<'_>>, pid| {
        bench.out.clear();
        if let Some(context) = context {
            bench.event(&context);
        }
        bench.process(pid, "tool");
        let of = bench.out.iter().find_map(|observation| match observation {
            Observation::Target(change) => Some(change.trace_parent),
            _ => None,
        });
        of.expect("a target").map(|parent| parent.to_string())
    };
    assert_eq!(told(Some(context(20, PARENT)), 20).as_deref(), Some(PARENT));
    assert_eq!(told(None, 20), None);
    assert_eq!(told(Some(context(21, PARENT)), 22), None);
    assert_eq!(told(None, 21), None);
    assert_eq!(told(Some(context(23, "not one")), 23), None);
}
