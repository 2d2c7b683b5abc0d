//! The program's own waiting: the answer was complete, and it still polled or read the tty.
//!
//! Counted is the time inside polls and reads of this tty after the final result code, until the program moves on: it
//! writes again, or closes. (It has also moved on when it has not looked at the tty for as long as makes a
//! listener.) Three programs look alike there, and the rule tells them apart as far as system calls can:
//!
//! - One that waits for more than comes, because its matcher missed the `OK`: `read_until` of pyserial polls until
//!   its time-out, then the program writes on. That is a wait, and the reason for this module.
//! - One that listens for unsolicited codes in a thread of its own. That thread did not write the command, so only
//!   waits of the thread that did both are counted.
//! - One whose only thread runs an event loop (`ModemManager`, on `GLib`), and rests in a poll that has the tty in its set.
//!   It is known as a listener when it has polled for 30 s after an answer, or when a poll of the tty came back within
//!   10 ms, empty-handed, before its first command. Listeners have no waits from then on. Until then, the first
//!   rests of an event loop can pass for waits.
//!
//! A program that does not poll but reads 0 bytes over and over (`VMIN` 0, as gammu does) waits also while it sleeps
//! between those reads: gaps of up to 100 ms count. One that sleeps without looking at the tty is not seen to wait.

use super::pairing::Answered;
use crate::observation::{Interface, Observation, ProgramWait, Stamp, Tty};
use crate::stream::Call;
use std::sync::Arc;
use std::time::Duration;

/// Gap between two reads of 0 bytes that belong to one wait.
const NAP: Duration = Duration::from_millis(100);
/// A poll that comes back sooner than this without data for us came back for something else.
const OTHER_BUSINESS: Duration = Duration::from_millis(10);
/// Threads remembered as listeners.
const LISTENERS_LIMIT: usize = 16;

#[derive(Debug)]
pub(super) struct WaitMeter {
    tty: Arc<Tty>,
    listener_after: Duration,
    wait: Option<Wait>,
    listeners: Vec<u32>,
    /// No command has been written yet.
    fresh: bool,
    /// The thread whose poll came back soon, before the first command.
    soon: Option<u32>,
}

#[derive(Debug)]
struct Wait {
    command: String,
    answered: Stamp,
    tid: u32,
    /// Up to here everything is counted.
    until: Stamp,
    total: Duration,
    /// The last thing was a read of 0 bytes, or the answer itself.
    napping: bool,
}

impl WaitMeter {
    pub(super) fn new(tty: Arc<Tty>, listener_after: Duration) -> Self {
        Self { tty, listener_after, wait: None, listeners: Vec::new(), fresh: true, soon: None }
    }

    /// A command was answered in full, in a read of thread `tid`.
    pub(super) fn answered(&mut self, answered: Option<Answered>, tid: u32) {
        let Some(answered) = answered else { return };
        if answered.writer == tid && !self.listeners.contains(&tid) {
            self.wait = Some(Wait {
                command: answered.command,
                answered: answered.at,
                tid,
                until: answered.at,
                total: Duration::ZERO,
                napping: true,
            });
        }
    }

    /// The line feed of the final result code came in a read of its own: waiting for it is no wait.
    pub(super) fn trailed(&mut self, call: &Call) {
        if let Some(wait) = &mut self.wait {
            wait.answered = call.exit;
            wait.until = call.exit;
            wait.total = Duration::ZERO;
        }
    }

    pub(super) fn polled(&mut self, call: &Call) {
        if self.fresh && call.exit.since(call.enter) < OTHER_BUSINESS {
            self.soon = Some(call.tid);
        }
        self.spend(call, false);
    }

    pub(super) fn read(&mut self, call: &Call) {
        self.soon = None;
        self.spend(call, false);
    }

    pub(super) fn empty_read(&mut self, call: &Call) {
        self.soon = None;
        self.spend(call, true);
    }

    fn spend(&mut self, call: &Call, empty: bool) {
        let Some(wait) = self.wait.as_mut().filter(|wait| wait.tid == call.tid) else { return };
        if call.exit <= wait.until {
            return;
        }
        let nap = empty && wait.napping && call.enter.since(wait.until) <= NAP;
        let from = if nap { wait.until } else { call.enter.max(wait.until) };
        wait.total += call.exit.since(from);
        wait.until = call.exit;
        wait.napping = empty;
        if call.exit.since(wait.answered) >= self.listener_after {
            self.listens(call.tid);
        }
    }

    fn listens(&mut self, tid: u32) {
        self.wait = None;
        if self.listeners.len() < LISTENERS_LIMIT && !self.listeners.contains(&tid) {
            self.listeners.push(tid);
        }
    }

    /// The program wrote.
    pub(super) fn wrote(&mut self, tid: u32, out: &mut Vec<Observation>) {
        if std::mem::take(&mut self.fresh) && self.soon == Some(tid) {
            self.listens(tid);
        }
        self.moved_on(out);
    }

    /// The program wrote, closed, or lost the device.
    pub(super) fn moved_on(&mut self, out: &mut Vec<Observation>) {
        if let Some(wait) = self.wait.take()
            && !wait.total.is_zero()
        {
            out.push(Observation::ProgramWait(Box::new(ProgramWait {
                tty: Arc::clone(&self.tty),
                interface: Interface::At,
                command: wait.command,
                answered: wait.answered,
                wait: wait.total,
            })));
        }
    }

    pub(super) fn tick(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        if self.wait.as_ref().is_some_and(|wait| now.since(wait.until) >= self.listener_after) {
            self.moved_on(out);
        }
    }

    /// The tty was closed: the next to open it may be another program.
    pub(super) fn closed(&mut self) {
        self.wait = None;
        self.listeners.clear();
        self.fresh = true;
        self.soon = None;
    }
}
