//! Which answer belongs to which command.
//!
//! V.250 §5.6.1 lets a modem drop a command when more characters come, but some programs write ahead and some modems
//! answer everything in order; and an answer may come after the program has given its command up and written the
//! next. So commands stay in a queue until an answer of theirs, or of a later one, is certain:
//!
//! 1. One command waits: the final result code is its.
//! 2. More wait, and a line of information, read since the last of them was written, names exactly one of them
//!    (`+CSQ: …`): its.
//! 3. More wait, an `OK` comes alone, and only one of them is no inquiry: its. (`AT+COPS?` is an inquiry.)
//! 4. More wait, the modem has echoed exactly one of them (none changes the echo), and nothing was read since the
//!    last was written that might be a damaged echo: its.
//! 5. Otherwise the final result code is kept back. As many of them as there are commands: they are paired in
//!    order. When a later one becomes certain, those before it belong to the commands before. When the program
//!    writes the next command, the tty closes, or a second passes, it is decided by what this modem did last: if it
//!    answered a command after the next had been written, in order; otherwise the last of them belongs to the last
//!    command, the one before to the one before, and so on.
//!
//! An echo tells afterwards, too: what was read before it answers a command before. What was kept back by then is paired that way.
//! When the command of the echo has been told as answered already, that was a late answer of the one before it: it is owed its
//! own, which is not told, and from then on the answers are known to come in order.
//!
//! Commands before an answered one were `aborted`, at the time of the next command. One that has timed out stays in
//! the queue, already told, because the modem may still owe its answer: that answer, when it comes, is not told.
//! What is left to chance: no echo, no names, no inquiry, and the program takes the late answer for its next
//! command's and writes a third before that is answered. Then the program is wrong as well.
//!
//! Result codes of calls (`NO CARRIER`, `BUSY`, …) end only commands that can have them; to others they are
//! unsolicited.

use super::card::Card;
use super::early::Early;
use super::messages::Messages;
use super::pending::{Answer, Pending};
use crate::observation::{AtResult, AtUnsolicited, Observation, Stamp, Tty};
use crate::protocol::at::{CommandLine, Fingerprint, Line, Returned, UNNAMEABLE};
use crate::protocol::sms::Message;
use crate::stream::Call;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Commands that may wait at once; the oldest gives way.
const QUEUE_LIMIT: usize = 16;
/// How long a final result code is kept back.
const UNCERTAIN: Duration = Duration::from_secs(1);

/// When a line began and ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) began: Stamp,
    pub(super) ended: Stamp,
    /// How much earlier it may have been there.
    pub(super) unattended: Duration,
}

/// Why commands are given up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Timeout,
    Hangup,
}

/// The last command that waited is answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) command: String,
    pub(super) at: Stamp,
    /// The thread that wrote it.
    pub(super) writer: u32,
}

#[derive(Debug)]
pub(super) struct Pairing {
    tty: Arc<Tty>,
    timeout: Duration,
    queue: VecDeque<Pending>,
    /// The answer under way.
    answer: Answer,
    /// Final result codes that are not paired yet, in order.
    kept: Vec<Final>,
    early: Early,
    next_number: u64,
    /// The last line with a code was unsolicited: a body that follows is its.
    unsolicited: bool,
    /// Since the last command was written, a line was read that might be a damaged echo.
    strange: bool,
    /// The modem has answered a command after the next was written, and has dropped none since.
    keeps_order: bool,
    /// The last command that was answered, when one before it was not and its echo was not read before.
    unechoed: Option<Pending>,
    told: Told,
}

/// Tells what became of commands.
#[derive(Debug)]
struct Told {
    tty: Arc<Tty>,
    card: Card,
    messages: Messages,
}

impl Told {
    /// A command, and what it carried.
    fn tell(&mut self, pending: &Pending, result: AtResult, end: Stamp, answer: &Answer, out: &mut Vec<Observation>) {
        self.card.answered(&self.tty, pending, (&result, end), answer, out);
        self.messages.answered(&self.tty, pending, (&result, end), answer, out);
        out.push(pending.observation(&self.tty, result, end, answer));
    }
}

#[derive(Debug)]
struct Final {
    result: AtResult,
    at: Stamp,
    answer: Answer,
}

