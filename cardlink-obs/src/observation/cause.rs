//! What made something happen.

use super::TestKey;

/// What an operation was done for, as far as that is known: nothing is guessed. `docs/traces.md` has the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cause {
    /// The session that the thread was serving which asked for it.
    pub session: Option<u64>,
    /// The test in which it began.
    pub test: Option<TestKey>,
}
