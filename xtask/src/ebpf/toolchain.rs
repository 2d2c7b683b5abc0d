//! The two tool chains that can build the BPF programs, and which of them is here.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages::{self, Package};
use crate::project::{capture, cargo, which};
use crate::tools;

pub const TARGET: &str = "bpfel-unknown-none";

/// Debian's compiler with its precompiled `core` for BPF.
const DEBIAN_COMPILER: &str = "rustc-web";
const DEBIAN_CORE: &str = "libstd-rust-web-dev-bpf";
/// Where that package puts its compiler, whatever rustup puts before it on `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The component `rust-src`, below a sysroot.
const RUST_SRC: &str = "lib/rustlib/src/rust";

/// A compiler that can build for BPF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiler {
    pub kind: Kind,
    pub rustc: PathBuf,
    /// `rustc 1.96.0 (ac68faa20 2026-05-25) …, LLVM 22.1.8`: part of what makes an object reproducible.
    pub version: String,
}

/// How a compiler comes by its `core` for BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has one, precompiled.
    Precompiled,
    /// A nightly that builds it from `rust-src`.
    BuildStd,
}

/// A compiler with its linker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: PathBuf,
    /// `bpf-linker 0.13.0`
    pub linker_version: String,
}

/// The tool chain of this machine; what is missing of it is installed when that may be done.
pub fn find_or_install() -> Result<Toolchain> {
    let compiler = match find_compiler() {
        Some(compiler) => compiler,
        None => install_compiler()?,
    };
    let linker = tools::bpf_linker(&compiler)?;
    with_linker(compiler, linker)
}

/// The packages of a tool chain, when this system has any.
pub fn packages() -> Result<Vec<Package>> {
    if find_compiler().is_some() {
        return Ok(Vec::new());
    }
    if packages::is_debian() && packages::candidate(DEBIAN_CORE).is_none() && crate::project::is_root() {
        packages::update()?;
    }
    Ok(vec![
        Package::new(DEBIAN_COMPILER, "a Rust compiler that can build for BPF"),
        Package::new(DEBIAN_CORE, "its precompiled `core` for BPF"),
    ])
}

fn install_compiler() -> Result<Compiler> {
    if packages::is_debian() {
        packages::ensure_packages(&packages()?)?;
    }
    let Some(compiler) = find_compiler() else {
        bail!(
            "no compiler here can build for {TARGET}: install Debian's {DEBIAN_COMPILER} and {DEBIAN_CORE}, \
             or run `rustup toolchain install nightly --component rust-src`"
        )
    };
    Ok(compiler)
}

fn find_compiler() -> Option<Compiler> {
    let precompiled = [Some(PathBuf::from(DEBIAN_RUSTC)), which("rustc")].into_iter().flatten();
    precompiled
        .filter(|rustc| has_precompiled_core(rustc))
        .find_map(|rustc| Compiler::new(Kind::Precompiled, rustc))
        .or_else(|| Compiler::new(Kind::BuildStd, nightly_with_sources()?))
}

/// A compiler prints the library folder of every target that it knows, installed or not.
fn has_precompiled_core(rustc: &Path) -> bool {
    let Ok(dir) = capture(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    let Ok(entries) = Path::new(dir.trim()).read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

fn nightly_with_sources() -> Option<PathBuf> {
    let sysroot = capture(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"])).ok()?;
    let sysroot = Path::new(sysroot.trim());
    sysroot.join(RUST_SRC).join("library/Cargo.lock").is_file().then(|| sysroot.join("bin/rustc"))
}

fn with_linker(compiler: Compiler, linker: PathBuf) -> Result<Toolchain> {
    let linker_version = capture(Command::new(&linker).arg("--version"))?.trim().to_owned();
    Ok(Toolchain { compiler, linker, linker_version })
}

impl Compiler {
    fn new(kind: Kind, rustc: PathBuf) -> Option<Self> {
        let verbose = capture(Command::new(&rustc).arg("-vV")).ok()?;
        let llvm = verbose.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
        let mut version = format!("{}, LLVM {llvm}", verbose.lines().next()?);
        // A distribution's patch release moves the compiled `core` without moving the compiler's own version.
        if rustc == Path::new(DEBIAN_RUSTC)
            && let Some(package) = packages::version(DEBIAN_CORE)
        {
            version = format!("{version}, {DEBIAN_CORE} {package}");
        }
        Some(Self { kind, rustc, version })
    }

    /// The major version of the LLVM that this compiler brings.
    pub fn llvm_major(&self) -> Result<u32> {
        let after = self.version.split_once("LLVM ").map(|(_, rest)| rest);
        let major = after.and_then(|rest| rest.split('.').next()?.parse().ok());
        major.with_context(|| format!("no LLVM version in `{}`", self.version))
    }

    /// Where the `core` lies that is built along, when it is.
    pub fn core_sources(&self) -> Option<PathBuf> {
        let sysroot = self.rustc.parent()?.parent()?;
        (self.kind == Kind::BuildStd).then(|| sysroot.join(RUST_SRC))
    }

    /// A cargo command that builds with this compiler for BPF.
    pub fn cargo_build(&self) -> Command {
        let mut command = cargo();
        tools::without_build_settings(&mut command);
        // Both ways need unstable flags; the variable makes a stable compiler accept them.
        command.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        command.args(["build", "--release", "--target", TARGET]);
        if self.kind == Kind::BuildStd {
            command.args(["-Z", "build-std=core"]);
        }
        command
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.compiler.kind {
            Kind::Precompiled => "precompiled core",
            Kind::BuildStd => "nightly, build-std",
        };
        write!(f, "{} ({kind}), {}", self.compiler.version, self.linker_version)
    }
}
