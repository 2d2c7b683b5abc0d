//! Every kind of finding, told once; a good session has none.

use super::*;
use std::collections::BTreeMap;

/// What was found, with how often.
fn found(out: &[Observation]) -> BTreeMap<&'static str, Vec<String>> {
    let mut found = BTreeMap::<_, Vec<String>>::new();
    for observation in out {
        if let Observation::Finding(finding) = observation {
            found.entry(finding.kind.as_str()).or_default().push(finding.detail.clone());
        }
    }
    found
}

/// The story has this finding alone, once, at either end, and its session counts it.
#[track_caller]
fn finds(way: PlaintextWay, kind: FindingKind, detail: &str, story: impl Fn(&mut Bench)) {
    let finding = (kind.as_str(), vec![detail.to_owned()]);
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::with(role, way, None);
        story(&mut bench);
        bench.close();
        assert_eq!(found(&bench.out), BTreeMap::from([finding.clone()]), "{:?}", bench.told());
        assert_eq!(bench.session().findings, 1);
    }
}

#[track_caller]
fn by_key(kind: FindingKind, detail: &str, story: impl Fn(&mut Bench)) {
    finds(PlaintextWay::KeyFile, kind, detail, story);
}

fn after_script(commands: &[&[u8]], request: &[u8]) -> impl Fn(&mut Bench) {
    move |bench| _ = bench.card(&first()).server(&script(commands)).card(request).server(&nothing())
}

#[test]
fn a_good_session_has_none() {
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT, GET_STATUS])).wait(29_000).tick().card(&answer(&[OK, OK]));
        bench.server(&script(&[GET_STATUS])).card(&answer(&[&[0x01, 0x63, 0x10]])).server(&nothing());
        bench.wait(60_000).tick().closes(true);
    });
    assert!(!told.iter().any(|line| line.starts_with("finding")), "{told:?}");
}

#[test]
fn content_types() {
    let body = expanded(0xAE, 0x22, &[SELECT]);
    let without = response("200 OK", &format!("{PROTOCOL}{NEXT}"), &body);
    by_key(FindingKind::MissingContentType, "response", |bench| {
        // Each of its scripts is like this, and it is told once.
        bench
            .card(&first())
            .server(&without)
            .card(&answer(&[OK]))
            .server(&without)
            .card(&answer(&[OK]))
            .server(&nothing());
    });
    let typeless = request(&format!("{PROTOCOL}X-Admin-Script-Status: ok\r\n"), &responses(&[OK]));
    by_key(FindingKind::MissingContentType, "request", after_script(&[SELECT], &typeless));
    let html = response("200 OK", &format!("{PROTOCOL}{NEXT}Content-Type: text/html\r\n"), b"<p>");
    by_key(FindingKind::WrongContentType, "response", |bench| {
        bench.card(&first()).server(&html).card(&first()).server(&nothing());
    });
    let html = request(&format!("{PROTOCOL}Content-Type: text/html\r\nX-Admin-Script-Status: ok\r\n"), b"<p>");
    by_key(FindingKind::WrongContentType, "request", after_script(&[SELECT], &html));
}

#[test]
fn next_uris() {
    let last = response("200 OK", &format!("{PROTOCOL}{RAM}"), &expanded(0xAE, 0x22, &[SELECT]));
    by_key(FindingKind::BodyWithoutNextUri, "", |bench| _ = bench.card(&first()).server(&last));
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        bench.card(&first());
        for _ in 0..3 {
            bench.server(&last).card(&answer(&[OK]));
        }
        bench.server(&nothing()).close();
        let wanted = [("body_without_next_uri", vec![String::new()]), ("missing_next_uri", vec![String::new()])];
        assert_eq!(found(&bench.out), BTreeMap::from(wanted));
        assert_eq!((bench.session().exchanges, bench.session().scripts, bench.session().findings), (4, 3, 2));
    }
}

#[test]
fn a_204_with_a_body() {
    let wrong = format!("HTTP/1.1 204 No Content\r\n{PROTOCOL}{NEXT}{RAM}Content-Length: 9\r\n\r\n");
    by_key(FindingKind::NoContentWithBody, "Content-Length 9", |bench| {
        bench.card(&first()).server(wrong.as_bytes()).card(&first()).server(&nothing());
    });
}

#[test]
fn scripts_that_do_not_add_up() {
    let cut = |len: usize| {
        let mut body = responses(&[OK, OK]);
        body.truncate(body.len() - len);
        request(&format!("{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n"), &body)
    };
    by_key(FindingKind::ResponseTruncated, "truncated at byte 12", after_script(&[SELECT, SELECT], &cut(3)));
    let stray = request(
        &format!("{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n"),
        &[responses(&[OK]), b"!".to_vec()].concat(),
    );
    by_key(FindingKind::ResponseScriptMalformed, "trailing_bytes at byte 11", after_script(&[SELECT], &stray));
    let mut body = expanded(0xAE, 0x22, &[SELECT]);
    body.truncate(6);
    let bad = response("200 OK", &format!("{PROTOCOL}{NEXT}{RAM}"), &body);
    by_key(FindingKind::CommandScriptMalformed, "truncated at byte 6", |bench| {
        let status = request(&format!("{PROTOCOL}X-Admin-Script-Status: ok\r\n"), b"");
        bench.card(&first()).server(&bad).card(&status).server(&nothing());
    });
}

