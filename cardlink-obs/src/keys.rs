//! The key file: read once, refused when others can read it, and kept out of core dumps.

use crate::protocol::tls::open::{Format, Keyring, KeyringError};
use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    fs, io,
    os::fd::AsFd as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// How long whoever starts waits for a key file that is a pipe.
pub const AT_START: Duration = Duration::from_secs(30);
/// The same for what runs already and has other things to do.
pub const AT_WORK: Duration = Duration::from_secs(1);

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
    #[error("the key file {path} is a pipe, and nobody writes a key to it: start its writer first, or name a file", path = .0.display())]
    NoWriter(PathBuf),
    #[error("the key file {path} is a pipe, and whoever writes to it has not ended within {patience:?}", path = .path.display())]
    Slow { path: PathBuf, patience: Duration },
    #[error("{path} is too large for a key file", path = .0.display())]
    TooLarge(PathBuf),
    #[error("the key file {path} is not text", path = .0.display())]
    NotText(PathBuf),
    #[error("the key file {path}, {error}", path = .0.display(), error = .1)]
    Malformed(PathBuf, KeyringError),
}

/// Reads a key file; of a pipe the end is waited for so long. From here on the process leaves no core dump, and nobody but root
/// can trace it.
pub fn load(path: &Path, patience: Duration) -> Result<Keyring, KeyFileError> {
    let io = |error| KeyFileError::Io(path.to_path_buf(), error);
    // A pipe that nobody has open for writing is not to hold the agent up, nor is one to be read before its writer is done.
    let file = fs::File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(io)?;
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
    if !read_within(&file, patience, &mut bytes).map_err(io)? {
        return Err(KeyFileError::Slow { path: path.to_path_buf(), patience });
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(KeyFileError::TooLarge(path.to_path_buf()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText(path.to_path_buf()))?;
    let hint = path.extension().and_then(|extension| extension.to_str()).and_then(Format::from_extension);
    let keys = Keyring::parse(text, hint).map_err(|error| KeyFileError::Malformed(path.to_path_buf(), error))?;
    if keys.is_empty() {
        let none = if metadata.file_type().is_fifo() { KeyFileError::NoWriter } else { KeyFileError::Empty };
        return Err(none(path.to_path_buf()));
    }
    Ok(keys)
}

/// Reads to the end, or a little more than a key file may have; whether that took no longer than this. A writer that is not ready
/// is waited for.
fn read_within(mut file: &fs::File, patience: Duration, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    let mut part = Zeroizing::new([0; 4096]);
    while bytes.len() as u64 <= MOST_BYTES {
        match io::Read::read(&mut file, &mut *part) {
            Ok(0) => break,
            Ok(count) => bytes.extend(part.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(false);
                }
                let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                let _ = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], left);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// What is said of entries of a key file that may be a slip.
pub fn slips(path: &Path, keys: &Keyring) -> impl Iterator<Item = String> {
    keys.doubled().iter().map(move |doubled| format!("the key file {}: {doubled}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{KeyFileError, load};
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_type() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        fs::write(&path, "card-1:00112233445566778899aabbccddeeff\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions");
        let error = load(&path, PATIENCE).expect_err("a refusal");
        assert!(matches!(error, KeyFileError::Open(_)));
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        let keys = load(&path, PATIENCE).expect("keys");
        assert!(keys.key(b"card-1").is_some());
    }

    #[test]
    fn what_is_wrong_in_it_is_told_without_a_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        fs::write(&path, "card-1:00112233445566778899aabbccddeeff\ncard-2:secret-text\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        let text = load(&path, PATIENCE).expect_err("an error").to_string();
        assert!(text.contains("line 2") && !text.contains("secret-text"), "{text}");
    }

    #[test]
    fn an_identity_with_two_keys_is_told_by_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        let slips = |text: &str| -> Vec<String> {
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            super::slips(&path, &load(&path, PATIENCE).expect("keys")).collect()
        };
        let told = |places: &str| {
            let path = path.display();
            vec![format!("the key file {path}: {places} have the same identity and different keys; both are tried")]
        };
        assert_eq!(slips("# cards\na:0011\nb:0022\na:0033\n"), told("line 2 and line 4"));
        assert_eq!(slips(r#"{"a": "0011", "b": "0022", "a": {"key": "0033"}}"#), told("entry 1 and entry 3"));
        assert_eq!(slips("a: '0011'\nb: '0022'\na: '0033'\n"), told("line 1 and line 3"));
        assert!(slips("a:0011\na:0011\n").is_empty(), "the same twice is no slip that matters");
        assert!(slips("a:\n  keys: ['01', '02']\n").is_empty(), "several keys in one place are meant");
    }

    #[test]
    fn a_writer_that_does_not_end_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        let mut writer = fs::File::options().read(true).write(true).open(&path).expect("both ends");
        writer.write_all(b"card-1:0011\n").expect("a key");
        let error = load(&path, Duration::from_millis(30)).expect_err("a refusal").to_string();
        assert!(error.contains("has not ended within 30ms"), "{error}");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_not_waited_for_without_a_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe");
        assert!(matches!(load(&path, PATIENCE), Err(KeyFileError::NoWriter(_))));
        // Both ways, so that it is open at once.
        let mut writer = fs::File::options().read(true).write(true).open(&path).expect("a writer");
        let slow = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            writer.write_all(b"a:0011\n").expect("room");
        });
        assert!(load(&path, PATIENCE).expect("keys").key(b"a").is_some());
        slow.join().expect("a writer that ends");
    }

    #[test]
    fn what_is_no_file_with_keys_has_its_own_sentence() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(load(folder.path(), PATIENCE), Err(KeyFileError::Folder(_))));
        let path = folder.path().join("keys");
        for text in ["", "# nothing yet\n"] {
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
            assert!(matches!(load(&path, PATIENCE), Err(KeyFileError::Empty(_))), "{text:?}");
        }
    }
}
