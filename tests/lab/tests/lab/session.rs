//! The administration session: dropped and resumed, and in all the ways that Amendment B does not know.

use crate::support::Bench;
use cardlink_lab::card::RESUME_LOOP;
use cardlink_lab::truth::{ConnectionRecord, SessionRecord};

/// Of the default script.
const APDUS: usize = 3;

fn headers(session: &SessionRecord) -> Vec<&str> {
    session.apdus.iter().map(|apdu| apdu.header.as_str()).collect()
}

/// One session, whose card deviates so and whose server so; the server's truth and the card's.
fn meet(server: &str, card: &str) -> (SessionRecord, SessionRecord) {
    let pairs = Bench::new().meet(1, server, card);
    let [(server, card)] = <[_; 1]>::try_from(pairs).expect("one connection");
    (server.session, card.session)
}

/// One session on as many connections as that.
fn connections(count: u32, server: &str, card: &str) -> Vec<(ConnectionRecord, ConnectionRecord)> {
    let bench = Bench::new();
    let mut serving = bench.server(&format!("--max-connections {count} {server}"));
    bench.card(&serving, card);
    assert!(serving.wait().success());
    bench.pairs()
}

#[test]
fn a_dropped_session_goes_on_where_it_was() {
    // Both ends count a script when its responses went over: the server has them twice when only its answer was lost.
    let ways = [
        ("before", 1, "dropped before its response", [0, 3], [0, 3]),
        ("before", 2, "dropped before its response", [1, 2], [1, 2]),
        ("after", 1, "dropped after its response", [1, 3], [0, 3]),
        ("after", 3, "dropped after its response", [3, 1], [2, 1]),
    ];
    for (when, at, end, served, answered) in ways {
        let card = format!("--fault drop-mid-script --drop {when} --drop-at {at}");
        let pairs = connections(2, "--exchanges 3", &card);
        let [(first_server, first), (second_server, second)] = <[_; 2]>::try_from(pairs).expect("two connections");
        assert_eq!((first.fault.as_str(), second.fault.as_str()), ("drop-mid-script", "none"), "{card}");
        assert_eq!((first.conn, second.conn, second.session.resumes), (1, 2, Some(1)), "{card}");
        assert_eq!((first.session.end.as_str(), second.session.end.as_str()), (end, "complete"), "{card}");
        assert_eq!([first.session.resume, second.session.resume], [false, true], "{card}");
        assert_eq!([first_server.session.resume, second_server.session.resume], [false, true], "{card}");
        assert_eq!([first_server.session.exchanges, second_server.session.exchanges], served, "{card}");
        assert_eq!([first.session.exchanges, second.session.exchanges], answered, "{card}");
        assert!(first.closed_ns <= second.connecting_ns.unwrap_or_default(), "{card}");
        // The card runs each script once.
        let run = [first.session.apdus.len(), second.session.apdus.len()];
        assert_eq!(run, [at * APDUS, (3 - at) * APDUS], "{card}");
        assert_eq!(second_server.session.end, "complete", "{card}");
        assert!(second.session.deviations.is_empty() && second_server.session.deviations.is_empty(), "{card}");
    }
}

#[test]
fn a_link_may_drop_again_and_again() {
    let pairs = connections(RESUME_LOOP + 1, "", "--fault drop-mid-script --deviate resume-loop");
    let last = pairs.len() - 1;
    for (index, (server, card)) in pairs.iter().enumerate() {
        assert_eq!([server.session.resume, card.session.resume], [index > 0; 2]);
        assert_eq!(card.session.resumes, (index > 0).then_some(index as u64));
        assert_eq!(card.session.end == "complete", index == last);
        assert_eq!(card.session.deviations == ["resume-loop"], 0 < index && index < last);
    }
}

#[test]
fn sessions_side_by_side_find_their_own_connections() {
    let card = "--sessions 10 --parallel 5 --fault drop-mid-script,none";
    let pairs = connections(15, "--workers 8", card);
    let cards: Vec<_> = pairs.iter().map(|(_, card)| card).collect();
    let dropped: Vec<_> = cards.iter().filter(|card| card.fault == "drop-mid-script").map(|card| card.conn).collect();
    let mut resumed: Vec<_> = cards.iter().filter_map(|card| card.session.resumes).collect();
    resumed.sort_unstable();
    assert_eq!((dropped.len(), &dropped), (5, &resumed));
    assert_eq!(cards.iter().filter(|card| card.session.end == "complete").count(), 10);
}

