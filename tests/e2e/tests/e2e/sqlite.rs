//! SQLite: what is counted is what SQLite's own tracing, and the programs themselves, count.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{Agent, command, replayed},
    page::Page,
    place::{self, Place},
    program::Program,
    trace,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Planted in literals, comments, parameters and rows: none of it may leave the decoder.
const PLANTED: &str = "pl4nted";

const QUERIES: &str = "cardlink_db_queries_total";

fn count(page: &Page, name: &str, labels: &[(&str, &str)]) -> u64 {
    let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("db_system", "sqlite")]).collect();
    page.count(name, &labels)
}

/// Statements by type, with whatever result; a type of which there was none is none.
fn counted(page: &Page) -> BTreeMap<String, u64> {
    let types: BTreeSet<&str> =
        page.series(QUERIES, &[("db_system", "sqlite")]).map(|sample| sample.label("query_type")).collect();
    types
        .into_iter()
        .map(|query_type| (query_type.to_owned(), count(page, QUERIES, &[("query_type", query_type)])))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Waits until a target has its probes.
fn probed(agent: &mut Agent) -> Result {
    agent.until("probes in SQLite", |page| {
        page.count("cardlink_obs_probe_status", &[("probe", "sqlite_enter"), ("status", "ok")]) == 1
    })?;
    Ok(())
}

/// The shell, with a trace of its own in a file.
#[test]
fn the_shell_counts_as_its_own_trace_does() -> Result {
    let place = Place::new()?;
    let mut agent = Agent::run(&place, "--comm sqlite3")?;
    let mut shell = Program::start(Command::new(place::peer("sqlite3", "sqlite3")?).arg(place.path("base")))?;
    probed(&mut agent)?;
    let traced = place.path("traced");
    shell.tell(&format!(".trace {} --profile --plain", traced.display()))?;
    shell.tell("CREATE TABLE cards (id INTEGER PRIMARY KEY, pin TEXT);")?;
    shell.tell(&format!("BEGIN; INSERT INTO cards VALUES (1, '{PLANTED}'); COMMIT;"))?;
    shell.tell("INSERT INTO cards WITH RECURSIVE c(x) AS (SELECT 2 UNION ALL SELECT x+1 FROM c) SELECT x, 'p' FROM c LIMIT 500;")?;
    shell.tell("SELECT * FROM cards WHERE id < 100;")?;
    shell.tell("SELECT count(*) FROM cards;")?;
    shell.tell("INSERT INTO cards VALUES (1, 'again');")?;
    shell.tell("SELECT * FROM nowhere;")?;
    shell.tell("UPDATE cards SET pin = 'q' WHERE id > 400; DELETE FROM cards WHERE id = 3; PRAGMA user_version;")?;
    shell.tell("SELECT 'the end';")?;
    shell.line("its last answer", |line| (line == "the end").then_some(()))?;
    shell.tell(".trace off")?;
    shell.close_input();
    // Some statements failed.
    shell.wait()?;
    let mut truth: BTreeMap<String, u64> = BTreeMap::new();
    for line in std::fs::read_to_string(&traced)?.lines() {
        let word = line.split_whitespace().next().context("a statement")?;
        *truth.entry(word.trim_end_matches(';').to_owned()).or_default() += 1;
    }
    // It could not be prepared: the shell does not trace it.
    *truth.entry(String::from("SELECT")).or_default() += 1;
    let wanted: u64 = truth.values().sum();
    let page = agent.until(&format!("{truth:?}"), |page| counted(page).values().sum::<u64>() >= wanted)?;
    assert_eq!(counted(&page), truth);
    ensure!(truth.len() >= 7, "the shell's trace has all: {truth:?}");
    let rows = shell.out().iter().filter(|line| line.contains('|') || line.parse::<u64>().is_ok()).count() as u64;
    assert_eq!(count(&page, "cardlink_db_rows_total", &[]), rows + 1, "with the end");
    for (result, kind, table) in [("constraint", "INSERT", "cards"), ("sql", "SELECT", "nowhere")] {
        let labels = [("result", result), ("query_type", kind), ("table", table)];
        assert_eq!(count(&page, QUERIES, &labels), 1, "{result}");
    }
    Ok(())
}

const SCRIPT: &str = r#"
import collections, json, os, sqlite3, sys, time
folder = sys.argv[1]
def wait(name):
    while not os.path.exists(os.path.join(folder, name)): time.sleep(0.02)
print("ready", flush=True)
wait("begin")
path = os.path.join(folder, "base")
counts, errors, rows = collections.Counter(), collections.Counter(), 0
def traced(text):
    if not text.startswith("--"): counts[text.split()[0].upper()] += 1
a = sqlite3.connect(path, timeout=0); b = sqlite3.connect(path, timeout=0)
a.set_trace_callback(traced); b.set_trace_callback(traced)
def failing(connection, text, *values):
    try: connection.execute(text, *values)
    except sqlite3.Error as error: errors[type(error).__name__ + " " + getattr(error, "sqlite_errorname", "")] += 1
a.execute("CREATE TABLE cards (id INTEGER PRIMARY KEY, pin TEXT UNIQUE)")
a.executemany("INSERT INTO cards VALUES (?, ?)", [(i, f"PLANTED{i}") for i in range(300)])
a.commit()
failing(a, "INSERT INTO cards VALUES (1, 'PLANTED')")
failing(a, "INSERT INTO cards VALUES (?, ?)", (1000, "PLANTED7"))
a.rollback()
failing(a, "SELECT 'PLANTED' FROM nowhere -- PLANTED")
a.execute("BEGIN IMMEDIATE"); a.execute("UPDATE cards SET pin = 'PLANTED' WHERE id = 5")
for _ in range(4): failing(b, "BEGIN IMMEDIATE")
a.commit()
try: sqlite3.connect(os.path.join(folder, "no", "such", "PLANTED"))
except sqlite3.OperationalError: errors["open"] += 1
rows += len(a.execute("SELECT * FROM cards WHERE pin <> 'PLANTED' /* PLANTED */").fetchall())
given = 0
def counted(value):
    global given; given += 1
    return value
# Given up on the way; some versions of Python step ahead of what they are asked for.
a.create_function("counted", 1, counted)
cursor = a.execute("SELECT counted(id) FROM cards"); cursor.fetchmany(10); cursor.close(); rows += given
slow = a.execute("SELECT id FROM cards AS c LIMIT 10")
for _ in slow: rows += 1; time.sleep(0.03)
took = []
for _ in range(101):
    began = time.perf_counter(); a.execute("SELECT count(*) FROM cards AS x, cards, cards AS z WHERE z.id < 10").fetchall(); took.append(time.perf_counter() - began)
    rows += 1
print(json.dumps({"counts": counts, "errors": errors, "rows": rows, "median": sorted(took)[50]}), flush=True)
wait("end")
a.close(); b.close()
"#;

#[test]
fn python_counts_as_its_own_trace_does_and_nothing_leaves() -> Result {
    let place = Place::new()?;
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    run.arg("--").arg(place::plain_python()?).args(["-c", &SCRIPT.replace("PLANTED", PLANTED)]).arg(place.path(""));
    let mut agent = Agent::started(&mut run)?;
    probed(&mut agent)?;
    std::fs::write(place.path("begin"), "")?;
    let find = |line: &str| line.contains("\"median\"").then(|| serde_json::from_str::<Value>(line).ok())?;
    let truth = agent.program.line("what it did", find)?;
    let mut wanted: BTreeMap<String, u64> = serde_json::from_value(truth["counts"].clone())?;
    // It could not be prepared: SQLite does not trace it.
    *wanted.entry(String::from("SELECT")).or_default() += 1;
    let all: u64 = wanted.values().sum();
    let page = agent.until(&format!("{wanted:?}"), |page| counted(page).values().sum::<u64>() >= all)?;
    assert_eq!(counted(&page), wanted);
    assert_eq!(count(&page, "cardlink_db_rows_total", &[]), truth["rows"].as_u64().context("rows")?);
    for (result, times) in [("constraint", 2), ("busy", 4), ("sql", 1)] {
        assert_eq!(count(&page, QUERIES, &[("result", result)]), times, "{result}");
    }
    let ends = [("query_type", "SELECT"), ("table", "cards")];
    assert_eq!(count(&page, "cardlink_db_connections_active", &[]), 2);
    assert_eq!(count(&page, "cardlink_db_connection_failures_total", &[("reason", "cannot_open")]), 1);
    assert_eq!(page.series("cardlink_db_pool_connections", &[("db_system", "sqlite")]).count(), 0);
    let own = page.sum("cardlink_db_program_time_seconds_total", &ends);
    ensure!(own > 0.25, "the program slept between its rows: {own}");
    std::fs::write(place.path("end"), "")?;
    agent.program.success()?;

    let text = agent.program.said();
    let recording = std::fs::read(place.path("recording"))?;
    ensure!(!recording.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes()), "the recording has it");
    ensure!(!text.contains(PLANTED), "the log has it");
    let told = replayed(&place, &place.path("recording"))?;
    for line in &told {
        ensure!(!line.to_string().contains(PLANTED), "the replay tells it: {line}");
    }
    let names: Vec<&str> = trace::of(&told, "database_connection").filter_map(|told| told["event"].as_str()).collect();
    let times = |event: &str| names.iter().filter(|name| **name == event).count();
    assert_eq!((times("ready"), times("closed"), times("first_use"), times("failed")), (2, 2, 2, 1));
    let slow: Vec<f64> = trace::of(&told, "query")
        .filter(|query| query["operation"] == "SELECT" && query["rows"] == 10)
        .filter_map(|query| query["between"].as_f64())
        .collect();
    assert_eq!(slow.iter().filter(|between| **between > 0.25).count(), 1, "{slow:?}");
    let mut took: Vec<f64> = trace::of(&told, "query")
        .filter(|query| query["operation"] == "SELECT" && query["rows"] == 1 && query["error"].is_null())
        .filter_map(|query| query["duration"].as_f64())
        .collect();
    took.sort_by(f64::total_cmp);
    let (ours, theirs) = (took[took.len() / 2], truth["median"].as_f64().context("a median")?);
    ensure!(
        ours < theirs * 1.05 + 0.0001 && ours > theirs * 0.95 - 0.0001,
        "the median is {ours} here and {theirs} for Python"
    );
    same_when_replayed(&place, &page)
}

