//! Remote administration for people: exchanges, scripts with their APDUs, how sessions ended, what the linter found.

use super::{BAD, DIM, GOOD, Text, WARN, duration};
use crate::{
    observation::{Apdu, Exchange, Finding, FindingKind, Plaintext, Script, Session, SessionStatus, Severity},
    protocol::apdu::{Category, StatusWord},
};
use anstyle::Style;
use std::{
    io::{self, Write},
    time::Duration,
};

/// Whether anything in a script went wrong.
pub fn has_failed(script: &Script) -> bool {
    script.script_status.as_deref().is_some_and(|status| !status.eq_ignore_ascii_case("ok"))
        || script.apdus.iter().any(is_error)
}

fn is_error(apdu: &Apdu) -> bool {
    apdu.status_word.is_none_or(|sw| StatusWord(sw).category() == Category::Error)
}

fn counted(count: u32, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// The words of a line about an APDU.
pub(super) struct Words {
    pub header: String,
    pub name: String,
    /// Of the status word.
    pub style: Style,
    pub word: String,
    pub meaning: String,
    pub back: String,
    pub channel: String,
}

impl Words {
    /// `error` says why there is no R-APDU.
    pub fn of(apdu: &Apdu, error: Option<&str>) -> Self {
        let [cla, ins, p1, p2] = apdu.header;
        let (style, word, meaning) = match apdu.status_word.map(StatusWord) {
            None => (BAD, error.map_or_else(|| String::from("none"), |e| e.replace('_', " ")), "no R-APDU came"),
            Some(sw) => match sw.category() {
                Category::Success => (GOOD, sw.to_string(), if sw == StatusWord::OK { "" } else { sw.meaning() }),
                Category::Warning => (WARN, sw.to_string(), sw.meaning()),
                Category::Error => (BAD, sw.to_string(), sw.meaning()),
            },
        };
        Self {
            header: format!("{cla:02X}{ins:02X}{p1:02X}{p2:02X}"),
            name: match apdu.detail {
                Some(detail) => format!("{} [{detail}]", apdu.name),
                None => apdu.name.to_owned(),
            },
            style,
            word,
            meaning: if meaning.is_empty() { String::new() } else { format!("   {DIM}{meaning}{DIM:#}") },
            back: if apdu.response_bytes > 2 { format!("   {} B", apdu.response_bytes - 2) } else { String::new() },
            channel: if apdu.channel > 0 { format!("   channel {}", apdu.channel) } else { String::new() },
        }
    }
}

impl<W: Write> Text<W> {
    pub(super) fn plaintext(&mut self, plaintext: &Plaintext) -> io::Result<()> {
        match &plaintext.way {
            Ok(_) if !self.filter.all => Ok(()),
            Ok(way) => {
                self.connection_heading(plaintext.at, &plaintext.connection)?;
                writeln!(self.out, "    {DIM}plaintext by {}{DIM:#}", way.as_str())
            }
            Err(sealed) if self.filter.all || !sealed.is_expected() => {
                self.connection_heading(plaintext.at, &plaintext.connection)?;
                writeln!(self.out, "    {WARN}no plaintext{WARN:#}: {} {DIM}({}){DIM:#}", sealed.advice, sealed.reason)
            }
            Err(_) => Ok(()),
        }
    }

    pub(super) fn exchange(&mut self, exchange: &Exchange) -> io::Result<()> {
        self.connection_heading(exchange.end, &exchange.connection)?;
        let followed = exchange.fault.is_none() || exchange.broken().is_some();
        let rest = if followed { String::new() } else { format!("   {DIM}the rest not followed{DIM:#}") };
        let status = match (exchange.status, exchange.broken()) {
            (Some(status), None) if status < 400 => format!("{GOOD}{status}{GOOD:#}"),
            (Some(status), None) => format!("{BAD}{status}{BAD:#}"),
            (_, Some((word, _))) => format!("{BAD}{word}{BAD:#}"),
            (None, None) => format!("{BAD}no answer{BAD:#}"),
        };
        let server = match (exchange.server(), exchange.waited()) {
            (Some(took), _) => format!("   server {}", duration(took)),
            (None, Some(waited)) => format!(" in {}", duration(waited)),
            (None, None) => String::new(),
        };
        let before = exchange.peer.map_or_else(String::new, |took| format!(" │ peer before {}", duration(took)));
        writeln!(
            self.out,
            "  HTTP  {} {}   {status}{server}{before}   {DIM}{} B, {} B back{DIM:#}{rest}",
            exchange.method, exchange.target, exchange.request_body, exchange.response_body
        )
    }

    pub(super) fn script(&mut self, script: &Script) -> io::Result<()> {
        self.connection_heading(script.answered.unwrap_or(script.sent), &script.connection)?;
        let took = match script.answered {
            Some(answered) => duration(answered.since(script.sent)),
            None => String::from("not answered"),
        };
        let status = match script.script_status.as_deref() {
            Some(status) if !status.eq_ignore_ascii_case("ok") => format!("   {BAD}{status}{BAD:#}"),
            _ => String::new(),
        };
        let count = counted(u32::try_from(script.apdus.len()).unwrap_or(u32::MAX), "APDU");
        writeln!(self.out, "  {:<5} script, {count}   {took}{status}", script.kind.as_str().to_uppercase())?;
        for apdu in &script.apdus {
            self.apdu(apdu)?;
        }
        Ok(())
    }

    fn apdu(&mut self, apdu: &Apdu) -> io::Result<()> {
        let Words { header, name, style, word, meaning, back, channel } = Words::of(apdu, None);
        writeln!(self.out, "        {header}  {name:<36} {style}{word}{style:#}{back}{channel}{meaning}")
    }

    pub(super) fn session(&mut self, session: &Session) -> io::Result<()> {
        self.connection_heading(session.end, &session.connection)?;
        let status = session.status();
        let style = if status == SessionStatus::Completed { GOOD } else { BAD };
        let time = session.time;
        let bearer = time.bearer.map_or_else(String::new, |bearer| format!(" │ bearer ~{}", duration(bearer)));
        let mut details = vec![counted(session.exchanges, "exchange"), counted(session.apdus, "APDU")];
        if session.apdu_errors > 0 {
            details.push(format!("{} with errors", session.apdu_errors));
        }
        if session.unanswered > 0 {
            details.push(format!("{} not answered", session.unanswered));
        }
        if session.connections > 1 {
            details.push(format!("{} connections", session.connections));
        }
        if let Some(identity) = &session.identity {
            details.push(format!("card {}", self.names.identity(identity)));
        } else if let Some(agent) = &session.agent {
            details.push(format!("card {}", self.names.agent(agent)));
        }
        if let Some(trigger) = &session.trigger {
            let before = duration(session.start.since(trigger.sent));
            details.push(format!("started by trigger {}, {before} before", trigger.number));
        }
        if session.incomplete {
            details.push(String::from("bytes were lost"));
        }
        if session.counted_elsewhere {
            details.push(String::from("counted at the server's end"));
        }
        // HTTP in the clear has none.
        let handshake = match time.handshake {
            Duration::ZERO => String::new(),
            took => format!("handshake {} │ ", duration(took)),
        };
        writeln!(
            self.out,
            "  {style}session {} {}{style:#}   {}   {handshake}server {}{bearer} │ card ~{}",
            session.number,
            status.as_str(),
            duration(session.duration()),
            duration(time.server),
            duration(time.card),
        )?;
        if status != SessionStatus::Completed || self.filter.all {
            writeln!(self.out, "    {DIM}end{DIM:#}   {}", session.reason.sentence())?;
        }
        writeln!(self.out, "    {DIM}{}{DIM:#}", details.join(" · "))
    }

    pub(super) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        self.connection_heading(finding.at, &finding.connection)?;
        self.told_finding(finding.kind, &finding.detail)
    }

    pub(super) fn told_finding(&mut self, kind: FindingKind, detail: &str) -> io::Result<()> {
        let style = match kind.severity() {
            Severity::Error => BAD,
            Severity::Warning => WARN,
            Severity::Note => DIM,
        };
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        writeln!(
            self.out,
            "  {style}{} {}{style:#}   {}{detail}   {DIM}{}{DIM:#}",
            kind.severity().as_str(),
            kind.as_str(),
            kind.sentence(),
            kind.clause()
        )?;
        writeln!(self.out, "    {DIM}do{DIM:#}    {}", kind.cure())
    }
}
