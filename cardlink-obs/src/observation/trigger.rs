//! Messages that ask a card for a session: SMS-PP data downloads (TS 31.111 §7.1, TS 31.115, GPC_SPE_011 Amendment B §3.7).

use super::{AtResult, Cause, Stamp, Tty};
use std::sync::Arc;

/// What a trigger asks for, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TriggerType {
    /// An administration session over HTTP.
    Scp81,
    /// A channel by the bearer independent protocol (TS 102 226 §10.1).
    Bip,
    /// A `CAT_TP` link.
    CatTp,
    /// A data download whose content is enciphered, or has another form.
    SmsPp,
}

impl TriggerType {
    pub const ALL: [Self; 4] = [Self::Scp81, Self::Bip, Self::CatTp, Self::SmsPp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scp81 => "scp81",
            Self::Bip => "bip",
            Self::CatTp => "cat_tp",
            Self::SmsPp => "sms_pp",
        }
    }
}

/// An SMS-PP data download that a program handed to a modem. Of a message in parts the first part stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    pub tty: Arc<Tty>,
    /// Counted up from 1 by the pipeline; 0 before.
    pub number: u64,
    pub kind: TriggerType,
    /// The application of the card that it is for (toolkit application reference); `None` when there is no command packet.
    pub tar: Option<[u8; 3]>,
    /// The security parameters say that the content is enciphered.
    pub ciphered: bool,
    /// It may bring the card to open a session: it is none of those whose content is known to be something else.
    pub may_open_session: bool,
    /// Parts of the whole message.
    pub parts: u8,
    /// The command that sent it: `AT+CMGS`, `AT+CMSS`.
    pub command: String,
    /// When that command was written.
    pub start: Stamp,
    /// When the message was with the modem.
    pub sent: Stamp,
    /// When the modem answered, or was given up.
    pub end: Stamp,
    /// What the modem answered.
    pub result: AtResult,
    /// What that command was done for.
    pub cause: Cause,
}

impl Trigger {
    /// The modem took it: the network has it, as far as the modem knows.
    pub fn was_sent(&self) -> bool {
        self.result == AtResult::Ok
    }

    /// Nobody has refused it: without an answer it may have been sent nevertheless.
    pub const fn may_have_been_sent(&self) -> bool {
        matches!(self.result, AtResult::Ok | AtResult::Timeout | AtResult::Hangup | AtResult::Aborted)
    }
}
