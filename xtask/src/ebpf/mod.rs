//! `cargo xtask build-ebpf`: the BPF object that the repository carries.
//!
//! The object is committed so that users need a stable compiler only. Its manifest says what it was built from: where
//! the same tool chain is present a rebuild must give the same bytes, and everywhere the sources must have the same hash.

pub mod manifest;
pub mod rustc;
pub mod sources;
mod strip;
pub mod toolchain;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::project::{cargo_home, root, run as run_command, step, target_dir};
use manifest::Manifest;
use toolchain::{TARGET, Toolchain};

/// `cargo xtask build-ebpf`
#[derive(Debug, Args)]
pub struct Options {
    /// Change nothing; rebuild beside it and fail when the committed object is not what its sources say.
    #[arg(long)]
    check: bool,
}

/// The binary target of the crate.
const NAME: &str = "cardlink-obs-ebpf";
/// Flags that shape the object; they count as sources. (The debug level stands in the crate's profile.)
const FLAGS: &[&str] = &["-Clink-arg=--btf"];

/// What a rebuild came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The committed object is, byte for byte, what its sources give.
    Identical,
    /// The sources are the ones it was built from; the tool chain here is another, so the bytes say nothing.
    SameSources,
}

pub fn run(options: &Options) -> Result<()> {
    if options.check {
        check()?;
    } else {
        build_and_keep()?;
    }
    Ok(())
}

/// The committed object.
pub fn object_path() -> PathBuf {
    root().join("cardlink-obs/bpf/cardlink-obs.bpf.o")
}

/// What the committed object was built from.
pub fn manifest_path() -> PathBuf {
    object_path().with_extension("manifest")
}

/// The object that `build-ebpf --check` rebuilt: what CI tests.
pub fn rebuilt_path() -> PathBuf {
    target_dir().join("ebpf-check").join("cardlink-obs.bpf.o")
}

/// The hash that the sources of this checkout have now.
pub fn sources_hash() -> Result<String> {
    sources::hash(&root(), FLAGS)
}

/// Fails, with what to do about it, when the committed object was not built from these sources or was altered.
pub fn verify_committed() -> Result<()> {
    let manifest = Manifest::read(&manifest_path())?;
    ensure!(
        manifest.sources == sources_hash()?,
        "the BPF sources have changed since {} was built: run `cargo xtask build-ebpf` and commit both files",
        object_path().display()
    );
    let object = read(&object_path())?;
    ensure!(
        manifest.object == sources::sha256(&object),
        "{} is not the object that its manifest speaks of: run `cargo xtask build-ebpf` and commit both files",
        object_path().display()
    );
    Ok(())
}

/// Builds the object and puts it, with its manifest, where the agent takes it from.
pub fn build_and_keep() -> Result<()> {
    let toolchain = toolchain::find_or_install()?;
    println!("Tool chain: {toolchain}");
    let object = build(toolchain.compiler.cargo_build(), &toolchain, &target_dir().join("ebpf"))?;
    // After the build: it may have brought the lock file up to date.
    let manifest = manifest_of(&toolchain, sources_hash()?, &object);
    write(&object_path(), &object)?;
    manifest.write(&manifest_path())?;
    println!("{}: {} bytes, sha256 {}", object_path().display(), object.len(), manifest.object);
    Ok(())
}

/// Rebuilds the object from nothing and compares.
pub fn check() -> Result<Outcome> {
    let toolchain = toolchain::find_or_install()?;
    println!("Tool chain: {toolchain}");
    let dir = target_dir().join("ebpf-check");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    let mut cargo = toolchain.compiler.cargo_build();
    cargo.arg("--locked");
    let object = build(cargo, &toolchain, &dir)?;
    write(&rebuilt_path(), &object)?;
    println!("Rebuilt: {} ({} bytes)", rebuilt_path().display(), object.len());

    verify_committed()?;
    let committed = Manifest::read(&manifest_path())?;
    let rebuilt = manifest_of(&toolchain, sources_hash()?, &object);
    if (&committed.arch, &committed.compiler, &committed.linker) != (&rebuilt.arch, &rebuilt.compiler, &rebuilt.linker)
    {
        println!(
            "The committed object was built from these sources. Its bytes were not compared: it was built for {} with \
             {}, {}.",
            committed.arch, committed.compiler, committed.linker
        );
        return Ok(Outcome::SameSources);
    }
    if committed.object != rebuilt.object {
        bail!(
            "the same sources and tool chain give another object (sha256 {} here, {} committed): \
             the build is not reproducible",
            rebuilt.object,
            committed.object
        );
    }
    println!("The committed object is, byte for byte, what its sources give.");
    Ok(Outcome::Identical)
}

fn manifest_of(toolchain: &Toolchain, sources: String, object: &[u8]) -> Manifest {
    Manifest {
        sources,
        object: sources::sha256(object),
        arch: ARCH.to_owned(),
        compiler: toolchain.compiler.version.clone(),
        linker: toolchain.linker_version.clone(),
    }
}

fn build(mut cargo: Command, toolchain: &Toolchain, dir: &Path) -> Result<Vec<u8>> {
    step(format!("Building {NAME} for {TARGET}"));
    cargo
        .current_dir(root().join(NAME))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, dir)?)
        .args(["--bin", NAME, "--target-dir"])
        .arg(dir);
    rustc::wrap(&mut cargo).context("cannot name this program to cargo")?;
    run_command(&mut cargo).context("the BPF programs do not build")?;
    strip::without_dwarf(&read(&dir.join(TARGET).join("release").join(NAME))?)
}

/// The compiler's flags, in the form that survives blanks in paths.
fn flags(toolchain: &Toolchain, target_dir: &Path) -> Result<String> {
    // Where things happen to lie must not reach the object; of several prefixes that match, the last one counts.
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![
        format!("-Clinker={}", toolchain.linker.display()),
        arch_flag(),
        remap(&root(), "/cardlink-obs"),
        remap(target_dir, "/target"),
        remap(&cargo_home()?, "/cargo"),
    ];
    // Nor where a crate was fetched from.
    let registries = cargo_home()?.join("registry/src");
    for registry in fs::read_dir(&registries).into_iter().flatten().flatten() {
        flags.push(remap(&registry.path(), "/crates"));
    }
    if let Some(sources) = toolchain.compiler.core_sources() {
        flags.push(remap(&sources, "/rustc"));
    }
    flags.extend(FLAGS.iter().map(|&flag| flag.to_owned()));
    Ok(flags.join("\x1f"))
}

fn arch_flag() -> String {
    format!("--cfg=bpf_target_arch=\"{ARCH}\"")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    // The same bytes again must not look like news to cargo.
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}
