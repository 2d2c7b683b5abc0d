//! Files for their owner only.

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// A file to be written anew. One that is there is overwritten, and nobody but its owner can read it any more; a pipe that nobody
/// reads is refused, not waited for.
pub fn overwrite(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(nix::libc::ENXIO) => io::Error::other("it is a pipe or a device, and nobody is at its other end"),
            _ => error,
        })?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::overwrite;
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    #[test]
    fn what_was_there_is_its_owners_alone_afterwards() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "before").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
        drop(overwrite(&path).expect("a file"));
        let metadata = fs::metadata(&path).expect("metadata");
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 0));
        assert!(overwrite(Path::new("/dev/null")).is_ok());
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        assert!(overwrite(&path).expect_err("a refusal").to_string().contains("a pipe"));
    }
}
