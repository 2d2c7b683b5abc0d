//! What a card may do otherwise than Amendment B says (`GPC_SPE_011` §3).

use anyhow::{Context, bail};
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// POSTs without `X-Admin-Protocol`.
    NoAdminProtocol,
    /// The response script is cut within its last R-APDU.
    TruncatedResponse,
    /// The last R-APDU is left out.
    FewerResponses,
    /// `X-Admin-Script-Status` has a value that does not exist.
    WrongScriptStatus,
    /// `X-Admin-Script-Status: unknown-application`, though the script ran and its responses are there.
    ContradictingScriptStatus,
    /// The resumed connections are dropped, too, right after their first POST: [`RESUME_LOOP`] drops in all.
    ResumeLoop,
    /// A script without a Next-URI is answered, at the URI before.
    PostWithoutNextUri,
    /// Time between a script and its response, in which nothing is done.
    Idle(Duration),
}

/// How often the link is dropped in a loop before the card gets through.
pub const RESUME_LOOP: u32 = 4;

const NAMES: [(&str, Deviation); 7] = [
    ("no-admin-protocol", Deviation::NoAdminProtocol),
    ("truncated-response", Deviation::TruncatedResponse),
    ("fewer-responses", Deviation::FewerResponses),
    ("wrong-script-status", Deviation::WrongScriptStatus),
    ("contradicting-script-status", Deviation::ContradictingScriptStatus),
    ("resume-loop", Deviation::ResumeLoop),
    ("post-without-next-uri", Deviation::PostWithoutNextUri),
];

impl Deviation {
    /// Its name on the command line and in the truth.
    pub fn name(self) -> String {
        match self {
            Self::Idle(time) => format!("idle:{}", time.as_millis()),
            _ => {
                NAMES.iter().find(|(_, known)| *known == self).map_or_else(String::new, |(name, _)| (*name).to_owned())
            }
        }
    }
}

impl FromStr for Deviation {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(time) = text.strip_prefix("idle:") {
            return Ok(Self::Idle(Duration::from_millis(time.parse().context("idle:MS")?)));
        }
        match NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, known)) => Ok(*known),
            None => bail!("a card deviates by idle:MS, {}", NAMES.map(|(name, _)| name).join(", ")),
        }
    }
}
