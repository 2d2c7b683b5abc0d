//! The guest's first file system: busybox, the modules that reach the host's root, and one script.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::kernel::Kernel;
use crate::project::run;

const MODULES: &[&str] = &["virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay"];
const INIT: &str = include_str!("init.sh");

/// Writes the initramfs of a kernel into `dir` and returns its path.
pub fn build(kernel: &Kernel, dir: &Path) -> Result<PathBuf> {
    let tree = dir.join("initramfs");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    for name in ["bin", "dev", "lower", "modules", "newroot", "proc", "rw", "sys"] {
        let dir = tree.join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox")).context("cannot copy /bin/busybox (package busybox-static)")?;
    write_executable(&tree.join("init"), INIT)?;

    let mut order = String::new();
    for file in kernel.module_files(MODULES)? {
        let name = place_module(&file, &tree.join("modules"))?;
        order.push_str(&name);
        order.push('\n');
    }
    fs::write(tree.join("modules/order"), order).context("cannot write the order of the modules")?;

    let packed = dir.join("initramfs.cpio");
    let list = "find . | LC_ALL=C sort | cpio --quiet -o -H newc";
    run(Command::new("sh").current_dir(&tree).arg("-c").arg(format!("{list} >../initramfs.cpio")))?;
    Ok(packed)
}

/// Copies a module, unpacked, and returns the name that it has there.
fn place_module(file: &Path, dir: &Path) -> Result<String> {
    let name = file.file_name().with_context(|| format!("{} is no module", file.display()))?;
    let name = name.to_string_lossy();
    let copy = dir.join(&*name);
    fs::copy(file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
    let unpacker = match copy.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => Some("xz"),
        Some("zst") => Some("zstd"),
        _ => None,
    };
    let Some(unpacker) = unpacker else { return Ok(name.into_owned()) };
    run(Command::new(unpacker).args(["-d", "-q", "-f"]).arg(&copy))?;
    Ok(name.trim_end_matches(".xz").trim_end_matches(".zst").to_owned())
}

pub fn write_executable(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", file.display()))
}