#[test]
fn a_server_deviates_as_told() {
    for deviation in ["no-content-type", "wrong-content-type", "204-with-body"] {
        let (served, asked) = meet(&format!("--exchanges 2 --deviate {deviation}"), "");
        assert_eq!((served.deviations.as_slice(), asked.deviations.len()), ([deviation.to_owned()].as_slice(), 0));
        assert_eq!((served.end.as_str(), asked.end.as_str()), ("complete", "complete"), "{deviation}");
        assert_eq!((served.exchanges, asked.exchanges, headers(&served)), (2, 2, headers(&asked)), "{deviation}");
    }
    // It shows on the wire: the plaintext differs by what was left out or put in.
    let (plain, _) = meet("", "");
    let written = |deviation: &str| meet(&format!("--deviate {deviation}"), "").0.bytes_written;
    let header = "Content-Type: application/vnd.globalplatform.card-content-mgt;version=1.0\r\n".len() as u64;
    assert_eq!(written("no-content-type"), plain.bytes_written - header);
    assert_eq!(
        written("wrong-content-type"),
        plain.bytes_written - header + "Content-Type: text/plain\r\n".len() as u64
    );
    assert_eq!(written("204-with-body"), plain.bytes_written + "Content-Length: 12\r\nnothing more".len() as u64);
}

#[test]
fn a_last_script_without_a_next_uri_is_run_and_not_answered() {
    let (served, asked) = meet("--exchanges 2 --deviate body-without-next-uri", "");
    assert_eq!((served.end.as_str(), asked.end.as_str()), ("complete", "complete"));
    assert_eq!((served.exchanges, asked.exchanges), (1, 1));
    assert_eq!((served.apdus.len(), asked.apdus.len()), (APDUS, 2 * APDUS), "the server hears of the first alone");
    assert_eq!(served.deviations, ["body-without-next-uri"]);
}

#[test]
fn without_a_next_uri_only_a_card_that_deviates_goes_on() {
    let (served, asked) = meet("--exchanges 2 --deviate missing-next-uri", "");
    assert_eq!((served.end.as_str(), asked.end.as_str()), ("peer closed before the 204", "complete"));
    assert_eq!((served.apdus.len(), asked.apdus.len()), (0, APDUS));
    let (served, asked) = meet("--exchanges 2 --deviate missing-next-uri", "--deviate post-without-next-uri");
    assert_eq!((served.end.as_str(), asked.end.as_str()), ("complete", "complete"));
    assert_eq!((served.exchanges, served.apdus.len()), (2, 2 * APDUS));
    assert_eq!(
        (served.deviations, asked.deviations),
        (vec!["missing-next-uri".into()], vec!["post-without-next-uri".into()])
    );
    // Where there is a Next-URI, there is nothing to deviate from.
    assert!(meet("", "--deviate post-without-next-uri").1.deviations.is_empty());
}

#[test]
fn a_card_deviates_as_told() {
    let plain = meet("", "").1.bytes_written;
    let posts = 2;
    let cases: [(&str, usize, u64); 4] = [
        // The deviation, the R-APDUs that the server hears of, the plaintext that the card writes.
        (
            "no-admin-protocol",
            APDUS,
            plain - posts * "X-Admin-Protocol: globalplatform-remote-admin/1.0\r\n".len() as u64,
        ),
        ("fewer-responses", APDUS - 1, plain - 4),
        ("wrong-script-status", APDUS, plain + "failed".len() as u64 - "ok".len() as u64),
        ("contradicting-script-status", APDUS, plain + "unknown-application".len() as u64 - "ok".len() as u64),
    ];
    for (deviation, heard, written) in cases {
        let (served, asked) = meet("", &format!("--deviate {deviation}"));
        assert_eq!((asked.deviations.as_slice(), served.deviations.len()), ([deviation.to_owned()].as_slice(), 0));
        assert_eq!((served.end.as_str(), asked.end.as_str()), ("complete", "complete"), "{deviation}");
        assert_eq!(
            (served.apdus.len(), asked.apdus.len(), asked.bytes_written),
            (heard, APDUS, written),
            "{deviation}"
        );
    }
    // The lab's own server takes no script that is cut.
    let (served, asked) = meet("", "--deviate truncated-response");
    assert_eq!((served.end.as_str(), served.apdus.len()), ("the template has no end", 0));
    assert_eq!((asked.deviations, asked.bytes_written), (vec!["truncated-response".into()], plain - 3));
    assert_eq!(asked.end, "peer closed before the 204");
}

#[test]
fn a_card_may_take_its_time() {
    for (_, card) in Bench::new().meet(1, "--exchanges 3", "--deviate idle:40") {
        assert_eq!(
            (card.session.deviations.as_slice(), card.session.end.as_str()),
            (["idle:40".to_owned()].as_slice(), "complete")
        );
        let end = card.handshake.map_or(0, |handshake| handshake.end_ns);
        assert!(card.closed_ns - end >= 120_000_000, "three times 40 ms");
    }
}

#[test]
fn deviations_add_up() {
    let (served, asked) =
        meet("--deviate 204-with-body,no-content-type", "--deviate no-admin-protocol,fewer-responses,idle:1");
    assert_eq!(served.deviations, ["no-content-type", "204-with-body"]);
    assert_eq!(asked.deviations, ["no-admin-protocol", "idle:1", "fewer-responses"]);
    assert_eq!((served.end.as_str(), asked.end.as_str()), ("complete", "complete"));
}
