//! The other side: who looks at a running agent.

use super::{
    GROUP, PROTOCOL, dial,
    protocol::{Greeting, Request},
};
use nix::unistd::{Gid, Group};
use serde_json::Value;
use std::{
    fs,
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// An answer beyond this is not one of ours.
const LONGEST_ANSWER: u64 = 1 << 28;

/// Why a running agent cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ControlClientError {
    #[error("no agent has the control socket {path}: start one with `cardlink-obs run`, or name another", path = .0.display())]
    Absent(PathBuf),
    #[error("the control socket {path} is for root and the group {group} only: run this as root, or {}", advice(.group), path = .path.display())]
    NotPermitted { path: PathBuf, group: String },
    #[error("the agent at {path} refuses: {reason}", path = .path.display())]
    Refused { path: PathBuf, reason: String },
    #[error("what answers at {path} is not cardlink-obs: {reason}", path = .path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error("the agent at {path} speaks version {found} of the protocol, this program version {PROTOCOL}: use one of the agent's version", path = .path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("the agent at {path} does not answer: {error}", path = .path.display())]
    Failed { path: PathBuf, error: io::Error },
    #[error("the agent at {path} has gone away", path = .0.display())]
    Gone(PathBuf),
}

fn advice(group: &str) -> String {
    let member = format!("become a member (`usermod --append --groups {GROUP} USER`, then log in anew)");
    if group == GROUP {
        member
    } else {
        format!("make the group {GROUP} (`groupadd --system {GROUP}`), {member}, and restart the agent")
    }
}

/// A connection to a running agent.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    input: BufReader<UnixStream>,
    greeting: Greeting,
}

impl Client {
    /// Connects; every answer may take so long.
    pub fn connect(path: &Path, patience: Duration) -> Result<Self, ControlClientError> {
        let failed = |error| ControlClientError::Failed { path: path.to_path_buf(), error };
        let stream = dial::dial(path).map_err(|error| refused(path, error))?;
        let patience = Some(patience.max(Duration::from_millis(1)));
        stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(patience)).map_err(failed)?;
        let mut input = BufReader::new(stream);
        let line = line(path, &mut input)?;
        let value: Value = serde_json::from_str(&line).map_err(|error| foreign(path, &error))?;
        if let Some(reason) = reason(&value) {
            return Err(ControlClientError::Refused { path: path.to_path_buf(), reason });
        }
        match value.get("protocol").and_then(Value::as_u64).and_then(|found| u32::try_from(found).ok()) {
            Some(PROTOCOL) => {}
            Some(found) => return Err(ControlClientError::Version { path: path.to_path_buf(), found }),
            None => return Err(foreign(path, &"it does not say its protocol")),
        }
        let greeting = serde_json::from_value(value).map_err(|error| foreign(path, &error))?;
        Ok(Self { path: path.to_path_buf(), input, greeting })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process of the agent.
    pub const fn pid(&self) -> u32 {
        self.greeting.pid
    }

    /// Where its metrics page is.
    pub fn url(&self) -> &str {
        &self.greeting.url
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Value, ControlClientError> {
        let failed = |error| ControlClientError::Failed { path: self.path.clone(), error };
        let text = serde_json::to_string(request).map_err(io::Error::other).map_err(failed)?;
        self.input.get_mut().write_all(format!("{text}\n").as_bytes()).map_err(failed)?;
        let line = line(&self.path, &mut self.input)?;
        let mut value: Value = serde_json::from_str(&line).map_err(|error| foreign(&self.path, &error))?;
        if let Some(reason) = reason(&value) {
            return Err(ControlClientError::Refused { path: self.path.clone(), reason });
        }
        value.get_mut("ok").map(Value::take).ok_or_else(|| foreign(&self.path, &"it says neither yes nor no"))
    }

    /// Follows what happens from now on.
    pub fn follow(mut self, request: &Request) -> Result<Following, ControlClientError> {
        self.ask(request)?;
        // Nothing may happen for a long time.
        let stream = self.input.get_ref();
        stream.set_read_timeout(None).map_err(|error| ControlClientError::Failed { path: self.path.clone(), error })?;
        Ok(Following { client: self })
    }
}

/// What happens, as the agent tells it.
#[derive(Debug)]
pub struct Following {
    client: Client,
}

impl Following {
    /// Whether the next line may be waited for.
    pub fn has_line(&self) -> bool {
        !self.client.input.buffer().is_empty()
    }

    /// What to print next; `None` when the agent stops.
    pub fn line(&mut self) -> Result<Option<String>, ControlClientError> {
        let path = &self.client.path;
        let line = line(path, &mut self.client.input)?;
        let value: Value = serde_json::from_str(&line).map_err(|error| foreign(path, &error))?;
        // An observation, as JSON, is passed on as it is: numbers are not written anew.
        if value.get("type").is_some() {
            return Ok(Some(line));
        }
        if value.get("end").is_some() {
            return Ok(None);
        }
        match value.get("text").and_then(Value::as_str) {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(foreign(path, &"it says something unknown")),
        }
    }
}

impl AsFd for Following {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.input.get_ref().as_fd()
    }
}

fn line(path: &Path, input: &mut BufReader<UnixStream>) -> Result<String, ControlClientError> {
    let mut line = String::new();
    match input.take(LONGEST_ANSWER).read_line(&mut line) {
        Ok(_) if line.ends_with('\n') => Ok(line),
        Ok(_) => Err(ControlClientError::Gone(path.to_path_buf())),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(ControlClientError::Gone(path.to_path_buf())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let error = io::Error::new(ErrorKind::TimedOut, "it took too long");
            Err(ControlClientError::Failed { path: path.to_path_buf(), error })
        }
        Err(error) => Err(ControlClientError::Failed { path: path.to_path_buf(), error }),
    }
}

fn reason(value: &Value) -> Option<String> {
    value.get("error").and_then(Value::as_str).map(str::to_owned)
}

fn foreign(path: &Path, reason: &dyn std::fmt::Display) -> ControlClientError {
    ControlClientError::Foreign { path: path.to_path_buf(), reason: reason.to_string() }
}

fn refused(path: &Path, error: io::Error) -> ControlClientError {
    let path = path.to_path_buf();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => ControlClientError::Absent(path),
        ErrorKind::PermissionDenied => {
            let group = fs::metadata(&path).ok().map(|found| {
                let gid = found.gid();
                let named = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
                named.map_or_else(|| gid.to_string(), |group| group.name)
            });
            ControlClientError::NotPermitted { path, group: group.unwrap_or_else(|| String::from(GROUP)) }
        }
        ErrorKind::WouldBlock => {
            let error = io::Error::new(ErrorKind::WouldBlock, "it does not accept anybody: is it stopped?");
            ControlClientError::Failed { path, error }
        }
        _ => ControlClientError::Failed { path, error },
    }
}
