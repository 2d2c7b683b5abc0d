//! PostgreSQL: what is counted is what the server counts.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{Agent, command, replayed},
    page::Page,
    place::{self, Place},
    postgres::Postgres,
    program::Program,
    trace,
};
use std::collections::BTreeMap;

/// Planted in literals, parameters and rows: none of it may leave the decoder.
const PLANTED: &str = "pl4nted";

/// Statements and rows by type, as far as they went well; a type of which none did is none.
fn counted(page: &Page, role: &str) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for sample in page.series("cardlink_db_queries_total", &[("result", "ok"), ("db_system", "postgresql")]) {
        if sample.value > 0.0 && sample.label("target") == role {
            let labels = [("query_type", sample.label("query_type")), ("table", sample.label("table"))];
            let rows = page.count("cardlink_db_rows_total", &labels);
            let of = all.entry(sample.label("query_type").to_owned()).or_default();
            let result = ("result", "ok");
            let [kind, table] = labels;
            *of = (of.0 + page.count("cardlink_db_queries_total", &[kind, table, result]), of.1 + rows);
        }
    }
    all
}

/// Statistics of the server in the agent's words. What begins and ends transactions has no rows for it.
fn in_words(statistics: BTreeMap<String, (u64, u64)>) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (word, (calls, rows)) in statistics {
        let word = match word.as_str() {
            "END" => "COMMIT",
            "WITH" => "SELECT",
            word => word,
        };
        let of = all.entry(word.to_owned()).or_default();
        *of = (of.0 + calls, of.1 + rows);
    }
    all
}

/// Waits until the agent has seen `statements` that went well, and compares all.
fn same_as_the_server(agent: &mut Agent, postgres: &Postgres, role: &str) -> Result<Page> {
    let truth = in_words(postgres.statistics()?);
    let wanted: u64 = truth.values().map(|(calls, _)| calls).sum();
    let of = |page: &Page| {
        // The questions about the statistics are in none.
        let mut all = counted(page, role);
        if let Some(select) = all.get_mut("SELECT") {
            let own = ("table", "pg_stat_statements");
            select.0 -= page.count("cardlink_db_queries_total", &[own, ("result", "ok")]);
            select.1 -= page.count("cardlink_db_rows_total", &[own]);
        }
        all
    };
    let page = agent.until(&format!("{wanted} statements: {truth:?}"), |page| {
        of(page).values().map(|(calls, _)| calls).sum::<u64>() >= wanted
    })?;
    assert_eq!(of(&page), truth);
    Ok(page)
}

