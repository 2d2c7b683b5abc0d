//! The socket in the file system: made for its group, in place of one that a dead agent has left, and taken away at the end.

use super::{AUTO, ControlError, GROUP, dial, place};
use crate::capture::host;
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::{Gid, Group, chown, geteuid},
};
use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::ErrorKind,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Reading and writing: who may connect.
const MODE: u32 = 0o660;

/// A socket that is bound, and is not served yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: UnixListener,
    pub(super) path: PathBuf,
    /// Device and inode: at the end it is taken away only if it is still this one.
    file: (u64, u64),
}

/// Binds what the setting names. In the usual place it is a convenience: when there can be none a warning says why.
pub fn bind(setting: &str) -> Result<Option<Bound>, ControlError> {
    let Some(path) = place::of_agent(setting) else { return Ok(None) };
    if setting != AUTO {
        return at(&path).map(Some);
    }
    let bound = folder(&path).and_then(|()| at(&path));
    Ok(bound.inspect_err(|error| tracing::warn!("no control socket for this agent: {error}")).ok())
}

/// The folder of the usual place. That of a user is there, but for its last part.
fn folder(path: &Path) -> Result<(), ControlError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let mode = if geteuid().is_root() { 0o755 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(parent) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(ControlError::Failed { path: path.to_path_buf(), error })
        }
        _ => Ok(()),
    }
}

fn at(path: &Path) -> Result<Bound, ControlError> {
    let failed = |error| ControlError::Failed { path: path.to_path_buf(), error };
    let _alone = alone(path);
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    let listener = listener.map_err(failed)?;
    let bound = fs::symlink_metadata(path).map(|found| (found.dev(), found.ino())).map_err(failed)?;
    let bound = Bound { listener, path: path.to_path_buf(), file: bound };
    // Until then whoever the umask lets: nobody but root may write to what another user has made.
    fs::set_permissions(path, Permissions::from_mode(MODE)).map_err(failed)?;
    if let Ok(Some(group)) = Group::from_name(GROUP)
        && let Err(errno) = give_to(path, group.gid)
    {
        tracing::warn!("the control socket {} cannot be given to the group {GROUP}: {errno}", path.display());
    }
    bound.listener.set_nonblocking(true).map_err(failed)?;
    Ok(bound)
}

fn give_to(path: &Path, group: Gid) -> nix::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.gid() == group.as_raw()) {
        return Ok(());
    }
    chown(path, None, Some(group))
}

/// Two agents that start at once would both find the same socket dead. Who cannot have the lock within a moment goes on without it.
fn alone(path: &Path) -> Option<Flock<File>> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = File::open(folder).ok()?;
    for _ in 0..50 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Some(lock),
            Err((back, _)) => file = back,
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |error| ControlError::Failed { path: path.to_path_buf(), error };
    let taken = |holder| ControlError::Taken { path: path.to_path_buf(), holder };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ControlError::NoSocket(path.to_path_buf())),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match dial::dial(path) {
        Ok(stream) => Err(taken(holder(dial::pid_of_peer(&stream)))),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // It has more visitors than it accepts.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(taken(holder(None))),
        Err(error) => Err(failed(error)),
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid.and_then(|pid| Some((pid, host::comm(pid)?))) {
        Some((pid, comm)) => format!("{comm} (pid {pid})"),
        None => String::from("another process"),
    }
}

impl Bound {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("the control socket {} stays behind: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, ControlError, at, bind};
    use std::{
        fs,
        os::unix::{fs::PermissionsExt as _, net::UnixListener},
    };

    #[test]
    fn for_its_owner_and_its_group_and_gone_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("control");
        let bound = at(&path).expect("a socket");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o7777, 0o660);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn one_that_a_dead_agent_left_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("control");
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists());
        let first: Bound = at(&path).expect("in place of the dead one");
        let refusal = at(&path).expect_err("a refusal").to_string();
        assert!(refusal.contains(&format!("(pid {})", std::process::id())), "{refusal}");
        assert!(refusal.contains("--control"), "{refusal}");
        // Whoever has taken its place in the meantime keeps it.
        fs::remove_file(&path).expect("removed");
        let second = at(&path).expect("another");
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "text").expect("written");
        assert!(matches!(at(&path), Err(ControlError::NoSocket(_))));
        assert_eq!(fs::read_to_string(&path).expect("read"), "text");
        let nowhere = folder.path().join("no/control");
        let refusal = bind(&nowhere.display().to_string()).expect_err("a refusal").to_string();
        assert!(refusal.contains("No such file") && refusal.contains("--control"), "{refusal}");
        assert!(bind("none").is_ok_and(|bound| bound.is_none()));
    }
}