#[test]
fn counts_and_statuses() {
    let refused = |status: &str, body: &[u8]| {
        let kind = if body.is_empty() { "" } else { RAM_ANSWER };
        request(&format!("{PROTOCOL}{kind}X-Admin-Script-Status: {status}\r\n"), body)
    };
    let kind = FindingKind::ResponseCountDiffers;
    by_key(kind, "2 C-APDUs, 1 R-APDUs, the last 6A88", after_script(&[SELECT, SELECT], &answer(&[NOT_FOUND])));
    by_key(kind, "1 C-APDUs, 2 R-APDUs, the last 9000", after_script(&[SELECT], &answer(&[OK, OK])));
    let kind = FindingKind::ScriptStatusContradicts;
    let with_body = refused("security-error", &responses(&[OK]));
    by_key(kind, "security-error, and 1 R-APDUs", after_script(&[SELECT], &with_body));
    by_key(kind, "ok, and no R-APDU", after_script(&[SELECT], &refused("ok", b"")));
    by_key(kind, "ok, and no R-APDU", after_script(&[SELECT], &answer(&[])));
    let kind = FindingKind::ScriptFailed;
    for status in ["unknown-application", "not-a-security-domain", "security-error"] {
        by_key(kind, status, after_script(&[SELECT], &refused(status, b"")));
    }
}

#[test]
fn headers_and_dialects() {
    let bare = "X-Admin-From: x\r\n";
    by_key(FindingKind::NoAdminProtocol, "request", |bench| _ = bench.card(&request(bare, b"")).server(&nothing()));
    by_key(FindingKind::NoAdminProtocol, "response", |bench| {
        bench.card(&first()).server(&response("204 No Content", NEXT, b"")).card(&first()).server(&nothing());
    });
    let raw = |body: &[u8]| response("200 OK", &format!("{PROTOCOL}{NEXT}{RAM}"), body);
    let back = |body: &[u8]| request(&format!("{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n"), body);
    by_key(FindingKind::RawApdus, "raw", |bench| {
        bench
            .card(&first())
            .server(&raw(SELECT))
            .card(&back(OK))
            .server(&raw(SELECT))
            .card(&back(OK))
            .server(&nothing());
    });
    let prefixed = [&[0, 7], SELECT].concat();
    by_key(FindingKind::RawApdus, "length_prefixed", |bench| {
        bench.card(&first()).server(&raw(&prefixed)).card(&back(&[0, 2, 0x90, 0])).server(&nothing());
    });
    by_key(FindingKind::UnknownDialect, "response", |bench| {
        bench.card(&first()).server(&raw(b"{\"what\": 1}")).card(&first()).server(&nothing());
    });
    by_key(FindingKind::UnknownDialect, "request", after_script(&[SELECT], &back(b"?")));
}

#[test]
fn secrets_and_suites() {
    const VERIFY: &[u8] = &[0x00, 0x20, 0x00, 0x01, 0x02, 0x31, 0x32];
    const PUT_KEY: &[u8] = &[0x80, 0xD8, 0x01, 0x81, 0x02, 0x31, 0x32];
    const SECURED: &[u8] = &[0x84, 0xD8, 0x01, 0x81, 0x02, 0x31, 0x32];
    let story = |bench: &mut Bench| {
        bench
            .card(&first())
            .server(&script(&[VERIFY, VERIFY, SECURED]))
            .card(&answer(&[OK, OK, OK]))
            .server(&nothing());
    };
    finds(PlaintextWay::Clear, FindingKind::SecretInClear, "VERIFY_PIN", story);
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::with(role, PlaintextWay::NullSuite, None);
        bench.card(&first()).server(&script(&[VERIFY, PUT_KEY])).card(&answer(&[OK, OK])).server(&nothing()).close();
        let secrets = ["VERIFY_PIN", "PUT_KEY"].map(str::to_owned).to_vec();
        assert_eq!(
            found(&bench.out),
            BTreeMap::from([("null_suite", vec![String::new()]), ("secret_in_clear", secrets)])
        );
        let mut bench = Bench::with(role, PlaintextWay::KeyFile, None);
        story(&mut bench);
        assert_eq!(found(&bench.out), BTreeMap::new());
    }
    finds(PlaintextWay::NullSuite, FindingKind::NullSuite, "", |bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&answer(&[OK])).server(&nothing());
    });
}

