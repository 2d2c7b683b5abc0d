//! The control socket of a running agent: its group may look at it there, without root and without probes of their own.
//!
//! A unix-domain stream socket (0660). Both sides write lines of JSON: the agent says who it is, then answers requests one by one;
//! `trace` makes a stream of the connection. `docs/operations.md` describes the lines.

mod bound;
mod client;
mod dial;
mod follow;
mod place;
mod protocol;
mod serve;
mod waker;

pub use bound::{Bound, bind};
pub use client::{Client, ControlClientError, Following};
pub use follow::{Followed, Hub};
pub use place::{AUTO, GROUP, candidates};
pub use protocol::{Request, Show};
pub use serve::{Agent, Control};
pub use waker::Waker;

use std::{io, path::PathBuf};

/// Version of the protocol.
pub const PROTOCOL: u32 = 1;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error(
        "the control socket {path} is that of {holder}: end that one, or name another with --control (control.socket)",
        path = .path.display()
    )]
    Taken { path: PathBuf, holder: String },
    #[error("{path} is there and is no socket: name another control socket with --control (control.socket)", path = .0.display())]
    NoSocket(PathBuf),
    #[error("the control socket {path}: {error}; name another with --control (control.socket)", path = .path.display())]
    Failed { path: PathBuf, error: io::Error },
    #[error("the control socket cannot be served: {0}")]
    System(#[from] io::Error),
}
