//! Two runs of a program against a modem, side by side.

use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    peers,
    place::{self, Place},
    postgres::Postgres,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Twenty command types.
const COMMANDS: [&str; 20] = [
    "AT", "ATI", "ATV1", "AT&F", "ATX4", "ATL1", "ATM1", "ATB0", "ATP", "ATT", "AT+CMEE?", "AT+CGMI", "AT+CGMM",
    "AT+CGMR", "AT+CGSN", "AT+CIMI", "AT+CSQ", "AT+CREG?", "AT+COPS?", "AT+CFUN?",
];
const ROUNDS: usize = 15;

/// A run of the client against a modem with these words; the recording.
fn run(place: &Place, name: &str, modem: &str, more: &[&str]) -> Result<PathBuf> {
    let _modem = peers::modem(place, modem)?;
    let recording = place.path(name);
    let script = place.path("at_client.py");
    std::fs::write(&script, include_str!("../../peers/at_client.py"))?;
    let mut command = agent::command(place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(&recording).arg("--");
    command.arg(place::python()?).arg(script).arg(place.path("tty"));
    command.args(COMMANDS.repeat(ROUNDS)).args(more);
    let mut agent = Agent::started(&mut command)?;
    agent.program.line("that it is done", |line| (line == "done").then_some(()))?;
    agent.program.tell("go")?;
    agent.program.success()?;
    Ok(recording)
}

/// A run of psql with so many statements, one of which sleeps so long; the recording.
fn run_psql(place: &Place, postgres: &Postgres, name: &str, millis: u32, more: &str) -> Result<PathBuf> {
    let statements = format!(
        "SELECT count(*), pg_sleep({millis} / 1000.0) FROM cards;\nSELECT count(*), pg_sleep(0.02) FROM readers;\n\
         UPDATE cards SET number = number;\n"
    );
    let script = place.path("statements.sql");
    std::fs::write(&script, statements.repeat(ROUNDS) + more)?;
    let recording = place.path(name);
    let mut command = agent::command(place)?;
    command.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(&recording).arg("--");
    let psql = postgres.client("psql")?;
    command.arg(psql.get_program()).args(["-X", "-q", "-d", "postgres", "-f"]).arg(&script);
    command.envs(psql.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Agent::started(&mut command)?.program.success()?;
    Ok(recording)
}

/// What `compare --json` says, and its exit code.
fn compared(place: &Place, a: &Path, b: &Path, words: &str) -> Result<(Value, Option<i32>)> {
    let output = agent::output(place, &format!("compare --json {words} {} {}", a.display(), b.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((json, output.status.code()))
}

/// The verdicts that matter: `AT+CSQ slower`.
fn told(json: &Value) -> Vec<String> {
    let rows = json["compared"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = rows.iter().filter(|row| !matches!(row["verdict"].as_str(), Some("same" | "unclear")));
    told.map(|row| format!("{} {}", row["name"], row["verdict"]).replace('"', "")).collect()
}

#[test]
fn a_command_that_got_slower_is_found_and_no_other() -> Result {
    let place = Place::new()?;
    let before = run(&place, "before", "--delay 40", &[])?;
    let again = run(&place, "again", "--delay 40", &[])?;
    let after = run(&place, "after", "--delay 40 --delay AT+CGMR=48", &["AT+NOSUCH"])?;

    let (equal, code) = compared(&place, &before, &again, "--fail-above 1 --fail-on-new-errors")?;
    assert_eq!(told(&equal), Vec::<String>::new(), "{equal:#}");
    assert_eq!(code, Some(0));
    let rows = equal["compared"].as_array().expect("rows");
    assert_eq!(rows.len(), COMMANDS.len(), "{equal:#}");
    assert!(rows.iter().all(|row| row["a"]["count"] == ROUNDS && row["b"]["count"] == ROUNDS), "{equal:#}");

    let (slower, code) = compared(&place, &before, &after, "--fail-above 1.1")?;
    assert_eq!(told(&slower), ["AT+CGMR slower"], "{slower:#}");
    assert_eq!(code, Some(1));
    let ratio = slower["compared"][0]["ratio"].as_f64().expect("a ratio");
    assert!((1.1..1.3).contains(&ratio), "{slower:#}");
    assert_eq!(slower["errors"].as_array().map(Vec::len), Some(1), "{slower:#}");
    assert_eq!(slower["errors"][0]["name"], "AT+NOSUCH");
    assert_eq!(slower["errors"][0]["state"], "new");

    assert_eq!(compared(&place, &before, &after, "--fail-above 1.5")?.1, Some(0));
    assert_eq!(compared(&place, &before, &after, "--fail-on-new-errors")?.1, Some(1));
    assert_eq!(compared(&place, &after, &before, "--fail-above 1.1 --fail-on-new-errors")?.1, Some(0), "it got faster");
    Ok(())
}

#[test]
fn a_statement_that_got_slower_is_found_and_no_other() -> Result {
    let place = Place::new()?;
    let postgres = Postgres::start()?;
    for table in ["cards", "readers"] {
        postgres.sql(&format!("CREATE TABLE {table} (number int)"))?;
        postgres.sql(&format!("INSERT INTO {table} VALUES (1)"))?;
    }
    let before = run_psql(&place, &postgres, "before", 20, "")?;
    let after = run_psql(&place, &postgres, "after", 25, "SELECT * FROM nothing;\n")?;
    let (slower, code) = compared(&place, &before, &after, "--fail-above 1.1")?;
    assert_eq!(told(&slower), ["SELECT cards slower"], "{slower:#}");
    assert_eq!(code, Some(1));
    let rows = slower["compared"].as_array().expect("rows");
    let names: BTreeSet<_> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["SELECT cards", "SELECT readers", "UPDATE cards"]), "{slower:#}");
    assert!(rows.iter().all(|row| row["kind"] == "query" && row["a"]["count"] == ROUNDS), "{slower:#}");
    let ratio = rows[0]["ratio"].as_f64().expect("a ratio");
    assert!((1.1..1.4).contains(&ratio), "{slower:#}");
    assert_eq!(slower["errors"][0]["name"], "SELECT nothing");
    assert_eq!(slower["errors"][0]["state"], "new");
    Ok(())
}