#[test]
fn a_card_that_is_idle_is_told_once_each_time() {
    by_key(FindingKind::CardIdle, "30 s and more", |bench| {
        bench.card(&first()).server(&script(&[SELECT])).wait(29_999).tick();
        assert_eq!(found(&bench.out), BTreeMap::new());
        bench.wait(1).tick().tick().wait(60_000).tick().card(&answer(&[OK])).server(&nothing());
    });
    // Also when no tick comes in between.
    by_key(FindingKind::CardIdle, "30 s and more", |bench| {
        bench.card(&first()).server(&script(&[SELECT])).wait(60_000).card(&answer(&[OK])).server(&nothing());
    });
    let told = both(|bench| {
        bench.card(&first());
        for _ in 0..2 {
            bench.server(&script(&[SELECT])).wait(60_000).tick().tick().card(&answer(&[OK]));
        }
        // The server's own silence is none of the card's.
        bench.wait(50_000).tick().server(&nothing()).close();
    });
    assert_eq!(told.iter().filter(|line| line.starts_with("finding card_idle")).count(), 2, "{told:?}");
}

#[test]
fn http_as_it_should_not_be() {
    let feeds = String::from_utf8(first()).expect("text").replace("\r\n", "\n");
    by_key(FindingKind::BareLineFeed, "", |bench| {
        let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
        // The finding comes before the head that makes it remote administration: the first one is not told.
        bench
            .card(&first())
            .server(&wait)
            .card(feeds.as_bytes())
            .server(&wait)
            .card(feeds.as_bytes())
            .server(&nothing());
    });
    by_key(
        FindingKind::HttpBroken,
        "not_http: The bytes do not start an HTTP/1.1 message (RFC 9112 §3, §4)",
        |bench| {
            bench.card(&first()).server(b"what?");
        },
    );
    let twice = format!("POST /x HTTP/1.1\r\n{PROTOCOL}{RAM_ANSWER}X-Admin-Script-Status: ok\r\n");
    let twice = [twice.as_bytes(), b"Content-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n", &responses(&[OK])]
        .concat();
    let twice = [twice.as_slice(), b"\r\n0\r\n\r\n"].concat();
    let wanted = "length_and_chunked: The message has both Content-Length and chunked coding (RFC 9112 §6.3)";
    by_key(FindingKind::HttpBroken, wanted, |bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&twice).server(&script(&[SELECT])).card(&twice);
        bench.server(&nothing());
    });
}

#[test]
fn what_is_wrong_with_the_connection_is_the_sessions() {
    by_key(FindingKind::RecordTooLong, "600 bytes of the server, 512 agreed", |bench| {
        bench.card(&first());
        let at = ms(bench.now);
        let detail = String::from("600 bytes of the server, 512 agreed");
        bench.tracker.finding(FindingKind::RecordTooLong, at, detail, &mut bench.out);
        bench.server(&nothing());
    });
}

#[test]
fn headers_of_another_dialect() {
    let get = String::from_utf8(first()).expect("text").replace("POST", "GET");
    by_key(FindingKind::NotPost, "request", |bench| _ = bench.card(get.as_bytes()).server(&nothing()));

    let status = |value: &str| request(&format!("{PROTOCOL}{RAM_ANSWER}{value}"), &responses(&[OK]));
    by_key(FindingKind::MissingScriptStatus, "request", after_script(&[SELECT], &status("")));
    by_key(
        FindingKind::LooseHeader,
        "loose_spelling: A value differs from the standard in case or spaces only (GPC_SPE_011 §3.4)",
        after_script(&[SELECT], &status("X-Admin-Script-Status: OK\r\n")),
    );
    by_key(
        FindingKind::BadHeader,
        "bad_resume: X-Admin-Resume is not `true` (GPC_SPE_011 §3.4)",
        after_script(&[SELECT], &status("X-Admin-Script-Status: ok\r\nX-Admin-Resume: 1\r\n")),
    );
    let created = response("201 Created", &format!("{PROTOCOL}{NEXT}"), b"");
    by_key(FindingKind::UnusualStatus, "response", |bench| {
        bench.card(&first()).server(&created).card(&first()).server(&nothing());
    });
    let unnamed = format!("{PROTOCOL}{NEXT}{RAM}X-Admin-Targeted-Application: A000000151\r\n");
    let unnamed = response("200 OK", &unnamed, &expanded(0xAE, 0x22, &[SELECT]));
    by_key(
        FindingKind::BadHeader,
        "bad_targeted_application: X-Admin-Targeted-Application is not of the form //aid/RID/PIX (GPC_SPE_011 §3.4)",
        |bench| _ = bench.card(&first()).server(&unnamed).card(&answer(&[OK])).server(&nothing()),
    );
}

/// It is the first request that says who asks; of a connection joined late, none is known to be the first.
#[test]
fn who_asks_is_said_once() {
    let unnamed = request(PROTOCOL, b"");
    let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
    let story = |bench: &mut Bench, one: &[u8], other: &[u8]| {
        bench.card(one).server(&wait).card(other).server(&nothing()).close();
        found(&bench.out)
    };
    let mut bench = Bench::new(Role::Server);
    assert!(story(&mut bench, &first(), &unnamed).is_empty());
    let mut bench = Bench::new(Role::Server);
    assert_eq!(
        story(&mut bench, &unnamed, &unnamed),
        BTreeMap::from([("missing_from", vec![String::from("request")])])
    );
    let mut bench = Bench::with(Role::Server, PlaintextWay::KeyFile, None);
    assert!(story(&mut bench, &unnamed, &unnamed).is_empty());
}
