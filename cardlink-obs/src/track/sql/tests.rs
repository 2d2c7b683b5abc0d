//! Conversations in PostgreSQL's protocol, and what is told of them.

use super::talk::Talk;
use crate::{
    observation::Role,
    stream::{Direction, Hole, Item},
};

fn logged_in(role: Role) -> Talk {
    let mut talk = Talk::new(role, true);
    talk.client(&[startup()]).server(&[message(b'R', &[0; 4]), ready(b'I')]);
    assert_eq!(talk.told(), ["ready"]);
    talk
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[kind], &len[..], body].concat()
}

fn startup() -> Vec<u8> {
    [&[0, 0, 0, 16, 0, 3, 0, 0][..], b"user\0p\0\0"].concat()
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(portal: &str, name: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{name}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn complete(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn row() -> Vec<u8> {
    message(b'D', &[0; 20])
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0Msecret\0\0").as_bytes())
}

fn ok(kind: u8) -> Vec<u8> {
    message(kind, b"")
}

#[test]
fn simple_queries() {
    for role in [Role::Client, Role::Server] {
        let mut talk = logged_in(role);
        talk.client(&[query("SELECT * FROM t")]).server(&[ok(b'T'), row(), row(), complete("SELECT 2"), ready(b'I')]);
        // From the entry of the client's write, or the exit of the server's read, to the exit of the last call.
        let took = if role == Role::Client { 2 } else { 1 };
        assert_eq!(talk.told(), [format!("SELECT t {took}ms 2 rows")]);
        talk.client(&[query("")]).server(&[ok(b'I'), ready(b'I')]);
        assert!(talk.told().is_empty());
        talk.client(&[query("SELECT 1/0")]).server(&[error("ERROR", "22012"), ready(b'I')]);
        assert_eq!(talk.told(), [format!("SELECT {took}ms data")]);
        assert_eq!(talk.client(&[ok(b'X')]).close(), ["closed"]);
    }
}

#[test]
fn several_statements_in_one_text() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("BEGIN; UPDATE a SET b = ';'; COMMIT")]);
    talk.server(&[complete("BEGIN"), complete("UPDATE 3")]);
    assert_eq!(talk.told(), ["BEGIN 2ms", "UPDATE a 2ms 3 rows"]);
    talk.server(&[complete("COMMIT"), ready(b'I')]);
    assert_eq!(talk.told(), ["COMMIT 3ms"]);
    // An error ends the text.
    talk.client(&[query("SELECT 1; SELECT * FROM x; SELECT 2")]);
    talk.server(&[row(), complete("SELECT 1"), error("ERROR", "42P01"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT 2ms 1 rows", "SELECT x 2ms syntax_or_access"]);
}

#[test]
fn prepared_statements_and_portals() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[parse("s1", "INSERT INTO t VALUES ($1)"), message(b'D', b"Ss1\0"), sync()]);
    talk.server(&[ok(b'1'), message(b't', &[0, 0]), ok(b'n'), ready(b'I')]);
    assert!(talk.told().is_empty());
    for _ in 0..2 {
        talk.client(&[bind("", "s1"), execute(""), sync()]);
        talk.server(&[ok(b'2'), complete("INSERT 0 1"), ready(b'I')]);
        assert_eq!(talk.told(), ["INSERT t 2ms 1 rows"]);
    }
    talk.client(&[message(b'C', b"Ss1\0"), sync()]).server(&[ok(b'3'), ready(b'I')]);
    // A text that was not seen: what the server says is told.
    talk.client(&[bind("", "s1"), execute(""), sync()]);
    talk.server(&[ok(b'2'), row(), complete("SELECT 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT 2ms 1 rows"]);
}

#[test]
fn results_in_parts() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[parse("", "SELECT * FROM big"), bind("p", ""), execute("p"), message(b'H', b"")]);
    talk.server(&[ok(b'1'), ok(b'2'), row(), row(), ok(b's')]);
    assert!(talk.told().is_empty());
    // The program thinks, which is not the statement's time.
    talk.now += 500_000_000;
    talk.client(&[execute("p"), sync()]).server(&[row(), complete("SELECT 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT big 4ms 3 rows"]);
    // One that is left in the middle.
    talk.client(&[parse("", "SELECT * FROM big"), bind("p", ""), execute("p"), sync()]);
    talk.server(&[ok(b'1'), ok(b'2'), row(), ok(b's'), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT big 2ms 1 rows"]);
}

#[test]
fn a_pipeline_and_an_error_in_it() {
    let mut talk = logged_in(Role::Client);
    let one = |table: &str| [parse("", &format!("DELETE FROM {table}")), bind("", ""), execute("")].concat();
    talk.client(&[one("a"), one("b"), sync(), one("c"), sync(), one("d")]).client(&[sync()]);
    let done = [ok(b'1'), ok(b'2'), complete("DELETE 1")].concat();
    talk.server(&[done.clone(), ok(b'1'), error("ERROR", "23505")]);
    assert_eq!(talk.told(), ["DELETE a 3ms 1 rows", "DELETE b 3ms constraint"]);
    talk.server(&[ready(b'I'), done.clone(), ready(b'I')]);
    assert_eq!(talk.told(), ["DELETE c 4ms 1 rows"]);
    talk.server(&[done, ready(b'I')]);
    assert_eq!(talk.told(), ["DELETE d 5ms 1 rows"]);
    // What is sent after the error, before the `Sync`, is passed over.
    talk.client(&[parse("", "SELECT x FROM y")]).server(&[error("ERROR", "42703")]);
    talk.client(&[one("z")]).client(&[sync()]).server(&[ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT y 2ms syntax_or_access"]);
    assert!(talk.tick().is_empty(), "nothing is open");
}

#[test]
fn copying() {
    let mut talk = logged_in(Role::Client);
    let format = message(b'G', &[0, 0, 0]);
    talk.client(&[query("COPY t FROM STDIN")]).server(std::slice::from_ref(&format));
    talk.client(&[message(b'd', b"secret\n")]).client(&[ok(b'c')]).server(&[complete("COPY 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["COPY t 5ms 1 rows"]);
    // A `Sync` before the data is not heeded, and another follows them.
    talk.client(&[parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), sync()]);
    talk.server(&[ok(b'1'), ok(b'2'), format]).client(&[message(b'd', b"x\n"), ok(b'c'), sync()]);
    talk.server(&[complete("COPY 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["COPY t 4ms 1 rows"]);
    talk.client(&[query("COPY t TO STDOUT")]);
    talk.server(&[message(b'H', &[0, 0, 0]), message(b'd', b"x\n"), ok(b'c'), complete("COPY 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["COPY t 2ms 1 rows"]);
    assert!(talk.tick().is_empty());
}

#[test]
fn connections_that_are_refused() {
    for (code, class) in [("53300", "too_many_connections"), ("28P01", "authentication"), ("3D000", "no_such_database")]
    {
        let mut talk = Talk::new(Role::Client, true);
        talk.client(&[startup()]).server(&[error("FATAL", code)]);
        assert_eq!(talk.told(), [format!("failed {class} {code}")]);
        assert!(talk.close().is_empty());
    }
    // The server hangs up without a word.
    let mut talk = Talk::new(Role::Client, true);
    let call = talk.client(&[startup()]).call();
    talk.on(&Item::Eof(call));
    assert_eq!(talk.close(), ["failed lost "]);
    // The client does, which is its own affair: `pg_isready`.
    let mut talk = Talk::new(Role::Client, true);
    talk.client(&[startup()]).server(&[message(b'R', &[0, 0, 0, 10])]);
    assert!(talk.close().is_empty());
    let mut talk = Talk::new(Role::Server, true);
    let call = talk.client(&[startup()]).call();
    talk.on(&Item::Eof(call));
    assert!(talk.close().is_empty());
}

#[test]
fn endings_in_the_middle() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT pg_sleep(9) FROM t")]);
    assert_eq!(talk.tick(), ["busy"]);
    assert_eq!(talk.close(), ["SELECT t 1ms lost", "closed"]);
    let mut talk = logged_in(Role::Server);
    talk.client(&[query("SELECT 1")]).server(&[error("FATAL", "57P01")]);
    assert_eq!(talk.told(), ["SELECT 1ms shutdown", "failed shutdown 57P01"]);
    assert_eq!(talk.close(), ["closed"]);
}

#[test]
fn encryption() {
    let ask = vec![0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    let mut talk = Talk::new(Role::Client, true);
    talk.client(std::slice::from_ref(&ask)).server(&[b"S".to_vec()]);
    assert_eq!(talk.told(), ["encrypted"]);
    assert!(talk.dialogues.is_unwanted());
    assert_eq!(talk.client(&[b"\x16\x03\x01".to_vec()]).close(), ["closed"]);
    let mut talk = Talk::new(Role::Client, true);
    talk.client(&[ask]).server(&[b"N".to_vec()]).client(&[startup()]).server(&[ready(b'I')]);
    assert_eq!(talk.told(), ["ready"]);
}

#[test]
fn a_request_to_cancel_is_no_connection() {
    let mut talk = Talk::new(Role::Client, true);
    talk.client(&[[&[0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e][..], &[7; 8]].concat()]);
    assert_eq!(talk.told(), ["cancel"]);
    assert!(talk.dialogues.is_unwanted() && talk.close().is_empty());
}

#[test]
fn one_that_was_open_before() {
    for role in [Role::Client, Role::Server] {
        let mut talk = Talk::new(role, false);
        talk.client(&[query("SELECT * FROM t")]).server(&[complete("SELECT 0"), ready(b'I')]);
        assert_eq!(talk.told().len(), 2);
        assert_eq!(talk.close(), ["closed"]);
        // The first thing that is seen is an answer.
        let mut talk = Talk::new(role, false);
        talk.server(&[row(), complete("SELECT 1"), ready(b'T')]);
        assert_eq!(talk.told(), ["ready", "SELECT ? 1 rows"]);
        assert_eq!(talk.tick(), ["busy"]);
        talk.client(&[query("COMMIT")]).server(&[complete("COMMIT"), ready(b'I')]);
        assert_eq!(talk.told().len(), 1);
        assert_eq!(talk.tick(), ["idle"]);
    }
}

#[test]
fn lost_bytes() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[query("SELECT * FROM t")]).server(&[row()]);
    let call = talk.call();
    talk.on(&Item::Hole(Hole { direction: Direction::Read, call, offset: 0, len: 5000, lost: true, resync: false }));
    talk.server(&[row(), row()]).server(&[row(), complete("SELECT 400"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT t 5ms 400 rows"]);
    talk.client(&[query("SELECT * FROM u")]).server(&[complete("SELECT 0"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT u 2ms 0 rows"]);
    // Of the client's: only the answer is known.
    let call = talk.call();
    talk.on(&Item::Hole(Hole { direction: Direction::Write, call, offset: 0, len: 50, lost: true, resync: false }));
    talk.server(&[complete("DELETE 4"), ready(b'I')]);
    assert_eq!(talk.told(), ["DELETE ? 4 rows"]);
    talk.client(&[query("SELECT * FROM v")]).server(&[complete("SELECT 1"), ready(b'I')]);
    assert_eq!(talk.told(), ["SELECT v 2ms 1 rows"]);
}

#[test]
fn no_literal_is_told() {
    let mut talk = logged_in(Role::Client);
    talk.client(&[
        query("SELECT 'secret' FROM \"T\" WHERE a = $$secret$$ AND b = 'x\\' OR c = 'secret FROM secret"),
        query("CREATE TABLE t AS SELECT 5"),
    ]);
    talk.server(&[error("ERROR", "42601"), ready(b'I'), complete("SELECT 1"), ready(b'I')]);
    let told = format!("{:?}", talk.out);
    assert!(told.contains("\"T\"") && !told.contains("secret"), "{told}");
}
