//! What either side does against Amendment B.

use super::talk::Talk;
use crate::{
    observation::{Finding, FindingKind, Observation, PlaintextWay, Stamp},
    protocol::{
        http::{HttpNote, ResponseHead},
        scp81::{
            CommandScript, Dialect, FaultKind, Note, Request, Response, ResponseScript, ScriptFault, ScriptStatus,
        },
    },
};
use std::sync::Arc;

impl Talk {
    /// Tells a finding.
    pub fn find(&mut self, kind: FindingKind, at: Stamp, detail: String, out: &mut Vec<Observation>) {
        self.part.finding();
        out.push(Observation::Finding(Box::new(Finding {
            kind,
            connection: Arc::clone(&self.connection),
            // Whoever gives sessions their numbers fills it in.
            session: Some(0),
            at,
            detail,
            counted_elsewhere: false,
        })));
    }

    /// Tells a finding once a session for each `what`.
    pub fn find_once(&mut self, kind: FindingKind, what: &'static str, at: Stamp, out: &mut Vec<Observation>) {
        if self.found.insert((kind, what)) {
            self.find(kind, at, what.to_owned(), out);
        }
    }

    /// Tells a finding once a session for each `word`, and explains the word.
    fn find_worded(
        &mut self,
        kind: FindingKind,
        word: &'static str,
        sentence: &str,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        if self.found.insert((kind, word)) {
            self.find(kind, at, detail(word, sentence), out);
        }
    }

    pub(super) fn lint_request(&mut self, request: &Request, first: bool, at: Stamp, out: &mut Vec<Observation>) {
        // Who asks is known from the first request on.
        let notes = request.notes.iter().filter(|note| first || !matches!(note, Note::MissingFrom));
        self.notes(notes, "request", at, out);
    }

    pub(super) fn lint_response(
        &mut self,
        response: Option<&Response>,
        head: &ResponseHead,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        let has_body = head.headers.announces_body();
        let empty = head.status == 204;
        if empty && has_body {
            self.find(FindingKind::NoContentWithBody, at, announced(head), out);
            self.found.insert((FindingKind::NoContentWithBody, ""));
        }
        let Some(response) = response else {
            if has_body && !empty && head.status < 300 {
                // Neither a header nor a content type of remote administration.
                let kind = if head.headers.contains("Content-Type") {
                    FindingKind::WrongContentType
                } else {
                    FindingKind::MissingContentType
                };
                self.find_once(kind, "response", at, out);
                self.find_once(FindingKind::NoAdminProtocol, "response", at, out);
            }
            return;
        };
        // What type it has is the least that is wrong with a body that may not be.
        let notes = response.notes.iter().filter(|note| !(empty && matches!(note, Note::MissingContentType)));
        self.notes(notes, "response", at, out);
        if has_body && head.status == 200 && response.next_uri.is_none() {
            self.find_once(FindingKind::BodyWithoutNextUri, "", at, out);
        }
    }

    /// Deviations of HTTP.
    pub(super) fn note(&mut self, note: HttpNote, at: Stamp, out: &mut Vec<Observation>) {
        if !self.admin && self.part.identity().is_none() {
            return;
        }
        match note {
            HttpNote::BareLineFeed => self.find_once(FindingKind::BareLineFeed, "", at, out),
            HttpNote::LengthAndChunked => {
                self.find_worded(FindingKind::HttpBroken, note.as_str(), note.sentence(), at, out);
            }
        }
    }