/// A replay counts the same.
fn same_when_replayed(place: &Place, page: &Page) -> Result {
    let mut replay = command(place)?;
    let output = replay.args(["replay", "--metrics"]).arg(place.path("recording")).output()?;
    ensure!(output.status.success(), "replay: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    ensure!(!text.contains(PLANTED), "the page of the replay has it");
    let again = Page::parse(&text)?;
    assert_eq!(counted(&again), counted(page));
    for name in ["cardlink_db_rows_total", "cardlink_db_query_duration_seconds_count"] {
        assert_eq!(count(&again, name, &[]), count(page, name, &[]), "{name}");
    }
    Ok(())
}

/// The program, waiting at its beginning.
fn program(place: &Place, library: &str, what: &str) -> Result<Program> {
    let program = cardlink_e2e::echo::compiled(place, "sqlite_calls", &[library, "m", "dl", "z"])?;
    let mut program = Program::start(Command::new(program).arg(place.path("base")).arg(what))?;
    program.line("that it is ready", |line| (line == "ready").then_some(()))?;
    Ok(program)
}

/// Every way to prepare a statement, from a library and from the program itself.
#[test]
fn a_program_in_c_with_the_library_and_with_it_inside() -> Result {
    for (library, probes) in [("sqlite3", "auto"), (":libsqlite3.a", "on")] {
        let place = Place::new()?;
        let mut calls = program(&place, library, "statements")?;
        let mut agent = Agent::run(&place, &format!("--pid {} --sqlite-probes {probes}", calls.pid()))?;
        calls.tell("go")?;
        let find = |line: &str| line.starts_with('{').then(|| serde_json::from_str::<Value>(line).ok())?;
        let truth = calls.line("what it did", find)?;
        let of = |name: &str| truth[name].as_u64().with_context(|| format!("{name}: {truth}"));
        let all = of("SELECT")? + of("INSERT")? + of("others")?;
        let page = agent.until(&format!("{library}: {truth}"), |page| counted(page).values().sum::<u64>() >= all)?;
        let found = counted(&page);
        assert_eq!(found.get("SELECT"), Some(&of("SELECT")?), "{library}: {found:?}");
        assert_eq!(found.get("INSERT"), Some(&of("INSERT")?), "{library}: {found:?}");
        assert_eq!(found.values().sum::<u64>(), all, "{library}: {found:?}");
        assert_eq!(count(&page, "cardlink_db_rows_total", &[]), of("rows")?, "{library}");
        // By the old way to prepare a step says no more than that it failed.
        assert_eq!(count(&page, QUERIES, &[("result", "sql")]), of("failed")?, "{library}");
        assert_eq!(count(&page, QUERIES, &[("table", "nothing")]), 0, "what stands behind the text's length");
        assert_eq!((of("refused")?, count(&page, "cardlink_db_connections_active", &[])), (1, 2), "{library}");
        ensure!(!agent.text()?.contains(PLANTED), "the page has what was planted");
        calls.tell("close")?;
        agent.until("the end of the connections", |page| count(page, "cardlink_db_connections_active", &[]) == 0)?;
        calls.success()?;
        agent.stop()?;
    }
    Ok(())
}

/// What costs a target too much is let go of; `on` stays.
#[test]
fn a_target_that_steps_very_fast_is_let_go_of() -> Result {
    let place = Place::new()?;
    let mut calls = program(&place, "sqlite3", "8000000")?;
    let mut agent = Agent::run(&place, &format!("--pid {}", calls.pid()))?;
    calls.tell("go")?;
    agent.until("that it was let go of", |page| {
        page.count("cardlink_obs_incomplete_total", &[("source", "sqlite")]) == 1
    })?;
    ensure!(agent.program.said().contains("steps of SQLite"), "the log says why");
    calls.success()?;
    Ok(())
}