impl Pairing {
    pub(super) fn new(tty: Arc<Tty>, timeout: Duration) -> Self {
        Self {
            told: Told { tty: Arc::clone(&tty), card: Card::default(), messages: Messages::default() },
            tty,
            timeout,
            queue: VecDeque::new(),
            answer: Answer::default(),
            kept: Vec::new(),
            early: Early::default(),
            next_number: 0,
            unsolicited: false,
            strange: false,
            keeps_order: false,
            unechoed: None,
        }
    }

    /// A command line was written.
    pub(super) fn command(&mut self, line: CommandLine, call: Call, out: &mut Vec<Observation>) -> Option<Answered> {
        self.decide(out);
        let early = self.early.take(&call);
        self.strange = false;
        let answer = std::mem::take(&mut self.answer);
        if let Some(last) = self.queue.back_mut() {
            last.partial = answer;
        }
        for pending in &mut self.queue {
            pending.superseded.get_or_insert(call.exit);
        }
        if self.queue.len() >= QUEUE_LIMIT
            && let Some(oldest) = self.queue.pop_front()
        {
            self.abort(&oldest, call.exit, out);
        }
        self.next_number += 1;
        self.queue.push_back(Pending::new(self.next_number, line, &call));
        let mut answered = None;
        for (line, when, asked) in early {
            if asked {
                answered = self.line(line, when, out).or(answered);
            } else {
                self.unasked(&line, when, out);
            }
        }
        answered
    }

    /// The data after a prompt is complete.
    pub(super) fn data_written(&mut self, sent: bool, message: Option<Message>, at: Stamp) {
        let asking = |pending: &&mut Pending| {
            (pending.prompted.is_some() || pending.line.prompts.is_some()) && pending.data_written.is_none()
        };
        if let Some(pending) = self.queue.iter_mut().rev().find(asking) {
            if pending.prompted.is_some() {
                pending.data_written = Some(at);
            }
            pending.message = message.filter(|_| sent);
        }
    }

    /// A line, or a prompt, was read.
    pub(super) fn line(&mut self, line: Line, when: When, out: &mut Vec<Observation>) -> Option<Answered> {
        if let Line::Echo(print) = line
            && (!self.queue.is_empty() || self.unechoed.as_ref().is_some_and(|pending| pending.line.print == print))
        {
            return self.echo(print, out);
        }
        if self.queue.is_empty() && line != Line::Body {
            if let Some((line, when)) = self.early.keep(line, when) {
                self.unasked(&line, when, out);
            }
            return None;
        }
        match line {
            Line::Final(result) if self.queue.iter().any(|pending| pending.can_end_with(&result)) => {
                return self.final_result(result, when, out);
            }
            Line::Final(_) | Line::Word(_) => self.unasked(&line, when, out),
            Line::Code(code) => self.code(code, None, when, out),
            Line::Returned(code, returned) => self.code(code, Some(returned), when, out),
            Line::Digit(digit) => self.digit(digit, when),
            Line::Text => {
                self.strange = true;
                self.information(when);
            }
            Line::Body if !self.unsolicited && !self.queue.is_empty() => self.information(when),
            Line::Body | Line::Echo(_) => {}
            Line::Prompt => {
                let last = self.queue.len().saturating_sub(1);
                let asking = self.queue.iter().rposition(|pending| pending.line.prompts.is_some()).unwrap_or(last);
                if let Some(pending) = self.queue.get_mut(asking) {
                    pending.prompted.get_or_insert(when.ended);
                    self.answer.began.get_or_insert(when.began);
                }
            }
        }
        None
    }

    /// The modem repeats a command: what it said before that is no answer to it.
    fn echo(&mut self, print: Fingerprint, out: &mut Vec<Observation>) -> Option<Answered> {
        let is_it = |pending: &Pending| !pending.echoed && pending.line.print == print;
        if let Some(index) = self.queue.iter().position(is_it) {
            if let Some(pending) = self.queue.get_mut(index) {
                pending.echoed = true;
            }
            if index == 0 || self.kept.is_empty() {
                return None;
            }
            self.keeps_order = true;
            return self.pair(index - 1, out);
        }
        if let Some(mut owed) = self.unechoed.take_if(|pending| is_it(pending)) {
            (owed.told, owed.echoed) = (true, true);
            self.keeps_order = true;
            self.queue.push_front(owed);
        } else {
            self.strange = true;
        }
        None
    }