    fn notes<'a>(
        &mut self,
        notes: impl Iterator<Item = &'a Note>,
        whose: &'static str,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        for note in notes {
            match note {
                Note::MissingProtocol | Note::UnknownProtocol => {
                    self.find_once(FindingKind::NoAdminProtocol, whose, at, out);
                }
                Note::MissingContentType => self.find_once(FindingKind::MissingContentType, whose, at, out),
                Note::UnknownContentType | Note::ContentOfOtherDirection => {
                    self.find_once(FindingKind::WrongContentType, whose, at, out);
                }
                Note::NotPost => self.find_once(FindingKind::NotPost, whose, at, out),
                Note::MissingFrom => self.find_once(FindingKind::MissingFrom, whose, at, out),
                Note::MissingScriptStatus => self.find_once(FindingKind::MissingScriptStatus, whose, at, out),
                Note::UnusualStatus => self.find_once(FindingKind::UnusualStatus, whose, at, out),
                Note::LooseSpelling | Note::MissingVersion => {
                    self.find_worded(FindingKind::LooseHeader, note.as_str(), note.sentence(), at, out);
                }
                Note::UnknownScriptStatus | Note::BadResume | Note::BadTargetedApplication | Note::UnknownVersion => {
                    self.find_worded(FindingKind::BadHeader, note.as_str(), note.sentence(), at, out);
                }
            }
        }
    }

    pub(super) fn lint_commands(&mut self, script: &CommandScript, at: Stamp, out: &mut Vec<Observation>) {
        self.dialect(script.dialect, &script.faults, "response", at, out);
        if let Some(fault) = of_peers(&script.faults).next() {
            self.find(FindingKind::CommandScriptMalformed, at, fault.to_string(), out);
        }
        if matches!(self.way, PlaintextWay::NullSuite | PlaintextWay::Clear) {
            for command in &script.apdus {
                if command.carries_secret().is_some() && !command.is_secured() {
                    self.find_once(FindingKind::SecretInClear, command.name().as_str(), at, out);
                }
            }
        }
    }

    pub(super) fn lint_answer(
        &mut self,
        commands: Option<&CommandScript>,
        responses: Option<&ResponseScript>,
        status: Option<ScriptStatus>,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        if let Some(responses) = responses {
            self.dialect(responses.dialect, &responses.faults, "request", at, out);
            if let Some(fault) = of_peers(&responses.faults).find(|fault| fault.kind == FaultKind::Truncated) {
                self.find(FindingKind::ResponseTruncated, at, fault.to_string(), out);
            } else if let Some(fault) = of_peers(&responses.faults).next() {
                self.find(FindingKind::ResponseScriptMalformed, at, fault.to_string(), out);
            }
        }
        let refused = status.is_some_and(|status| status != ScriptStatus::Ok);
        let answers = responses.map_or(0, |responses| responses.apdus.len());
        if let Some(status) = status.filter(|_| refused) {
            if answers > 0 {
                let detail = format!("{}, and {answers} R-APDUs", status.as_str());
                self.find(FindingKind::ScriptStatusContradicts, at, detail, out);
            } else {
                self.find(FindingKind::ScriptFailed, at, status.as_str().to_owned(), out);
            }
            return;
        }
        let Some(commands) = commands.filter(|commands| commands.faults.is_empty()) else { return };
        // Of a body that cannot be read, or that was not seen, nobody knows what is in it.
        let read = |script: &ResponseScript| {
            matches!(script.dialect, Dialect::Expanded | Dialect::Empty) && script.faults.is_empty()
        };
        if !responses.is_none_or(read) {
            return;
        }
        if status == Some(ScriptStatus::Ok) && answers == 0 && !commands.apdus.is_empty() {
            self.find(FindingKind::ScriptStatusContradicts, at, "ok, and no R-APDU".to_owned(), out);
        } else if answers != commands.apdus.len() && responses.is_some() {
            let last = responses
                .and_then(|responses| responses.apdus.last())
                .map_or_else(String::new, |last| format!(", the last {}", last.sw));
            let detail = format!("{} C-APDUs, {answers} R-APDUs{last}", commands.apdus.len());
            self.find(FindingKind::ResponseCountDiffers, at, detail, out);
        }
    }

    fn dialect(
        &mut self,
        dialect: Dialect,
        faults: &[ScriptFault],
        whose: &'static str,
        at: Stamp,
        out: &mut Vec<Observation>,
    ) {
        match dialect {
            _ if faults.iter().any(|fault| fault.kind == FaultKind::Missed) => {}
            Dialect::Expanded | Dialect::Empty => {}
            Dialect::Raw | Dialect::LengthPrefixed => self.find_once(FindingKind::RawApdus, dialect.as_str(), at, out),
            // Its type says that it is none.
            Dialect::Unknown if self.found.contains(&(FindingKind::WrongContentType, whose)) => {}
            Dialect::Ambiguous | Dialect::Unknown => self.find_once(FindingKind::UnknownDialect, whose, at, out),
        }
    }
}

/// Faults of whoever wrote the script: after bytes that were missed, nothing is known of it.
fn of_peers(faults: &[ScriptFault]) -> impl Iterator<Item = &ScriptFault> {
    faults.iter().take_while(|fault| fault.kind != FaultKind::Missed)
}

fn announced(head: &ResponseHead) -> String {
    match head.headers.content_length() {
        Some(length) => format!("Content-Length {length}"),
        None => String::from("chunked"),
    }
}

/// A word and a sentence, without its full stop.
pub(super) fn detail(word: &str, sentence: &str) -> String {
    format!("{word}: {}", sentence.trim_end_matches('.'))
}
