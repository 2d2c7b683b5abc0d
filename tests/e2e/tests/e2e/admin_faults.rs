//! What goes wrong within sessions: each deviation from Amendment B gives its findings and no others, each lost link one
//! session across two connections, and each session that breaks its reason.

use cardlink_e2e::{
    Result,
    agent::Tracer,
    conversation::{self, Conversation},
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    trace::{self, text},
    wait::{self, PATIENCE},
};
use cardlink_lab::truth::ConnectionRecord;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::process::Command;

/// C-APDUs of the lab's own script.
const SCRIPT: usize = 3;

fn tracer(place: &Place, server: &Server, words: &str) -> Result<Tracer> {
    Tracer::start(place, &format!("{} --pid {} {words}", place.with_keys(), server.pid()))
}

/// What was told of the only connection.
fn only(told: &[Value]) -> Conversation {
    let mut all = conversation::told(told);
    assert_eq!(all.len(), 1, "{told:?}");
    all.pop_first().unwrap_or_default().1
}

/// How sessions ended, without their figures.
fn ends(told: &Conversation) -> Vec<&str> {
    told.sessions.iter().map(|end| end.split(':').next().unwrap_or("")).collect()
}

/// What one end does otherwise, and what the agent is to make of it.
struct Deviation {
    server: &'static str,
    card: &'static str,
    end: &'static str,
    findings: &'static [&'static str],
    /// Of the truth: what the agent saw of an APDU that the card ran, by its place in the session.
    seen: fn(usize, &str) -> String,
}

fn all(_: usize, apdu: &str) -> String {
    apdu.to_owned()
}

/// The C-APDU alone.
fn unanswered(apdu: &str) -> String {
    let command: Vec<&str> = apdu.split(' ').take(3).collect();
    format!("{} unanswered 0", command.join(" "))
}

fn all_but_the_last_of_a_script(index: usize, apdu: &str) -> String {
    if index % SCRIPT == SCRIPT - 1 { unanswered(apdu) } else { apdu.to_owned() }
}

fn all_of_the_first_script(index: usize, apdu: &str) -> String {
    if index < SCRIPT { apdu.to_owned() } else { unanswered(apdu) }
}

const COMPLETED: &str = "completed nothing_more";

const DEVIATIONS: &[Deviation] = &[
    Deviation { server: "", card: "", end: COMPLETED, findings: &[], seen: all },
    Deviation { server: "", card: "no-admin-protocol", end: COMPLETED, findings: &["no_admin_protocol"], seen: all },
    Deviation {
        server: "",
        card: "truncated-response",
        // lab-server breaks the session off.
        end: "failed server_gone",
        findings: &["response_truncated"],
        seen: all_but_the_last_of_a_script,
    },
    Deviation {
        server: "",
        card: "fewer-responses",
        end: COMPLETED,
        findings: &["response_count_differs"; 2],
        seen: all_but_the_last_of_a_script,
    },
    Deviation {
        server: "",
        card: "wrong-script-status",
        end: COMPLETED,
        findings: &["bad_header", "script_status_contradicts", "script_status_contradicts"],
        seen: all,
    },
    Deviation {
        server: "",
        card: "contradicting-script-status",
        end: COMPLETED,
        findings: &["script_status_contradicts"; 2],
        seen: all,
    },
    Deviation { server: "no-content-type", card: "", end: COMPLETED, findings: &["missing_content_type"], seen: all },
    Deviation { server: "wrong-content-type", card: "", end: COMPLETED, findings: &["wrong_content_type"], seen: all },
    Deviation { server: "204-with-body", card: "", end: COMPLETED, findings: &["no_content_with_body"], seen: all },
    Deviation {
        server: "body-without-next-uri",
        card: "",
        end: "completed last_script",
        findings: &["body_without_next_uri"],
        seen: all_of_the_first_script,
    },
    Deviation {
        server: "missing-next-uri",
        card: "post-without-next-uri",
        end: COMPLETED,
        // The note comes before it is known that the card goes on.
        findings: &["body_without_next_uri", "missing_next_uri"],
        seen: all,
    },
];

