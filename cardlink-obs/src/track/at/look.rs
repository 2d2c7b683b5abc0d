//! How the program looks at the tty, and what that says.

use crate::observation::Stamp;
use crate::stream::Call;
use std::time::Duration;

/// A poll or read that lasted less found what was there (or a hung-up tty); one that lasted longer waited for a
/// living one.
const AT_ONCE: Duration = Duration::from_millis(1);

/// How long bytes may have lain unread. The kernel tells when they are read, not when they came.
#[derive(Debug, Default)]
pub(super) struct Attention {
    last_look: Stamp,
    after_poll: bool,
    /// Time without a look since the tty was known to be empty.
    absent: Duration,
}

impl Attention {
    pub(super) const fn absent(&self) -> Duration {
        self.absent
    }

    /// An answer does not come before its command.
    pub(super) fn wrote(&mut self, call: &Call) {
        self.last_look = call.exit;
        self.absent = Duration::ZERO;
        self.after_poll = false;
    }

    pub(super) fn polled(&mut self, call: &Call) {
        if self.after_poll {
            // No read followed the poll before: it found nothing.
            self.absent = Duration::ZERO;
        }
        self.look(call);
        self.after_poll = true;
    }

    pub(super) fn read(&mut self, call: &Call) {
        self.look(call);
        self.after_poll = false;
    }

    pub(super) fn empty_read(&mut self, call: &Call) {
        self.read(call);
        self.absent = Duration::ZERO;
    }

    fn look(&mut self, call: &Call) {
        let waited = call.exit.since(call.enter) >= AT_ONCE;
        // Without the time of entry nothing can be said, except by the poll before.
        let unknown = call.enter == call.exit && !self.after_poll;
        if waited || unknown {
            self.absent = Duration::ZERO;
        } else if call.enter < call.exit {
            self.absent += call.enter.since(self.last_look);
        }
        self.last_look = self.last_look.max(call.exit);
    }
}

/// Reads of 0 bytes: habit, or hang-up?
#[derive(Debug, Default)]
pub(super) struct ZeroReads {
    after_poll: bool,
    /// Reads of 0 right after a poll, with no data since.
    suspicious: u32,
    habit: bool,
}

impl ZeroReads {
    pub(super) fn data(&mut self) {
        self.habit |= self.suspicious > 0;
        self.suspicious = 0;
        self.after_poll = false;
    }

    pub(super) fn polled(&mut self, call: &Call) {
        self.habit |= self.suspicious > 0 && call.exit.since(call.enter) >= AT_ONCE;
        self.after_poll = true;
    }

    pub(super) fn read(&mut self) {
        if std::mem::take(&mut self.after_poll) {
            self.suspicious = self.suspicious.saturating_add(1);
        } else if self.suspicious == 0 {
            self.habit = true;
        }
    }

    pub(super) const fn hung_up(&self) -> bool {
        self.suspicious > 0 && !self.habit
    }
}
