//! Connections that nobody takes: what is told is what the client was told.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{Agent, Tracer, command, replayed},
    mariadb::Mariadb,
    page::Page,
    peers, place,
    place::Place,
    postgres::Postgres,
    program::Program,
    trace,
    wait::{self, PATIENCE},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

/// Database failures by system and reason.
fn failures(page: &Page) -> BTreeMap<String, u64> {
    page.counted("cardlink_db_connection_failures_total", &["db_system", "reason"])
}

/// All connections that did not come about, by reason.
fn unmade(page: &Page) -> BTreeMap<String, u64> {
    page.counted("cardlink_connect_failures_total", &["reason"])
}

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

fn python(script: &str, words: &[&str]) -> Result<Command> {
    let mut command = Command::new(place::python()?);
    command.args(["-c", script]).args(words);
    Ok(command)
}

/// How often a client says something, on both of its outputs.
fn said(output: &Output, what: &str) -> u64 {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&text).matches(what).count() as u64
}

fn failing(command: &mut Command) -> Result<Output> {
    let output = command.output()?;
    ensure!(!output.status.success(), "{command:?} should fail");
    Ok(output)
}

fn psql(host: &str, port: u16) -> Result<Command> {
    let mut command = Command::new(cardlink_e2e::postgres::program("psql")?);
    command.env("PGCONNECT_TIMEOUT", "20").args(["-qAtX", "-U", "postgres", "-h", host, "-p"]);
    command.arg(port.to_string()).args(["-d", "postgres", "-c", "SELECT 1"]);
    Ok(command)
}