/// Four sessions of two scripts of each kind, and nothing is said of the good ones beside them.
#[test]
fn each_deviation_gives_its_findings() -> Result {
    const SESSIONS: usize = 4;
    let place = Place::new()?;
    let words = |how: &str| if how.is_empty() { String::new() } else { format!("--deviate {how}") };
    let servers = DEVIATIONS
        .iter()
        .map(|deviation| Server::lab(&place, &format!("--exchanges 2 {}", words(deviation.server))))
        .collect::<Result<Vec<_>>>()?;
    let pids = servers.iter().fold(String::new(), |pids, server| format!("{pids} --pid {}", server.pid()));
    let mut tracer = Tracer::start(&place, &format!("{} {pids}", place.with_keys()))?;
    for (deviation, server) in DEVIATIONS.iter().zip(&servers) {
        peers::card(&place, server.port, &format!("--sessions {SESSIONS} --parallel 2 {}", words(deviation.card)))?;
    }
    tracer.until("connection_closed", SESSIONS * DEVIATIONS.len())?;
    tracer.stop()?;
    let told = conversation::told(&tracer.told()?);
    let mut wrong = Vec::new();
    for record in peers::connections(&place, "card")? {
        let kind = servers.iter().position(|server| record.peer.ends_with(&format!(":{}", server.port)));
        let deviation = kind.and_then(|kind| DEVIATIONS.get(kind)).expect("a server of this test");
        let told = told.get(&conversation::key(&record)).cloned().unwrap_or_default();
        let apdus = record.session.apdus.iter().map(conversation::apdu).collect::<Result<Vec<_>>>()?;
        let seen: Vec<String> = apdus.iter().enumerate().map(|(index, apdu)| (deviation.seen)(index, apdu)).collect();
        let mut findings = told.findings.clone();
        findings.sort_unstable();
        if ends(&told) != [deviation.end] || findings != deviation.findings || told.apdus != seen {
            wrong.push(format!("{} {}: {told:?}\n    instead of {seen:?}", deviation.server, deviation.card));
        }
    }
    assert_eq!(told.len(), SESSIONS * DEVIATIONS.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// A card that takes its time is told as idle, once for each time, and its session goes on.
#[test]
fn a_card_that_is_idle() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--exchanges 2")?;
    let mut tracer = tracer(&place, &server, "--card-idle 500ms")?;
    peers::card(&place, server.port, "--deviate idle:1500")?;
    tracer.until("connection_closed", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec![COMPLETED], vec!["card_idle".to_owned(); 2]));
    Ok(())
}

/// Sessions whose link dropped after two of three scripts, one after the other: each is one session on two connections.
fn dropped(card: &str, connections: usize, findings: &[&str]) -> Result {
    const SESSIONS: usize = 6;
    let place = Place::new()?;
    // One connection at a time: what was dropped is closed before what resumes it is accepted.
    let server = Server::lab(&place, "--exchanges 3 --model inline")?;
    let mut tracer = tracer(&place, &server, "")?;
    let words = format!("--sessions {SESSIONS} --fault drop-mid-script --drop-at 2 {card}");
    peers::card(&place, server.port, &words)?;
    tracer.until("connection_closed", SESSIONS * connections)?;
    tracer.stop()?;
    let truth = peers::connections(&place, "card")?;
    assert_eq!(truth.len(), SESSIONS * connections);
    let told = tracer.told()?;
    let sessions: Vec<&Value> = trace::of(&told, "session").collect();
    assert_eq!(sessions.len(), SESSIONS, "{sessions:?}");
    assert_eq!(trace::of(&told, "session_opened").count(), SESSIONS);
    // Those that the card says it went on from, to the first of them.
    let number = |conn: u64| truth.iter().find(|one| one.conn == conn);
    for session in sessions {
        let last = truth.iter().find(|one| one.local == text(session, "peer")).expect("a connection of the truth");
        let mut chain = vec![last];
        while let Some(before) = chain.last().and_then(|one| one.session.resumes).and_then(number) {
            chain.push(before);
        }
        assert_eq!(chain.len(), connections);
        assert_eq!(session["connections"], connections, "{session}");
        assert_eq!((text(session, "status"), text(session, "reason")), ("completed", "nothing_more"));
        assert_eq!(text(session, "identity"), "card-1");
        let sum = |field: fn(&ConnectionRecord) -> u64| chain.iter().map(|one| field(one)).sum::<u64>();
        assert_eq!(session["bytes_from_card"], sum(|one| one.session.bytes_written), "{session}");
        // What was on its way when the link dropped, the server wrote and the card never read.
        assert!(session["bytes_to_card"].as_u64() >= Some(sum(|one| one.session.bytes_read)), "{session}");
        let of_session = |kind: &'static str| {
            trace::of(&told, kind).filter(|value| value["session"] == session["session"]).collect::<Vec<_>>()
        };
        // Every APDU that the card ran was told with its answer, in order.
        let ran: Vec<String> =
            chain.iter().rev().flat_map(|one| &one.session.apdus).map(conversation::apdu).collect::<Result<_>>()?;
        let scripts: Vec<Value> = of_session("script").into_iter().cloned().collect();
        let answered: Vec<String> = conversation::told(&scripts)
            .into_values()
            .flat_map(|one| one.apdus)
            .filter(|apdu| !apdu.contains("unanswered"))
            .collect();
        assert_eq!(sorted(&answered), sorted(&ran), "{scripts:?}");
        let count = |field: &str| session[field].as_u64().unwrap_or_default();
        assert_eq!(count("apdus") - count("unanswered"), ran.len() as u64, "{session}");
        let found: Vec<&str> = of_session("finding").into_iter().map(|finding| text(finding, "finding")).collect();
        assert_eq!(found, findings);
        assert_eq!(session["findings"], findings.len());
    }
    Ok(())
}

