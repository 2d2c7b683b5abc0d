//! AT dialogues for people.

use super::{BAD, DIM, GOOD, HEAD, Heading, TOLD_WAIT, Text, WARN, duration};
use crate::observation::{AtCommand, AtResult, AtUnsolicited, LineChange, Process, ProgramWait, Stamp, Trigger, Tty};
use std::{
    io::{self, Write},
    time::Duration,
};

/// So long a program must have looked away before its answers' times are said to be upper bounds.
const UNATTENDED: Duration = Duration::from_millis(20);

impl<W: Write> Text<W> {
    fn tty_heading(&mut self, at: Stamp, tty: &Tty) -> io::Result<()> {
        let Process { pid, comm, .. } = &*tty.process;
        let path = &*tty.path;
        let about = Heading::Tty(*pid, path.to_owned());
        if self.heading.as_ref().is_some_and(|(heading, _)| *heading == about) {
            return Ok(());
        }
        self.heading = Some((about, at));
        let time = self.time(at);
        let device = if *tty.device.name == *path { String::new() } else { self.names.device(&tty.device) };
        let space = if device.is_empty() { "" } else { " " };
        writeln!(self.out, "{time} {HEAD}{comm}{HEAD:#}({pid}) {path}{space}{device}")
    }

    pub(super) fn at_command(&mut self, command: &AtCommand) -> io::Result<()> {
        self.tty_heading(command.end, &command.tty)?;
        let took = duration(command.duration());
        let (style, result) = match &command.result {
            AtResult::Ok => (GOOD, String::from("OK")),
            AtResult::Cme(number) => (BAD, format!("+CME ERROR {number}")),
            AtResult::Cms(number) => (BAD, format!("+CMS ERROR {number}")),
            other => (if other.is_failure() { BAD } else { GOOD }, other.to_string().replace('_', " ").to_uppercase()),
        };
        let name = if command.line.len() > 1 { command.line.join(" ; ") } else { command.name.clone() };
        let first = match command.first_byte {
            // Said only where it tells something: an answer that began well before it ended.
            Some(first) if command.end.since(first) > TOLD_WAIT => {
                format!("   {DIM}first byte {}{DIM:#}", duration(first.since(command.start)))
            }
            _ => String::new(),
        };
        let unattended = if command.unattended > UNATTENDED {
            format!("   {DIM}the program was not looking for {}{DIM:#}", duration(command.unattended))
        } else {
            String::new()
        };
        let prompt =
            command.prompt.map_or_else(String::new, |time| format!("   {DIM}prompt {}{DIM:#}", duration(time)));
        writeln!(self.out, "  {name:<14} {style}{result}{style:#}   {took}{first}{prompt}{unattended}")
    }

    pub(super) fn program_wait(&mut self, wait: &ProgramWait) -> io::Result<()> {
        self.tty_heading(wait.answered + wait.wait, &wait.tty)?;
        writeln!(
            self.out,
            "  {:<14} {WARN}program +{}, polling after the answer ⚠{WARN:#} its parser missed it?",
            wait.command,
            duration(wait.wait)
        )
    }

    pub(super) fn trigger(&mut self, trigger: &Trigger) -> io::Result<()> {
        self.tty_heading(trigger.end, &trigger.tty)?;
        let (style, what) = match &trigger.result {
            AtResult::Ok => (GOOD, String::from("sent")),
            other => (BAD, other.to_string().replace('_', " ")),
        };
        let tar = trigger.tar.map_or_else(String::new, |[a, b, c]| format!("   TAR {a:02X}{b:02X}{c:02X}"));
        let ciphered = if trigger.ciphered { "   enciphered" } else { "" };
        let kind = trigger.kind.as_str();
        writeln!(self.out, "  trigger {:<3} {kind}   {style}{what}{style:#}{tar}{DIM}{ciphered}{DIM:#}", trigger.number)
    }

    pub(super) fn line_settings(&mut self, change: &LineChange) -> io::Result<()> {
        self.tty_heading(change.at, &change.tty)?;
        let flow = change.settings.flow.as_str().replace('_', " ");
        let pseudo = if change.pseudo { "   without effect on a pseudo-terminal" } else { "" };
        let during = if change.during_command { "   while a command waits ⚠" } else { "" };
        writeln!(
            self.out,
            "  {:<14} {}, flow control: {flow}{DIM}{pseudo}{DIM:#}{WARN}{during}{WARN:#}",
            "line", change.settings
        )
    }

    pub(super) fn unsolicited(&mut self, code: &AtUnsolicited) -> io::Result<()> {
        self.tty_heading(code.at, &code.tty)?;
        writeln!(self.out, "  {:<14} {DIM}unsolicited{DIM:#}", code.code)
    }
}
