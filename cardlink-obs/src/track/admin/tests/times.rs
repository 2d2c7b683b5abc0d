//! Where the time of a session goes.

use super::*;
use crate::observation::Exchange;

fn exchanges(bench: &Bench) -> Vec<&Exchange> {
    let mut exchanges = Vec::new();
    for observation in &bench.out {
        if let Observation::Exchange(exchange) = observation {
            exchanges.push(&**exchange);
        }
    }
    exchanges
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// First request at 210 ms, its response at 220 + 30, the answer 500 later, the last response 60 after it.
fn story(bench: &mut Bench) {
    bench.card(&first()).wait(30).server(&script(&[SELECT])).wait(490).card(&answer(&[OK])).wait(50).server(&nothing());
}

#[test]
fn an_exchange_has_the_servers_time_and_what_came_before_it() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        story(&mut bench);
        bench.close();
        let [one, other] = exchanges(&bench)[..] else { panic!("two exchanges") };
        assert_eq!(
            (one.start, one.request_end, one.response_start, one.end),
            (ms(210), ms(210), Some(ms(250)), ms(250))
        );
        assert_eq!((one.server(), one.peer), (Some(millis(40)), None));
        assert_eq!((other.start, other.server(), other.peer), (ms(750), Some(millis(60)), Some(millis(500))));
    }
}

#[test]
fn the_four_times_are_the_duration() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        story(&mut bench);
        bench.tracker.transport(Transport { at: ms(bench.now), round_trip: Some(millis(70)), retransmits: 0 });
        bench.wait(300).closes(true);
        let session = bench.session();
        assert_eq!((session.start, session.end, session.duration()), (ms(100), ms(810), millis(710)));
        let time = session.time;
        assert_eq!((time.handshake, time.server, time.bearer), (millis(40), millis(100), Some(millis(140))));
        assert_eq!(time.card, millis(430));
        assert_eq!(session.round_trip, Some(millis(70)));
        assert_eq!(session.bytes_from_card, (first().len() + answer(&[OK]).len()) as u64);
        assert_eq!(session.bytes_to_card, (script(&[SELECT]).len() + nothing().len()) as u64);
    }
}

#[test]
fn the_estimate_of_the_bearer_has_no_more_than_is_left() {
    let mut bench = Bench::new(Role::Server);
    story(&mut bench);
    bench.tracker.transport(Transport { at: ms(bench.now), round_trip: Some(millis(9_000)), retransmits: 0 });
    bench.close();
    assert_eq!((bench.session().time.bearer, bench.session().time.card), (Some(millis(570)), Duration::ZERO));
    let time = SessionTime::share(millis(10), millis(30), millis(20), Some(millis(5)));
    assert_eq!(
        (time.handshake, time.server, time.bearer, time.card),
        (millis(10), millis(0), Some(millis(0)), millis(0))
    );
}

#[test]
fn the_server_works_on_pipelined_requests_one_after_the_other() {
    let mut bench = Bench::new(Role::Server);
    let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
    bench.card(&[first(), first(), first()].concat());
    bench.wait(90).server(&wait).wait(90).server(&wait).wait(90).server(&nothing()).close();
    let session = bench.session();
    assert_eq!(session.time.server, millis(300));
    line(&Observation::Session(Box::new(session.clone())));
}

#[test]
fn a_handshake_belongs_to_the_first_session_even_when_it_is_told_late() {
    let facts = |start, identity| HandshakeFacts { start: ms(start), duration: millis(40), identity };
    let mut bench = Bench::with(Role::Server, PlaintextWay::NullSuite, None);
    bench.card(&first());
    bench.tracker.handshake(facts(100, Some(PskIdentity::new(b"card".to_vec()))));
    bench.server(&nothing()).wait(1_000).tick();
    let session = bench.session();
    assert_eq!((session.start, session.time.handshake), (ms(100), millis(40)));
    assert_eq!(session.identity.as_ref().map(PskIdentity::expose), Some(b"card".as_slice()));
    bench.out.clear();
    bench.card(&first()).server(&nothing()).close();
    assert_eq!((bench.session().time.handshake, bench.session().start), (Duration::ZERO, ms(bench.now - 10)));
}

#[test]
fn a_message_begins_with_its_first_byte() {
    for role in [Role::Server, Role::Client] {
        let mut bench = Bench::new(role);
        let (one, answer) = (first(), answer(&[OK]));
        bench.card(&one[..20]).wait(90).card(&one[20..]);
        let sent = script(&[SELECT]);
        bench.server(&sent[..5]).wait(90).server(&sent[5..]);
        // The end of one message, and the beginning of the next.
        bench.card(&[answer.as_slice(), &one[..7]].concat()).wait(90).card(&one[7..]);
        let wait = response("204 No Content", &format!("{PROTOCOL}{NEXT}"), b"");
        bench.server(&[wait.as_slice(), b"HTT"].concat()).wait(90).server(&nothing()[3..]).close();
        let times: Vec<(Stamp, Stamp, Option<Stamp>, Stamp)> =
            exchanges(&bench).into_iter().map(|e| (e.start, e.request_end, e.response_start, e.end)).collect();
        assert_eq!(
            times,
            [
                (ms(210), ms(310), Some(ms(320)), ms(420)),
                (ms(430), ms(430), Some(ms(540)), ms(540)),
                (ms(430), ms(530), Some(ms(540)), ms(640)),
            ]
        );
        let bytes = one.len() * 2 + answer.len();
        assert_eq!(bench.session().bytes_from_card, bytes as u64);
    }
}

#[test]
fn a_time_out_ends_when_the_time_was_out() {
    let mut bench = Bench::new(Role::Server);
    bench.card(&first()).wait(3_600_000).tick().wait(3_600_000).tick();
    assert_eq!(bench.session().end, ms(210) + Duration::from_mins(1));
    let mut bench = Bench::new(Role::Server);
    bench.card(&first()).server(&script(&[SELECT])).wait(3_600_000).tick().wait(3_600_000).tick();
    assert_eq!(bench.session().end, ms(220) + Duration::from_mins(5));
}

#[test]
fn a_script_takes_from_its_response_to_the_answer() {
    let mut bench = Bench::new(Role::Server);
    story(&mut bench);
    let script = bench.out.iter().find_map(|observation| match observation {
        Observation::Script(script) => Some((script.sent, script.answered)),
        _ => None,
    });
    assert_eq!(script, Some((ms(250), Some(ms(750)))));
}

/// While a request waits it is the server's turn, whoever ends it.
#[test]
fn what_the_server_owes_is_its_time() {
    for card in [true, false] {
        for role in [Role::Server, Role::Client] {
            let mut bench = Bench::new(role);
            bench.card(&first()).wait(8000).closes(card).close();
            let session = bench.session();
            assert!(session.time.server >= millis(8000), "{:?}", session.time);
            assert!(session.time.card <= millis(100), "{:?}", session.time);
            let [exchange] = exchanges(&bench)[..] else { panic!("an exchange") };
            assert!(exchange.server().is_none() && exchange.waited() >= Some(millis(8000)));
        }
    }
}