/// Programs and drivers of both databases; it says what each of them said.
const CLIENTS: &str = r#"
import asyncio, json, os, psycopg, pymysql, subprocess, sys, time
psql, mariadb, postgres, mysql, folder, enough = sys.argv[1:]
said = []
def program(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    said.append(done.stdout + done.stderr)
def driver(connect):
    try: connect(); said.append("connected")
    except Exception as error: said.append(str(error))
for host in ["127.0.0.1", folder]:
    program(psql, "-X", "-h", host, "-p", postgres, "-U", "x", "-d", "x", "-c", "SELECT 1")
    driver(lambda: psycopg.connect(host=host, port=postgres, user="x", dbname="x"))
async def one(): await psycopg.AsyncConnection.connect(host="127.0.0.1", port=postgres, user="x", dbname="x")
for _ in range(3): driver(lambda: asyncio.run(one()))
plain = [mariadb, "--no-defaults", "--user=x", "-e", "SELECT 1"]
program(*plain, "--protocol=tcp", "--host=127.0.0.1", "--port=" + mysql)
program(*plain, "--socket=" + folder + "/mysqld.sock")
for _ in range(4): driver(lambda: pymysql.connect(host="127.0.0.1", port=int(mysql), user="x"))
driver(lambda: pymysql.connect(unix_socket=folder + "/mysqld.sock", user="x"))
print(json.dumps(said), flush=True)
while not os.path.exists(enough): time.sleep(0.05)
"#;

/// Ports and sockets where nobody is.
#[test]
fn clients_of_databases_that_are_not_there() -> Result {
    let place = Place::new()?;
    let (postgres, mysql) = (peers::free_port()?, peers::free_port()?);
    let (missing, enough) = (place.path("nowhere").display().to_string(), place.path("enough"));
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording"));
    run.args(["--postgresql-port", &postgres.to_string(), "--mysql-port", &mysql.to_string()]);
    run.arg("--").arg(place::python()?).args(["-c", CLIENTS]);
    run.arg(cardlink_e2e::postgres::program("psql")?).arg(place::peer("mariadb", "mariadb-client")?);
    run.args([&postgres.to_string(), &mysql.to_string(), &missing]).arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    let said: Vec<String> = agent
        .program
        .line("what the clients said", |line| line.starts_with("[\"").then(|| serde_json::from_str(line).ok())?)?;
    // Each says so once for every attempt.
    let of = |texts: &[String], what: &[&str]| {
        texts.iter().map(|text| what.iter().map(|what| text.matches(what).count()).sum::<usize>() as u64).sum::<u64>()
    };
    let (to_postgres, to_mysql) = said.split_at(7);
    let (refused, no_socket) = (["Connection refused", "(115)", "(111)"], ["No such file", "(2)"]);
    let wanted = counts(&[
        ("postgresql refused", of(to_postgres, &refused)),
        ("postgresql no_socket", of(to_postgres, &no_socket)),
        ("mysql refused", of(to_mysql, &refused)),
        ("mysql no_socket", of(to_mysql, &no_socket)),
    ]);
    assert_eq!(wanted.values().sum::<u64>(), 14, "{said:?}");
    let page = agent.until(&format!("{wanted:?}"), |page| failures(page) == wanted)?;
    assert_eq!(unmade(&page), counts(&[("refused", 10), ("no_socket", 4)]));
    assert_eq!((page.closed(), page.active()), (0, 0), "there was no connection");
    std::fs::write(enough, "")?;
    agent.program.success()?;

    // The recording tells the same, with whom was asked and how long it took.
    let told = replayed(&place, &place.path("recording"))?;
    let failed: Vec<&Value> = trace::of(&told, "connect_failed").collect();
    assert_eq!(failed.len(), 14);
    for one in &failed {
        let took = one["duration"].as_f64().context("a duration")?;
        ensure!((0.0..1.0).contains(&took), "{one}");
        let (reason, error) = (trace::text(one, "reason"), trace::text(one, "error"));
        ensure!([("refused", "ECONNREFUSED"), ("no_socket", "ENOENT")].contains(&(reason, error)), "{one}");
    }
    let to = |peer: &str| failed.iter().filter(|one| trace::text(one, "peer") == peer).count() as u64;
    assert_eq!(to(&format!("127.0.0.1:{postgres}")), 5);
    assert_eq!(to(&format!("127.0.0.1:{mysql}")), 5);
    assert_eq!(to(&format!("unix:{missing}/.s.PGSQL.{postgres}")), 2);
    assert_eq!(to(&format!("unix:{missing}/mysqld.sock")), 2);
    Ok(())
}

/// A server that does not accept: its queue is full, so that the kernel leaves the next one without an answer. And a connection
/// that comes about only because its SYN was sent again.
const FULL: &str = r"
import os, select, socket, struct, sys, time
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(0)
guest = socket.create_connection(server.getsockname())
def again(s): return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[100:104]
# With a time-out of the program's own.
waiting = socket.socket(); waiting.settimeout(1.5)
try: waiting.connect(server.getsockname())
except TimeoutError: print('timed out', flush=True)
sent = struct.unpack('I', again(waiting))[0]; waiting.close()
# With a time-out of the kernel's.
waiting = socket.socket(); waiting.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1200)
try: waiting.connect(server.getsockname())
except OSError as error: print('failed', error.errno, flush=True)
waiting.close()
late = socket.socket(); late.setblocking(False)
late.connect_ex(server.getsockname())
time.sleep(0.2)
taken = [server.accept()[0]]
select.select([], [late], [], 10)
late.send(b'hello'); taken.append(server.accept()[0]); taken[1].recv(5)
sent_late = struct.unpack('I', again(late))[0]
for one in [late, guest, *taken]: one.close()
print('again', sent, sent_late, flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.05)
";

#[test]
fn nobody_answers_and_segments_are_sent_again() -> Result {
    let place = Place::new()?;
    let mut run = command(&place)?;
    let enough = place.path("enough");
    run.args(["run", "--listen", "127.0.0.1:0", "--"]).arg(place::python()?).args(["-c", FULL]).arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    let again = agent.program.line("how much was sent again", |line| line.strip_prefix("again ").map(str::to_owned))?;
    let out = agent.program.out().join("\n");
    ensure!(out.contains("timed out") && out.contains("failed 110"), "{out}");
    let again: Vec<u64> = again.split(' ').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [given_up, late] = again[..] else { anyhow::bail!("{out}") };
    ensure!(given_up > 0 && late > 0, "{out}");
    let page = agent.until("what was sent again", |page| {
        page.count("cardlink_process_tcp_retransmits_total", &[]) >= given_up + late
            && unmade(page) == counts(&[("timeout", 2)])
    })?;
    assert_eq!(page.count("cardlink_process_tcp_retransmits_total", &[]), given_up + late, "{out}");
    std::fs::write(enough, "")?;
    agent.program.success()
}

