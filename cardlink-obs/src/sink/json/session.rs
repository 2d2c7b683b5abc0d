//! Remote administration as JSON.

use super::seconds;
use crate::{
    observation::{Apdu, Exchange, Finding, FindingKind, Plaintext, Script, Session, SessionOpened},
    protocol::apdu::StatusWord,
    sink::{names::Names, wall::WallClock},
};
use serde_json::{Value, json};

pub fn plaintext(plaintext: &Plaintext, clock: &WallClock) -> Value {
    json!({
        "type": "plaintext",
        "time": clock.iso(plaintext.at),
        "way": plaintext.way.as_ref().map_or("none", |way| way.as_str()),
        "reason": plaintext.way.as_ref().err().map(|sealed| &sealed.reason),
        "advice": plaintext.way.as_ref().err().map(|sealed| &sealed.advice),
    })
}

pub fn exchange(exchange: &Exchange, clock: &WallClock) -> Value {
    json!({
        "type": "exchange",
        "time": clock.iso(exchange.end),
        "session": exchange.session,
        "method": exchange.method,
        "uri": exchange.target,
        "status": exchange.status,
        "server": exchange.server().map(seconds),
        "waited": exchange.waited().map(seconds),
        "before": exchange.peer.map(seconds),
        "request_body": exchange.request_body,
        "response_body": exchange.response_body,
        "fault": exchange.fault.map(|(word, _)| word),
        "counted_elsewhere": exchange.counted_elsewhere,
    })
}

pub fn script(script: &Script, clock: &WallClock) -> Value {
    json!({
        "type": "script",
        "time": clock.iso(script.answered.unwrap_or(script.sent)),
        "session": script.session,
        "device_type": script.device.as_str(),
        "kind": script.kind.as_str(),
        "dialect": script.dialect,
        "targeted_application": script.targeted_application,
        "duration": script.answered.map(|answered| seconds(answered.since(script.sent))),
        "script_status": script.script_status,
        "apdus": script.apdus.iter().map(apdu).collect::<Vec<_>>(),
        "counted_elsewhere": script.counted_elsewhere,
    })
}

pub fn apdu(apdu: &Apdu) -> Value {
    let [cla, ins, p1, p2] = apdu.header;
    let status_word = apdu.status_word.map(StatusWord);
    json!({
        "command": apdu.name,
        "detail": apdu.detail,
        "header": format!("{cla:02X}{ins:02X}{p1:02X}{p2:02X}"),
        "channel": apdu.channel,
        "command_bytes": apdu.command_bytes,
        "status_word": status_word.map(|sw| sw.to_string()),
        "status_category": status_word.map(|sw| sw.category().as_str()),
        "meaning": status_word.map(StatusWord::meaning),
        "response_bytes": apdu.response_bytes,
        "commands": apdu.commands,
    })
}

pub fn opened(opened: &SessionOpened, clock: &WallClock, names: &Names) -> Value {
    json!({
        "type": "session_opened",
        "time": clock.iso(opened.at),
        "session": opened.number,
        "resumes": opened.resumes,
        "identity": opened.identity.as_ref().map(|identity| names.identity(identity)),
        "agent": opened.agent.as_ref().map(|agent| names.agent(agent)),
        "counted_elsewhere": opened.counted_elsewhere,
    })
}

pub fn ended(session: &Session, clock: &WallClock, names: &Names) -> Value {
    json!({
        "type": "session",
        "time": clock.iso(session.end),
        "session": session.number,
        "status": session.status().as_str(),
        "reason": session.reason.as_str(),
        "session_type": session.kind.as_str(),
        "trigger": session.trigger.as_ref().map(|trigger| trigger.number),
        "device_type": session.device.as_str(),
        "duration": seconds(session.duration()),
        "connections": session.connections,
        "identity": session.identity.as_ref().map(|identity| names.identity(identity)),
        "agent": session.agent.as_ref().map(|agent| names.agent(agent)),
        "exchanges": session.exchanges,
        "scripts": session.scripts,
        "apdus": session.apdus,
        "apdu_errors": session.apdu_errors,
        "unanswered": session.unanswered,
        "findings": session.findings,
        "times": {
            "handshake": seconds(session.time.handshake),
            "server": seconds(session.time.server),
            "bearer_estimate": session.time.bearer.map(seconds),
            "card_estimate": seconds(session.time.card),
        },
        "round_trip": session.round_trip.map(seconds),
        "bytes_from_card": session.bytes_from_card,
        "bytes_to_card": session.bytes_to_card,
        "incomplete": session.incomplete,
        "counted_elsewhere": session.counted_elsewhere,
    })
}

pub fn finding(finding: &Finding, clock: &WallClock) -> Value {
    let own = json!({
        "type": "finding",
        "time": clock.iso(finding.at),
        "detail": finding.detail,
        "session": finding.session,
        "counted_elsewhere": finding.counted_elsewhere,
    });
    super::with(own, of_kind(finding.kind))
}

/// What a finding says by its kind.
pub fn of_kind(kind: FindingKind) -> Value {
    json!({
        "finding": kind.as_str(),
        "severity": kind.severity().as_str(),
        "clause": kind.clause(),
        "sentence": kind.sentence(),
        "cure": kind.cure(),
    })
}
