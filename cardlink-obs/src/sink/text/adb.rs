//! The Android Debug Bridge for people.

use super::{BAD, DIM, GOOD, HEAD, Text, WARN, duration};
use crate::observation::{AdbCommand, AdbOperation, AdbResult, PhoneList, Process};
use anstyle::Style;
use std::io::{self, Write};

/// Whether it did not go well, whoever is to blame.
pub fn has_failed(one: &AdbOperation) -> bool {
    !matches!(one.result, AdbResult::Ok)
}

fn result(result: AdbResult) -> (Style, String) {
    match result {
        AdbResult::Ok => (GOOD, String::from("ok")),
        AdbResult::Exit(code) => (WARN, format!("exit code {code}")),
        AdbResult::Aborted => (WARN, String::from("the client left")),
        AdbResult::Hangup => (BAD, String::from("the server hung up")),
        AdbResult::Unknown => (WARN, String::from("result unknown")),
        AdbResult::Failed(reason) => (BAD, reason.replace('_', " ")),
    }
}

impl<W: Write> Text<W> {
    pub(super) fn adb_operation(&mut self, one: &AdbOperation) -> io::Result<()> {
        self.connection_heading(one.end, &one.connection)?;
        let (style, result) = result(one.result);
        let mut what = one.operation.to_owned();
        for word in one.program.into_iter().filter(|_| one.at.is_empty()).chain(one.at.iter().map(String::as_str)) {
            what = format!("{what} {word}");
        }
        let took = if one.timed { duration(one.duration()) } else { String::from("time unknown") };
        let phone = one.device.as_ref().map_or_else(String::new, |device| format!("   {}", self.names.device(device)));
        let elsewhere = if one.counted_elsewhere { "   counted at the server's end" } else { "" };
        writeln!(self.out, "  adb   {what:<24} {style}{result}{style:#}   {took}{DIM}{phone}{elsewhere}{DIM:#}")
    }

    pub(super) fn adb_command(&mut self, one: &AdbCommand) -> io::Result<()> {
        self.heading = None;
        let (style, result) = result(one.result);
        let (time, took) = (self.time(one.end), duration(one.duration()));
        let spawn = one.began.since(one.start);
        let spawn = if spawn.is_zero() { String::new() } else { format!(", of it {} to start", duration(spawn)) };
        let phone = one.device.as_ref().map_or_else(String::new, |device| format!("   {}", self.names.device(device)));
        let elsewhere = if one.counted_elsewhere { "   counted by what it asked" } else { "" };
        let Process { pid, comm, .. } = &*one.process;
        writeln!(
            self.out,
            "{time} {HEAD}{comm}{HEAD:#}({pid}) ran {} {style}{result}{style:#}   {took}{DIM}{spawn}{phone}{elsewhere}{DIM:#}",
            one.operation
        )
    }

    pub(super) fn phones(&mut self, list: &PhoneList) -> io::Result<()> {
        self.connection_heading(list.at, &list.connection)?;
        let each = list.phones.iter().map(|one| format!("{} {}", self.names.device(&one.device), one.state));
        let all = each.collect::<Vec<_>>().join(", ");
        writeln!(self.out, "  adb   phones: {}", if all.is_empty() { "none" } else { &all })
    }
}