/// What a name with two addresses brings about: no failure, as long as one of them answers.
#[test]
fn the_other_address_of_a_name_answers() -> Result {
    let place = Place::new()?;
    let script = r"
import socket, sys, time
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
port = server.getsockname()[1]
def by_name(*addresses):
    for address in addresses:
        try:
            s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
            s.connect((address, port)); return s
        except OSError as error: print(address, error, flush=True)
while True:
    print('ready', flush=True)
    line = sys.stdin.readline().split()
    if not line: break
    if line[0] == 'end': server.close()
    s = by_name('::1', '127.0.0.1')
    if s: s.send(b'hello'); s.close()
    print('done', flush=True)
";
    let mut program = Program::start(&mut python(script, &[])?)?;
    program.line("that it is ready", |line| (line == "ready").then_some(()))?;
    let mut tracer = Tracer::start(&place, &format!("--pid {}", program.pid()))?;
    program.tell("go")?;
    let told = tracer.until("connect_failed", 1)?;
    ensure!(told[0]["other_answered"] == true && trace::text(&told[0], "peer").starts_with("[::1]:"), "{told:?}");
    program.tell("end")?;
    let told = tracer.until("connect_failed", 3)?;
    ensure!(told[1..].iter().all(|one| one["other_answered"] == false), "{told:?}");
    assert_eq!(program.out().iter().filter(|line| line.contains("Connection refused")).count(), 3);
    program.close_input();
    program.success()?;
    tracer.stop().map(drop)
}

/// A server that was spoken to and is gone is still known for what it was; failures of other kinds have the same counter.
/// A program of that name that does nothing: while there is one, the hooks are attached, and see those to come from their
/// first call.
fn keeper(place: &Place, name: &str, agent: &mut Agent) -> Result<Program> {
    let program = place.path(name);
    std::fs::copy("/bin/sleep", &program)?;
    let keeper = Program::start(Command::new(program).arg("120"))?;
    agent.until("a program to watch", |page| page.count("cardlink_target_processes", &[]) == 1)?;
    Ok(keeper)
}

#[test]
fn a_database_that_goes_away() -> Result {
    let place = Place::new()?;
    let mut postgres = Postgres::with("max_connections=3")?;
    postgres.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")?;
    let mut agent = Agent::run(&place, "--comm psql")?;
    let _keeper = keeper(&place, "psql", &mut agent)?;
    postgres.psql(&["SELECT 1"])?;
    let mut wrong = postgres.client("psql")?;
    let output =
        failing(wrong.env("PGUSER", "locked").env("PGPASSWORD", "wrong").args(["-d", "postgres", "-c", "SELECT 1"]))?;
    assert_eq!(said(&output, "password authentication failed"), 1);
    let sitting =
        || -> Result<Program> { Program::start(postgres.client("psql")?.args(["-qAtX", "-c", "SELECT pg_sleep(60)"])) };
    // The server has room again only once it has cleared up behind the one before.
    wait::until("a server without guests", PATIENCE, || Ok((postgres.guests()? == 0).then_some(())))?;
    let mut guests = (0..3).map(|_| sitting()).collect::<Result<Vec<_>>>()?;
    agent.until("three connections", |page| page.count("cardlink_db_connections_active", &[]) == 3)?;
    let output = failing(&mut psql("127.0.0.1", postgres.port)?)?;
    assert_eq!(said(&output, "too many clients") + said(&output, "remaining connection slots"), 1);
    postgres.stop()?;
    for guest in &mut guests {
        guest.wait()?;
    }
    let output = failing(&mut psql("127.0.0.1", postgres.port)?)?;
    assert_eq!(said(&output, "Connection refused"), 1);
    let wanted = counts(&[
        ("postgresql authentication", 1),
        ("postgresql too_many_connections", 1),
        ("postgresql shutdown", 3),
        ("postgresql refused", 1),
    ]);
    let page = agent.until(&format!("{wanted:?}"), |page| failures(page) == wanted)?;
    assert_eq!(unmade(&page), counts(&[("refused", 1)]));
    agent.stop().map(drop)
}

