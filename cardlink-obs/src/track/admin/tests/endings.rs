//! How sessions end that nobody ended.

use super::*;

const EXCHANGED: [&str; 2] = ["opened by //se-id/eid/89", "POST /agent 0, 200 13"];
const UNANSWERED: &str = "script ram expanded_indefinite SELECT=none unanswered";

/// The card was sent a script.
fn card_owes(bench: &mut Bench) {
    bench.card(&first()).server(&script(&[SELECT]));
}

/// The card has answered a script.
fn server_owes(bench: &mut Bench) {
    card_owes(bench);
    bench.card(&answer(&[OK]));
}

/// How the session ended, and what the tracker hands over for whoever resumes it.
#[track_caller]
fn ended(told: &[String]) -> &str {
    let sessions: Vec<&String> = told.iter().filter(|line| line.starts_with("session")).collect();
    assert_eq!(sessions.len(), 1, "{told:?}");
    told.last()
        .and_then(|line| line.strip_prefix("session "))
        .expect("the session comes last")
        .split(':')
        .next()
        .unwrap_or_default()
}

#[test]
fn one_side_closes_in_its_turn_or_in_the_others() {
    for (turn, card, wanted) in [
        (card_owes as fn(&mut Bench), true, "failed card_gone"),
        (server_owes, true, "failed card_left"),
        (server_owes, false, "failed server_gone"),
        (card_owes, false, "failed server_left"),
    ] {
        let told = both(|bench| {
            turn(bench);
            bench.closes(card);
        });
        assert_eq!(ended(&told), wanted);
    }
}

#[test]
fn a_link_that_is_lost_keeps_the_script_for_who_comes_back() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        card_owes(&mut bench);
        bench.closes(true);
        let told = bench.told();
        is(&told, &[EXCHANGED.as_slice(), &["session failed card_gone: 1 exchanges, 0 scripts, 0 APDUs"]].concat());
        let left = bench.tracker.take_left().expect("the script that was not answered").unanswered();
        assert_eq!(script_line(&left), UNANSWERED);
        assert!(bench.tracker.take_left().is_none());
        // An answer that was cut off is none.
        let mut bench = Bench::new(role);
        card_owes(&mut bench);
        let back = answer(&[OK]);
        bench.card(&back[..back.len() - 5]).closes(true);
        assert!(bench.tracker.take_left().is_some());
        let told = bench.told();
        assert_eq!(told.get(2).map(String::as_str), Some("POST /agent 0, nothing 0 truncated"), "{told:?}");
        assert_eq!(ended(&told), "failed card_gone");
    }
}

#[test]
fn a_reset_and_an_alert_say_so_whoever_owes() {
    for turn in [card_owes, server_owes] {
        for (how, wanted) in [(PeerEnd::Reset, "failed link_reset"), (PeerEnd::Alert, "failed tls_alert")] {
            let told = both(|bench| {
                turn(bench);
                bench.peer(how).close();
            });
            assert_eq!(ended(&told), wanted);
            // The first that is known counts.
            let told = both(|bench| {
                turn(bench);
                bench.peer(how).peer(PeerEnd::Closed).close();
            });
            assert_eq!(ended(&told), wanted);
        }
    }
}

#[test]
fn a_response_that_is_cut_off_is_the_servers() {
    let whole = script(&[SELECT]);
    let told = both(|bench| _ = bench.card(&first()).server(&whole[..whole.len() - 1]).closes(false));
    is(
        &told,
        &[
            EXCHANGED[0],
            "POST /agent 0, 200 0 truncated",
            "session failed server_gone: 0 exchanges, 0 scripts, 0 APDUs",
        ],
    );
    // By FIN of the card before it was whole.
    let told = both(|bench| _ = bench.card(&first()).server(&whole[..whole.len() - 1]).closes(true));
    assert_eq!(ended(&told), "failed card_left");
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    let head = format!("HTTP/1.1 200 OK\r\n{PROTOCOL}{RAM}\r\n");
    let whole = [head.as_bytes(), &expanded(0xAE, 0x22, &[SELECT])].concat();
    let told = both(|bench| _ = bench.card(&first()).server(&whole).closes(false));
    is(
        &told,
        &[
            EXCHANGED[0],
            "POST /agent 0, 200 13",
            UNANSWERED,
            "session completed last_script: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered",
        ],
    );
}

#[test]
fn a_good_end_stays_good_however_the_connection_ends() {
    for how in [PeerEnd::Closed, PeerEnd::Reset, PeerEnd::Alert] {
        let told = both(|bench| _ = bench.card(&first()).server(&nothing()).peer(how).close());
        assert_eq!(ended(&told), "completed nothing_more");
    }
    // Without close_notify, without FIN: it is just gone.
    let told = both(|bench| _ = bench.card(&first()).server(&nothing()).close());
    assert_eq!(ended(&told), "completed nothing_more");
}

#[test]
fn a_card_that_is_silent_has_timed_out_once() {
    let told = both(|bench| {
        card_owes(bench);
        bench.wait(299_990).tick();
        assert!(!bench.told().iter().any(|line| line.starts_with("session")));
        bench.wait(10).tick().wait(1_000).tick().wait(600_000).tick().tick();
        bench.closes(true);
    });
    is(&told, &[UNANSWERED, "session timeout card_silent: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered, 1 findings"]);
    // One that never finishes its first request.
    let told = both(|bench| _ = bench.card(&resume(&[OK])[..280]).wait(300_000).tick().wait(1_000).tick());
    assert_eq!(ended(&told), "timeout card_silent");
}

