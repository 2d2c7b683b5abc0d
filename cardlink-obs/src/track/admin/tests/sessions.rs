//! How sessions go that nobody disturbs.

use super::*;

const OPENED: &str = "opened by //se-id/eid/89";

#[test]
fn a_complete_session() {
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT, GET_STATUS])).card(&answer(&[OK, NOT_FOUND]));
        bench.server(&nothing()).closes(true);
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 200 22",
            "script ram expanded_indefinite SELECT=9000 GET_STATUS=6A88 ok",
            "POST /agent 15, 204 0",
            "session completed nothing_more: 2 exchanges, 1 scripts, 2 APDUs, 1 errors",
        ],
    );
}

#[test]
fn a_request_may_say_which_trace_it_belongs_to() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let told = |headers: &str| {
        let mut bench = Bench::new(Role::Server);
        bench.card(&request(&format!("{PROTOCOL}{headers}"), b"")).server(&nothing()).close();
        let exchange = bench.out.iter().find_map(|observation| match observation {
            Observation::Exchange(exchange) => Some(exchange.trace_parent),
            _ => None,
        });
        exchange.expect("an exchange").map(|parent| parent.to_string())
    };
    assert_eq!(told(&format!("TraceParent:  {PARENT} \r\n")).as_deref(), Some(PARENT));
    assert_eq!(told(""), None);
    assert_eq!(told(&format!("traceparent: {PARENT}x\r\n")), None);
    assert_eq!(told(&format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n")), None);
}

#[test]
fn a_204_with_a_next_uri_goes_on() {
    let told = both(|bench| {
        let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
        bench.card(&first()).server(&wait).wait(5_000).tick().card(&first()).server(&nothing()).close();
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 204 0",
            "POST /agent 0, 204 0",
            "session completed nothing_more: 2 exchanges, 0 scripts, 0 APDUs",
        ],
    );
}

#[test]
fn a_last_script_has_no_next_uri_and_no_answer() {
    let last = response("200 OK", &format!("{PROTOCOL}{RAM}"), &expanded(0xAE, 0x22, &[SELECT]));
    let wanted = [
        OPENED,
        "finding body_without_next_uri",
        "POST /agent 0, 200 13",
        "script ram expanded_indefinite SELECT=none unanswered",
        "session completed last_script: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered, 1 findings",
    ];
    is(&both(|bench| _ = bench.card(&first()).server(&last).closes(true)), &wanted);
    // On a connection that stays it is told once the card would have been too late.
    is(&both(|bench| _ = bench.card(&first()).server(&last).wait(299_000).tick()), &wanted[..3]);
    is(&both(|bench| _ = bench.card(&first()).server(&last).wait(300_000).tick().tick().close()), &wanted);
    // Or when the next one begins.
    let told = both(|bench| _ = bench.card(&first()).server(&last).card(&first()).server(&nothing()).close());
    is(&told[..5], &wanted);
    is(
        &told[5..],
        &[OPENED, "POST /agent 0, 204 0", "session completed nothing_more: 1 exchanges, 0 scripts, 0 APDUs"],
    );
}

#[test]
fn a_server_of_bare_apdus_never_gives_a_uri() {
    let bare = |apdu: &[u8]| response("200 OK", "Content-Type: application/octet-stream\r\n", apdu);
    let back = |apdu: &[u8]| request(&format!("{PROTOCOL}Content-Type: application/octet-stream\r\n"), apdu);
    let told = both(|bench| {
        bench.card(&first()).server(&bare(SELECT)).wait(31_000).tick();
        bench.card(&back(OK)).server(&bare(GET_STATUS)).card(&back(NOT_FOUND)).server(&nothing()).close();
    });
    let scripts: Vec<&String> = told.iter().filter(|line| line.starts_with("script")).collect();
    assert_eq!(scripts, ["script unknown raw SELECT=9000", "script unknown raw GET_STATUS=6A88"]);
    let ended = told.last().expect("a session");
    assert!(ended.starts_with("session completed nothing_more: 3 exchanges, 2 scripts, 2 APDUs, 1 errors"), "{ended}");
    assert!(!told.iter().any(|line| line.contains("missing_next_uri")), "{told:?}");
    // It wants an answer: a card that does not give one has gone.
    let told = both(|bench| _ = bench.card(&first()).server(&bare(SELECT)).closes(true));
    assert!(told.last().is_some_and(|line| line.starts_with("session failed card_gone")), "{told:?}");
}

#[test]
fn a_card_of_another_dialect_is_known_by_its_key() {
    let told = both(|bench| {
        bench.card(&request("", b"")).server(&response("200 OK", "", SELECT)).card(&request("", OK));
        bench.server(&response("204 No Content", "", b"")).close();
    });
    let found: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix("finding ")).collect();
    assert_eq!(
        found,
        [
            "no_admin_protocol: request",
            "missing_content_type: response",
            "no_admin_protocol: response",
            "raw_apdus: raw"
        ]
    );
    assert_eq!(told.first().map(String::as_str), Some("opened by nobody"));
    assert_eq!(
        told.last().map(String::as_str),
        Some("session completed nothing_more: 2 exchanges, 1 scripts, 1 APDUs, 4 findings")
    );
}

