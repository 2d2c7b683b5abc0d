//! Calls of SQLite, and what is told of them.

use super::{MOST_STATEMENTS, Sqlite};
use crate::{
    event::SqliteNote,
    observation::{Cause, DatabaseChange, Observation, Process, Query, Stamp},
};
use proptest::prelude::*;
use std::{borrow::Cow, sync::Arc, time::Duration};

const DB: u64 = 0x1000;

/// A program; a millisecond passes with each call.
#[derive(Default)]
struct Talk {
    sqlite: Sqlite,
    now: u64,
    connections: u64,
    out: Vec<Observation>,
}

impl Talk {
    fn process() -> Arc<Process> {
        Arc::new(Process { pid: 7, comm: Arc::from("p"), target: Arc::from("p") })
    }

    fn note(&mut self, note: &SqliteNote<'_>) -> u64 {
        self.now += 1_000_000;
        let at = Stamp::from_nanos(self.now);
        self.sqlite.note(
            &Self::process(),
            note,
            at,
            Cause { session: Some(3), test: None },
            &mut self.connections,
            &mut self.out,
        );
        self.now
    }

    fn opened(&mut self, code: i32) {
        let enter = self.now + 400_000;
        self.note(&SqliteNote::Opened { enter, database: DB, code });
    }

    fn prepared(&mut self, statement: u64, text: &str, code: i32) -> u64 {
        let enter = self.now + 900_000;
        let text = Cow::Borrowed(text.as_bytes());
        self.note(&SqliteNote::Prepared { enter, database: DB, statement, code, text })
    }

    fn ended(&mut self, statement: u64, prepared: u64, rows: u64, code: i32) {
        let enter = self.now;
        self.note(&SqliteNote::Ended { enter, statement, prepared, inside: 300_000, rows, code });
    }

    fn queries(&self) -> Vec<&Query> {
        self.out
            .iter()
            .filter_map(|one| match one {
                Observation::Query(query) => Some(&**query),
                _ => None,
            })
            .collect()
    }

    fn changes(&self) -> Vec<String> {
        let word = |change: &DatabaseChange| match change {
            DatabaseChange::Ready { after } => format!("ready {after:?}"),
            DatabaseChange::FirstUse { after } => format!("first {after:?}"),
            DatabaseChange::Failed(error) => format!("failed {} {}", error.class, error.code),
            DatabaseChange::Closed => String::from("closed"),
            other => format!("{other:?}"),
        };
        self.out
            .iter()
            .filter_map(|one| match one {
                Observation::DatabaseConnection(told) => Some(word(&told.change)),
                _ => None,
            })
            .collect()
    }
}

fn told(query: &Query) -> (&str, Option<&str>, Option<u64>, Option<&str>) {
    (query.operation, query.table.as_deref(), query.rows, query.error.as_ref().map(|error| error.class))
}

#[test]
fn a_run_is_told_with_its_time_within_the_steps_apart_from_all_of_it() {
    let mut talk = Talk::default();
    talk.opened(0);
    let at = talk.prepared(0x2000, "SELECT * FROM Cards WHERE pin = 'x'", 0);
    talk.ended(0x2000, at, 3, 101);
    talk.ended(0x2000, at, 1, 100);
    talk.note(&SqliteNote::Closed { database: DB, code: 0 });
    let all = talk.queries();
    assert_eq!(told(all[0]), ("SELECT", Some("cards"), Some(3), None));
    assert_eq!(told(all[1]), ("SELECT", Some("cards"), Some(1), None), "given up after a row");
    assert_eq!(all[0].took, Some(Duration::from_micros(300)));
    assert_eq!(all[0].end.since(all[0].start), Duration::from_millis(1));
    assert_eq!(all[0].cause.session, Some(3));
    assert_eq!((all[0].number, all[1].number), (1, 2));
    assert_eq!(talk.changes(), ["ready Some(600µs)", "first 1.6ms", "closed"]);
}

#[test]
fn what_cannot_be_prepared_or_opened_has_failed() {
    let mut talk = Talk::default();
    talk.opened(14);
    talk.opened(0);
    talk.prepared(0, "SELEC 1", 1);
    talk.prepared(0, "INSERT INTO t VALUES (1)", 5);
    let at = talk.prepared(0x2000, "UPDATE t SET a = 1", 0);
    talk.ended(0x2000, at, 0, 2067);
    let all: Vec<_> = talk.queries().into_iter().map(told).collect();
    let of = |operation, table, rows, class| (operation, table, rows, Some(class));
    assert_eq!(
        all,
        [
            of("OTHER", None, None, "sql"),
            of("INSERT", Some("t"), None, "busy"),
            of("UPDATE", Some("t"), Some(0), "constraint"),
        ]
    );
    assert_eq!(talk.queries()[2].error.as_ref().map(|error| error.code.as_str()), Some("SQLITE_CONSTRAINT_UNIQUE"));
    assert_eq!(talk.changes()[0], "failed cannot_open SQLITE_CANTOPEN");
}

