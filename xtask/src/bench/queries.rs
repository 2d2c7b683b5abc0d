//! What a statement of a database, and a test, takes longer while the agent watches the program.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::unistd::{User, chown};
use tempfile::TempDir;

use super::Bench;
use super::report::Report;
use super::running::Running;
use super::turns::{Watched, in_turns};
use super::worker::Worker;
use crate::project::{capture, step};
use crate::tools;

/// Statements of one measurement are so many calls of the others.
const SHARE: u32 = 100;
const TESTS: u32 = 500;
const READY: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.sizes.calls / SHARE;
    report.section(format!(
        "What statements and tests take longer with the agent ({count} statements, {TESTS} tests each)"
    ));
    let python = tools::python_peers()?;
    let Some(server) = Postgres::start()? else {
        step("Statements are left out: they need postgresql (cargo xtask setup peers)");
        return tests(bench, report, &python);
    };
    let script = bench.dir.join("queries.py");
    fs::write(&script, include_str!("queries.py")).context("cannot write the program for statements")?;
    let mut program = Worker::with(Command::new(&python).arg(script).arg(server.port.to_string()))?;
    let pid = program.pid();
    let counted = "cardlink_db_queries_total{";
    let watched = Watched { pids: &[pid], words: &[], counted };
    in_turns(bench, report, &watched, "PostgreSQL, a statement of psycopg", &mut || {
        program.ask(&format!("postgres {count}"))
    })?;
    let watched = Watched { pids: &[pid], words: &["--sqlite-probes", "on"], counted };
    in_turns(bench, report, &watched, "SQLite, a statement of Python in memory", &mut || {
        program.ask(&format!("sqlite {count}"))
    })?;
    tests(bench, report, &python)
}

/// Tests that do nothing, by the time that the whole run takes.
fn tests(bench: &Bench, report: &mut Report, python: &Path) -> Result<()> {
    let file = bench.dir.join("test_bench_nothing.py");
    let text = format!(
        "import pytest\n\n\n@pytest.mark.parametrize('number', range({TESTS}))\ndef test_nothing(number):\n    pass\n"
    );
    fs::write(&file, text).context("cannot write the tests")?;
    let watched = Watched { pids: &[], words: &["--cmdline", "test_bench_nothing"], counted: "cardlink_tests_total{" };
    in_turns(bench, report, &watched, "a test of pytest that does nothing", &mut || {
        let mut run = Command::new(python);
        run.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(&file).current_dir(&bench.dir);
        let start = Instant::now();
        let said = capture(&mut run)?;
        let took = start.elapsed();
        ensure!(said.contains(&format!("{TESTS} passed")), "pytest says: {said}");
        Ok(took.as_secs_f64() * 1e9 / f64::from(TESTS))
    })
}

/// A server of its own, on this host only.
struct Postgres {
    port: u16,
    _server: Running,
    _folder: TempDir,
}

impl Postgres {
    /// `None` where it is not installed.
    fn start() -> Result<Option<Self>> {
        let (Some(programs), Some(owner)) = (programs(), User::from_name("postgres")?) else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        chown(folder.path(), Some(owner.uid), Some(owner.gid))?;
        let data = folder.path().join("data");
        let as_owner = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw()).current_dir(folder.path()).arg("-D").arg(&data);
            command
        };
        capture(as_owner("initdb").args(["-A", "trust", "-U", "postgres", "-N"]))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = as_owner("postgres");
        command
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
            .arg(folder.path());
        let mut server = Running::start(&mut command)?;
        server.wait_until(READY, |server| server.said().contains("ready to accept connections").then_some(()))?;
        Ok(Some(Self { port, _server: server, _folder: folder }))
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let folders = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file());
    folders.max()
}
