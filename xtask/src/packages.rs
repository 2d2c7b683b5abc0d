//! The Debian packages that the other commands need: installed when this may be done, else named in one line to run.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::project::{capture, is_root, run as run_command, step, which};
use crate::{ebpf, tools};

/// `cargo xtask setup`
#[derive(Debug, Args)]
pub struct Options {
    /// What to set up (default: everything).
    #[arg(value_enum)]
    groups: Vec<Group>,
}

/// Packages that belong to one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// A Rust compiler with a precompiled `core` for BPF, and bpf-linker.
    Bpf,
    /// What the lab programs (server, card, modem) link with.
    Lab,
    /// Real servers, clients and tools that the end-to-end tests run against.
    Peers,
    /// Tools that the bench compares the agent with.
    Bench,
    /// QEMU, to boot stock kernels.
    Vm,
    /// cargo-fuzz, with the C++ compiler that libFuzzer needs.
    Fuzz,
}

/// A Debian package and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    name: String,
    why: &'static str,
}

const LAB: &[(&str, &str)] = &[
    ("gcc", "links the lab programs"),
    ("libssl-dev", "the lab's PSK-TLS server and card use OpenSSL"),
    ("pkg-config", "finds OpenSSL"),
];

const PEERS: &[(&str, &str)] = &[
    ("adb", "tests: the Android Debug Bridge, client and server"),
    ("gammu", "tests: a real AT program"),
    ("gcc", "tests: compiles the administration servers in C"),
    ("gnutls-bin", "tests: gnutls-serv and gnutls-cli"),
    ("libc6-dev", "tests: compiles the administration servers in C"),
    ("libgnutls28-dev", "tests: an administration server on GnuTLS"),
    ("libmbedtls-dev", "tests: an administration server on Mbed TLS"),
    ("libpcsclite-dev", "tests: builds the Python module pyscard"),
    ("libssl-dev", "tests: builds the Python module sslpsk3"),
    ("libsqlite3-dev", "tests: programs with SQLite, from its library and inside"),
    ("libwolfssl-dev", "tests: an administration server on wolfSSL"),
    ("mariadb-client", "tests: MariaDB's client, and a generator of load"),
    ("mariadb-server-core", "tests: a database server of MySQL's kind"),
    ("opensc", "tests: opensc-tool, a real PC/SC program"),
    ("openssl", "tests: s_server and s_client"),
    ("pcsc-tools", "tests: pcsc_scan, a real PC/SC program"),
    ("pcscd", "tests: the PC/SC daemon"),
    ("prometheus", "tests: scrapes the agent, and checks its rules (promtool)"),
    ("prometheus-alertmanager", "tests: gets the alerts"),
    ("python3-dev", "tests: builds the Python module sslpsk3"),
    ("python3-venv", "tests: Python peers in an environment of their own"),
    ("postgresql", "tests: a database server, psql and pgbench"),
    ("procps", "tests: looks at processes"),
    ("socat", "tests: connects ptys and sockets"),
    ("sqlite3", "tests: a real program with SQLite"),
    ("swig", "tests: builds the Python module pyscard"),
    ("systemd", "tests: checks the service's unit (systemd-analyze)"),
    ("tshark", "tests: decrypts the recorded connections, to compare with"),
    ("vsmartcard-vpcd", "tests: a virtual reader"),
];

const BENCH: &[(&str, &str)] = &[
    ("bpftrace", "bench: the cost of a bpftrace script on the same server"),
    ("strace", "bench: the cost of strace on the same server"),
    ("tcpdump", "bench: the cost of tcpdump on the same server"),
];

const VM: &[(&str, &str)] = &[
    ("busybox-static", "the first programs in the guest"),
    ("cpio", "packs the guest's initramfs"),
    ("dbus", "the bus of ModemManager in the guest"),
    ("kmod", "indexes the guest's modules"),
    ("libccid", "drives the guest's card reader"),
    ("modemmanager", "drives the guest's modem"),
    ("opensc", "speaks to the card in the guest's reader"),
    ("pcsc-tools", "pcsc_scan looks at the guest's reader"),
    ("pcscd", "the PC/SC daemon of the guest"),
    ("python3", "compares what the agent told with what the card lived"),
    ("python3-pyscard", "speaks to the card in the guest's reader, too"),
    ("qemu-system-x86", "runs the guest"),
    ("udev", "tells ModemManager of the guest's modem"),
    ("xz-utils", "the modules of newer kernels are compressed"),
    ("zstd", "packs the guest's initramfs"),
];

