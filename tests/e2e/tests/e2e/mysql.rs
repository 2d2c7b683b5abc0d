//! MySQL's protocol, with MariaDB: what is counted is what the server counts.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{Agent, command, replayed},
    mariadb::Mariadb,
    page::Page,
    place::{self, Place},
    program::Program,
    trace,
};
use std::{collections::BTreeMap, process::Command};

/// Planted in literals, parameters, rows and passwords: none of it may leave the decoder.
const PLANTED: &str = "pl4nted";

/// Questions about the statistics are in none.
const OWN: &str = "performance_schema.events_statements_summary_global_by_event_name";

/// Statements and rows by type, as far as they went well; a type of which none did is none.
fn counted(page: &Page, target: &str) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for sample in page.series("cardlink_db_queries_total", &[("result", "ok")]) {
        if sample.value > 0.0 && sample.label("target") == target && sample.label("table") != OWN {
            let [target, system, kind, table] =
                ["target", "db_system", "query_type", "table"].map(|name| (name, sample.label(name)));
            let of = all.entry(sample.label("query_type").to_owned()).or_default();
            let calls = page.count("cardlink_db_queries_total", &[target, system, kind, table, ("result", "ok")]);
            *of = (of.0 + calls, of.1 + page.count("cardlink_db_rows_total", &[target, system, kind, table]));
        }
    }
    all
}

/// Statistics of the server in the agent's words.
fn in_words(statistics: &BTreeMap<String, (u64, u64)>) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (name, (calls, rows)) in statistics {
        // What a procedure does within is no statement of a client, but its rows are those of the call.
        let calls = if name.starts_with("statement/sp/") { &0 } else { calls };
        let name = name.rsplit('/').next().unwrap_or_default();
        let word = match name {
            "set_option" => "SET",
            "change_db" | "Init DB" => "USE",
            "call_procedure" | "stmt" => "CALL",
            // What begins the statistics anew.
            "truncate" => continue,
            _ if name.starts_with(char::is_uppercase) => continue,
            name => name.split('_').next().unwrap_or_default(),
        };
        let of = all.entry(word.to_uppercase()).or_default();
        *of = (of.0 + calls, of.1 + rows);
    }
    all
}

/// Waits until the agent has seen as many statements that went well as the server, and compares all.
fn same_as_the_server(agent: &mut Agent, mariadb: &Mariadb, target: &str) -> Result<Page> {
    let truth = in_words(&mariadb.statistics()?);
    let wanted: u64 = truth.values().map(|(calls, _)| calls).sum();
    let last = std::cell::RefCell::default();
    let page = agent.until(&format!("{wanted} statements: {truth:?}"), |page| {
        *last.borrow_mut() = counted(page, target);
        last.borrow().values().map(|(calls, _)| calls).sum::<u64>() >= wanted
    });
    let page = page.with_context(|| format!("counted were {:?}", last.borrow()))?;
    assert_eq!(counted(&page, target), truth);
    Ok(page)
}

fn python(script: &str, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(place::python()?);
    command.args(["-c", script]).args(words);
    Ok(command)
}

