//! Remote administration, connection by connection: as the card lived it, and as the agent told of it, in the same words.

use crate::{IDENTITY, Result, page::Counts, trace::text};
use anyhow::{Context as _, ensure};
use cardlink_lab::truth::{ConnectionRecord, ScriptApdu};
use serde_json::Value;
use std::collections::BTreeMap;

/// What was said on one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// How it could be read, or why not: `key_file`, `none tls13`.
    pub ways: Vec<String>,
    /// PSK identities of its sessions, as they were opened and as they ended.
    pub identities: Vec<String>,
    /// `POST 200`.
    pub exchanges: Vec<String>,
    /// `SELECT 00A4040C 12 9000 2`: name, header, bytes, status word, bytes.
    pub apdus: Vec<String>,
    /// `completed nothing_more`, and how many of what.
    pub sessions: Vec<String>,
    pub findings: Vec<String>,
}

/// By the card's address and the server's.
pub type Conversations = BTreeMap<(String, String), Conversation>;

/// The figures of a session, as `told` writes them, too.
#[derive(Debug, Clone, Copy)]
struct Figures {
    connections: u64,
    exchanges: u64,
    scripts: u64,
    apdus: u64,
    from_card: u64,
    to_card: u64,
}

impl Figures {
    fn end(self, how: &str) -> String {
        let Self { connections, exchanges, scripts, apdus, from_card, to_card } = self;
        format!(
            "{how}: {connections} connections, {exchanges} exchanges, {scripts} scripts, {apdus} APDUs, \
             {from_card} bytes from the card, {to_card} to it"
        )
    }
}

impl Conversation {
    /// A session that went well, from the handshake to the 204, by the card's truth.
    pub fn lived(record: &ConnectionRecord, way: &str) -> Result<Self> {
        let session = &record.session;
        ensure!(session.end == "complete", "the card's own session is not complete: {record:?}");
        let exchanges = session.exchanges;
        let figures = Figures {
            connections: 1,
            exchanges: u64::from(exchanges) + 1,
            scripts: exchanges.into(),
            apdus: session.apdus.len() as u64,
            from_card: session.bytes_written,
            to_card: session.bytes_read,
        };
        let mut posts = vec!["POST 200".to_owned(); exchanges as usize];
        posts.push("POST 204".to_owned());
        Ok(Self {
            ways: vec![way.to_owned()],
            // A session that is resumed has the identity of the one before, which is not on the wire.
            identities: vec![IDENTITY.to_owned(); 2],
            exchanges: posts,
            apdus: session.apdus.iter().map(apdu).collect::<Result<_>>()?,
            sessions: vec![figures.end("completed nothing_more")],
            findings: if way == "null_suite" { vec!["null_suite".to_owned()] } else { Vec::new() },
        })
    }

    /// A connection of which nothing can be read.
    pub fn sealed(reason: &str) -> Self {
        Self { ways: vec![format!("none {reason}")], ..Self::default() }
    }
}

/// All good sessions of the card, on connections that can be read in this way.
pub fn lived(truth: &[ConnectionRecord], way: &str) -> Result<Conversations> {
    let one = |record: &ConnectionRecord| Ok((key(record), Conversation::lived(record, way)?));
    let all: Conversations = truth.iter().map(one).collect::<Result<_>>()?;
    ensure!(all.len() == truth.len(), "two connections of the truth have the same addresses");
    Ok(all)
}

/// The same connections, when none of them can be read.
pub fn sealed(truth: &[ConnectionRecord], reason: &str) -> Conversations {
    truth.iter().map(|record| (key(record), Conversation::sealed(reason))).collect()
}

pub fn key(record: &ConnectionRecord) -> (String, String) {
    (record.local.clone(), record.peer.clone())
}

/// What the agent told, with the server as the watched end.
pub fn told(values: &[Value]) -> Conversations {
    let mut all = Conversations::new();
    for value in values {
        let kind = text(value, "type");
        if !["plaintext", "session_opened", "session", "exchange", "script", "finding"].contains(&kind) {
            continue;
        }
        let one = all.entry((text(value, "peer").to_owned(), text(value, "local").to_owned())).or_default();
        match kind {
            "plaintext" => one.ways.push([text(value, "way"), text(value, "reason")].join(" ").trim_end().to_owned()),
            "session_opened" => one.identities.push(text(value, "identity").to_owned()),
            "exchange" => one.exchanges.push(format!("{} {}", text(value, "method"), value["status"])),
            "script" => one.apdus.extend(value["apdus"].as_array().into_iter().flatten().map(told_apdu)),
            "finding" => one.findings.push(text(value, "finding").to_owned()),
            _ => {
                one.identities.push(text(value, "identity").to_owned());
                one.sessions.push(told_session(value));
            }
        }
        for flag in ["incomplete", "counted_elsewhere"] {
            if value[flag] == true {
                one.findings.push(format!("a {kind} is {flag}"));
            }
        }
    }
    all
}

