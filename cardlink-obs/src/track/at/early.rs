//! Lines that were read while no command was pending.
//!
//! With two threads on a tty the read of an answer can return some 20 µs before the write of its command does. So a
//! line that nobody asked for is kept for a moment: a write that was under way when the line was read, and returns
//! within a millisecond, has asked for it.

use super::pairing::When;
use crate::observation::Stamp;
use crate::protocol::at::Line;
use crate::stream::Call;
use std::time::Duration;

/// How much later than the answer the write may return.
const WINDOW: Duration = Duration::from_millis(1);
/// Lines kept; more at once are a flood, and unsolicited.
const LIMIT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Early {
    lines: Vec<(Line, When)>,
}

impl Early {
    /// Keeps a line; gives back one that there is no room for.
    pub(super) fn keep(&mut self, line: Line, when: When) -> Option<(Line, When)> {
        self.lines.push((line, when));
        (self.lines.len() > LIMIT).then(|| self.lines.remove(0))
    }

    /// The lines that no write can have asked for any more.
    pub(super) fn expired(&mut self, now: Stamp) -> impl Iterator<Item = (Line, When)> {
        let keep_from = self.lines.iter().position(|(_, when)| now.since(when.ended) <= WINDOW);
        self.lines.drain(..keep_from.unwrap_or(self.lines.len()))
    }

    /// All lines, each with whether the command that this call completed may have asked for it.
    pub(super) fn take(&mut self, call: &Call) -> Vec<(Line, When, bool)> {
        let asked = |when: &When| {
            let under_way = call.enter <= when.ended || call.enter == call.exit;
            under_way && call.exit.since(when.ended) <= WINDOW
        };
        let lines = std::mem::take(&mut self.lines);
        lines.into_iter().map(|(line, when)| (line, when, asked(&when))).collect()
    }

    pub(super) fn all(&mut self) -> Vec<(Line, When)> {
        std::mem::take(&mut self.lines)
    }
}
