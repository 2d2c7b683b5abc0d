//! The committed BPF object belongs to the sources beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use xtask::ebpf::{self, sources};

#[test]
fn the_committed_object_matches_its_sources() -> Result<()> {
    ebpf::verify_committed()
}

#[test]
fn the_hash_sees_every_source_and_nothing_else() -> Result<()> {
    let root = checkout("hash")?;
    let before = sources::hash(&root, &["flag"])?;

    fs::create_dir_all(root.join("cardlink-obs-ebpf/target"))?;
    fs::write(root.join("cardlink-obs-ebpf/target/built.rs"), "noise")?;
    fs::write(root.join("cardlink-obs-ebpf/src/.main.rs.swp"), "noise")?;
    assert_eq!(sources::hash(&root, &["flag"])?, before, "build products and editors' files do not count");

    assert_ne!(sources::hash(&root, &["another"])?, before, "flags count");
    fs::write(root.join("cardlink-obs-common/src/deep/event.rs"), "b")?;
    assert_ne!(sources::hash(&root, &["flag"])?, before, "files in folders count");
    fs::write(root.join("cardlink-obs-common/src/deep/event.rs"), "a")?;
    assert_eq!(sources::hash(&root, &["flag"])?, before);

    fs::rename(root.join("cardlink-obs-ebpf/src/main.rs"), root.join("cardlink-obs-ebpf/src/other.rs"))?;
    assert_ne!(sources::hash(&root, &["flag"])?, before, "names count");
    Ok(())
}

fn checkout(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for dir in ["cardlink-obs-common/src/deep", "cardlink-obs-ebpf/src"] {
        fs::create_dir_all(root.join(dir))?;
    }
    fs::write(root.join("cardlink-obs-common/Cargo.toml"), "[package]")?;
    fs::write(root.join("cardlink-obs-common/src/deep/event.rs"), "a")?;
    fs::write(root.join("cardlink-obs-ebpf/src/main.rs"), "fn main() {}")?;
    Ok(root)
}