/// Neither the page nor the recording have anything that was planted; a replay tells the same.
fn nothing_planted(place: &Place, agent: &mut Agent, page: &str) -> Result {
    agent.stop()?;
    let recording = std::fs::read(place.path("recording"))?;
    let planted = |bytes: &[u8]| bytes.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
    ensure!(!planted(&recording), "the recording has what was planted");
    ensure!(!planted(page.as_bytes()), "the page has what was planted");
    ensure!(!planted(agent.program.said().as_bytes()), "the log has what was planted");
    let mut replay = command(place)?;
    replay.args(["replay", "--metrics"]).arg(place.path("recording"));
    let output = replay.output()?;
    ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
    let of = |text: &str| -> Vec<String> {
        let wanted = |line: &&str| {
            let name = [
                "cardlink_db_queries_total",
                "cardlink_db_rows_total",
                "cardlink_db_query_duration",
                "cardlink_db_connection_failures",
            ];
            name.iter().any(|name| line.starts_with(name))
        };
        let mut lines: Vec<String> = text.lines().filter(wanted).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(of(&String::from_utf8(output.stdout)?), of(page), "a replay gives the same metrics");
    for line in replayed(place, &place.path("recording"))? {
        ensure!(!line.to_string().contains(PLANTED), "the replay tells what was planted: {line}");
    }
    Ok(())
}

#[test]
fn pgbench_in_every_mode_at_the_servers_end() -> Result {
    let place = Place::new()?;
    let postgres = Postgres::start()?;
    postgres.pgbench("-i -q -s 1")?;
    for (mode, transactions) in [("simple", 60), ("extended", 60), ("prepared", 60)] {
        postgres.begin_anew()?;
        let mut agent = Agent::run(&place, &format!("--pid {}", postgres.pid()))?;
        postgres.pgbench(&format!("-n -c 2 -t {transactions} -M {mode} -b tpcb-like"))?;
        let done = 2 * transactions;
        let page = agent.until(&format!("{mode}: {done} transactions"), |page| {
            page.count("cardlink_db_queries_total", &[("query_type", "COMMIT"), ("result", "ok")]) >= done
                && page.count("cardlink_db_connections_active", &[]) == 0
        })?;
        for (kind, table) in [
            ("BEGIN", ""),
            ("UPDATE", "pgbench_accounts"),
            ("SELECT", "pgbench_accounts"),
            ("UPDATE", "pgbench_tellers"),
            ("UPDATE", "pgbench_branches"),
            ("INSERT", "pgbench_history"),
            ("COMMIT", ""),
        ] {
            let labels = [("query_type", kind), ("table", table), ("result", "ok")];
            assert_eq!(page.count("cardlink_db_queries_total", &labels), done, "{mode}: {kind} {table}");
            assert_eq!(page.count("cardlink_db_query_duration_seconds_count", &labels[..2]), done);
        }
        assert_eq!(page.count("cardlink_db_rows_total", &[("table", "pgbench_accounts")]), 2 * done);
        if mode == "prepared" {
            // The server counts a BEGIN that is prepared once only; all else is as it counts.
            let truth = postgres.statistics()?;
            assert_eq!(truth.get("UPDATE").map(|(calls, _)| *calls), Some(3 * done));
        } else {
            same_as_the_server(&mut agent, &postgres, "postgres")?;
        }
        agent.stop()?;
    }
    Ok(())
}

/// Statements of every shape by psql, over TCP and the unix socket, with what must not be told.
#[test]
fn psql_and_what_must_not_be_told() -> Result {
    let place = Place::new()?;
    let postgres = Postgres::start()?;
    postgres.sql("CREATE TABLE cards (id int PRIMARY KEY, pin text)")?;
    postgres.begin_anew()?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", postgres.pid()))?;
    let planted = |text: &str| text.replace("SECRET", PLANTED);
    let texts = [
        // Until it is known what is spoken, only the first bytes of a long answer are here.
        "SELECT pg_sleep(0.7)",
        "INSERT INTO cards SELECT i, 'SECRET' FROM generate_series(1, 30000) i",
        "SELECT * FROM cards WHERE pin = 'SECRET' -- SECRET",
        "WITH found AS (SELECT * FROM cards WHERE pin <> $$SECRET$$) SELECT count(*) FROM found",
        "BEGIN; UPDATE cards SET pin = E'\\'SECRET' WHERE id < 11; COMMIT",
        "DELETE FROM cards WHERE id > 29990",
        "NOTIFY channel, 'SECRET'",
        "LISTEN channel",
    ]
    .map(planted);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let output = postgres.psql(&texts)?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    // By the unix socket, with data to and fro.
    let mut local = postgres.client("psql")?;
    local.env("PGHOST", postgres.folder()).args(["-qAtX", "-c", "COPY cards FROM STDIN"]);
    local.args(["-c", "SELECT pg_sleep(0.7)", "-c", "COPY (SELECT * FROM cards) TO STDOUT"]);
    let mut local = Program::start(&mut local)?;
    for id in 0..50 {
        local.tell(&format!("{}\t{PLANTED}", 40_000 + id))?;
    }
    local.close_input();
    local.success()?;
    let failing = [
        planted("INSERT INTO cards VALUES (1, 'SECRET')"),
        planted("SELECT 'SECRET'::int"),
        String::from("SELECT * FROM nothing.x"),
    ];
    for text in &failing {
        ensure!(!postgres.psql(&[text])?.status.success(), "{text} should fail");
    }
    same_as_the_server(&mut agent, &postgres, "postgres")?;
    let failures = [("constraint", "cards"), ("data", ""), ("syntax_or_access", "nothing.x")];
    let counted = |page: &Page, (result, table): (&str, &str)| {
        page.count("cardlink_db_queries_total", &[("result", result), ("table", table)])
    };
    let page = agent.until("all failures", |page| failures.iter().all(|failure| counted(page, *failure) > 0))?;
    for failure in failures {
        assert_eq!(counted(&page, failure), 1, "{failure:?}");
    }
    Ok(())
}

#[test]
fn literals_leave_by_no_way() -> Result {
    let place = Place::new()?;
    let postgres = Postgres::start()?;
    postgres.sql("CREATE TABLE cards (id int PRIMARY KEY, pin text)")?;
    postgres.sql(&format!("CREATE ROLE locked LOGIN PASSWORD '{PLANTED}'"))?;
    let mut agent = Agent::recording(&place, &format!("--pid {}", postgres.pid()))?;
    let script = format!(
        "import psycopg, sys\n\
         c = psycopg.connect(host='127.0.0.1', port={}, user='locked', password='{PLANTED}', dbname='postgres', sslmode='disable', application_name='{PLANTED}')\n\
         c.close()\n\
         c = psycopg.connect(host='127.0.0.1', port={}, user='postgres', dbname='postgres', sslmode='disable')\n\
         for i in range(20): c.execute('INSERT INTO cards VALUES (%s, %s)', (i, '{PLANTED}'), prepare=True)\n\
         c.execute(\"SELECT * FROM cards WHERE pin = '{PLANTED}' -- {PLANTED}\")\n\
         with c.cursor().copy('COPY cards FROM STDIN') as copy: copy.write_row((100, '{PLANTED}'))\n\
         c.commit()\n\
         try: c.execute(\"SELECT '{PLANTED}'::int\")\n\
         except psycopg.Error: c.rollback()\n\
         c.close()\n",
        postgres.port, postgres.port,
    );
    Program::start(std::process::Command::new(place::python()?).args(["-c", &script]))?.success()?;
    let mut wrong = postgres.client("psql")?;
    wrong
        .env("PGUSER", "locked")
        .env("PGPASSWORD", format!("{PLANTED}-too"))
        .args(["-d", "postgres", "-c", "SELECT 1"]);
    ensure!(!wrong.output()?.status.success(), "the password is wrong");
    let page = agent.until("the end of the last connection", |page| {
        page.count("cardlink_db_connection_failures_total", &[("reason", "authentication")]) == 1
            && page.count("cardlink_db_connections_active", &[]) == 0
    })?;
    let count = |kind, table| {
        page.count("cardlink_db_queries_total", &[("query_type", kind), ("table", table), ("result", "ok")])
    };
    assert_eq!((count("INSERT", "cards"), count("SELECT", "cards"), count("COPY", "cards")), (20, 1, 1));
    let text = agent.text()?;
    nothing_planted(&place, &mut agent, &text)
}

/// At the client's end, by a driver: pipelines, results in parts, a pool, and the times that the driver sees.
#[test]
fn psycopg_at_the_clients_end() -> Result {
    let place = Place::new()?;
    let postgres = Postgres::start()?;
    postgres.sql("CREATE TABLE t (a int)")?;
    postgres.begin_anew()?;
    let script = r#"
import json, os, psycopg, sys, time
dsn = f"host=127.0.0.1 port={sys.argv[1]} user=postgres dbname=postgres sslmode=disable"
c = psycopg.connect(dsn, autocommit=True)
with c.pipeline():
    for i in range(200): c.execute("INSERT INTO t VALUES (%s)", (i,))
try:
    with c.pipeline():
        c.execute("DELETE FROM t WHERE a = 5"); c.execute("SELECT 1/0"); c.execute("UPDATE t SET a = 1")
except psycopg.Error: pass
cur = c.cursor()
cur.executemany("UPDATE t SET a = a + 1 WHERE a = %s", [(i,) for i in range(30)])
with c.transaction():
    named = c.cursor("parts"); named.itersize = 20
    named.execute("SELECT * FROM t"); rows = sum(1 for _ in named); named.close()
took = []
for _ in range(200):
    began = time.perf_counter(); c.execute("SELECT count(*) FROM t, t AS u"); took.append(time.perf_counter() - began)
print(json.dumps({"rows": rows, "median": sorted(took)[100]}), flush=True)
while not os.path.exists(sys.argv[2]): time.sleep(0.05)
"#;
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    run.arg("--").arg(place::python()?);
    let enough = place.path("enough");
    run.args(["-c", script, &postgres.port.to_string()]).arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    let driver: serde_json::Value = agent
        .program
        .line("what the driver saw", |line| line.contains("\"median\"").then(|| serde_json::from_str(line).ok())?)?;
    let page = agent.until("an idle connection", |page| {
        page.count("cardlink_db_pool_connections", &[("state", "idle")]) == 1
            && page.count("cardlink_db_queries_total", &[("table", "t"), ("query_type", "SELECT")]) >= 200
    })?;
    assert_eq!(page.count("cardlink_db_connection_first_use_seconds_count", &[]), 1);
    let truth = in_words(postgres.statistics()?);
    let target = page.series("cardlink_db_queries_total", &[]).next().context("statements")?.label("target").to_owned();
    assert_eq!(counted(&page, &target), truth);
    std::fs::write(enough, "")?;
    agent.program.success()?;
    let told = replayed(&place, &place.path("recording"))?;
    let mut took: Vec<f64> = trace::of(&told, "query")
        .filter(|query| query["operation"] == "SELECT" && query["rows"] == 1 && query["table"] == "t")
        .filter_map(|query| query["duration"].as_f64())
        .collect();
    took.sort_by(f64::total_cmp);
    let (ours, theirs) = (took[took.len() / 2], driver["median"].as_f64().context("a median")?);
    // The driver's own work comes on top of what is on the wire; a busy machine adds to both.
    ensure!(ours < theirs * 1.05 + 0.0001, "the median is {ours} here and {theirs} for the driver");
    ensure!(ours > theirs * 0.95 - 0.0001, "the median is {ours} here and {theirs} for the driver");
    Ok(())
}

#[test]
fn both_ends_are_counted_once_and_failures_have_their_reasons() -> Result {
    let place = Place::new()?;
    let mut postgres = Postgres::with("max_connections=3")?;
    let mut agent = Agent::run(&place, "--comm psql --comm postgres")?;
    postgres.psql(&["SELECT 1", "SELECT * FROM pg_class LIMIT 5"])?;
    let page =
        agent.until("two statements", |page| page.count("cardlink_db_queries_total", &[("result", "ok")]) >= 2)?;
    assert_eq!(page.count("cardlink_db_queries_total", &[("target", "postgres"), ("result", "ok")]), 2);
    assert_eq!(page.count("cardlink_db_queries_total", &[("target", "psql"), ("result", "ok")]), 0);
    // Three sit on all places that there are.
    let sitting =
        || -> Result<Program> { Program::start(postgres.client("psql")?.args(["-qAtX", "-c", "SELECT pg_sleep(60)"])) };
    let mut guests = (0..3).map(|_| sitting()).collect::<Result<Vec<_>>>()?;
    agent.until("three connections", |page| page.count("cardlink_db_connections_active", &[]) == 3)?;
    let refused = postgres.psql(&["SELECT 1"])?;
    ensure!(!refused.status.success(), "there should be no room");
    let reason = |reason| [("reason", reason)];
    agent.until("one that found no room", |page| {
        page.count("cardlink_db_connection_failures_total", &reason("too_many_connections")) == 1
    })?;
    agent.until("a pool in use", |page| page.count("cardlink_db_pool_connections", &[("state", "in_use")]) == 3)?;
    postgres.stop()?;
    let page = agent.until("the end of all", |page| {
        page.count("cardlink_db_connections_active", &[]) == 0
            && page.count("cardlink_db_connection_failures_total", &reason("shutdown")) == 3
    })?;
    assert_eq!(page.count("cardlink_db_queries_total", &[("query_type", "SELECT"), ("result", "shutdown")]), 3);
    for guest in &mut guests {
        guest.wait()?;
    }
    agent.stop().map(drop)
}