#[test]
fn two_sessions_on_one_connection() {
    let whole = |bench: &mut Bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&answer(&[OK])).server(&nothing());
    };
    let told = both(|bench| {
        whole(bench);
        whole(bench);
        bench.closes(false);
    });
    let one = [
        OPENED,
        "POST /agent 0, 200 13",
        "script ram expanded_indefinite SELECT=9000 ok",
        "POST /agent 11, 204 0",
        "session completed nothing_more: 2 exchanges, 1 scripts, 1 APDUs",
    ];
    is(&told, &[one, one].concat());
}

#[test]
fn a_session_that_is_over_is_told_after_a_second_or_at_the_close() {
    let told = both(|bench| {
        bench.card(&first()).server(&nothing()).wait(900).tick();
        assert_eq!(bench.told().len(), 2);
        bench.wait(100).tick().tick().close();
    });
    is(&told, &["session completed nothing_more: 1 exchanges, 0 scripts, 0 APDUs"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let told = both(|bench| {
        bench.card(&[first(), first(), first()].concat());
        let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
        bench.server(&[wait.clone(), wait, nothing()].concat()).close();
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 204 0",
            "POST /agent 0, 204 0",
            "POST /agent 0, 204 0",
            "session completed nothing_more: 3 exchanges, 0 scripts, 0 APDUs",
        ],
    );
}

#[test]
fn chunks_and_100_continue() {
    let chunked = |head: &str, body: &[u8]| {
        let (one, other) = body.split_at(3);
        let size = format!("{:x}\r\n", other.len());
        [head.as_bytes(), b"3\r\n", one, b"\r\n", size.as_bytes(), other, b"\r\n0\r\n\r\n"].concat()
    };
    let chunks = "Transfer-Encoding: chunked\r\n\r\n";
    let told = both(|bench| {
        let head = format!("HTTP/1.1 200 OK\r\n{PROTOCOL}{NEXT}{RAM}{chunks}");
        bench.card(&first()).server(&chunked(&head, &expanded(0xAE, 0x22, &[SELECT])));
        let status = "X-Admin-Script-Status: ok\r\nExpect: 100-continue\r\n";
        let back =
            chunked(&format!("POST /agent HTTP/1.1\r\n{PROTOCOL}{RAM_ANSWER}{status}{chunks}"), &responses(&[OK]));
        let head = back.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        bench
            .card(&back[..head])
            .server(b"HTTP/1.1 100 Continue\r\n\r\n")
            .card(&back[head..])
            .server(&nothing())
            .close();
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 200 13",
            "script ram expanded_indefinite SELECT=9000 ok",
            "POST /agent 11, 204 0",
            "session completed nothing_more: 2 exchanges, 1 scripts, 1 APDUs",
        ],
    );
}

#[test]
fn what_is_not_remote_administration_is_no_session() {
    let told = both(|bench| {
        bench.card(b"GET /health HTTP/1.1\r\n\r\n").server(&response("200 OK", "", b"fine"));
        bench.card(b"HEAD / HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
        assert!(!bench.tracker.is_admin());
        bench.card(&first()).server(&nothing());
        bench.card(b"GET /metrics HTTP/1.1\r\n\r\n").server(&response("404 Not Found", "", b"")).close();
    });
    is(
        &told,
        &[
            "outside, GET /health 0, 200 4",
            "outside, HEAD / 0, 200 0",
            OPENED,
            "POST /agent 0, 204 0",
            "outside, GET /metrics 0, 404 0",
            "session completed nothing_more: 1 exchanges, 0 scripts, 0 APDUs",
        ],
    );
}

#[test]
fn a_request_may_be_answered_before_it_is_complete() {
    let back = answer(&[OK]);
    let cut = back.len() - 4;
    // An impatient server that goes on.
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&back[..cut]).server(&script(&[GET_STATUS]));
        bench.card(&back[cut..]).card(&answer(&[NOT_FOUND])).server(&nothing()).close();
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 200 13",
            "POST /agent 0, 200 13",
            "script ram expanded_indefinite SELECT=9000 ok",
            "script ram expanded_indefinite GET_STATUS=6A88 ok",
            "POST /agent 11, 204 0",
            "session completed nothing_more: 3 exchanges, 2 scripts, 2 APDUs, 1 errors",
        ],
    );
    // One that refuses.
    let refused = response("413 Content Too Large", "", b"no");
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&back[..cut]).server(&refused).closes(false);
    });
    is(
        &told,
        &[
            OPENED,
            "POST /agent 0, 200 13",
            "POST /agent 0, 413 2",
            "script ram expanded_indefinite SELECT=none unanswered",
            "session failed http_error: 2 exchanges, 1 scripts, 1 APDUs, 1 unanswered",
        ],
    );
}