#[test]
fn a_server_that_is_silent_has_timed_out_once() {
    let told = both(|bench| {
        server_owes(bench);
        bench.wait(59_999).tick().wait(1).tick();
        assert_eq!(bench.told().len(), 3);
        bench.wait(1_000).tick().tick().wait(600_000).tick();
    });
    is(&told, &["session timeout server_silent: 1 exchanges, 1 scripts, 1 APDUs"]);
    // One that stops in the middle of a response.
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT])[..20]).wait(60_000).tick().wait(1_000).tick();
    });
    assert_eq!(ended(&told), "timeout server_silent");
}

#[test]
fn who_comes_too_late_begins_anew() {
    let told = both(|bench| {
        card_owes(bench);
        bench.wait(301_000).tick().wait(1_000).tick().card(&answer(&[OK])).server(&nothing()).close();
    });
    let sessions: Vec<&String> = told.iter().filter(|line| line.starts_with("session")).collect();
    assert_eq!(
        sessions,
        [
            "session timeout card_silent: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered, 1 findings",
            "session completed nothing_more: 1 exchanges, 0 scripts, 0 APDUs"
        ]
    );
    let told = both(|bench| {
        server_owes(bench);
        bench.wait(62_000).tick().wait(1_000).tick().server(&script(&[GET_STATUS])).card(&answer(&[OK]));
        bench.server(&nothing()).close();
    });
    assert_eq!(told.iter().filter(|line| line.starts_with("session")).count(), 2, "{told:?}");
    assert!(told.contains(&String::from("script ram expanded_indefinite GET_STATUS=9000 ok")), "{told:?}");
}

#[test]
fn the_agent_stops() {
    let told = both(|bench| {
        card_owes(bench);
        bench.finish();
    });
    is(&told[2..], &[UNANSWERED, "session failed unfinished: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered"]);
    let told = both(|bench| _ = bench.card(&first()).server(&nothing()).finish());
    assert_eq!(ended(&told), "completed nothing_more");
}

#[test]
fn what_is_not_http_ends_a_session() {
    let told = both(|bench| {
        card_owes(bench);
        bench.card(b"\x01\x02\x03 what?").card(b"more").wait(2_000).tick().closes(true);
    });
    is(
        &told[2..],
        &[
            "finding http_broken: not_http: The bytes do not start an HTTP/1.1 message (RFC 9112 §3, §4)",
            UNANSWERED,
            "session failed undecodable: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered, 1 findings",
        ],
    );
    // Of a card while the server owes: its response still belongs to the request before.
    let told = both(|bench| _ = bench.card(&first()).card(b"\x01").server(&nothing()).close());
    assert!(told.contains(&String::from("POST /agent 0, 204 0")), "{told:?}");
    // Of the server.
    let told = both(|bench| _ = bench.card(&first()).server(b"SMTP").close());
    assert!(told.contains(&String::from("POST /agent 0, nothing 0 not_http")), "{told:?}");
    assert_eq!(ended(&told), "failed undecodable");
}

#[test]
fn a_card_that_goes_on_elsewhere_has_lost_this_link() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        card_owes(&mut bench);
        bench.tracker.superseded(ms(bench.now), &mut bench.out);
        assert!(bench.tracker.take_left().is_some());
        bench.wait(1_000_000).tick().closes(true);
        let told = bench.told();
        assert_eq!(told.iter().filter(|line| line.starts_with("session")).count(), 1, "{told:?}");
    }
}

#[test]
fn an_answer_waits_for_the_script_that_was_left_elsewhere() {
    for role in [Role::Server, Role::Client] {
        for cut in [1, 200, resume(&[OK]).len()] {
            let mut bench = Bench::new(role);
            card_owes(&mut bench);
            bench.closes(true);
            let left = bench.tracker.take_left();
            let mut bench = Bench::new(role);
            let back = resume(&[OK]);
            bench.card(&back[..cut]).card(&back[cut..]);
            let told = bench.told();
            is(&told, &["opened again by //se-id/eid/89"]);
            bench.tracker.resumed(left, &mut bench.out);
            bench.server(&nothing()).close();
            is(
                &bench.told(),
                &[
                    "script ram expanded_indefinite SELECT=9000 ok",
                    "POST /agent 11, 204 0",
                    "session completed nothing_more: 1 exchanges, 1 scripts, 1 APDUs",
                ],
            );
        }
    }
    // Nothing was left, or nobody looks after sessions.
    for asked in [true, false] {
        let told = both(|bench| {
            bench.card(&resume(&[OK]));
            if asked {
                bench.tracker.resumed(None, &mut bench.out);
            }
            bench.server(&nothing()).close();
        });
        assert_eq!(
            told.iter().filter(|line| line.as_str() == "script ram expanded_indefinite UNSEEN=9000 ok").count(),
            1
        );
        assert_eq!(ended(&told), "completed nothing_more");
    }
    // It comes back, and has no answer.
    let told = both(|bench| {
        card_owes(bench);
        bench.closes(true);
        let left = bench.tracker.take_left();
        *bench = Bench::new(bench.role);
        bench.card(&request(&format!("{PROTOCOL}X-Admin-From: x\r\nX-Admin-Resume: true\r\n"), b""));
        bench.tracker.resumed(left, &mut bench.out);
        bench.server(&nothing()).close();
    });
    assert_eq!(told.get(1).map(String::as_str), Some(UNANSWERED), "{told:?}");
}
