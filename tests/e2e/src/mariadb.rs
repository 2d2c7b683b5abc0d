//! A real MariaDB server, and its clients.

use crate::{
    Result, peers, place,
    program::Program,
    wait::{self, PATIENCE},
};
use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Output},
};
use tempfile::TempDir;

/// A server of its own, with the statistics of statements.
pub struct Mariadb {
    folder: TempDir,
    server: Program,
    pub port: u16,
}

impl Mariadb {
    pub fn start() -> Result<Self> {
        Self::with("")
    }

    /// With more words on its command line.
    pub fn with(words: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cardlink-mariadb-").tempdir()?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let mut make = Command::new(place::peer("mariadb-install-db", "mariadb-server-core")?);
        make.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"]);
        let made = make.arg("--datadir").arg(&data).output()?;
        ensure!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
        let port = peers::free_port()?;
        let mut command = Command::new(place::peer("mariadbd", "mariadb-server-core")?);
        command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
        command.args([
            "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0",
            "--local-infile=1",
            "--max-allowed-packet=64M",
        ]);
        command.args(["--performance-schema=ON", "--performance-schema-instrument=statement/%=ON"]);
        command.arg("--datadir").arg(&data).arg("--socket").arg(folder.path().join("socket"));
        command.arg("--pid-file").arg(folder.path().join("pid")).arg(format!("--port={port}"));
        let server = Program::start(command.args(words.split_whitespace()))?;
        let mariadb = Self { folder, server, port };
        wait::until("a database server that answers", PATIENCE, || Ok(mariadb.sql("SELECT 1").ok()))
            .with_context(|| mariadb.server.said())?;
        Ok(mariadb)
    }

    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A client by TCP, as the superuser, without encryption.
    pub fn client(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(place::peer(name, "mariadb-client")?);
        command.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user=root", "--skip-ssl"]);
        command.arg(format!("--port={}", self.port));
        Ok(command)
    }

    /// The `mariadb` client with this text, by TCP; what it said.
    pub fn mariadb(&self, text: &str) -> Result<Output> {
        Ok(self.client("mariadb")?.args(["-N", "-B", "-e", text]).output()?)
    }

    /// The answer to a text that works, by the unix socket.
    pub fn sql(&self, text: &str) -> Result<String> {
        let mut command = Command::new(place::peer("mariadb", "mariadb-client")?);
        command.args(["--no-defaults", "--user=root", "-N", "-B", "-e", text]).arg("--socket").arg(self.socket());
        let output = command.output()?;
        ensure!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Calls that went well, and rows that were sent or changed, since the statistics began anew: by the server's own names
    /// (`statement/sql/select`).
    pub fn statistics(&self) -> Result<BTreeMap<String, (u64, u64)>> {
        let told = self.sql(
            "SELECT event_name, count_star - sum_errors, sum_rows_sent + sum_rows_affected \
             FROM performance_schema.events_statements_summary_global_by_event_name WHERE count_star > sum_errors",
        )?;
        let mut all = BTreeMap::new();
        for line in told.lines() {
            let mut fields = line.split('\t');
            let name = fields.next().context("a name")?;
            let mut number = || fields.next().context("a number")?.parse::<u64>().context("a number");
            all.insert(name.to_owned(), (number()?, number()?));
        }
        Ok(all)
    }

    /// Forgets all statistics.
    pub fn begin_anew(&self) -> Result {
        self.sql("TRUNCATE performance_schema.events_statements_summary_global_by_event_name").map(drop)
    }

    pub fn stop(&mut self) -> Result {
        self.server.stop(Signal::SIGTERM).map(drop)
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        // Its folder goes after it.
        let _ = self.stop();
    }
}
