use super::{Databases, MAX_TABLES};
use crate::{
    observation::{
        Cause, Connection, DatabaseChange, DatabaseConnection, DatabaseError, DatabaseSystem, Process, Query, Role,
        Stamp,
    },
    sink::metrics::{Registry, table},
};
use std::{sync::Arc, time::Duration};

fn process() -> Arc<Process> {
    Arc::new(Process { pid: 1, comm: Arc::from("p"), target: Arc::from("p") })
}

fn told(number: u64, role: Role, change: DatabaseChange) -> DatabaseConnection {
    let connection = Connection {
        number,
        process: process(),
        local: None,
        peer: None,
        role: Some(role),
        opened: None,
        first_seen: Stamp::from_nanos(1),
    };
    DatabaseConnection {
        at: Stamp::from_nanos(2),
        process: process(),
        connection: Some(Arc::new(connection)),
        system: DatabaseSystem::Postgresql,
        role,
        change,
        counted_elsewhere: false,
    }
}

fn query(table: &str) -> Query {
    Query {
        number: 1,
        process: process(),
        connection: None,
        system: DatabaseSystem::Postgresql,
        role: Role::Client,
        operation: "SELECT",
        table: Some(Arc::from(table)),
        start: Stamp::from_nanos(1),
        end: Stamp::from_nanos(2),
        took: Some(Duration::from_millis(1)),
        rows: Some(3),
        error: None,
        counted_elsewhere: false,
        cause: Cause::default(),
    }
}

#[test]
fn a_pool_and_the_connections_that_are_active() {
    let (registry, mut databases) = (Registry::new(), Databases::default());
    let figures = || {
        let pool = |state| registry.value(&table::DB_POOL, &["p", "postgresql", state]);
        [registry.value(&table::DB_CONNECTIONS_ACTIVE, &["p", "postgresql"]), pool("in_use"), pool("idle")]
    };
    let mut take = |told: &DatabaseConnection| databases.connection(told, "p", &registry);
    for number in [1, 2] {
        take(&told(number, Role::Client, DatabaseChange::Ready { after: Some(Duration::from_millis(5)) }));
    }
    take(&told(3, Role::Server, DatabaseChange::Ready { after: None }));
    take(&told(2, Role::Client, DatabaseChange::Busy(true)));
    assert_eq!(figures().map(|figure| figure as i64), [3, 1, 1]);
    // Its serving end is watched, too: the pool has it all the same.
    let mut elsewhere = told(4, Role::Client, DatabaseChange::Ready { after: None });
    elsewhere.counted_elsewhere = true;
    take(&elsewhere);
    assert_eq!(figures().map(|figure| figure as i64), [3, 1, 2]);
    for number in [1, 2, 3, 4] {
        take(&told(number, Role::Client, DatabaseChange::Closed));
    }
    assert_eq!(figures().map(|figure| figure as i64), [0, 0, 0]);
    let error = DatabaseError { class: "too_many_connections", code: String::from("53300") };
    take(&told(5, Role::Client, DatabaseChange::Failed(error)));
    let failures = registry.value(&table::DB_CONNECTION_FAILURES, &["p", "postgresql", "too_many_connections"]);
    assert_eq!(failures as i64, 1);
}

#[test]
fn tables_are_bounded_and_errors_have_their_class() {
    let (registry, mut databases) = (Registry::new(), Databases::default());
    for number in 0..MAX_TABLES + 5 {
        databases.query(&query(&format!("t{number}")), "p", &registry);
    }
    let mut failed = query("t0");
    failed.error = Some(DatabaseError { class: "constraint", code: String::from("23505") });
    databases.query(&failed, "p", &registry);
    failed.counted_elsewhere = true;
    databases.query(&failed, "p", &registry);
    let count = |table: &str, result: &str| {
        registry.value(&table::DB_QUERIES, &["p", "postgresql", "SELECT", table, result]) as i64
    };
    assert_eq!((count("t0", "ok"), count("other", "ok"), count("t0", "constraint")), (1, 5, 1));
    assert_eq!(registry.value(&table::DB_ROWS, &["p", "postgresql", "SELECT", "other"]) as i64, 15);
}
