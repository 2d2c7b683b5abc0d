//! Conversations in MySQL's protocol, and what is told of them.

use super::super::talk::Talk;
use crate::{
    observation::{DatabaseSystem, Observation, Role},
    stream::{Direction, Hole, Item},
};

const CAN: u32 = (1 << 9) | (1 << 24);

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&len[..3], &[number], body].concat()
}

fn greeting(version: &str) -> Vec<u8> {
    let [a, b, c, d] = CAN.to_le_bytes();
    let body = [
        &[10][..],
        version.as_bytes(),
        &[0, 7, 0, 0, 0],
        b"saltsalt\0",
        &[a, b, 45, 2, 0, c, d, 21],
        &[0; 10],
        b"saltsaltsalt\0",
    ];
    packet(0, &body.concat())
}

fn login() -> Vec<u8> {
    packet(1, &[&CAN.to_le_bytes()[..], &[0; 28], b"user\0\0"].concat())
}

fn query(text: &str) -> Vec<u8> {
    packet(0, format!("\x03{text}").as_bytes())
}

fn prepare(text: &str) -> Vec<u8> {
    packet(0, format!("\x16{text}").as_bytes())
}

fn prepared(statement: u8) -> Vec<u8> {
    packet(1, &[0, statement, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

fn execute(statement: u8) -> Vec<u8> {
    packet(0, &[0x17, statement, 0, 0, 0, 0, 1, 0, 0, 0])
}

fn ok(number: u8, affected: u8, status: u8) -> Vec<u8> {
    packet(number, &[0, affected, 0, status, 0, 0, 0])
}

/// A result of so many rows, from this number on.
fn rows(first: u8, count: u8, status: u8) -> Vec<u8> {
    let mut all = vec![packet(first, &[1]), packet(first + 1, b"\x03def\0")];
    all.extend((0..count).map(|index| packet(first + 2 + index, b"\x01a")));
    all.push(packet(first + 2 + count, &[0xfe, 0, 0, status, 0, 0, 0]));
    all.concat()
}

fn error(number: u8, code: u16, state: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    packet(number, &[&[0xff, low, high, b'#'], state.as_bytes(), b"secret"].concat())
}

fn logged_in(role: Role) -> Talk {
    let mut talk = Talk::new(role, true);
    talk.server(&[greeting("10.11.6-MariaDB")]).client(&[login()]).server(&[ok(2, 0, 2)]);
    assert_eq!(talk.told(), ["ready"]);
    talk
}

#[test]
fn queries_at_either_end() {
    for role in [Role::Client, Role::Server] {
        let mut talk = logged_in(role);
        // From the entry of the client's write, or the exit of the server's read, to the exit of the last call.
        let took = if role == Role::Client { 2 } else { 1 };
        talk.client(&[query("SELECT * FROM `t` # all")]).server(&[rows(1, 2, 2)]);
        let system = talk.out.iter().find_map(|one| match one {
            Observation::Query(query) => Some(query.system),
            _ => None,
        });
        assert_eq!(system, Some(DatabaseSystem::Mariadb));
        assert_eq!(talk.told(), [format!("SELECT t {took}ms 2 rows")]);
        talk.client(&[query("INSERT INTO t VALUES (1)")]).server(&[ok(1, 3, 2)]);
        assert_eq!(talk.told(), [format!("INSERT t {took}ms 3 rows")]);
        talk.client(&[query("UPDATE t SET a = 1")]).server(&[ok(1, 0, 2)]);
        assert_eq!(talk.told(), [format!("UPDATE t {took}ms 0 rows")]);
        talk.client(&[query("BEGIN")]).server(&[ok(1, 0, 3)]);
        assert_eq!(talk.told(), [format!("BEGIN {took}ms")]);
        assert_eq!(talk.tick(), ["busy"]);
        talk.client(&[query("SELECT 1/x")]).server(&[error(1, 1054, "42S22")]);
        assert_eq!(talk.told(), [format!("SELECT {took}ms syntax_or_access")]);
        talk.client(&[query("COMMIT")]).server(&[ok(1, 0, 2)]);
        assert_eq!(talk.told(), [format!("COMMIT {took}ms")]);
        assert_eq!(talk.tick(), ["idle"]);
        talk.client(&[packet(0, b"\x02secret")]).server(&[ok(1, 0, 2)]);
        assert_eq!(talk.told(), [format!("USE {took}ms")]);
        talk.client(&[packet(0, b"\x0e")]).server(&[ok(1, 0, 2)]);
        assert!(talk.told().is_empty(), "a ping is no statement");
        assert_eq!(talk.client(&[packet(0, b"\x01")]).close(), ["closed"]);
    }
}

#[test]
fn several_results() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT * FROM a; UPDATE b SET c = ';'; SELECT 1")]);
    talk.server(&[rows(1, 2, 10), ok(6, 4, 10)]);
    assert_eq!(talk.told(), ["SELECT a 2ms 2 rows", "UPDATE b 2ms 4 rows"]);
    talk.server(&[rows(7, 1, 2)]);
    assert_eq!(talk.told(), ["SELECT 3ms 1 rows"]);
    // An error ends the text.
    talk.client(&[query("SELECT * FROM a; SELECT * FROM x; SELECT 2")])
        .server(&[rows(1, 1, 10), error(5, 1146, "42S02")]);
    assert_eq!(talk.told(), ["SELECT a 2ms 1 rows", "SELECT x 2ms syntax_or_access"]);
    // A call has its own, and one of being done.
    talk.client(&[query("CALL p(); SELECT * FROM a")]);
    talk.server(&[rows(1, 2, 10), rows(6, 1, 10), ok(10, 0, 10), rows(11, 5, 2)]);
    assert_eq!(talk.told(), ["CALL 2ms 3 rows", "SELECT a 2ms 5 rows"]);
    talk.client(&[query("CALL p()")]).server(&[rows(1, 2, 10), ok(6, 0, 2)]);
    assert_eq!(talk.told(), ["CALL 2ms 2 rows"]);
    // The body of a procedure is no statement of its own.
    talk.client(&[query("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END")]).server(&[ok(1, 0, 2)]);
    assert_eq!(talk.told(), ["CREATE 2ms"]);
}

#[test]
fn prepared_statements() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[prepare("INSERT INTO t VALUES (?)")]).server(&[prepared(7)]);
    assert!(talk.told().is_empty());
    for _ in 0..2 {
        talk.client(&[packet(0, b"\x18\x07\0\0\0\0\0secret"), execute(7)]).server(&[ok(1, 1, 2)]);
        assert_eq!(talk.told(), ["INSERT t 2ms 1 rows"]);
    }
    talk.client(&[packet(0, b"\x1a\x07\0\0\0")]).server(&[ok(1, 0, 2)]);
    talk.client(&[packet(0, b"\x19\x07\0\0\0"), query("SELECT 1")]).server(&[rows(1, 1, 2)]);
    assert_eq!(talk.told(), ["SELECT 2ms 1 rows"]);
    // Its text was not seen, or is forgotten.
    talk.client(&[execute(7)]).server(&[error(1, 1243, "HY000")]);
    assert_eq!(talk.told(), ["OTHER 2ms statement_name"]);
    talk.client(&[prepare("SELECT * FORM t")]).server(&[error(1, 1064, "42000")]);
    assert_eq!(talk.told(), ["SELECT 2ms syntax_or_access"]);
    // MariaDB: prepared and carried out without waiting.
    let last = packet(0, &[0x17, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0, 0]);
    talk.client(&[prepare("DELETE FROM t WHERE a = ?"), last]).server(&[prepared(8), ok(1, 2, 2)]);
    assert_eq!(talk.told(), ["DELETE t 2ms 2 rows"]);
}