    /// A command waits for its answer.
    pub(super) fn waits(&self) -> bool {
        self.queue.iter().any(|pending| !pending.told)
    }

    /// Bytes were lost: what waits may never see its answer.
    pub(super) fn incomplete(&mut self) {
        for pending in &mut self.queue {
            pending.incomplete = true;
        }
    }

    pub(super) fn pass_time(&mut self, now: Stamp, out: &mut Vec<Observation>) {
        let expired: Vec<_> = self.early.expired(now).collect();
        for (line, when) in expired {
            self.unasked(&line, when, out);
        }
        if self.kept.last().is_some_and(|last| now.since(last.at) > UNCERTAIN) {
            self.decide(out);
        }
        let timeout = self.timeout;
        for pending in &mut self.queue {
            if !pending.told && now.since(pending.start) > timeout {
                pending.told = true;
                let end = pending.start + timeout;
                self.told.tell(pending, AtResult::Timeout, end, &self.answer, out);
            }
        }
    }

    /// No answer can come any more.
    pub(super) fn give_up(&mut self, ending: Ending, at: Stamp, out: &mut Vec<Observation>) {
        self.decide(out);
        for (line, when) in self.early.all() {
            self.unasked(&line, when, out);
        }
        let answer = std::mem::take(&mut self.answer);
        while let Some(pending) = self.queue.pop_front() {
            if pending.told {
                continue;
            }
            if pending.superseded.is_some() {
                self.abort(&pending, at, out);
            } else {
                let result = match ending {
                    Ending::Timeout => AtResult::Timeout,
                    Ending::Hangup => AtResult::Hangup,
                };
                self.told.tell(&pending, result, at, &answer, out);
            }
        }
    }

    /// The number of a session, from a modem that says nothing else.
    fn digit(&mut self, digit: u8, when: When) {
        self.strange = true;
        self.information(when);
        if self.queue.iter().any(Pending::opens_session) {
            self.answer.give_back(Returned::Number(u32::from(digit)), when.ended);
        }
    }

    fn code(&mut self, code: String, returned: Option<Returned>, when: When, out: &mut Vec<Observation>) {
        let mut asking = self.queue.iter().filter(|pending| pending.asks(&code)).map(|pending| pending.number);
        let first = asking.next();
        let only = asking.next().is_none();
        self.unsolicited = first.is_none();
        match first {
            None => self.unasked(&Line::Code(code), when, out),
            Some(number) => {
                if only {
                    self.answer.names = Some(number);
                }
                self.information(when);
                if let Some(returned) = returned {
                    self.answer.give_back(returned, when.ended);
                }
            }
        }
    }

    fn information(&mut self, when: When) {
        self.answer.began.get_or_insert(when.began);
        self.answer.lines = self.answer.lines.saturating_add(1);
    }

    fn unasked(&mut self, line: &Line, when: When, out: &mut Vec<Observation>) {
        let code = match line {
            Line::Final(result) => final_code(result).to_owned(),
            Line::Word(word) => word.to_ascii_uppercase(),
            Line::Code(code) | Line::Returned(code, _) => code.clone(),
            // Text is never a label.
            Line::Text | Line::Digit(_) => UNNAMEABLE.trim_start_matches("AT").to_owned(),
            Line::Body | Line::Echo(_) | Line::Prompt => return,
        };
        self.unsolicited = true;
        out.push(Observation::AtUnsolicited(Box::new(AtUnsolicited {
            tty: Arc::clone(&self.tty),
            at: when.ended,
            code,
        })));
    }