fn succeeds(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Statements of every shape by MariaDB's own client and by PyMySQL, over TCP and the unix socket, at the server's end.
#[test]
fn counts_are_those_of_the_server() -> Result {
    let place = Place::new()?;
    let mariadb = Mariadb::start()?;
    mariadb.sql("CREATE DATABASE lab; CREATE TABLE lab.cards (id int PRIMARY KEY, pin longtext)")?;
    mariadb.begin_anew()?;
    let mut agent = Agent::run(&place, &format!("--pid {}", mariadb.pid()))?;
    let texts = [
        "USE lab; INSERT INTO cards SELECT seq, 'pin' FROM seq_1_to_20000; SELECT * FROM cards",
        "BEGIN; UPDATE lab.cards SET pin = 'other' WHERE id < 11; COMMIT; DELETE FROM lab.cards WHERE id > 19990",
        "SELECT count(*) FROM lab.cards WHERE pin = 'pin' # a comment",
        "SELECT repeat('x', 100 * 1024) FROM lab.cards LIMIT 20",
        "SHOW TABLES FROM lab",
    ];
    for text in texts {
        succeeds(mariadb.client("mariadb")?.args(["--max-allowed-packet=64M", "-N", "-B", "-e", text]))?;
    }
    succeeds(mariadb.client("mariadb-slap")?.args([
        "--concurrency=3",
        "--number-of-queries=300",
        "--auto-generate-sql",
        "--auto-generate-sql-load-type=mixed",
    ]))?;
    // Several statements in one text, a procedure with two results, a file of the client's, a text of more than one packet.
    let script = r#"
import pymysql, sys
from pymysql.constants import CLIENT
c = pymysql.connect(unix_socket=sys.argv[1], user="root", database="lab", autocommit=True, local_infile=True,
                    client_flag=CLIENT.MULTI_STATEMENTS, max_allowed_packet=64 << 20)
k = c.cursor()
k.execute("INSERT INTO cards VALUES (50001, 'a'), (50002, 'b'); SELECT * FROM cards WHERE id > 50000; UPDATE cards SET pin = 'c' WHERE id > 50000")
while k.nextset(): pass
k.execute("CREATE PROCEDURE two() BEGIN SELECT 1 UNION SELECT 2; SELECT 3; END")
k.callproc("two")
while k.nextset(): pass
open(sys.argv[2], "w").write("60001\tx\n60002\ty\n60003\tz\n")
k.execute("LOAD DATA LOCAL INFILE %s INTO TABLE cards", (sys.argv[2],))
c.ping(); c.select_db("lab")
c.close()
c = pymysql.connect(unix_socket=sys.argv[1], user="root", database="lab", autocommit=True, max_allowed_packet=64 << 20)
k = c.cursor(pymysql.cursors.SSCursor)
k.execute("REPLACE INTO cards VALUES (1, %s)", ("y" * (17 << 20),))
k.execute("SELECT * FROM cards"); rows = sum(1 for _ in k)
for text in ("SELECT * FROM nothing", "SELEKT 1", "INSERT INTO cards VALUES (1, 'twice')"):
    try: k.execute(text); raise SystemExit(text)
    except pymysql.Error: pass
c.close()
"#;
    let socket = mariadb.socket().display().to_string();
    succeeds(&mut python(script, &[&socket, &place.path("load").display().to_string()])?)?;
    same_as_the_server(&mut agent, &mariadb, "mariadbd")?;
    let failed = [("syntax_or_access", "nothing"), ("syntax_or_access", ""), ("constraint", "cards")];
    let count = |page: &Page| {
        failed.map(|(result, table)| page.count("cardlink_db_queries_total", &[("result", result), ("table", table)]))
    };
    let page = agent.until("those that failed", |page| count(page).iter().all(|count| *count > 0))?;
    assert_eq!(count(&page), [1, 1, 1]);
    agent.until("no connection", |page| page.count("cardlink_db_connections_active", &[]) == 0)?;
    agent.stop().map(drop)
}

/// Prepared statements, by the binary protocol.
#[test]
fn prepared_statements_are_counted_by_what_they_do() -> Result {
    let place = Place::new()?;
    let mariadb = Mariadb::start()?;
    mariadb.sql("CREATE DATABASE lab; CREATE TABLE lab.cards (id int PRIMARY KEY, pin text)")?;
    mariadb.begin_anew()?;
    let mut agent = Agent::run(&place, &format!("--pid {}", mariadb.pid()))?;
    let script = r#"
import mysql.connector, sys
c = mysql.connector.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", database="lab", autocommit=True,
                            use_pure=True, ssl_disabled=True, charset="utf8mb4", collation="utf8mb4_general_ci")
k = c.cursor(prepared=True)
for i in range(200): k.execute("INSERT INTO cards VALUES (?, ?)", (i, "x" * i))
for i in range(50): k.execute("SELECT * FROM cards WHERE id > ?", (i,)); k.fetchall()
k.execute("DELETE FROM cards WHERE pin = ?", ("x" * 7,))
try: k.execute("INSERT INTO cards VALUES (?, ?)", (1, "twice")); raise SystemExit("twice")
except mysql.connector.Error: pass
k.close(); c.close()
"#;
    succeeds(&mut python(script, &[&mariadb.port.to_string()])?)?;
    let truth = mariadb.statistics()?;
    let (calls, rows) = truth.get("statement/com/Execute").copied().context("prepared statements")?;
    let page = agent.until(&format!("{calls} statements"), |page| {
        let of = |result| page.count("cardlink_db_queries_total", &[("table", "cards"), ("result", result)]);
        of("ok") >= calls && of("constraint") > 0
    })?;
    let of = |kind| {
        let labels = [("query_type", kind), ("table", "cards"), ("result", "ok")];
        (page.count("cardlink_db_queries_total", &labels), page.count("cardlink_db_rows_total", &labels[..2]))
    };
    assert_eq!((of("INSERT"), of("SELECT").0, of("DELETE")), ((200, 200), 50, (1, 1)));
    assert_eq!((calls, rows), (251, 201 + of("SELECT").1));
    assert_eq!(page.count("cardlink_db_queries_total", &[("table", "cards"), ("result", "constraint")]), 1);
    agent.stop().map(drop)
}

