//! `-- COMMAND …`: starts a program so that nothing of it is missed.

use super::host;
use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, Uid, User, pipe2, read, write},
};
use std::{
    collections::HashMap,
    ffi::{CString, OsString},
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt as _, process::CommandExt as _},
    },
    process::Command,
    thread,
};

/// Signals that the agent waits for on a descriptor, and has blocked for that: the command's are its own. SIGHUP only where it asks for a reload.
pub const TAKEN: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// A started program that waits to be let go.
#[derive(Debug)]
pub struct Started {
    pub pid: u32,
    program: String,
    go: OwnedFd,
    spawned: thread::JoinHandle<io::Result<std::process::Child>>,
}

/// Why the command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("no command after `--`")]
    Empty,
    #[error("cannot start `{program}`: {error}")]
    Start { program: String, error: io::Error },
    #[error("cannot prepare to start a command: {0}")]
    Prepare(io::Error),
    #[error("sudo was called by user {0}, who is not in the user database")]
    NoSuchUser(u32),
}

/// The user who called sudo.
struct Caller {
    uid: u32,
    gid: u32,
    name: CString,
    environment: HashMap<OsString, OsString>,
}

/// Forks the command and stops it just before its exec. `variables` are added to its environment.
pub fn start(words: &[OsString], variables: &[(&str, String)]) -> Result<Started, CommandError> {
    let (program, arguments) = words.split_first().ok_or(CommandError::Empty)?;
    let mut command = Command::new(program);
    command.args(arguments);
    let caller = sudo_caller()?;
    if let Some(caller) = &caller
        && !caller.environment.is_empty()
    {
        command.env_clear().envs(&caller.environment);
    }
    // It is not the service that the agent is.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let (pid_reader, pid_writer) = cloexec_pipe()?;
    let (go_reader, go_writer) = cloexec_pipe()?;
    let identity = caller.map(|caller| (caller.uid, caller.gid, caller.name));
    // SAFETY: between fork and exec only system calls are made; `initgroups` may allocate, but the parent has no
    // other threads that hold locks at this time.
    unsafe {
        command.pre_exec(move || {
            TAKEN.iter().copied().collect::<SigSet>().thread_unblock()?;
            if let Some((uid, gid, name)) = &identity {
                nix::unistd::initgroups(name, nix::unistd::Gid::from_raw(*gid))?;
                nix::unistd::setgid(nix::unistd::Gid::from_raw(*gid))?;
                nix::unistd::setuid(Uid::from_raw(*uid))?;
            }
            write(&pid_writer, &std::process::id().to_ne_bytes())?;
            let mut byte = [0; 1];
            // End of file means that the agent is gone: do not start.
            if read(&go_reader, &mut byte)? == 1 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
        });
    }
    let shown = program.to_string_lossy().into_owned();
    let spawned = thread::spawn(move || command.spawn());
    let mut pid = [0; 4];
    match read(&pid_reader, &mut pid) {
        Ok(4) => Ok(Started { pid: u32::from_ne_bytes(pid), program: shown, go: go_writer, spawned }),
        _ => Err(match spawned.join() {
            Ok(Err(error)) => CommandError::Start { program: shown, error },
            _ => CommandError::Prepare(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }),
    }
}

fn cloexec_pipe() -> Result<(OwnedFd, OwnedFd), CommandError> {
    pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| CommandError::Prepare(errno.into()))
}

impl Started {
    /// Lets the program go.
    pub fn release(self) -> Result<Running, CommandError> {
        write(&self.go, &[1]).map_err(|errno| CommandError::Prepare(errno.into()))?;
        match self.spawned.join() {
            Ok(Ok(child)) => Ok(Running { pid: child.id(), status: None }),
            Ok(Err(error)) => Err(CommandError::Start { program: self.program, error }),
            Err(_) => Err(CommandError::Prepare(io::Error::other("the starting thread panicked"))),
        }
    }
}

/// A program that the agent started.
#[derive(Debug)]
pub struct Running {
    pub pid: u32,
    status: Option<i32>,
}

impl Running {
    /// Its exit code, when it has ended: 128 + the signal's number when a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        if self.status.is_none() {
            let pid = Pid::from_raw(i32::try_from(self.pid).ok()?);
            self.status = match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(code),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(128 + signal as i32),
                Ok(_) => None,
                Err(_) => Some(1),
            };
        }
        self.status
    }
}

/// Who called sudo, with the environment that sudo was called with.
fn sudo_caller() -> Result<Option<Caller>, CommandError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let Some(uid) = number("SUDO_UID") else { return Ok(None) };
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().ok_or(CommandError::NoSuchUser(uid))?;
    let gid = number("SUDO_GID").unwrap_or(user.gid.as_raw());
    let name = CString::new(user.name.clone()).map_err(|_| CommandError::NoSuchUser(uid))?;
    let mut environment = environment_of_sudo();
    if environment.is_empty() {
        environment = std::env::vars_os().filter(|(key, _)| !key.to_string_lossy().starts_with("SUDO_")).collect();
        environment.insert("HOME".into(), user.dir.into_os_string());
        environment.insert("USER".into(), user.name.clone().into());
        environment.insert("LOGNAME".into(), user.name.into());
        environment.insert("SHELL".into(), user.shell.into_os_string());
    }
    Ok(Some(Caller { uid, gid, name, environment }))
}

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// sudo cleans the environment of what it starts, but its own process still has the caller's.
fn environment_of_sudo() -> HashMap<OsString, OsString> {
    let mut pid = std::process::id();
    for _ in 0..4 {
        let Some((parent, _)) = host::parent(pid) else { break };
        pid = parent;
        if host::comm(pid).as_deref() == Some("sudo") {
            let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            return bytes.split(|byte| *byte == 0).filter_map(variable).collect();
        }
    }
    HashMap::new()
}

fn variable(bytes: &[u8]) -> Option<(OsString, OsString)> {
    let equals = bytes.iter().position(|byte| *byte == b'=')?;
    let (key, value) = bytes.split_at(equals);
    Some((OsString::from_vec(key.to_vec()), OsString::from_vec(value.get(1..)?.to_vec())))
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program is not ended with the agent: it is its user's.
        let _ = self.exit_code();
    }
}
