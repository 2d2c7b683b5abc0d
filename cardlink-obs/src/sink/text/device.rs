//! Devices for people: their APDUs, their errors, who came and went.

use super::{BAD, DIM, GOOD, Heading, TOLD_WAIT, Text, WARN, duration, session::Words};
use crate::observation::{
    Device, DeviceApdu, DeviceChange, DeviceEvent, DeviceFinding, DeviceOperation, Process, Share, Stamp,
};
use crate::protocol::apdu::{Category, StatusWord};
use std::{
    io::{self, Write},
    time::Duration,
};

/// A program's own time before a command is told from here on.
const TOLD_PROGRAM: Duration = Duration::from_millis(10);

/// Whether the device answered, and well.
pub fn has_failed(apdu: &DeviceApdu) -> bool {
    apdu.apdu.status_word.is_none_or(|sw| StatusWord(sw).category() == Category::Error)
}

impl<W: Write> Text<W> {
    fn device_heading(&mut self, at: Stamp, process: &Process, device: &Device) -> io::Result<()> {
        let name = self.names.device(device);
        let about = Heading::Device(process.pid, name.clone());
        if self.heading.as_ref().is_some_and(|(heading, _)| *heading == about) {
            return Ok(());
        }
        self.heading = Some((about, at));
        let time = self.time(at);
        writeln!(self.out, "{time} {} {}({}) {name}", device.kind.as_str(), process.comm, process.pid)
    }

    pub(super) fn device_apdu(&mut self, one: &DeviceApdu) -> io::Result<()> {
        self.device_heading(one.end, &one.process, &one.device)?;
        let Words { header, name, style, word, meaning, back, channel } = Words::of(&one.apdu, one.error);
        let program = match one.program {
            Some(time) if time >= TOLD_PROGRAM => format!("   {DIM}program before {}{DIM:#}", duration(time)),
            _ => String::new(),
        };
        let more = match one.extensions {
            0 => String::new(),
            1 => String::from("   asked for more time"),
            times => format!("   asked for more time {times} times"),
        };
        let chain = match one.continues {
            Some(of) => format!("   {DIM}goes on with {}{DIM:#}", of.command),
            None => String::new(),
        };
        let channel = match one.carrier.as_ref().and_then(|carrier| carrier.session.as_ref()) {
            Some(session) => {
                let application = session.application.as_deref().map_or_else(String::new, |aid| format!(" {aid}"));
                format!("{channel}   session {}{application}", session.id)
            }
            None => channel,
        };
        let elsewhere = if one.counted_elsewhere { "   counted at the serving end" } else { "" };
        let took = duration(one.duration());
        writeln!(
            self.out,
            "  {header}  {name:<28} {style}{word}{style:#}{back}   {took}{channel}{chain}{more}{program}{meaning}{DIM}{elsewhere}{DIM:#}"
        )
    }

    pub(super) fn device_operation(&mut self, operation: &DeviceOperation) -> io::Result<()> {
        if operation.error.is_none() && operation.duration() < TOLD_WAIT && !self.filter.all {
            return Ok(());
        }
        self.device_heading(operation.end, &operation.process, &operation.device)?;
        let result = match operation.error {
            Some(error) => format!("{BAD}{}{BAD:#}", error.replace('_', " ")),
            None => format!("{GOOD}ok{GOOD:#}"),
        };
        let share = operation.share.map_or("", Share::as_str);
        let name = format!("{} {share}", operation.operation.replace('_', " "));
        writeln!(self.out, "  {:<38} {result}   {}", name.trim_end(), duration(operation.duration()))
    }

    pub(super) fn device_change(&mut self, change: &DeviceChange) -> io::Result<()> {
        self.heading = None;
        let time = self.time(change.at);
        let name = self.names.device(&change.device);
        let style = if change.event == DeviceEvent::Disconnected { WARN } else { DIM };
        let what = match change.event {
            DeviceEvent::Connected => "is there",
            DeviceEvent::Disconnected => "is gone",
            DeviceEvent::CardInserted => "has a card",
            DeviceEvent::CardRemoved => "has no card",
            DeviceEvent::CardReset => "reset its card",
        };
        writeln!(self.out, "{time} {style}{} {name} {what}{style:#}", change.device.kind.as_str())
    }

    pub(super) fn device_finding(&mut self, finding: &DeviceFinding) -> io::Result<()> {
        self.device_heading(finding.at, &finding.process, &finding.device)?;
        self.told_finding(finding.kind, &finding.detail)
    }
}