fn sorted(all: &[String]) -> Vec<&String> {
    let mut all: Vec<&String> = all.iter().collect();
    all.sort_unstable();
    all
}

#[test]
fn links_that_drop_after_a_response() -> Result {
    dropped("", 2, &[])
}

#[test]
fn links_that_drop_before_a_response() -> Result {
    dropped("--drop before", 2, &[])
}

/// The TLS session is resumed, too: its handshake does not say whose it is.
#[test]
fn links_that_drop_and_are_resumed_below() -> Result {
    dropped("--resume", 2, &[])
}

#[test]
fn links_that_drop_again_and_again() -> Result {
    dropped("--deviate resume-loop", 5, &["resume_loop"])
}

/// Waits until the server has sent a script, of the session that is under way.
fn under_way(tracer: &mut Tracer) -> Result {
    tracer.until("exchange", 1).map(|_| ())
}

/// The card, killed while the server waits for it, and it never comes back.
#[test]
fn a_card_that_does_not_come_back() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--exchanges 2")?;
    let mut tracer = tracer(&place, &server, "--resume-window 500ms")?;
    let mut card = peers::start_card(&place, server.port, "--deviate idle:20000")?;
    under_way(&mut tracer)?;
    card.stop(Signal::SIGKILL)?;
    // The window is over, not the agent.
    tracer.until("session", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec!["failed card_gone"], vec![]));
    assert!(told.apdus.iter().all(|apdu| apdu.contains("unanswered")), "{:?}", told.apdus);
    assert_eq!(told.apdus.len(), SCRIPT);
    Ok(())
}

#[test]
fn a_card_that_says_nothing_more() -> Result {
    let place = Place::new()?;
    let server = Server::lab(&place, "--exchanges 2")?;
    let mut tracer = tracer(&place, &server, "--card-timeout 1500ms --card-idle 500ms")?;
    let card = peers::start_card(&place, server.port, "--deviate idle:20000")?;
    tracer.until("session", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec!["timeout card_silent"], vec!["card_idle".to_owned()]));
    drop(card);
    Ok(())
}

/// The server, killed while the card runs a script: it does not owe anything then.
#[test]
fn a_server_that_is_killed_in_mid_session() -> Result {
    let place = Place::new()?;
    let mut server = Server::lab(&place, "--exchanges 2")?;
    let mut tracer = tracer(&place, &server, "")?;
    let mut card = peers::start_card(&place, server.port, "--deviate idle:1000")?;
    under_way(&mut tracer)?;
    server.program.stop(Signal::SIGKILL)?;
    card.wait()?;
    tracer.until("session", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec!["failed server_left"], vec![]));
    Ok(())
}