#[test]
fn a_mariadb_that_goes_away() -> Result {
    let place = Place::new()?;
    let mut mariadb = Mariadb::with("--max-connections=10")?;
    mariadb.sql("CREATE USER locked IDENTIFIED BY 'right'")?;
    let mut agent = Agent::run(&place, "--comm mariadb")?;
    let _keeper = keeper(&place, "mariadb", &mut agent)?;
    ensure!(mariadb.mariadb("SELECT 1")?.status.success(), "the client should work");
    let mut wrong = mariadb.client("mariadb")?;
    let output = failing(wrong.args(["--user=locked", "--password=wrong", "-e", "SELECT 1"]))?;
    assert_eq!(said(&output, "ERROR 1045"), 1);
    agent.until("the wrong password", |page| failures(page).values().sum::<u64>() == 1)?;
    mariadb.stop()?;
    let output = mariadb.mariadb("SELECT 1")?;
    assert_eq!(said(&output, "ERROR 2002"), 1);
    let wanted = counts(&[("mariadb authentication", 1), ("mariadb refused", 1)]);
    agent.until(&format!("{wanted:?}"), |page| failures(page) == wanted)?;
    agent.stop().map(drop)
}

/// Every way in which a program may learn that nobody listens; and one that never asks.
const WAYS: &str = r"
import os, select, socket, sys, time
port = int(sys.argv[1])
def under_way():
    s = socket.socket(); s.setblocking(False); s.connect_ex(('127.0.0.1', port))
    poll = select.poll(); poll.register(s, select.POLLOUT); poll.poll()
    return s
def told(how):
    try: how()
    except ConnectionRefusedError: print('refused', flush=True)
def asks(s):
    error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error: raise OSError(error, os.strerror(error))
told(lambda: socket.socket().connect(('127.0.0.1', port)))
told(lambda: asks(under_way()))
told(lambda: under_way().recv(1))
told(lambda: under_way().send(b'x'))
told(lambda: under_way().connect(('127.0.0.1', port)))
told(lambda: socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', port)))
# The same socket twice, each with an answer of its own; the call between them (ECONNABORTED) only ends the first.
again = under_way(); told(lambda: asks(again))
again.connect_ex(('127.0.0.1', port)); again.connect_ex(('127.0.0.1', port))
select.select([], [again], []); told(lambda: asks(again))
under_way().close(); print('refused', flush=True)
# None of these is one that failed.
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
client = socket.create_connection(server.getsockname(), timeout=5); asks(client); client.close()
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); datagram.connect(('127.0.0.1', port)); datagram.send(b'x')
try: datagram.send(b'x')
except OSError: pass
try: socket.socket().connect(('127.0.0.1', 0))
except OSError: print('refused', flush=True)
print('done', flush=True)
while not os.path.exists(sys.argv[2]): time.sleep(0.05)
";

#[test]
fn whatever_way_a_program_learns_it() -> Result {
    let place = Place::new()?;
    let (port, enough) = (peers::free_port()?, place.path("enough"));
    let mut run = command(&place)?;
    run.args(["run", "--listen", "127.0.0.1:0", "--record"]).arg(place.path("recording")).arg("--");
    run.arg(place::plain_python()?).args(["-c", WAYS, &port.to_string()]).arg(&enough);
    let mut agent = Agent::started(&mut run)?;
    agent.program.line("that all is done", |line| (line == "done").then_some(()))?;
    let refused = agent.program.out().iter().filter(|line| *line == "refused").count() as u64;
    assert_eq!(refused, 10, "{:?}", agent.program.out());
    let page = agent.until("all failures", |page| unmade(page).values().sum::<u64>() >= refused)?;
    assert_eq!(unmade(&page), counts(&[("refused", refused)]));
    assert!(failures(&page).is_empty(), "no database is expected there");
    agent.until("the end of all", |page| page.active() == 0)?;
    agent.balanced()?;
    std::fs::write(enough, "")?;
    agent.program.success()?;
    let told = replayed(&place, &place.path("recording"))?;
    let failed: Vec<&Value> = trace::of(&told, "connect_failed").collect();
    ensure!(failed.iter().all(|one| one["error"] == "ECONNREFUSED" && one["duration"].is_number()), "{failed:?}");
    // Those that the program did not wait for were connections before they failed; none of them is told as one that ended.
    let outcomes: Vec<&str> =
        trace::of(&told, "connection_closed").map(|closed| trace::text(closed, "outcome")).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "not_connected").count(), 7, "{outcomes:?}");
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
    Ok(())
}
