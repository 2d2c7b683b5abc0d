use super::{Dialect, Masker, by_tag, error_class, statements};
use proptest::prelude::*;

fn masked(dialect: Dialect, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    Masker::new(dialect).mask(&mut bytes);
    String::from_utf8(bytes).expect("masked text")
}

fn read(dialect: Dialect, text: &str) -> Vec<String> {
    let told = statements(text.as_bytes(), dialect);
    told.iter().map(|one| format!("{} {}", one.operation, one.table.as_deref().unwrap_or("-"))).collect()
}

#[track_caller]
fn pg(text: &str, expected: &str) {
    assert_eq!(read(Dialect::Postgres, text).join("; "), expected, "{text}");
}

#[track_caller]
fn my(text: &str, expected: &str) {
    assert_eq!(read(Dialect::Mysql, text).join("; "), expected, "{text}");
}

#[test]
fn literals_and_comments_are_masked() {
    let pg = |text: &str| masked(Dialect::Postgres, text);
    assert_eq!(pg("SELECT 'geheim', 4711, t1.a FROM t1"), "SELECT 'xxxxxx', 0000, t1.a FROM t1");
    assert_eq!(pg("a = 'it''s' AND b = $1"), "a = 'xx''x' AND b = $1");
    assert_eq!(pg(r"E'it\'s' || x"), r"E'xxxxx' || x");
    assert_eq!(pg("$$a $ b$$ FROM t"), "$$  $  $$ FROM t");
    assert_eq!(pg("$fn$ $f$ 'x' $fn$ x"), "$xx$ $x$     $xx$ x");
    assert_eq!(pg("a -- pin 1234\nb /* 'x' /* y */ z */ c"), "a --xxxxxxxxx\nb /*xxxxx/*xxx*/xxx*/ c");
    assert_eq!(pg("\"Order 1\" = 1e-5 - 0xFF"), "\"Order 1\" = 00-0 - 0000");
    // Where it ends depends on a setting: nothing more is kept.
    assert_eq!(pg(r"'it\' secret FROM t"), r"'xxxxxxxxxxxxxxxxxx");
    let my = |text: &str| masked(Dialect::Mysql, text);
    assert_eq!(my("SELECT \"geheim\", `a b` - b # pin\n, 1"), "SELECT \"xxxxxx\", `a b` - b #xxxx\n, 0");
    assert_eq!(my("a --1 -- pin\nb"), "a --0 -- xxx\nb");
}

#[test]
fn what_a_statement_does_and_to_which_table() {
    pg("select * from users where id = 5", "SELECT users");
    pg("SELECT 1", "SELECT -");
    pg("SELECT now(), extract(year from d) FROM public.\"Order\" o JOIN x USING (id)", "SELECT public.Order");
    pg("SELECT a IS DISTINCT FROM b FROM c", "SELECT c");
    pg("SELECT * FROM (SELECT * FROM inner_one) q", "SELECT inner_one");
    pg("SELECT * FROM generate_series(1, 10)", "SELECT -");
    pg("SELECT * FROM ONLY (parts)", "SELECT parts");
    pg("(SELECT a FROM t1) UNION (SELECT a FROM t2)", "SELECT t1");
    pg("WITH q AS (SELECT * FROM deep) SELECT * FROM q", "SELECT deep");
    pg("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", "INSERT b");
    pg("INSERT INTO Users (name, pin) VALUES ('x', '1234')", "INSERT users");
    pg("UPDATE ONLY s.t SET a = 1 FROM u", "UPDATE s.t");
    pg("DELETE FROM t WHERE a IN (SELECT b FROM c)", "DELETE t");
    pg("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "MERGE t");
    pg("COPY t (a, b) FROM STDIN", "COPY t");
    pg("COPY (SELECT * FROM t) TO STDOUT", "COPY t");
    pg("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE t");
    pg("CREATE UNIQUE INDEX i ON t (a)", "CREATE t");
    pg("CREATE FUNCTION f() RETURNS int AS $$ SELECT 1; SELECT 2 $$ LANGUAGE sql", "CREATE -");
    pg("DROP TABLE IF EXISTS t", "DROP t");
    pg("vacuum (analyze) pgbench_history", "VACUUM pgbench_history");
    pg("BEGIN; UPDATE a SET b = 'x;y'; ;COMMIT;", "BEGIN -; UPDATE a; COMMIT -");
    pg("START TRANSACTION", "BEGIN -");
    pg("EXPLAIN ANALYZE SELECT * FROM t", "EXPLAIN t");
    pg("FETCH 10 FROM c", "FETCH -");
    pg("LISTEN channel", "LISTEN -");
    pg("TABLE t", "SELECT t");
    pg("grant select on t to r", "GRANT -");
    pg("frobnicate t", "OTHER -");
    pg("-- nothing\n", "");
    my("INSERT IGNORE INTO `my db`.`t` VALUES (\"a\")", "INSERT my db.t");
    my("REPLACE t VALUES (1)", "REPLACE t");
    my("SHOW COLUMNS FROM t", "SHOW t");
    my("LOAD DATA LOCAL INFILE 'secret' INTO TABLE t", "LOAD t");
    my("SELECT 'it\\'s' FROM t", "SELECT -");
    assert_eq!(
        read(Dialect::Sqlite, "INSERT OR REPLACE INTO \"T\" VALUES (1); pragma user_version"),
        ["INSERT T", "PRAGMA -"]
    );
}

#[test]
fn a_server_names_what_it_did() {
    assert_eq!(by_tag("INSERT 0 1").operation, "INSERT");
    assert_eq!(by_tag("START TRANSACTION").operation, "BEGIN");
    assert_eq!(by_tag("").operation, "OTHER");
    assert_eq!(error_class("53300"), "too_many_connections");
    assert_eq!(error_class("28P01"), "authentication");
    assert_eq!(error_class(""), "other");
    assert_eq!(error_class("é"), "other");
}

proptest! {
    #[test]
    fn whatever_the_text(first in 0u8..3, text in "[ -~é\n]{0,80}") {
        super::fuzz(&[&[first], text.as_bytes()].concat());
    }

    #[test]
    fn signs_in_any_order(first in 0u8..3, signs in proptest::collection::vec("'|\"|`|\\\\|\\$|\\$a|a|E|e'|--|-|/\\*|\\*/|#|\n| |1|;|FROM|\\(|\\)", 0..40)) {
        super::fuzz(&[&[first], signs.concat().as_bytes()].concat());
    }
}
