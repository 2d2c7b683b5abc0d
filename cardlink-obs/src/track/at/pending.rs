//! A command that waits for its answer.

use super::pairing::Answered;
use crate::observation::{AtCommand, AtResult, Cause, Observation, Stamp, Tty};
use crate::protocol::at::{Carried, CommandLine, Returned, UNNAMEABLE};
use crate::protocol::sms::Message;
use crate::stream::Call;
use std::sync::Arc;
use std::time::Duration;

/// As many as a line can ask for.
const RETURNED_LIMIT: usize = 16;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) line: CommandLine,
    pub(super) start: Stamp,
    pub(super) writer: u32,
    pub(super) echoed: bool,
    /// Told as timed out; the modem still owes the answer.
    pub(super) told: bool,
    /// When the next command was written.
    pub(super) superseded: Option<Stamp>,
    pub(super) prompted: Option<Stamp>,
    pub(super) data_written: Option<Stamp>,
    /// What was sent or stored, when it is an SMS-SUBMIT PDU.
    pub(super) message: Option<Message>,
    pub(super) incomplete: bool,
    /// What was read of its answer before the next command was written.
    pub(super) partial: Answer,
}

#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) began: Option<Stamp>,
    pub(super) lines: u32,
    pub(super) unattended: Duration,
    /// The number of the only command that a line of it names.
    pub(super) names: Option<u64>,
    /// What it hands back, in order, and when each was there.
    pub(super) returned: Vec<(Returned, Stamp)>,
}

impl Answer {
    pub(super) fn give_back(&mut self, returned: Returned, at: Stamp) {
        if self.returned.len() < RETURNED_LIMIT {
            self.returned.push((returned, at));
        }
    }
}

impl Pending {
    pub(super) fn new(number: u64, line: CommandLine, call: &Call) -> Self {
        Self {
            number,
            line,
            start: call.exit,
            writer: call.tid,
            echoed: false,
            told: false,
            superseded: None,
            prompted: None,
            data_written: None,
            message: None,
            incomplete: false,
            partial: Answer::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.line.names.first().map_or(UNNAMEABLE, String::as_str)
    }

    pub(super) fn answered(&self, at: Stamp) -> Answered {
        Answered { command: self.name().to_owned(), at, writer: self.writer }
    }

    /// Whether a line with this code is information that this command asked for.
    pub(super) fn asks(&self, code: &str) -> bool {
        self.line.names.iter().any(|name| {
            let name = name.get(2..).unwrap_or_default();
            match name {
                // They list commands, or settings of others.
                "+CLAC" | "&V" => true,
                "I" => code == "+GCAP",
                _ => name == code || (is_card_number(name) && is_card_number(code)),
            }
        })
    }

    pub(super) fn opens_session(&self) -> bool {
        self.line.carried.iter().any(|carried| matches!(carried, Carried::Open { .. }))
    }

    pub(super) fn can_end_with(&self, result: &AtResult) -> bool {
        match result {
            AtResult::NoCarrier | AtResult::Busy | AtResult::NoAnswer | AtResult::NoDialtone => {
                self.line.names.iter().any(|name| {
                    matches!(name.as_str(), "ATD" | "ATA" | "ATO" | "ATH" | "AT+CGDATA" | "AT+CHUP" | "AT$QCRMCALL")
                        || name.starts_with("AT+F")
                })
            }
            _ => true,
        }
    }

    /// Whether this may be the whole answer: an inquiry has lines of information before its `OK`.
    pub(super) fn may_end_with(&self, result: &AtResult, answer: &Answer) -> bool {
        *result != AtResult::Ok || !self.line.inquires || answer.lines > 0 || self.partial.lines > 0
    }

    pub(super) fn observation(&self, tty: &Arc<Tty>, result: AtResult, end: Stamp, answer: &Answer) -> Observation {
        let end = end.max(self.start);
        Observation::AtCommand(Box::new(AtCommand {
            tty: Arc::clone(tty),
            name: self.name().to_owned(),
            line: self.line.names.clone(),
            result,
            start: self.start,
            first_byte: self.partial.began.or(answer.began).map(|began| began.max(self.start)),
            end,
            prompt: self.prompted.map(|prompted| self.data_written.unwrap_or(end).since(prompted)),
            unattended: answer.unattended.min(end.since(self.start)),
            information_lines: self.partial.lines.saturating_add(answer.lines),
            incomplete: self.incomplete,
            cause: Cause::default(),
        }))
    }
}

/// The names that modems have for reading the ICCID; the answer may bear another than the command.
fn is_card_number(code: &str) -> bool {
    matches!(code, "+CCID" | "+ICCID" | "+QCCID" | "+CICCID" | "^ICCID" | "#CCID" | "$QCCID" | "+ZGETICCID")
}
