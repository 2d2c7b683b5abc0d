//! Calls of functions that the user named.

use super::{Cause, Process, Stamp};
use std::{sync::Arc, time::Duration};

/// A call of a function that the user named, with the calls of such functions that its thread made within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCall {
    pub process: Arc<Process>,
    /// The thread that made it.
    pub tid: u32,
    /// The call itself, and after it those within it, by the time at which they began.
    pub calls: Vec<Call>,
    /// So many calls within it are not told: there was no room.
    pub left_out: u64,
    /// What it was done for: the session is that which the thread was serving when it returned.
    pub cause: Cause,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: Arc<str>,
    pub start: Stamp,
    pub end: Stamp,
    /// The place, among all of them, of the call that it was made within.
    pub within: Option<usize>,
}

impl Call {
    pub const fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}
