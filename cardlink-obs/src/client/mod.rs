//! The agent as a client: of its own HTTP side, and of what its checks look at. Blocking, with a deadline for everything.

pub mod certificate;
mod dial;
pub mod exposition;
mod http;
mod own;
mod secret;
mod trust;

pub use dial::{Deadline, dial, dial_unix};
pub use http::{Answer, ClientError, Request, Url, fetch};
pub use own::OwnConnections;
pub use secret::{Password, SecretError};
pub use trust::Trust;
