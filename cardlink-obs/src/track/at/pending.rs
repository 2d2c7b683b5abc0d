//! A command that waits for its answer.

use super::pairing::Answered;
use crate::observation::{AtCommand, AtResult, Observation, Stamp, Tty};
use crate::protocol::at::{CommandLine, UNNAMEABLE};
use crate::stream::Call;
use std::sync::Arc;
use std::time::Duration;

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
            incomplete: false,
            partial: Answer::default(),
        }
    }

    fn name(&self) -> &str {
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
        }))
    }
}

/// The names that modems have for reading the ICCID; the answer may bear another than the command.
fn is_card_number(code: &str) -> bool {
    matches!(code, "+CCID" | "+ICCID" | "+QCCID" | "+CICCID" | "^ICCID" | "#CCID" | "$QCCID" | "+ZGETICCID")
}