#[test]
fn an_error_status_ends_a_session() {
    for status in ["302 Found", "404 Not Found", "500 Internal Server Error"] {
        let told =
            both(|bench| _ = bench.card(&first()).server(&response(status, "", b"<p>")).wait(2_000).tick().close());
        assert_eq!(told.last().map(String::as_str), Some("session failed http_error: 1 exchanges, 0 scripts, 0 APDUs"));
        assert_eq!(told.len(), 3, "{told:?}");
    }
}

#[test]
fn a_script_may_be_for_an_application() {
    let told = both(|bench| {
        let rfm = "Content-Type: application/vnd.etsi.scp.command-data;version=1.0\r\n";
        let headers = format!("{PROTOCOL}{NEXT}{rfm}X-Admin-Targeted-Application: //aid/A000000559/1010\r\n");
        bench.card(&first()).server(&response("200 OK", &headers, &expanded(0xAE, 0x22, &[SELECT])));
        let refused = request(&format!("{PROTOCOL}X-Admin-Script-Status: unknown-application\r\n"), b"");
        bench.card(&refused).server(&nothing()).close();
    });
    assert!(
        told.contains(&String::from(
            "script rfm expanded_indefinite for A0000005591010 SELECT=none unknown-application"
        )),
        "{told:?}"
    );
    assert!(told.contains(&String::from("finding script_failed: unknown-application")));
}

#[test]
fn the_agent_may_come_late() {
    // In the middle of a session: the answers to a script that nobody here has seen.
    let told = both(|bench| _ = bench.card(&answer(&[OK, OK])).server(&nothing()).close());
    is(
        &told,
        &[
            "opened by nobody",
            "script ram expanded_indefinite UNSEEN=9000 UNSEEN=9000 ok",
            "POST /agent 15, 204 0",
            "session completed nothing_more: 1 exchanges, 0 scripts, 0 APDUs",
        ],
    );
    // In the middle of an exchange: its response belongs to nothing.
    let told = both(|bench| _ = bench.server(&script(&[SELECT])).card(&answer(&[OK])).server(&nothing()).close());
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn a_chain_is_one_apdu() {
    let told = both(|bench| {
        let get_response: &[u8] = &[0x00, 0xC0, 0x00, 0x00, 0x10];
        bench.card(&first()).server(&script(&[SELECT, get_response, GET_STATUS]));
        bench.card(&answer(&[&[0x61, 0x10], OK, OK])).server(&nothing()).close();
    });
    assert!(told.contains(&String::from("script ram expanded_indefinite SELECT=9000 GET_STATUS=9000 ok")), "{told:?}");
}

/// Who comes by PSK-TLS may be no card: an agent of any dialect begins without a body.
#[test]
fn a_post_with_a_body_does_not_begin_a_session() {
    for kind in ["", "Content-Type: application/json\r\n", "Content-Type: application/octet-stream\r\n"] {
        let told = both(|bench| _ = bench.card(&request(kind, b"abc")).server(&response("200 OK", "", b"abc")).close());
        is(&told, &["outside, POST /agent 3, 200 3"]);
    }
    let told = both(|bench| {
        bench.card(&request("", b"")).server(&response("200 OK", "", SELECT)).card(&request("", OK));
        bench.server(&response("204 No Content", "", b"")).close();
    });
    assert!(told.iter().any(|line| line.contains("SELECT=9000")), "{told:?}");
}
