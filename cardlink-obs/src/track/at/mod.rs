//! AT dialogues: command and final result code paired, time-outs, and the program's own waiting.
//!
//! # What the times mean
//!
//! - `start`: the write that completed the command line (its carriage return) returned.
//! - `first_byte`: the read returned that brought the first byte of the answer, the CR LF before its first line
//!   included. Neither the echo nor an unsolicited line is an answer; a prompt is.
//! - `end`: the read returned that completed the line of the final result code (its carriage return).
//! - `prompt`: from the read that brought the `> ` to the write that brought the end of the data (0x1A or ESC). The
//!   program's time for that is part of the command's duration, which runs from the command line to the final result.
//!
//! # Which answer belongs to which command
//!
//! `pairing` documents the rule. In short: a lone command gets the next final result code; when the modem may owe
//! more than one, the names in the answer and the echo decide, and where both are silent the decision waits for what
//! follows.
//!
//! # When a program waits on its own account
//!
//! `wait` documents the rule. In short: the thread that wrote the command and read its final result code still polls
//! or reads the tty, until it writes or closes. A thread that listens at rest is known by polling for 30 s.
//!
//! # Hang-up
//!
//! A tty in a program's hands often reads 0 bytes when there is nothing to read (`VMIN` 0), so that alone is no
//! hang-up. An I/O error is one; so is a read of 0 right after a poll that found the tty ready, when the program then
//! closes it and nothing suggests that reads of 0 are this program's habit.

mod card;
mod early;
mod fuzz;
mod look;
mod messages;
mod pairing;
mod pending;
mod wait;

#[cfg(test)]
mod tests;

pub use crate::protocol::at::{AtVerdict, Mode};
pub use fuzz::fuzz;

use crate::observation::{
    Blind, BlindWay, DeviceOperation, Incomplete, LineChange, LineSettings, Observation, Stamp, Tty,
};
use crate::protocol::at::{Dialogue, Written};
use crate::stream::{Call, Chunk, Direction, Hole, Item};
use look::{Attention, ZeroReads};
use pairing::{Ending, Pairing, When};
use std::sync::Arc;
use std::time::Duration;
use wait::WaitMeter;

/// Observations kept back until it is certain that the tty speaks AT.
const UNDECIDED_LIMIT: usize = 16;
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const ENODEV: i32 = 19;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtSettings {
    /// When a command without a final result code is given up. `AT+COPS=?` may take three minutes.
    pub command_timeout: Duration,
    /// A thread that polls for so long after an answer listens for unsolicited codes.
    pub listener_after: Duration,
}

impl Default for AtSettings {
    fn default() -> Self {
        Self { command_timeout: Duration::from_mins(3), listener_after: Duration::from_secs(30) }
    }
}

/// Follows the dialogue on one tty.
#[derive(Debug)]
pub struct AtTracker {
    tty: Arc<Tty>,
    dialogue: Dialogue,
    pairing: Pairing,
    wait: WaitMeter,
    zeroes: ZeroReads,
    attention: Attention,
    /// When the first byte of the current line was read.
    line_began: Stamp,
    /// The last line was a final result code, and its line feed may still come.
    answer_trails: bool,
    /// It was told that the device could not be read or written.
    has_failed: bool,
    /// How characters go over the line, as it was asked last.
    line: Option<LineSettings>,
    /// Observed, but not handed on yet.
    told: Vec<Observation>,
}

impl AtTracker {
    pub fn new(tty: Arc<Tty>, settings: AtSettings) -> Self {
        Self {
            pairing: Pairing::new(Arc::clone(&tty), settings.command_timeout),
            wait: WaitMeter::new(Arc::clone(&tty), settings.listener_after),
            tty,
            dialogue: Dialogue::new(),
            zeroes: ZeroReads::default(),
            attention: Attention::default(),
            line_began: Stamp::default(),
            answer_trails: false,
            has_failed: false,
            line: None,
            told: Vec::new(),
        }
    }

    /// Whether this is AT at all. `NotAt` is final until the tty is closed.
    pub fn verdict(&self) -> AtVerdict {
        self.dialogue.verdict()
    }

    /// Whether commands are decoded at the moment.
    pub fn mode(&self) -> Mode {
        self.dialogue.mode()
    }

    /// Takes the next item of the stream.
    pub fn on(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        if self.verdict() == AtVerdict::NotAt && !matches!(item, Item::Closed { .. }) {
            return;
        }
        self.take(item, out);
        self.deliver(out);
        if matches!(item, Item::Closed { .. }) {
            self.dialogue = Dialogue::new();
            self.zeroes = ZeroReads::default();
            self.wait.closed();
            self.has_failed = false;
            self.line = None;
            self.told.clear();
        }
    }

    /// The program set how characters go over the line; what it asks for again is not told again.
    pub fn line_set(&mut self, asked: LineSettings, at: Stamp, out: &mut Vec<Observation>) {
        // A speed of its own that is not there stays as it is.
        let baud = asked.baud.or(self.line.and_then(|before| before.baud));
        let settings = LineSettings { baud, ..asked };
        if self.verdict() == AtVerdict::NotAt || self.line.replace(settings) == Some(settings) {
            return;
        }
        self.told.push(Observation::Line(Box::new(LineChange {
            at,
            tty: Arc::clone(&self.tty),
            settings,
            pseudo: self.tty.path.starts_with("/dev/pts/"),
            during_command: self.pairing.waits(),
        })));
        self.deliver(out);
    }