#[test]
fn statements_and_connections_from_before_have_no_text_and_no_beginning() {
    let mut talk = Talk::default();
    talk.ended(0x2000, 0, 2, 101);
    assert_eq!(told(talk.queries()[0]), ("unknown", None, Some(2), None));
    assert!(talk.queries()[0].connection.is_none());
    let at = talk.prepared(0x2000, "DELETE FROM t", 0);
    talk.ended(0x2000, at, 0, 101);
    // Another statement had this address before: the kernel says when it was prepared.
    talk.ended(0x2000, at - 5, 0, 101);
    let all: Vec<_> = talk.queries().into_iter().map(|query| query.operation).collect();
    assert_eq!(all, ["unknown", "DELETE", "unknown"]);
    assert_eq!(talk.changes(), ["ready None"]);
}

#[test]
fn a_close_that_was_refused_is_none_and_the_end_of_the_process_is_one() {
    let mut talk = Talk::default();
    talk.opened(0);
    talk.note(&SqliteNote::Closed { database: DB, code: 5 });
    assert!(!talk.changes().contains(&String::from("closed")));
    talk.sqlite.process_ended(&Talk::process(), Stamp::from_nanos(talk.now), &mut talk.out);
    assert_eq!(talk.changes().last().map(String::as_str), Some("closed"));
    assert!(talk.sqlite.programs.is_empty());
}

#[test]
fn the_oldest_statements_are_forgotten() {
    let mut talk = Talk::default();
    let first = talk.prepared(1, "SELECT 1", 0);
    let mut last = 0;
    for address in 2..MOST_STATEMENTS as u64 + 10 {
        last = talk.prepared(address, "SELECT * FROM t", 0);
    }
    assert!(talk.sqlite.programs[&7].statements.len() <= MOST_STATEMENTS);
    talk.ended(1, first, 0, 101);
    talk.ended(MOST_STATEMENTS as u64 + 9, last, 0, 101);
    let all: Vec<_> = talk.queries().into_iter().map(|query| query.operation).collect();
    assert_eq!(all, ["unknown", "SELECT"]);
}

fn notes() -> impl Strategy<Value = SqliteNote<'static>> {
    let code = prop::sample::select(vec![0, 1, 5, 19, 100, 101, 2067, -1, i32::MAX]);
    let object = 0u64..4;
    prop_oneof![
        (any::<u64>(), object.clone(), code.clone()).prop_map(|(enter, database, code)| SqliteNote::Opened {
            enter,
            database,
            code
        }),
        (object.clone(), code.clone()).prop_map(|(database, code)| SqliteNote::Closed { database, code }),
        (any::<u64>(), object.clone(), object.clone(), code.clone(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(enter, database, statement, code, text)| SqliteNote::Prepared {
                enter,
                database,
                statement,
                code,
                text: Cow::Owned(text)
            }),
        (any::<u64>(), object, 0u64..40, any::<u64>(), any::<u64>(), code).prop_map(
            |(enter, statement, at, inside, rows, code)| SqliteNote::Ended {
                enter,
                statement,
                prepared: at * 1_000_000,
                inside,
                rows,
                code
            }
        ),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_each_run_is_told_once_and_what_is_ready_is_closed_once(
        notes in prop::collection::vec(notes(), 0..60)
    ) {
        let mut talk = Talk::default();
        for note in &notes {
            talk.note(note);
        }
        talk.sqlite.process_ended(&Talk::process(), Stamp::from_nanos(talk.now), &mut talk.out);
        let runs = notes.iter().filter(|note| match note {
            SqliteNote::Ended { .. } => true,
            SqliteNote::Prepared { code, .. } => !matches!(code, 0 | 100 | 101),
            _ => false,
        });
        prop_assert_eq!(talk.queries().len(), runs.count());
        let count = |word: &str| talk.changes().iter().filter(|change| change.starts_with(word)).count();
        prop_assert_eq!(count("ready"), count("closed"));
    }
}