    fn final_result(&mut self, result: AtResult, when: When, out: &mut Vec<Observation>) -> Option<Answered> {
        let mut answer = std::mem::take(&mut self.answer);
        let owner = self.owner(&result, &answer);
        self.strange = false;
        answer.began.get_or_insert(when.began);
        answer.unattended = when.unattended;
        self.kept.push(Final { result, at: when.ended, answer });
        match owner {
            Some(index) => {
                if index > 0 && self.kept.len() <= index {
                    self.keeps_order = false;
                } else if self.queue.len() > 1 {
                    self.keeps_order = true;
                }
                self.pair(index, out)
            }
            None if self.kept.len() >= self.queue.len() => {
                self.keeps_order = true;
                self.decide(out)
            }
            // The program may go on to wait already, whichever command it was.
            None => self.queue.back().map(|pending| pending.answered(when.ended)),
        }
    }

    /// The place in the queue of the command that an answer is certain to belong to.
    fn owner(&self, result: &AtResult, answer: &Answer) -> Option<usize> {
        if self.queue.len() == 1 {
            return Some(0);
        }
        if let Some(number) = answer.names {
            return self.queue.iter().position(|pending| pending.number == number);
        }
        let able = |(_, pending): &(usize, &Pending)| pending.may_end_with(result, answer);
        let mut able = self.queue.iter().enumerate().filter(able);
        if let (Some((index, _)), None) = (able.next(), able.next()) {
            return Some(index);
        }
        let mut echoed = self.queue.iter().enumerate().filter(|(_, pending)| pending.echoed);
        match (echoed.next(), echoed.next()) {
            (Some((index, _)), None) if self.kept.is_empty() && !self.strange => {
                (!self.queue.iter().any(|pending| pending.line.settings.echo.is_some())).then_some(index)
            }
            _ => None,
        }
    }

    /// Pairs what is kept back with the last commands, or the first, as this modem is known.
    fn decide(&mut self, out: &mut Vec<Observation>) -> Option<Answered> {
        if self.kept.is_empty() || self.queue.is_empty() {
            self.kept.clear();
            return None;
        }
        let last = if self.keeps_order { self.kept.len() } else { self.queue.len() };
        self.pair(last.min(self.queue.len()).saturating_sub(1), out)
    }

    /// The last final result code belongs to the command at `index`, those before it to the ones before.
    fn pair(&mut self, index: usize, out: &mut Vec<Observation>) -> Option<Answered> {
        let finals = std::mem::take(&mut self.kept);
        let count = (index + 1).min(self.queue.len());
        let surplus = finals.len().saturating_sub(count);
        let unanswered = count.saturating_sub(finals.len());
        for _ in 0..unanswered {
            if let Some(pending) = self.queue.pop_front() {
                let at = finals.last().map_or(pending.start, |last| last.at);
                self.abort(&pending, at, out);
            }
        }
        let mut answered = None;
        for one in finals.into_iter().skip(surplus) {
            let Some(pending) = self.queue.pop_front() else { break };
            answered = (one.result != AtResult::Connect).then(|| pending.answered(one.at));
            if !pending.told {
                self.told.tell(&pending, one.result, one.at, &one.answer, out);
            }
            self.unechoed = Some(pending).filter(|pending| unanswered > 0 && !pending.echoed);
        }
        answered.filter(|_| self.queue.is_empty())
    }

    fn abort(&mut self, pending: &Pending, at: Stamp, out: &mut Vec<Observation>) {
        if !pending.told {
            let end = pending.superseded.unwrap_or(at);
            self.told.tell(pending, AtResult::Aborted, end, &Answer::default(), out);
        }
    }
}

/// A final result code that nobody waited for, as an unsolicited one.
const fn final_code(result: &AtResult) -> &'static str {
    match result {
        AtResult::Ok => "OK",
        AtResult::Error => "ERROR",
        AtResult::Cme(_) | AtResult::CmeText => "+CME ERROR",
        AtResult::Cms(_) | AtResult::CmsText => "+CMS ERROR",
        AtResult::Connect => "CONNECT",
        AtResult::NoCarrier => "NO CARRIER",
        AtResult::Busy => "BUSY",
        AtResult::NoAnswer => "NO ANSWER",
        AtResult::NoDialtone => "NO DIALTONE",
        AtResult::Aborted => "ABORTED",
        AtResult::NotSupported => "COMMAND NOT SUPPORT",
        AtResult::SendFail => "SEND FAIL",
        AtResult::Timeout | AtResult::Hangup => "?",
    }
}
