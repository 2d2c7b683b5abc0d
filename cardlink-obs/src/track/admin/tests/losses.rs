//! Bytes that were lost: what is not known is not told.

use super::*;

#[test]
fn a_gap_inside_a_body_leaves_the_rest_readable() {
    let body = responses(&[OK, OK, OK]);
    let back = answer(&[OK, OK, OK]);
    let head = back.len() - body.len();
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT, SELECT, SELECT])).card(&back[..head + 9]);
        bench.gap(true, 6).card(&back[head + 15..]).server(&nothing()).close();
    });
    is(
        &told[2..],
        &[
            "script ram expanded_indefinite SELECT=9000 SELECT=none SELECT=none ok",
            "POST /agent 19, 204 0",
            "session completed nothing_more: 2 exchanges, 1 scripts, 3 APDUs, 2 unanswered, incomplete",
        ],
    );
    // The whole body.
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT])).card(&answer(&[OK])[..answer(&[OK]).len() - 11]);
        bench.gap(true, 11).server(&nothing()).close();
    });
    is(
        &told[2..],
        &[
            "script ram expanded_indefinite SELECT=none ok",
            "POST /agent 11, 204 0",
            "session completed nothing_more: 2 exchanges, 1 scripts, 1 APDUs, 1 unanswered, incomplete",
        ],
    );
    // Of a command script.
    let sent = script(&[SELECT, SELECT]);
    let told = both(|bench| {
        bench.card(&first()).server(&sent[..sent.len() - 11]).gap(false, 4).server(&sent[sent.len() - 7..]);
        bench.card(&answer(&[OK, OK])).server(&nothing()).close();
    });
    assert!(!told.iter().any(|line| line.starts_with("finding")), "{told:?}");
}

#[test]
fn after_a_lost_head_nobody_is_silent() {
    for (of_card, head) in [(true, true), (true, false), (false, true), (false, false)] {
        let told = both(|bench| {
            bench.card(&first()).server(&script(&[SELECT]));
            if of_card {
                bench
                    .card(if head { b"POST /age" } else { b"" })
                    .gap(true, 30)
                    .card(b"lost")
                    .server(&script(&[SELECT]));
            } else {
                bench.card(&answer(&[OK])).server(if head { b"HTTP/1" } else { b"" }).gap(false, 30).server(b"lost");
                bench.card(&answer(&[OK]));
            }
            bench.wait(3_600_000).tick().wait(1_000).tick();
            let so_far = bench.told();
            assert!(!so_far.iter().any(|line| line.starts_with("session")), "{so_far:?}");
            bench.closes(true);
        });
        let ended = told.last().expect("a session");
        assert!(ended.starts_with("session failed lost: ") && ended.ends_with("incomplete"), "{ended}");
        assert!(!told.iter().any(|line| line.starts_with("finding")), "{told:?}");
    }
}

#[test]
fn the_servers_word_for_the_end_counts_though_the_request_was_lost() {
    let told = both(|bench| {
        bench.card(&first()).server(&script(&[SELECT])).gap(true, 500).server(&nothing()).wait(1_000).tick().close();
    });
    is(
        &told[2..],
        &[
            "script ram expanded_indefinite SELECT=none unanswered",
            "session completed nothing_more: 1 exchanges, 1 scripts, 1 APDUs, 1 unanswered, incomplete",
        ],
    );
}

#[test]
fn a_gap_before_anything_is_nothing() {
    is(&both(|bench| _ = bench.gap(true, 10).gap(false, 10).card(b"x").server(b"y").tick().close()), &[]);
}

#[test]
fn a_reset_after_a_loss_is_still_one() {
    let told = both(|bench| _ = bench.card(&first()).gap(true, 9).peer(PeerEnd::Reset).close());
    assert!(told.last().is_some_and(|line| line.starts_with("session failed link_reset")), "{told:?}");
}