fn told_session(value: &Value) -> String {
    let count = |field: &str| value[field].as_u64().unwrap_or(u64::MAX);
    let figures = Figures {
        connections: count("connections"),
        exchanges: count("exchanges"),
        scripts: count("scripts"),
        apdus: count("apdus"),
        from_card: count("bytes_from_card"),
        to_card: count("bytes_to_card"),
    };
    figures.end(&[text(value, "status"), text(value, "reason")].join(" "))
}

fn told_apdu(value: &Value) -> String {
    let chain = if value["commands"] == 1 { String::new() } else { format!(" in {} commands", value["commands"]) };
    format!(
        "{} {} {} {} {}{chain}",
        text(value, "command"),
        text(value, "header"),
        value["command_bytes"],
        value["status_word"].as_str().unwrap_or("unanswered"),
        value["response_bytes"],
    )
}

/// An APDU of the truth, in the words of [`told`].
pub fn apdu(apdu: &ScriptApdu) -> Result<String> {
    Ok(format!(
        "{} {} {} {} {}",
        command(&apdu.header)?,
        apdu.header,
        apdu.command_bytes,
        apdu.status_word,
        apdu.response_bytes
    ))
}

/// The name of a command of the tests' scripts, by the specifications.
pub fn command(header: &str) -> Result<&'static str> {
    let ins = header.get(..4).with_context(|| format!("{header} is no header"))?;
    Ok(match ins {
        // GPC_SPE_034 §11.
        "80F2" => "GET_STATUS",
        "80CA" => "GET_DATA",
        "80E2" => "STORE_DATA",
        "80E4" => "DELETE",
        "80E6" => "INSTALL",
        "80E8" => "LOAD",
        "80D8" => "PUT_KEY",
        // TS 102 221 §11.1.
        "00A4" => "SELECT",
        "00B0" => "READ_BINARY",
        "00D6" => "UPDATE_BINARY",
        "0020" => "VERIFY_PIN",
        _ => anyhow::bail!("the tests have no name for {header}"),
    })
}

/// APDUs of the truth by the name of the command.
pub fn commands(truth: &[ConnectionRecord]) -> Result<Counts> {
    let mut counts = Counts::new();
    for apdu in truth.iter().flat_map(|record| &record.session.apdus) {
        *counts.entry(command(&apdu.header)?.to_owned()).or_default() += 1;
    }
    Ok(counts)
}

/// What is told otherwise than it was, connection by connection; nothing when all is right.
pub fn differences(lived: &Conversations, told: &Conversations) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, real) in lived {
        match told.get(key) {
            None => wrong.push(format!("{key:?}: nothing was told of it")),
            Some(seen) => wrong.extend(
                fields(real)
                    .iter()
                    .zip(fields(seen))
                    .filter(|((_, real), (_, seen))| real != seen)
                    .map(|((name, real), (_, seen))| format!("{key:?}: {name}: {seen:?}\n    instead of {real:?}")),
            ),
        }
    }
    wrong.extend(told.keys().filter(|key| !lived.contains_key(*key)).map(|key| format!("{key:?} did not happen")));
    wrong
}

fn fields(one: &Conversation) -> [(&'static str, &Vec<String>); 6] {
    let Conversation { ways, identities, exchanges, apdus, sessions, findings } = one;
    [
        ("plaintext", ways),
        ("identities", identities),
        ("exchanges", exchanges),
        ("APDUs", apdus),
        ("sessions", sessions),
        ("findings", findings),
    ]
}

/// Fails with the first differences.
pub fn same(lived: &Conversations, told: &Conversations) -> Result {
    let wrong = differences(lived, told);
    let some: Vec<_> = wrong.iter().take(8).map(String::as_str).collect();
    ensure!(wrong.is_empty(), "{} differences in {} connections:\n{}", wrong.len(), lived.len(), some.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Conversation, Conversations, differences};

    #[test]
    fn what_is_missing_or_double_or_invented_is_a_difference() {
        let key = |name: &str| (name.to_owned(), "server".to_owned());
        let one = Conversation { apdus: vec!["SELECT".to_owned()], ..Conversation::default() };
        let lived: Conversations = [(key("a"), one.clone())].into();
        assert!(differences(&lived, &lived).is_empty());
        assert_eq!(differences(&lived, &Conversations::new()).len(), 1);
        let twice = Conversation { apdus: vec!["SELECT".to_owned(); 2], ..one.clone() };
        assert_eq!(differences(&lived, &[(key("a"), twice)].into()).len(), 1);
        let more: Conversations = [(key("a"), one.clone()), (key("b"), one)].into();
        assert_eq!(differences(&lived, &more).len(), 1);
    }
}
