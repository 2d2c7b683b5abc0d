//! What lies under the session, or the test, that it was done for.

use super::*;
use crate::observation::{DatabaseSystem, Query};

fn query(session: Option<u64>, from: u64) -> Query {
    Query {
        number: 1,
        process: process(),
        connection: Some(connection(9)),
        system: DatabaseSystem::Postgresql,
        role: Role::Client,
        operation: "INSERT",
        table: Some(Arc::from("cards")),
        start: at(from),
        end: at(from + 2),
        took: Some(ms(2)),
        rows: Some(1),
        error: None,
        counted_elsewhere: false,
        cause: Cause { session, test: None },
    }
}

fn asked(query: Query) -> Observation {
    Observation::Query(Box::new(query))
}

#[test]
fn a_query_lies_under_the_session_that_it_was_asked_for() {
    let on = connection(1);
    let mut observations = one_session(&on);
    observations.insert(3, asked(query(Some(1), 48)));
    observations.insert(4, asked(query(None, 49)));
    observations.push(asked(query(Some(1), 200)));
    let traces = all(&observations);
    let session = vec!["session", "tls.handshake", "POST /lab", "INSERT cards", "script", "POST /lab"];
    assert_eq!(names(&traces), [vec!["INSERT cards"], session, vec!["INSERT cards"]]);
    let session = &traces[1];
    assert_eq!(session[3].parent.map(|parent| parent.span), Some(session[0].context.span));
    assert!(session.iter().all(|span| span.context.trace == session[0].context.trace));
    // The session is over: its query is a trace of its own.
    assert_ne!(traces[2][0].context.trace, session[0].context.trace);
    assert_eq!(traces[2][0].parent, None);
}

#[test]
fn the_line_of_a_query_in_the_log_names_the_trace_of_its_session() {
    let on = connection(1);
    let mut contexts = super::super::Contexts::new(Ids::new("a boot"));
    let opened = opened(&on, 1, 47);
    contexts.see(&opened);
    let session = contexts.of(&opened).expect("it is known");
    let of = |session| contexts.of(&asked(query(session, 48))).expect("a span");
    assert_eq!(of(Some(1)).trace, session.trace);
    assert_ne!(of(None).trace, session.trace);
}
