//! A real PostgreSQL server, and its clients.

use crate::{
    Result, peers, place,
    program::Program,
    wait::{self, PATIENCE},
};
use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::Signal,
    unistd::{User, chown},
};
use std::{
    collections::BTreeMap,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

const MISSING: &str = "PostgreSQL is not here: install the package postgresql (or run `cargo xtask setup peers`)";

/// A cluster of its own, with the statistics of statements.
pub struct Postgres {
    folder: TempDir,
    server: Program,
    pub port: u16,
}

impl Postgres {
    pub fn start() -> Result<Self> {
        Self::with("")
    }

    /// With more settings, each `NAME=VALUE`.
    pub fn with(settings: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cardlink-postgres-").tempdir()?;
        let owner = owner()?;
        chown(folder.path(), Some(owner.uid), Some(owner.gid))?;
        let data = folder.path().join("data");
        let mut make = as_owner("initdb", folder.path())?;
        let made = make.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "-N"]).output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let hba = data.join("pg_hba.conf");
        let rules =
            "local all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        std::fs::write(&hba, rules).context("the rules of who may connect")?;
        let port = peers::free_port()?;
        let mut command = as_owner("postgres", folder.path())?;
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-p", &port.to_string()]);
        let fixed = "listen_addresses=127.0.0.1 fsync=off max_connections=12 superuser_reserved_connections=0 \
                     shared_preload_libraries=pg_stat_statements";
        for setting in fixed.split_whitespace().chain(settings.split_whitespace()) {
            command.args(["-c", setting]);
        }
        let server = Program::start(&mut command)?;
        let postgres = Self { folder, server, port };
        wait::until("a database server that answers", PATIENCE, || {
            let ready = postgres.client("pg_isready")?.arg("-q").status()?;
            Ok(ready.success().then_some(()))
        })
        .with_context(|| postgres.server.said())?;
        postgres.sql("CREATE EXTENSION pg_stat_statements")?;
        Ok(postgres)
    }

    /// The process that all others of the server come from.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Its processes that serve a client by TCP: they say so in their command lines.
    pub fn guests(&self) -> Result<usize> {
        let output = Command::new("ps").args(["-o", "args=", "--ppid", &self.pid().to_string()]).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter(|line| line.contains("127.0.0.1(")).count())
    }

    /// The folder that its unix socket is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client by TCP, as the superuser.
    pub fn client(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(program(name)?);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string()).env("PGUSER", "postgres");
        command.env("PGSSLMODE", "disable").env_remove("PGPASSWORD");
        Ok(command)
    }

    /// `psql` with these texts, one after the other; what it said.
    pub fn psql(&self, texts: &[&str]) -> Result<Output> {
        let mut command = self.client("psql")?;
        command.args(["-qAtX"]);
        for text in texts {
            command.args(["-c", text]);
        }
        Ok(command.output()?)
    }

    /// The answer to a statement that works.
    pub fn sql(&self, text: &str) -> Result<String> {
        let output = self.psql(&[text])?;
        ensure!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// `pgbench` with these words.
    pub fn pgbench(&self, words: &str) -> Result<String> {
        let output = self.client("pgbench")?.args(words.split_whitespace()).output()?;
        ensure!(output.status.success(), "pgbench {words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Calls and rows of all statements since the statistics began anew, by the first word.
    pub fn statistics(&self) -> Result<BTreeMap<String, (u64, u64)>> {
        let told = self.sql(
            "SELECT upper(substring(query from '\\w+')), sum(calls), sum(rows) FROM pg_stat_statements \
             WHERE query NOT ILIKE '%pg_stat_statements%' GROUP BY 1",
        )?;
        let mut all = BTreeMap::new();
        for line in told.lines() {
            let mut fields = line.split('|');
            let word = fields.next().context("a word")?;
            let mut number = || fields.next().context("a number")?.parse::<u64>().context("a number");
            all.insert(word.to_owned(), (number()?, number()?));
        }
        Ok(all)
    }

    /// Forgets all statistics.
    pub fn begin_anew(&self) -> Result {
        self.sql("SELECT pg_stat_statements_reset()").map(drop)
    }

    pub fn stop(&mut self) -> Result {
        self.server.stop(Signal::SIGINT).map(drop)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its folder goes after it.
        let _ = self.stop();
    }
}

fn owner() -> Result<User> {
    User::from_name("postgres")?.context(MISSING)
}

fn as_owner(name: &str, folder: &Path) -> Result<Command> {
    let owner = owner()?;
    let mut command = Command::new(program(name)?);
    command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw()).current_dir(folder);
    Ok(command)
}

/// A program of the newest version that is installed.
pub fn program(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context(MISSING)?;
    let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.is_file());
    found.sort_by_key(|path| path.parent().and_then(Path::parent).map(Path::as_os_str).map(std::ffi::OsStr::len));
    found.pop().map_or_else(|| place::peer(name, "postgresql"), Ok)
}
