//! Headers of remote administration (GPC_SPE_011 §3.4).

use super::{Content, Note};
use crate::observation::AgentId;
use crate::protocol::http::{Headers, Method, RequestHead, ResponseHead};
use std::fmt;

const PROTOCOL: &str = "globalplatform-remote-admin/1.0";

/// What an `X-Admin-Protocol` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminProtocol {
    /// `globalplatform-remote-admin/1.0`.
    V1,
    Other,
}

/// Where the next request goes: may hold an identity. Does not show in `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NextUri(String);

impl NextUri {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NextUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NextUri({} bytes)", self.0.len())
    }
}

/// An application identifier, in upper-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aid(String);

impl Aid {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `//aid/<RID>/<PIX>`: five bytes, and at most eleven more (ISO/IEC 7816-4 §8.2.1.2).
    fn of_uri(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_at_checked(6)?;
        let (rid, pix) = rest.split_once('/')?;
        let digits = |text: &str| text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = scheme.eq_ignore_ascii_case("//aid/") && rid.len() == 10 && pix.len() <= 22;
        (fits && digits(rid) && digits(pix)).then(|| Self(format!("{rid}{pix}").to_ascii_uppercase()))
    }
}

impl fmt::Display for Aid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of the last script (`X-Admin-Script-Status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScriptStatus {
    Ok,
    UnknownApplication,
    NotASecurityDomain,
    SecurityError,
    Other,
}

impl ScriptStatus {
    /// As on the wire; `other` for what the standard does not have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownApplication => "unknown-application",
            Self::NotASecurityDomain => "not-a-security-domain",
            Self::SecurityError => "security-error",
            Self::Other => "other",
        }
    }
}

/// What a card's request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub protocol: Option<AdminProtocol>,
    pub agent: Option<AgentId>,
    /// There when the request brings a response script.
    pub script_status: Option<ScriptStatus>,
    /// A session is taken up again.
    pub resume: bool,
    pub content: Content,
    /// In the order in which they were noticed.
    pub notes: Vec<Note>,
}

/// What a server's response says. A 204 without any of its headers ends the session, and is none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub protocol: Option<AdminProtocol>,
    /// Without it, and without a body, the session is at its end.
    pub next_uri: Option<NextUri>,
    /// Without it the script is for the security domain that the session belongs to.
    pub targeted: Option<Aid>,
    pub content: Content,
    /// In the order in which they were noticed.
    pub notes: Vec<Note>,
}

impl Request {
    /// Reads a head; `None` when nothing in it is of remote administration.
    pub fn read(head: &RequestHead) -> Option<Self> {
        let headers = &head.headers;
        let content = Content::read(headers);
        if !administers(headers, content) {
            return None;
        }
        let mut notes = Vec::new();
        if head.method != Method::Post {
            notes.push(Note::NotPost);
        }
        let protocol = protocol(headers, &mut notes);
        let agent = headers.get("X-Admin-From").map(|agent| AgentId::new(agent.to_vec()));
        let script_status = script_status(headers, &mut notes);
        let has_body = headers.announces_body();
        if agent.is_none() && !has_body && script_status.is_none() {
            notes.push(Note::MissingFrom);
        }
        if has_body && script_status.is_none() && !headers.contains("X-Admin-Script-Status") {
            notes.push(Note::MissingScriptStatus);
        }
        let resume = match headers.text("X-Admin-Resume") {
            None => false,
            Some("true") => true,
            Some(other) => {
                let meant = other.eq_ignore_ascii_case("true");
                notes.push(if meant { Note::LooseSpelling } else { Note::BadResume });
                meant
            }
        };
        content_notes(content, has_body, content.kind.is_command(), &mut notes);
        Some(Self { protocol, agent, script_status, resume, content, notes })
    }
}

impl Response {
    /// It is for the card to run, whatever type its server gives the body: it names who runs it, or where the answer goes.
    pub const fn is_for_card(&self) -> bool {
        self.next_uri.is_some() || self.targeted.is_some()
    }

    /// Reads a head; `None` when nothing in it is of remote administration.
    pub fn read(head: &ResponseHead) -> Option<Self> {
        let headers = &head.headers;
        let content = Content::read(headers);
        if !administers(headers, content) {
            return None;
        }
        let mut notes = Vec::new();
        if !matches!(head.status, 200 | 204) {
            notes.push(Note::UnusualStatus);
        }
        let protocol = protocol(headers, &mut notes);
        let next_uri = headers.text("X-Admin-Next-URI").filter(|uri| !uri.is_empty());
        let targeted = headers.text("X-Admin-Targeted-Application").and_then(|uri| {
            let aid = Aid::of_uri(uri);
            if aid.is_none() {
                notes.push(Note::BadTargetedApplication);
            }
            aid
        });
        let has_body = headers.announces_body();
        content_notes(content, has_body, content.kind.is_response(), &mut notes);
        let next_uri = next_uri.map(|uri| NextUri(uri.to_owned()));
        Some(Self { status: head.status, protocol, next_uri, targeted, content, notes })
    }
}

fn administers(headers: &Headers, content: Content) -> bool {
    let named =
        headers.iter().any(|(name, _)| name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("X-Admin-")));
    named || content.kind.is_command() || content.kind.is_response()
}

fn protocol(headers: &Headers, notes: &mut Vec<Note>) -> Option<AdminProtocol> {
    let Some(value) = headers.text("X-Admin-Protocol") else {
        notes.push(Note::MissingProtocol);
        return None;
    };
    if value == PROTOCOL {
        return Some(AdminProtocol::V1);
    }
    if value
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| byte.to_ascii_lowercase())
        .eq(PROTOCOL.bytes())
    {
        notes.push(Note::LooseSpelling);
        return Some(AdminProtocol::V1);
    }
    notes.push(Note::UnknownProtocol);
    Some(AdminProtocol::Other)
}

fn script_status(headers: &Headers, notes: &mut Vec<Note>) -> Option<ScriptStatus> {
    let value = headers.text("X-Admin-Script-Status")?;
    let known = [
        ScriptStatus::Ok,
        ScriptStatus::UnknownApplication,
        ScriptStatus::NotASecurityDomain,
        ScriptStatus::SecurityError,
    ];
    let Some(found) = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(value)) else {
        notes.push(Note::UnknownScriptStatus);
        return Some(ScriptStatus::Other);
    };
    if found.as_str() != value {
        notes.push(Note::LooseSpelling);
    }
    Some(found)
}

fn content_notes(content: Content, has_body: bool, wrong_way: bool, notes: &mut Vec<Note>) {
    use super::ContentKind::{Binary, Missing, Other};
    match content.kind {
        Missing if has_body => notes.push(Note::MissingContentType),
        Other | Binary => notes.push(Note::UnknownContentType),
        _ if wrong_way => notes.push(Note::ContentOfOtherDirection),
        Missing => {}
        _ => {
            if content.loose {
                notes.push(Note::LooseSpelling);
            }
            match content.version {
                Some((1, 0)) => {}
                None => notes.push(Note::MissingVersion),
                Some(_) => notes.push(Note::UnknownVersion),
            }
        }
    }
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
