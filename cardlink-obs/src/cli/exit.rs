//! Exit codes, documented in `docs/cli.md`.

use crate::{
    capture::command::CommandError, capture::loader::LoadError, server::ServerError, sink::recording::RecordingError,
};
use std::io;

/// Errors that a user can do something about: one sentence each, and a code.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error(
        "the agent does not run in the host's pid namespace, so the pids that the kernel reports mean nothing here: run it on the host (containers: hostPID)"
    )]
    PidNamespace,
    #[error("there is no process {0}")]
    NoSuchProcess(u32),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    Command(#[from] CommandError),
    #[error("{what}: {error}")]
    File { what: String, error: io::Error },
    #[error("{0}")]
    System(#[from] io::Error),
}

impl CliError {
    /// The exit code.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Usage(_) => 2,
            Self::Load(LoadError::NotPermitted) => 77,
            Self::Load(_) | Self::PidNamespace => 69,
            Self::NoSuchProcess(_) => 3,
            Self::Server(ServerError::Listen { .. }) => 4,
            Self::Recording(RecordingError::Io(..)) | Self::File { .. } => 74,
            Self::Recording(_) => 65,
            Self::Command(_) => 127,
            Self::System(_) | Self::Server(ServerError::System(_)) => 71,
        }
    }
}
