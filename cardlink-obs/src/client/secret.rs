//! A password from a file, and its comparison.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// A password. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Why a password file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the password file {path}: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, io::Error),
    #[error("the password file {path} can be read by others: type `chmod 600 {path}` and start again", path = .0.display())]
    Open(PathBuf),
    #[error("the password file {path} has no password in its first line", path = .0.display())]
    Empty(PathBuf),
}

impl Password {
    /// The first line of a file that others cannot read.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let io = |error| SecretError::Io(path.to_path_buf(), error);
        let file = fs::File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
            return Err(SecretError::Open(path.to_path_buf()));
        }
        let mut text = Zeroizing::new(String::new());
        io::Read::read_to_string(&mut io::Read::take(file, 4096), &mut text).map_err(io)?;
        let line = text.lines().next().unwrap_or_default().trim_end_matches('\r');
        if line.is_empty() {
            return Err(SecretError::Empty(path.to_path_buf()));
        }
        Ok(Self(Zeroizing::new(line.to_owned())))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is it, in a time that does not tell where they differ.
    pub fn is(&self, user: &str, given_user: &[u8], given: &[u8]) -> bool {
        // Under a key, the codes of two texts say nothing of where these differ, and their comparison takes as long
        // wherever these do.
        let code = |user: &[u8], password: &[u8]| {
            let mut mac = <Hmac<Sha256>>::new_from_slice(b"comparison").expect("HMAC takes keys of any length");
            for part in [user, password] {
                mac.update(&(part.len() as u64).to_be_bytes());
                mac.update(part);
            }
            mac
        };
        let wanted = code(user.as_bytes(), self.0.as_bytes()).finalize().into_bytes();
        code(given_user, given).verify_slice(&wanted).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Password, SecretError};
    use std::{fs, os::unix::fs::PermissionsExt as _};

    #[test]
    fn the_first_line_of_a_file_that_is_its_owners() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        fs::write(&path, "open sesame\r\nmore\n").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
        assert!(matches!(Password::from_file(&path), Err(SecretError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        let password = Password::from_file(&path).expect("a password");
        assert!(password.is("me", b"me", b"open sesame"));
        assert!(!password.is("me", b"me", b"open sesam"));
        assert!(!password.is("me", b"meo", b"pen sesame"));
        assert_eq!(format!("{password:?}"), "Password");
        fs::write(&path, "\n").expect("written");
        assert!(matches!(Password::from_file(&path), Err(SecretError::Empty(_))));
    }
}