/// The same while it writes a script, piece by piece.
#[test]
fn a_server_that_is_killed_while_it_answers() -> Result {
    let place = Place::new()?;
    let mut server = Server::lab(&place, "--exchanges 2 --tear 100 --tear-delay 400000")?;
    let mut tracer = tracer(&place, &server, "")?;
    let mut card = peers::start_card(&place, server.port, "")?;
    tracer.until("session_opened", 1)?;
    server.program.stop(Signal::SIGKILL)?;
    card.wait()?;
    tracer.until("session", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec!["failed server_gone"], vec![]));
    Ok(())
}

/// The Python server without TLS.
fn clear_server(place: &Place) -> Result<(Server, Command)> {
    std::fs::write(place.path("scp81_admin.py"), include_str!("../../peers/scp81_admin.py"))?;
    let script = place.path("scp81_clear.py");
    std::fs::write(&script, include_str!("../../peers/scp81_clear.py"))?;
    let mut command = Command::new(place::plain_python()?);
    command.arg(&script).arg("0").arg(place.path("psk")).args(["--exchanges", "2", "--max-seconds", "60"]);
    let server = Server::that_says_where(&mut command)?;
    let mut card = Command::new(place::plain_python()?);
    card.arg(script).args(["card", &server.port.to_string()]);
    Ok((server, card))
}

/// Administration on a plain TCP port: the same sessions, told as `clear`.
#[test]
fn without_tls() -> Result {
    const SESSIONS: usize = 10;
    let place = Place::new()?;
    let (server, mut card) = clear_server(&place)?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
    let mut card = Program::start(card.args([&SESSIONS.to_string(), "complete"]))?;
    card.success()?;
    tracer.until("connection_closed", SESSIONS)?;
    tracer.stop()?;
    let told = conversation::told(&tracer.told()?);
    let lived: Vec<String> =
        card.out().iter().filter_map(|line| line.split_once(' ')).map(|one| one.0.to_owned()).collect();
    assert_eq!(told.keys().map(|key| key.0.clone()).collect::<Vec<_>>(), {
        let mut lived = lived.clone();
        lived.sort_unstable();
        lived
    });
    let script = ["GET_STATUS 80F24002 8 9000 2", "GET_DATA 80CA0066 5 9000 2", "SELECT 00A4040C 12 9000 2"];
    for (key, one) in told {
        assert_eq!(one.ways, ["clear"], "{key:?}");
        assert_eq!(one.exchanges, ["POST 200", "POST 200", "POST 204"], "{key:?}");
        assert_eq!(one.apdus, script.repeat(2), "{key:?}");
        assert_eq!(ends(&one), [COMPLETED], "{key:?}");
        assert_eq!(one.findings, Vec::<String>::new(), "{key:?}");
    }
    Ok(())
}

/// A terminal that resets the link instead of an answer.
#[test]
fn a_link_that_is_reset() -> Result {
    let place = Place::new()?;
    let (server, mut card) = clear_server(&place)?;
    let mut tracer = Tracer::start(&place, &format!("--resume-window 300ms --pid {}", server.pid()))?;
    Program::start(card.args(["1", "reset"]))?.success()?;
    tracer.until("session", 1)?;
    let told = only(&tracer.told()?);
    assert_eq!((ends(&told), told.findings.clone()), (vec!["failed link_reset"], vec![]));
    Ok(())
}

/// What nobody asked about: a web page on the same port is no administration.
#[test]
fn another_request_is_no_session() -> Result {
    let place = Place::new()?;
    let server = Server::python(&place, WEB, "web.py", "")?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", server.pid()))?;
    let get = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())";
    let address = format!("http://127.0.0.1:{}/", server.port);
    Program::start(Command::new(place::plain_python()?).args(["-c", get, &address]))?.success()?;
    wait::until("the end of the connection", PATIENCE, || {
        Ok((trace::of(&tracer.told()?, "connection_closed").count() == 1).then_some(()))
    })?;
    tracer.stop()?;
    let told = only(&tracer.told()?);
    assert_eq!((told.sessions.len(), told.apdus.len(), told.findings.len()), (0, 0, 0), "{told:?}");
    assert_eq!(told.ways, ["clear"]);
    Ok(())
}

const WEB: &str = "import http.server, sys
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
";
