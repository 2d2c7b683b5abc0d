//! The key file: read once, refused when others can read it, and kept out of core dumps.

use crate::protocol::tls::open::{Format, Keyring, KeyringError};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A key file beyond this is none.
const MOST_BYTES: u64 = 64 << 20;

/// Why a key file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file {path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    #[error("the key file {path} can be read by others: type `chmod 600 {path}` and start again", path = .0.display())]
    Open(PathBuf),
    #[error("the key file {path} belongs to another user (uid {uid}): type `chown {own} {path}` and start again", path = .path.display())]
    Foreign { path: PathBuf, uid: u32, own: u32 },
    #[error("{path} is too large for a key file", path = .0.display())]
    TooLarge(PathBuf),
    #[error("the key file {path} is not text", path = .0.display())]
    NotText(PathBuf),
    #[error("the key file {path}, {error}", path = .0.display(), error = .1)]
    Malformed(PathBuf, KeyringError),
}

/// Reads a key file. From here on the process leaves no core dump, and nobody but root can trace it.
pub fn load(path: &Path) -> Result<Keyring, KeyFileError> {
    let io = |error| KeyFileError::Io(path.to_path_buf(), error);
    let file = fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeyFileError::Open(path.to_path_buf()));
    }
    let own = nix::unistd::Uid::effective();
    // root may read anybody's file, and its owner may be who called sudo; anybody else reads only what is theirs.
    if metadata.uid() != own.as_raw() && !own.is_root() {
        return Err(KeyFileError::Foreign { path: path.to_path_buf(), uid: metadata.uid(), own: own.as_raw() });
    }
    if metadata.len() > MOST_BYTES {
        return Err(KeyFileError::TooLarge(path.to_path_buf()));
    }
    nix::sys::prctl::set_dumpable(false).map_err(|errno| io(errno.into()))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    io::Read::read_to_end(&mut { &file }, &mut bytes).map_err(io)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText(path.to_path_buf()))?;
    let hint = path.extension().and_then(|extension| extension.to_str()).and_then(Format::from_extension);
    Keyring::parse(text, hint).map_err(|error| KeyFileError::Malformed(path.to_path_buf(), error))
}

#[cfg(test)]
mod tests {
    use super::{KeyFileError, load};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_type() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        fs::write(&path, "card-1:00112233445566778899aabbccddeeff\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions");
        let error = load(&path).expect_err("a refusal");
        assert!(matches!(error, KeyFileError::Open(_)));
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        let keys = load(&path).expect("keys");
        assert!(keys.key(b"card-1").is_some());
    }

    #[test]
    fn what_is_wrong_in_it_is_told_without_a_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        fs::write(&path, "card-1:00112233445566778899aabbccddeeff\ncard-2:secret-text\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        let text = load(&path).expect_err("an error").to_string();
        assert!(text.contains("line 2") && !text.contains("secret-text"), "{text}");
    }
}
