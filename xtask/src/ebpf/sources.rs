//! One hash over everything that the BPF object is made from.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

/// The crates whose files end up in the object.
const CRATES: &[&str] = &["cardlink-obs-common", "cardlink-obs-ebpf"];
/// Files beside `src/` that take part in the build.
const FILES: &[&str] = &["Cargo.lock", "Cargo.toml", "build.rs"];

/// Hashes names and contents of the sources, in the order of their names, and the flags they are compiled with.
pub fn hash(root: &Path, flags: &[&str]) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for file in files(root)? {
        let name = file.strip_prefix(root).unwrap_or(&file);
        field(name.to_string_lossy().as_bytes());
        field(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    for flag in flags {
        field(flag.as_bytes());
    }
    Ok(hex(&hasher.finalize()))
}

/// SHA-256 in lower-case hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in CRATES {
        let dir = root.join(name);
        found.extend(FILES.iter().map(|file| dir.join(file)).filter(|file| file.is_file()));
        walk(&dir.join("src"), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
