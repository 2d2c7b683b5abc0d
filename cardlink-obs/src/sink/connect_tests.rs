//! What each sink makes of the same connection that nobody took.

use super::{
    Sink as _,
    json::to_json,
    metrics::{Metrics, Registry, table},
    names::Names,
    text::{Filter, Text},
    wall::WallClock,
};
use crate::observation::{
    Cause, ConnectFailed, ConnectReason, Connection, ConnectionClosed, ConnectionOutcome, DatabaseSystem, Observation,
    PeerAddress, Process, Role, Stamp,
};
use std::{borrow::Cow, sync::Arc, time::Duration};

fn process() -> Arc<Process> {
    Arc::new(Process { pid: 9, comm: Arc::from("psql"), target: Arc::from("app") })
}

fn failed(reason: ConnectReason, error: Option<&'static str>, database: Option<DatabaseSystem>) -> ConnectFailed {
    ConnectFailed {
        at: Stamp::from_nanos(2_000_000_000),
        process: process(),
        connection: None,
        peer: Some(PeerAddress::Ip(([10, 0, 0, 7], 5432).into())),
        reason,
        error: error.map(Cow::Borrowed),
        took: Some(Duration::from_millis(1500)),
        database,
        other_answered: false,
        cause: Cause::default(),
    }
}

fn shown(failed: &ConnectFailed, filter: Filter) -> String {
    let mut bytes = Vec::new();
    let names = Names::with_new_key(false).expect("a key");
    Text::new(&mut bytes, WallClock::recorded(0), names, filter)
        .take(&Observation::ConnectFailed(Box::new(failed.clone())));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let plain = anstream::adapter::strip_str(&text).to_string();
    plain.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
}

#[test]
fn for_people() {
    let refused = failed(ConnectReason::Refused, Some("ECONNREFUSED"), Some(DatabaseSystem::Postgresql));
    assert_eq!(
        shown(&refused, Filter::default()),
        "psql(9) → 10.0.0.7:5432\n  CONN  FAILED refused ECONNREFUSED   1.50 s   nobody listens there · PostgreSQL is expected there\n"
    );
    let given_up = failed(ConnectReason::Timeout, None, None);
    assert_eq!(
        shown(&given_up, Filter { failed: true, ..Filter::default() }),
        "psql(9) → 10.0.0.7:5432\n  CONN  FAILED timeout   1.50 s   nobody answered there, and the program gave up\n"
    );
    let superseded = ConnectFailed { other_answered: true, ..refused };
    assert_eq!(shown(&superseded, Filter::default()), "");
    assert!(shown(&superseded, Filter { all: true, ..Filter::default() }).contains("· another address answered"));
    let elsewhere = Filter { peer: Some(String::from("10.0.0.8")), ..Filter::default() };
    assert_eq!(shown(&given_up, elsewhere), "");
}

#[test]
fn for_programs() {
    let refused = failed(ConnectReason::Refused, Some("ECONNREFUSED"), Some(DatabaseSystem::Postgresql));
    let names = Names::with_new_key(false).expect("a key");
    let json = to_json(&Observation::ConnectFailed(Box::new(refused)), &WallClock::recorded(0), &names);
    assert_eq!((&json["type"], &json["reason"]), (&"connect_failed".into(), &"refused".into()));
    assert_eq!((&json["error"], &json["system"]), (&"ECONNREFUSED".into(), &"postgresql".into()));
    assert_eq!((&json["peer"], &json["duration"]), (&"10.0.0.7:5432".into(), &1.5.into()));
    assert_eq!(json["other_answered"], false);
}

#[test]
fn counted_once_and_only_when_nobody_else_answered() {
    let registry = Arc::new(Registry::new());
    let mut metrics = Metrics::new(Arc::clone(&registry));
    let refused = failed(ConnectReason::Refused, Some("ECONNREFUSED"), Some(DatabaseSystem::Mysql));
    let superseded = ConnectFailed { other_answered: true, ..refused.clone() };
    for one in [refused, superseded, failed(ConnectReason::Timeout, None, None)] {
        metrics.take(&Observation::ConnectFailed(Box::new(one)));
    }
    let all = |reason| registry.value(&table::CONNECT_FAILURES, &["app", reason]) as i64;
    assert_eq!([all("refused"), all("timeout"), all("unreachable")], [1, 1, 0]);
    let of_databases = |reason| registry.value(&table::DB_CONNECTION_FAILURES, &["app", "mysql", reason]) as i64;
    assert_eq!([of_databases("refused"), of_databases("timeout")], [1, 0]);
}

/// What was sent again counts at each end; what was never connected is no connection that ended.
#[test]
fn ends_of_connections() {
    let registry = Arc::new(Registry::new());
    let mut metrics = Metrics::new(Arc::clone(&registry));
    let at = Stamp::from_nanos(1);
    for (number, outcome, retransmits, elsewhere) in [
        (1, ConnectionOutcome::NotTls, 3, false),
        (2, ConnectionOutcome::NotTls, 2, true),
        (3, ConnectionOutcome::NotConnected, 1, false),
    ] {
        let connection = Arc::new(Connection {
            number,
            process: process(),
            local: None,
            peer: None,
            role: Some(Role::Client),
            opened: Some(at),
            first_seen: at,
        });
        metrics.take(&Observation::ConnectionOpened(Arc::clone(&connection)));
        metrics.take(&Observation::ConnectionClosed(Box::new(ConnectionClosed {
            connection,
            at,
            outcome,
            spoke: None,
            lifetime: Duration::ZERO,
            bytes_read: 0,
            bytes_written: 0,
            retransmits,
            incomplete: false,
            counted_elsewhere: elsewhere,
            cause: Cause::default(),
        })));
    }
    assert_eq!(registry.value(&table::PROCESS_RETRANSMITS, &["app"]) as i64, 6);
    assert_eq!(registry.value(&table::TLS_CONNECTIONS, &["app", "not_tls"]) as i64, 1);
    assert_eq!(registry.value(&table::TLS_CONNECTIONS_ACTIVE, &["app"]) as i64, 0);
}