#[test]
fn rows_that_are_fetched_in_parts() {
    let fetch = packet(0, &[0x1c, 7, 0, 0, 0, 2, 0, 0, 0]);
    let mut talk = logged_in(Role::Client);
    talk.client(&[prepare("SELECT * FROM t")]).server(&[prepared(7)]);
    talk.client(&[execute(7)]).server(&[rows(1, 0, 0x42)]);
    talk.client(std::slice::from_ref(&fetch)).server(&[
        packet(1, b"\0\0a"),
        packet(2, b"\0\0b"),
        packet(3, &[0xfe, 0, 0, 0x42, 0]),
    ]);
    assert!(talk.told().is_empty());
    // The program takes its time.
    talk.call();
    talk.client(std::slice::from_ref(&fetch)).server(&[packet(1, b"\0\0c"), packet(2, &[0xfe, 0, 0, 0x82, 0])]);
    assert_eq!(talk.told(), ["SELECT t 6ms 3 rows"]);
    // Left half-way.
    talk.client(&[execute(7)]).server(&[rows(1, 0, 0x42)]);
    talk.client(&[fetch]).server(&[packet(1, b"\0\0c"), packet(2, &[0xfe, 0, 0, 0x42, 0])]);
    talk.client(&[packet(0, b"\x19\x07\0\0\0")]);
    assert_eq!(talk.told(), ["SELECT t 4ms 1 rows"]);
}

