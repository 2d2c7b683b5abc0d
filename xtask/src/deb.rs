//! `cargo xtask deb`: a Debian package of the agent, with `dpkg-deb` alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::project::{capture, cargo, root, run as run_command, step, target_dir};

/// `cargo xtask deb`
#[derive(Debug, Args)]
pub struct Options {
    /// Package this program instead of a release build.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the package goes (default: `target/deb`).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Files of the checkout, and where they are installed; folders with all that is in them.
const FILES: &[(&str, &str)] = &[
    ("packaging/cardlink-obs.service", "usr/lib/systemd/system/cardlink-obs.service"),
    ("dashboards", "usr/share/cardlink-obs/dashboards"),
    ("alerts", "usr/share/cardlink-obs/alerts"),
    ("docs", "usr/share/doc/cardlink-obs/docs"),
    ("packaging/examples", "usr/share/doc/cardlink-obs/examples"),
    ("README.md", "usr/share/doc/cardlink-obs/README.md"),
    ("CHANGELOG.md", "usr/share/doc/cardlink-obs/CHANGELOG.md"),
];

/// Shells, and where they look for completions.
const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "usr/share/bash-completion/completions/cardlink-obs"),
    ("zsh", "usr/share/zsh/vendor-completions/_cardlink-obs"),
    ("fish", "usr/share/fish/vendor_completions.d/cardlink-obs.fish"),
];

const CONFIG: &str = "etc/cardlink-obs/config.toml";
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];

pub fn run(options: &Options) -> Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => release()?,
    };
    let out = options.out.clone().unwrap_or_else(|| target_dir().join("deb"));
    let tree = out.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    step("Putting the package together");
    let program = tree.join("usr/bin/cardlink-obs");
    copy(&binary, &program)?;
    run_command(Command::new("strip").args(["--strip-debug"]).arg(&program))?;
    for (from, to) in FILES {
        copy(&root().join(from), &tree.join(to))?;
    }
    of_the_program(&program, &tree)?;
    copyright(&tree)?;
    permissions(&tree)?;
    let version = version(&program)?;
    let architecture = capture(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    control(&tree, &program, &version, &architecture)?;
    let package = out.join(format!("cardlink-obs_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zxz", "-z1", "--build"]).arg(&tree).arg(&package);
    run_command(&mut build)?;
    fs::remove_dir_all(&tree)?;
    println!("{}", package.display());
    Ok(())
}

fn release() -> Result<PathBuf> {
    step("Building the agent");
    run_command(cargo().current_dir(root()).args(["build", "--release", "--locked", "-p", "cardlink-obs", "--bins"]))?;
    Ok(target_dir().join("release/cardlink-obs"))
}

/// A file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let wrong = || format!("cannot copy {} to {}", from.display(), to.display());
    if from.is_dir() {
        for entry in fs::read_dir(from).with_context(wrong)? {
            let entry = entry.with_context(wrong)?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(wrong)?;
    }
    fs::copy(from, to).with_context(wrong)?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What the program itself makes: configuration, completions, manual pages.
fn of_the_program(program: &Path, tree: &Path) -> Result<()> {
    write(&tree.join(CONFIG), &capture(Command::new(program).args(["config", "init", "-"]))?)?;
    for (shell, to) in COMPLETIONS {
        write(&tree.join(to), &capture(Command::new(program).args(["completions", shell]))?)?;
    }
    let man = tree.join("usr/share/man/man1");
    fs::create_dir_all(&man)?;
    run_command(Command::new(program).arg("man").arg(&man))?;
    for page in fs::read_dir(&man)? {
        run_command(Command::new("gzip").arg("-9n").arg(page?.path()))?;
    }
    Ok(())
}

fn copyright(tree: &Path) -> Result<()> {
    let licence = |name| fs::read_to_string(root().join(name)).with_context(|| format!("cannot read {name}"));
    let text = format!(
        "cardlink-obs is under MIT or Apache-2.0, at your option. Its BPF programs are Dual MIT/GPL.\n\n{}\n\n{}",
        licence("LICENSE-MIT")?,
        licence("LICENSE-APACHE")?
    );
    write(&tree.join("usr/share/doc/cardlink-obs/copyright"), &text)
}

/// Everybody may read, and run what is in `usr/bin`.
fn permissions(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            permissions(&path)?;
        } else {
            let mode = if folder.ends_with("usr/bin") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn version(program: &Path) -> Result<String> {
    let text = capture(Command::new(program).arg("--version"))?;
    text.split_whitespace().nth(1).map(str::to_owned).context("the program does not say its version")
}

fn control(tree: &Path, program: &Path, version: &str, architecture: &str) -> Result<()> {
    let debian = tree.join("DEBIAN");
    let source = root().join("packaging/debian");
    let template = fs::read_to_string(source.join("control")).context("cannot read packaging/debian/control")?;
    let control = template
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@SIZE@", &(size(tree)? / 1024).to_string())
        .replace("@GLIBC@", &glibc(&fs::read(program)?)?);
    ensure!(!control.contains('@') || control.matches('@').count() == 1, "a placeholder is left in {control}");
    write(&debian.join("control"), &control)?;
    write(&debian.join("conffiles"), &format!("/{CONFIG}\n"))?;
    for name in SCRIPTS {
        copy(&source.join(name), &debian.join(name))?;
        fs::set_permissions(debian.join(name), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        sum += if path.is_dir() { size(&path)? } else { fs::metadata(&path)?.len() };
    }
    Ok(sum)
}

/// The newest version of the C library that a program asks for, by the names of versions in it.
fn glibc(program: &[u8]) -> Result<String> {
    const BEFORE: &[u8] = b"GLIBC_2.";
    let minors = program.windows(BEFORE.len() + 2).filter(|window| window.starts_with(BEFORE)).filter_map(|window| {
        let digits: String =
            window.iter().skip(BEFORE.len()).map(|byte| char::from(*byte)).take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let newest = minors.max().context("the program does not say which C library it needs")?;
    Ok(format!("2.{newest}"))
}

#[cfg(test)]
mod tests {
    use super::glibc;

    #[test]
    fn the_newest_c_library_counts() {
        assert_eq!(glibc(b"..GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.17\0").ok().as_deref(), Some("2.34"));
        assert!(glibc(b"static").is_err());
    }
}