    /// Hands on what was observed, once it is certain that the tty speaks AT.
    fn deliver(&mut self, out: &mut Vec<Observation>) {
        match self.verdict() {
            AtVerdict::At => out.append(&mut self.told),
            AtVerdict::Undecided => self.told.truncate(UNDECIDED_LIMIT),
            AtVerdict::NotAt => self.told.clear(),
        }
    }

    fn take(&mut self, item: &Item<'_>, out: &mut Vec<Observation>) {
        self.pairing.pass_time(time_of(item), &mut self.told);
        match item {
            Item::Data(chunk) => {
                self.zeroes.data();
                match chunk.direction {
                    Direction::Write => self.written(chunk, out),
                    Direction::Read => self.read(chunk, out),
                }
            }
            Item::Hole(hole) => self.hole(hole),
            Item::Eof(call) => {
                self.zeroes.read();
                self.attention.empty_read(call);
                self.wait.empty_read(call);
            }
            Item::Error { direction, call, errno } => {
                if matches!(*errno, EIO | ENXIO | ENODEV) {
                    self.wait.moved_on(&mut self.told);
                    self.failed(*direction, call);
                    self.pairing.give_up(Ending::Hangup, call.exit, &mut self.told);
                }
            }
            Item::Shutdown(_) | Item::Transport(_) => {}
            Item::Polled(call) => {
                self.zeroes.polled(call);
                self.attention.polled(call);
                self.wait.polled(call);
            }
            Item::Closed { at } => {
                self.wait.moved_on(&mut self.told);
                let ending = if self.zeroes.hung_up() { Ending::Hangup } else { Ending::Timeout };
                self.pairing.give_up(ending, *at, &mut self.told);
            }
            Item::Tick { now } => self.wait.tick(*now, &mut self.told),
        }
    }

    /// The device could not be read or written. A command that waits is told as hung up instead, and a program that tries
    /// again and again fails once.
    fn failed(&mut self, direction: Direction, call: &Call) {
        if std::mem::replace(&mut self.has_failed, true) || self.pairing.waits() {
            return;
        }
        self.told.push(Observation::DeviceOperation(Box::new(DeviceOperation {
            device: Arc::clone(&self.tty.device),
            process: Arc::clone(&self.tty.process),
            connection: None,
            usage: None,
            operation: if direction == Direction::Read { "read" } else { "write" },
            start: if call.enter == Stamp::default() { call.exit } else { call.enter },
            end: call.exit,
            share: None,
            error: Some("io"),
            counted_elsewhere: false,
        })));
    }

    fn written(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Observation>) {
        let call = chunk.call;
        self.wait.wrote(call.tid, &mut self.told);
        self.attention.wrote(&call);
        for &byte in chunk.bytes {
            match self.dialogue.write(byte).1 {
                Some(Written::Command(line)) => {
                    let answered = self.pairing.command(line, call, &mut self.told);
                    self.wait.answered(answered, call.tid);
                }
                Some(Written::Data { sent, message }) => self.pairing.data_written(sent, message, call.exit),
                None => {}
            }
            if !self.goes_on(out) {
                return;
            }
        }
    }

    fn read(&mut self, chunk: &Chunk<'_>, out: &mut Vec<Observation>) {
        let call = chunk.call;
        self.wait.read(&call);
        self.attention.read(&call);
        for &byte in chunk.bytes {
            let before = self.dialogue.mode();
            let heard = self.dialogue.read(byte);
            if heard.begins {
                self.line_began = call.exit;
                self.answer_trails = false;
            }
            if heard.trails && self.answer_trails {
                self.wait.trailed(&call);
            }
            if let Some(line) = heard.line {
                let when = When { began: self.line_began, ended: call.exit, unattended: self.attention.absent() };
                let answered = self.pairing.line(line, when, &mut self.told);
                self.answer_trails = answered.is_some();
                self.wait.answered(answered, call.tid);
            }
            if self.dialogue.mode() == Mode::Multiplexed && before != Mode::Multiplexed {
                self.told.push(Observation::Blind(Box::new(Blind {
                    at: call.exit,
                    process: Arc::clone(&self.tty.process),
                    way: BlindWay::Multiplexed,
                })));
            }
            if !self.goes_on(out) {
                return;
            }
        }
    }

    /// The verdict is taken at each byte, so that it does not hang on how bytes come together.
    fn goes_on(&mut self, out: &mut Vec<Observation>) -> bool {
        self.deliver(out);
        self.verdict() != AtVerdict::NotAt
    }

    fn hole(&mut self, hole: &Hole) {
        match hole.direction {
            Direction::Write => self.dialogue.tear_written(),
            Direction::Read => {
                self.dialogue.tear_read();
                self.line_began = hole.call.exit;
            }
        }
        if hole.lost {
            self.pairing.incomplete();
            self.told.push(Observation::Incomplete(Box::new(Incomplete {
                at: hole.call.exit,
                target: Arc::clone(&self.tty.process.target),
                source: "at",
                bytes: hole.len,
            })));
        }
    }
}

const fn time_of(item: &Item<'_>) -> Stamp {
    match item {
        Item::Data(chunk) => chunk.call.exit,
        Item::Hole(hole) => hole.call.exit,
        Item::Eof(call) | Item::Error { call, .. } | Item::Shutdown(call) | Item::Polled(call) => call.exit,
        Item::Transport(transport) => transport.at,
        Item::Closed { at } => *at,
        Item::Tick { now } => *now,
    }
}