#[test]
fn connections_that_fail() {
    let refused = packet(0, b"\xff\x10\x04Too many connections");
    for role in [Role::Client, Role::Server] {
        let mut talk = Talk::new(role, true);
        talk.server(std::slice::from_ref(&refused));
        assert_eq!(talk.told(), ["failed too_many_connections 08004"]);
        assert!(talk.close().is_empty());
        let mut talk = Talk::new(role, true);
        talk.server(&[greeting("8.0.36")]).client(&[login()]).server(&[error(2, 1045, "28000")]);
        assert_eq!(talk.told(), ["failed authentication 28000"]);
        assert!(talk.dialogues.is_unwanted());
    }
    // The server ends, in the middle of a statement and between two.
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT * FROM t")]).server(&[error(1, 1053, "08S01")]);
    assert_eq!(talk.told(), ["SELECT t 2ms shutdown", "failed shutdown 08S01"]);
    let mut talk = logged_in(Role::Client);
    talk.server(&[error(1, 4031, "HY000")]);
    assert_eq!(talk.told(), ["failed shutdown HY000"]);
    assert_eq!(talk.close(), ["closed"]);
    // Without a word.
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT * FROM t")]);
    assert_eq!(talk.close(), ["SELECT t 1ms lost", "closed"]);
    // Who only looks has not failed.
    let mut talk = Talk::new(Role::Server, true);
    talk.server(&[greeting("8.0.36")]);
    assert!(talk.close().is_empty());
}

#[test]
fn what_cannot_be_read() {
    let mut talk = Talk::new(Role::Client, true);
    talk.server(&[greeting("8.0.36")]);
    talk.client(&[packet(1, &[&(CAN | 1 << 11).to_le_bytes()[..], &[0; 28]].concat())]);
    assert_eq!(talk.told(), ["encrypted"]);
    assert!(talk.dialogues.is_unwanted());
    assert_eq!(talk.close(), ["closed"]);
    // The log of a server is no conversation.
    let mut talk = logged_in(Role::Client);
    talk.client(&[packet(0, b"\x12\x04\0\0\0\0\0\0\0\0\0binlog")]);
    assert!(talk.dialogues.is_unwanted());
}

#[test]
fn one_that_was_open_before() {
    for role in [Role::Client, Role::Server] {
        let mut talk = Talk::new(role, false);
        talk.client(&[query("SELECT * FROM t")]).server(&[rows(1, 2, 2)]);
        assert_eq!(talk.told().len(), 2);
        talk.client(&[execute(5)]).server(&[ok(1, 1, 2)]);
        assert_eq!(talk.told().len(), 1);
        assert_eq!(talk.close(), ["closed"]);
        // The first thing that is seen is an answer.
        let mut talk = Talk::new(role, false);
        talk.server(&[rows(1, 2, 2)]);
        assert_eq!(talk.told(), ["ready"]);
        talk.client(&[query("DELETE FROM t")]).server(&[ok(1, 4, 2)]);
        assert_eq!(talk.told().len(), 1);
    }
}

#[test]
fn lost_bytes() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT * FROM t")]).server(&[packet(1, &[1]), packet(2, b"\x03def\0")]);
    let call = talk.call();
    talk.on(&Item::Hole(Hole { direction: Direction::Read, call, offset: 0, len: 5000, lost: true, resync: false }));
    talk.server(&[b"the rest of a row".to_vec(), packet(99, &[0xfe, 0, 0, 2, 0, 0, 0])]);
    assert_eq!(talk.told(), ["SELECT t 4ms"]);
    talk.client(&[query("SELECT * FROM u")]).server(&[rows(1, 1, 2)]);
    assert_eq!(talk.told(), ["SELECT u 2ms 1 rows"]);
    let call = talk.call();
    talk.on(&Item::Hole(Hole { direction: Direction::Write, call, offset: 0, len: 50, lost: true, resync: false }));
    talk.server(&[ok(1, 0, 2)]);
    talk.client(&[query("SELECT * FROM v")]).server(&[rows(1, 1, 2)]);
    assert_eq!(talk.told(), ["SELECT v 2ms 1 rows"]);
}

#[test]
fn no_literal_is_told() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT 'secret', \"secret\" FROM `T` WHERE a = 'x\\' OR c = 'secret FROM secret")]);
    talk.server(&[error(1, 1064, "42000")]);
    talk.client(&[prepare("INSERT INTO t VALUES ('secret', ?) -- secret")]).server(&[prepared(1)]);
    talk.client(&[[&execute(1)[..], b"secret"].concat()]).server(&[error(1, 1062, "23000")]);
    let told = format!("{:?}", talk.out);
    assert!(told.contains("\"T\"") && !told.contains("secret"), "{told}");
}