/// Planted by every way: neither the page nor the recording nor the log have it, and a replay tells the same.
#[test]
fn literals_leave_by_no_way() -> Result {
    let place = Place::new()?;
    let mariadb = Mariadb::start()?;
    mariadb.sql("CREATE DATABASE lab; CREATE TABLE lab.cards (id int PRIMARY KEY, pin text)")?;
    mariadb.sql(&format!("CREATE USER locked IDENTIFIED BY '{PLANTED}'; GRANT ALL ON lab.* TO locked"))?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", mariadb.pid()))?;
    let script = r#"
import mysql.connector, pymysql, sys
planted, port = sys.argv[1], int(sys.argv[2])
p = pymysql.connect(host="127.0.0.1", port=port, user="locked", password=planted, database="lab", autocommit=True,
                    local_infile=True, program_name=planted)
k = p.cursor()
k.execute("INSERT INTO cards VALUES (1, %s), (2, \"%s\") -- %s" % ("'" + planted + "'", planted, planted))
k.execute("SELECT * FROM cards WHERE pin = %s /* " + planted + " */", (planted,)); k.fetchall()
k.execute("SELECT pin AS `x` FROM cards"); k.fetchall()
try: k.execute("SELECT * FROM cards WHERE extractvalue(1, concat('/', %s)) # " + planted, (planted,))
except pymysql.Error as error: pass
open(sys.argv[3], "w").write("7\t" + planted + "\n")
k.execute("LOAD DATA LOCAL INFILE %s INTO TABLE cards", (sys.argv[3],))
p.close()
c = mysql.connector.connect(host="127.0.0.1", port=port, user="locked", password=planted, database="lab",
                            autocommit=True, use_pure=True, ssl_disabled=True, charset="utf8mb4", collation="utf8mb4_general_ci")
k = c.cursor(prepared=True)
k.execute("INSERT INTO cards VALUES (?, ?)", (8, planted))
k.execute("SELECT * FROM cards WHERE pin = ?", (planted,)); k.fetchall()
c.cmd_change_user("locked", planted, "lab")
c.close()
try: pymysql.connect(host="127.0.0.1", port=port, user=planted, password=planted + "x")
except pymysql.Error: pass
"#;
    let file = place.path(PLANTED).display().to_string();
    succeeds(&mut python(script, &[PLANTED, &mariadb.port.to_string(), &file])?)?;
    agent.until("all statements", |page| {
        page.count("cardlink_db_queries_total", &[("table", "cards"), ("result", "ok")]) >= 6
            && page.count("cardlink_db_connection_failures_total", &[("reason", "authentication")]) == 1
            && page.count("cardlink_db_connections_active", &[]) == 0
    })?;
    let page = agent.text()?;
    agent.stop()?;
    let recording = std::fs::read(place.path("recording"))?;
    let planted = |bytes: &[u8]| bytes.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
    ensure!(!planted(&recording), "the recording has what was planted");
    ensure!(!planted(page.as_bytes()), "the page has what was planted");
    ensure!(!planted(agent.program.said().as_bytes()), "the log has what was planted");
    let replay = succeeds(command(&place)?.args(["replay", "--metrics"]).arg(place.path("recording")))?;
    let of = |text: &str| -> Vec<String> {
        let names = ["cardlink_db_queries_total", "cardlink_db_rows_total", "cardlink_db_query_duration"];
        let wanted =
            |line: &&str| names.iter().chain(&["cardlink_db_connection_failures"]).any(|name| line.starts_with(name));
        let mut lines: Vec<String> = text.lines().filter(wanted).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(of(&replay), of(&page), "a replay gives the same metrics");
    for line in replayed(&place, &place.path("recording"))? {
        ensure!(!line.to_string().contains(PLANTED), "the replay tells what was planted: {line}");
    }
    Ok(())
}

/// At the client's end: the times that the driver sees, and what its pool holds.
#[test]
fn times_are_those_of_the_driver() -> Result {
    let place = Place::new()?;
    let mariadb = Mariadb::start()?;
    mariadb.sql("CREATE DATABASE lab; USE lab; CREATE TABLE t (a int); INSERT INTO t SELECT seq FROM seq_1_to_200")?;
    let script = r#"
import json, os, pymysql, sys, time
c = pymysql.connect(host="127.0.0.1", port=int(sys.argv[1]), user="root", database="lab", autocommit=True)
k = c.cursor()
took = []
for _ in range(200):
    began = time.perf_counter(); k.execute("SELECT count(*) FROM t, t AS u"); took.append(time.perf_counter() - began)
    k.fetchall()
print(json.dumps({"median": sorted(took)[100]}), flush=True)
while not os.path.exists(sys.argv[2]): time.sleep(0.05)
"#;
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    let enough = place.path("enough");
    run.arg("--").arg(place::python()?).args(["-c", script, &mariadb.port.to_string()]).arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    let driver: serde_json::Value = agent
        .program
        .line("what the driver saw", |line| line.contains("\"median\"").then(|| serde_json::from_str(line).ok())?)?;
    let page = agent.until("an idle connection", |page| {
        page.count("cardlink_db_pool_connections", &[("state", "idle"), ("db_system", "mariadb")]) == 1
            && page.count("cardlink_db_queries_total", &[("table", "t"), ("query_type", "SELECT")]) >= 200
    })?;
    assert_eq!(page.count("cardlink_db_connection_first_use_seconds_count", &[]), 1);
    std::fs::write(enough, "")?;
    agent.program.success()?;
    let told = replayed(&place, &place.path("recording"))?;
    let mut took: Vec<f64> = trace::of(&told, "query")
        .filter(|query| query["operation"] == "SELECT" && query["rows"] == 1 && query["table"] == "t")
        .filter_map(|query| query["duration"].as_f64())
        .collect();
    assert_eq!(took.len(), 200);
    took.sort_by(f64::total_cmp);
    let (ours, theirs) = (took[100], driver["median"].as_f64().context("a median")?);
    println!("the median is {ours} s here and {theirs} s for the driver");
    // The driver's own work comes on top of what is on the wire; a busy machine adds to both.
    ensure!(ours < theirs * 1.05 + 0.0001, "the median is {ours} here and {theirs} for the driver");
    ensure!(ours > theirs * 0.95 - 0.0001, "the median is {ours} here and {theirs} for the driver");
    Ok(())
}

/// What cannot be read is told; both ends are counted once; failures have their reasons.
#[test]
fn verdicts_and_failures() -> Result {
    let place = Place::new()?;
    let mut mariadb = Mariadb::with("--max-connections=10")?;
    mariadb.sql("SET GLOBAL max_connections = 10; CREATE USER locked IDENTIFIED BY 'right'")?;
    let mut agent = Agent::run(&place, "--comm mariadb --comm mariadbd")?;
    ensure!(mariadb.mariadb("SELECT 1")?.status.success(), "the client should work");
    let page = agent.until("a statement", |page| page.count("cardlink_db_queries_total", &[("result", "ok")]) >= 1)?;
    assert_eq!(page.count("cardlink_db_queries_total", &[("target", "mariadb"), ("result", "ok")]), 0);
    let wrong = mariadb.client("mariadb")?.args(["--user=locked", "--password=wrong", "-e", "SELECT 1"]).output()?;
    ensure!(!wrong.status.success(), "the password is wrong");
    succeeds(mariadb.client("mariadb")?.args(["--compress", "-e", "SELECT 1"]))?;
    // The superuser has one place more than the others.
    let sitting = || -> Result<Program> { Program::start(mariadb.client("mariadb")?.args(["-e", "SELECT SLEEP(60)"])) };
    let mut guests = (0..11).map(|_| sitting()).collect::<Result<Vec<_>>>()?;
    agent.until("eleven connections", |page| page.count("cardlink_db_connections_active", &[]) == 11)?;
    ensure!(!mariadb.mariadb("SELECT 1")?.status.success(), "there should be no room");
    let page = agent.until("one that found no room, and one that was not let in", |page| {
        ["too_many_connections", "authentication"].iter().all(|reason| {
            page.count("cardlink_db_connection_failures_total", &[("reason", reason), ("target", "mariadbd")]) == 1
        })
    })?;
    let statements = page.count("cardlink_db_queries_total", &[("result", "ok"), ("query_type", "SELECT")]);
    assert_eq!(statements, 1, "what is compressed is not read");
    mariadb.stop()?;
    agent.until("the end of all", |page| page.count("cardlink_db_connections_active", &[]) == 0)?;
    for guest in &mut guests {
        guest.wait()?;
    }
    agent.stop().map(drop)
}
