//! The key file: read once, refused when others can read it, and kept out of core dumps.

use crate::protocol::tls::open::{Format, Keyring, KeyringError, Psk};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
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
    #[error("the key file {path} is a folder: name the file in it", path = .0.display())]
    Folder(PathBuf),
    #[error("{path} is a device and no key file: name a file", path = .0.display())]
    Device(PathBuf),
    #[error("the key file {path} has no key in it: give it one, or leave the setting out", path = .0.display())]
    Empty(PathBuf),
    #[error("{path} is too large for a key file", path = .0.display())]
    TooLarge(PathBuf),
    #[error("the key file {path} is not text", path = .0.display())]
    NotText(PathBuf),
    #[error("the key file {path}, {error}", path = .0.display(), error = .1)]
    Malformed(PathBuf, KeyringError),
}

/// Two lines of a key file that have the same identity and different keys: meant when keys are rolled over, a slip otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubled {
    pub first: usize,
    pub second: usize,
}

impl Doubled {
    /// What is said of them: neither the identity nor a key.
    pub fn sentence(self, path: &Path) -> String {
        let (path, Self { first, second }) = (path.display(), self);
        format!(
            "the key file {path}: lines {first} and {second} have the same identity and different keys; both are tried"
        )
    }
}

/// Reads a key file. From here on the process leaves no core dump, and nobody but root can trace it.
pub fn load(path: &Path) -> Result<Keyring, KeyFileError> {
    load_with_doubles(path).map(|(keys, _)| keys)
}

/// The same, with the lines that may be a slip.
pub fn load_with_doubles(path: &Path) -> Result<(Keyring, Vec<Doubled>), KeyFileError> {
    let io = |error| KeyFileError::Io(path.to_path_buf(), error);
    let file = fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(KeyFileError::Folder(path.to_path_buf()));
    }
    if metadata.file_type().is_char_device() || metadata.file_type().is_block_device() {
        return Err(KeyFileError::Device(path.to_path_buf()));
    }
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
    io::Read::read_to_end(&mut io::Read::take(&file, MOST_BYTES + 1), &mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(KeyFileError::TooLarge(path.to_path_buf()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText(path.to_path_buf()))?;
    let hint = path.extension().and_then(|extension| extension.to_str()).and_then(Format::from_extension);
    let keys = Keyring::parse(text, hint).map_err(|error| KeyFileError::Malformed(path.to_path_buf(), error))?;
    if keys.is_empty() {
        return Err(KeyFileError::Empty(path.to_path_buf()));
    }
    let doubles = doubles(text, &keys);
    Ok((keys, doubles))
}

/// Lines `identity:hexkey` whose identity stood before with another key.
fn doubles(text: &str, keys: &Keyring) -> Vec<Doubled> {
    let several: BTreeSet<&[u8]> =
        keys.iter().map(|(identity, ..)| identity).filter(|identity| keys.keys(identity).len() > 1).collect();
    let mut doubles = Vec::new();
    let mut first: BTreeMap<Vec<u8>, (usize, Psk)> = BTreeMap::new();
    if several.is_empty() {
        return doubles;
    }
    for (number, line) in (1..).zip(text.lines()) {
        // A line of another format is no entry by itself.
        let Ok(entry) = Keyring::parse(line, Some(Format::GnuTls)) else { continue };
        let Some((identity, key, _)) = entry.iter().next().filter(|(identity, ..)| several.contains(identity)) else {
            continue;
        };
        match first.get(identity) {
            Some((before, known)) if known != key => doubles.push(Doubled { first: *before, second: number }),
            Some(_) => {}
            None => {
                first.insert(identity.to_vec(), (number, key.clone()));
            }
        }
    }
    doubles
}

#[cfg(test)]
mod tests {
    use super::{Doubled, KeyFileError, load, load_with_doubles};
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

    #[test]
    fn an_identity_with_two_keys_is_told_by_its_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        let write = |text: &str| {
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            load_with_doubles(&path).expect("keys").1
        };
        assert_eq!(write("# cards\na:0011\nb:0022\na:0033\n"), [Doubled { first: 2, second: 4 }]);
        assert_eq!(write("a:0011\na:0011\n"), [], "the same twice is no slip that matters");
        assert_eq!(write("a:\n  keys: ['01', '02']\n"), [], "several keys in one place are meant");
        let sentence = Doubled { first: 2, second: 4 }.sentence(&path);
        assert!(sentence.contains("lines 2 and 4"), "{sentence}");
    }

    #[test]
    fn what_is_no_file_with_keys_has_its_own_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(load(folder.path()), Err(KeyFileError::Folder(_))));
        let path = folder.path().join("keys");
        for text in ["", "# nothing yet\n"] {
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            assert!(matches!(load(&path), Err(KeyFileError::Empty(_))), "{text:?}");
        }
    }
}