const FUZZ: &[(&str, &str)] = &[("g++", "libFuzzer is C++")];

impl Group {
    /// The packages of this group on this machine; names that carry a version are looked up.
    fn packages(self) -> Result<Vec<Package>> {
        let fixed = |list: &[(&str, &'static str)]| {
            list.iter().map(|&(name, why)| Package { name: name.to_owned(), why }).collect::<Vec<_>>()
        };
        Ok(match self {
            Self::Bpf => ebpf::toolchain::packages()?,
            Self::Lab => fixed(LAB),
            Self::Peers => fixed(PEERS),
            Self::Bench => fixed(BENCH),
            Self::Vm => fixed(VM),
            Self::Fuzz => fixed(FUZZ),
        })
    }
}

impl Package {
    pub fn new(name: impl Into<String>, why: &'static str) -> Self {
        Self { name: name.into(), why }
    }
}

/// Installs the packages and tools of the groups given.
pub fn run(options: &Options) -> Result<()> {
    let all = Group::value_variants();
    let groups = if options.groups.is_empty() { all } else { &options.groups };
    for &group in groups {
        match group {
            Group::Bpf => {
                println!("{}", ebpf::toolchain::find_or_install()?);
            }
            Group::Fuzz => {
                ensure(&[group])?;
                tools::cargo_fuzz()?;
            }
            Group::Peers => {
                ensure(&[group])?;
                tools::python_peers()?;
            }
            Group::Lab | Group::Bench | Group::Vm => ensure(&[group])?,
        }
    }
    println!("Everything needed is installed.");
    Ok(())
}

/// Makes sure that every package of these groups is installed.
pub fn ensure(groups: &[Group]) -> Result<()> {
    let mut wanted = Vec::new();
    for group in groups {
        wanted.extend(group.packages()?);
    }
    ensure_packages(&wanted)
}

/// Makes sure that these packages are installed: installs what is missing as root, else says what to run.
pub fn ensure_packages(wanted: &[Package]) -> Result<()> {
    if !is_debian() {
        eprintln!("note: this system has no dpkg; the equivalents of these packages are needed: {}", names(wanted));
        return Ok(());
    }
    let mut missing: Vec<Package> = Vec::new();
    for package in wanted {
        if !is_installed(&package.name) && !missing.iter().any(|other| other.name == package.name) {
            missing.push(package.clone());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("Debian packages to install:");
    for package in &missing {
        println!("    {:24} {}", package.name, package.why);
    }
    if !is_root() {
        bail!(
            "packages are missing, and only root may install them; run\n    \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            names(&missing)
        );
    }
    if missing.iter().any(|package| candidate(&package.name).is_none()) {
        update()?;
    }
    if install(&missing).is_err() {
        // The lists may be older than what the mirror still has.
        update()?;
        install(&missing).context("the packages above could not be installed")?;
    }
    Ok(())
}

/// Whether packages are handled by dpkg and apt here.
pub fn is_debian() -> bool {
    which("dpkg-query").is_some() && which("apt-get").is_some()
}

/// Whether dpkg says that the package is installed (not merely known, or removed with its settings left).
pub fn is_installed(name: &str) -> bool {
    version(name).is_some()
}

/// The installed version of a package.
pub fn version(name: &str) -> Option<String> {
    let query = capture(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status} ${Version}", name])).ok()?;
    query.strip_prefix("installed ").map(|version| version.trim().to_owned())
}

/// The version that apt would install, when its lists know the package.
pub fn candidate(name: &str) -> Option<String> {
    let policy = capture(Command::new("apt-cache").args(["policy", name])).ok()?;
    let line = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (line != "(none)").then(|| line.to_owned())
}

/// Fetches apt's package lists.
pub fn update() -> Result<()> {
    step("apt-get update");
    run_command(apt_get().args(["-q", "update"])).context("the package lists could not be fetched")
}

fn install(packages: &[Package]) -> Result<()> {
    step(format!("apt-get install {}", names(packages)));
    let names = packages.iter().map(|package| &package.name);
    run_command(apt_get().args(["-q", "install", "-y", "--no-install-recommends"]).args(names))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // Another apt may be at work: wait for it instead of failing.
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn names(packages: &[Package]) -> String {
    packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(" ")
}
