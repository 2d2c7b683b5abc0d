//! Remote administration over HTTP: exchanges, scripts, APDUs, sessions (GPC_SPE_011, Amendment B).

use super::{Cause, Connection, PskIdentity, Stamp, TraceParent, Trigger};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What answers the APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceType {
    /// A card that is administered over the air.
    Uicc,
    Modem,
    Reader,
    Phone,
}

impl DeviceType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uicc => "uicc",
            Self::Modem => "modem",
            Self::Reader => "reader",
            Self::Phone => "phone",
        }
    }
}

/// The agent id of a card (`X-Admin-From`): it names a card, and is never printed as it is unless asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AgentId(Vec<u8>);

impl AgentId {
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The id itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentId({} bytes)", self.0.len())
    }
}

/// One HTTP request and its response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub connection: Arc<Connection>,
    /// The session it belongs to; `None` when it is not remote administration.
    pub session: Option<u64>,
    /// First byte of the request, its last byte, first byte of the response, its last byte.
    pub start: Stamp,
    pub request_end: Stamp,
    pub response_start: Option<Stamp>,
    pub end: Stamp,
    pub method: String,
    /// The request target, with what could name a card masked.
    pub target: String,
    /// Status code of the response; `None` when there was none.
    pub status: Option<u16>,
    /// Bytes of the bodies, after chunking.
    pub request_body: u64,
    pub response_body: u64,
    /// Why it is not complete, in a word and a sentence.
    pub fault: Option<(&'static str, &'static str)>,
    /// From the end of the response before it to the start of the request: what the peer took (the card ran its script).
    pub peer: Option<Duration>,
    /// The trace that the client says the request belongs to.
    pub trace_parent: Option<TraceParent>,
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

/// The word for a message whose rest nobody wanted to see: no fault of anybody.
pub const NOT_FOLLOWED: &str = "not_followed";

impl Exchange {
    /// What the server took: from the request's last byte to the response's last byte.
    pub fn server(&self) -> Option<Duration> {
        self.response_start.map(|_| self.end.since(self.request_end))
    }

    /// What was wrong with either message, if anything was.
    pub fn broken(&self) -> Option<(&'static str, &'static str)> {
        self.fault.filter(|(word, _)| *word != NOT_FOLLOWED)
    }

    /// How long a complete request has waited for a response that never came.
    pub fn waited(&self) -> Option<Duration> {
        (self.response_start.is_none() && self.fault.is_none()).then(|| self.end.since(self.request_end))
    }
}

/// A C-APDU and its R-APDU, without their data fields. A chain of `61xx`, `6Cxx` or `9Fxx` is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apdu {
    /// `SELECT`, `GET_STATUS`, …, `INS_XX`.
    pub name: &'static str,
    /// What the parameters add to the name, for people: `for load`.
    pub detail: Option<&'static str>,
    /// CLA INS P1 P2.
    pub header: [u8; 4],
    pub channel: u8,
    pub command_bytes: usize,
    /// `None` when there was no R-APDU.
    pub status_word: Option<u16>,
    pub response_bytes: usize,
    /// C-APDUs that it took: more than one for a chain.
    pub commands: u32,
}

/// What a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScriptKind {
    /// Remote application management (`card-content-mgt`).
    Ram,
    /// Remote file management (`scp.command-data`).
    Rfm,
    /// Its content type does not say.
    Unknown,
}

impl ScriptKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ram => "ram",
            Self::Rfm => "rfm",
            Self::Unknown => "unknown",
        }
    }
}

/// A command script and what the card answered. The card runs it between two requests: there is one time for all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub connection: Arc<Connection>,
    pub session: Option<u64>,
    pub device: DeviceType,
    pub kind: ScriptKind,
    /// `expanded_indefinite`, `expanded_definite`, `raw`, `length_prefixed`, …
    pub dialect: &'static str,
    /// AID of `X-Admin-Targeted-Application`, hex.
    pub targeted_application: Option<String>,
    /// The last byte of the response that carried it.
    pub sent: Stamp,
    /// The first byte of the request that answered it; `None` when none did.
    pub answered: Option<Stamp>,
    /// `X-Admin-Script-Status` of the answer.
    pub script_status: Option<String>,
    pub apdus: Vec<Apdu>,
    pub counted_elsewhere: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    Completed,
    Failed,
    Timeout,
}

impl SessionStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
        }
    }
}

/// Why a session ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionReason {
    /// The server said that there is nothing more: no Next-URI and no body.
    NothingMore,
    /// The last script had no Next-URI: the card runs it and does not answer.
    LastScript,
    /// The card's end closed while the card owed a request.
    CardGone,
    /// The card's end closed while the server owed a response.
    CardLeft,
    /// The link was reset.
    LinkReset,
    /// The server closed while it owed an answer.
    ServerGone,
    /// The server closed while the card was to answer.
    ServerLeft,
    /// The server answered with a status that is not of 2xx.
    HttpError,
    /// One side sent what is not HTTP, or not as the other could read it.
    Undecodable,
    /// The card did not answer in time.
    CardSilent,
    /// The server did not answer in time.
    ServerSilent,
    /// A TLS alert ended it.
    TlsAlert,
    /// Bytes were lost, and how it ended with them.
    Lost,
    /// The agent stopped.
    Unfinished,
}

impl SessionReason {
    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingMore => "nothing_more",
            Self::LastScript => "last_script",
            Self::CardGone => "card_gone",
            Self::CardLeft => "card_left",
            Self::LinkReset => "link_reset",
            Self::ServerGone => "server_gone",
            Self::ServerLeft => "server_left",
            Self::HttpError => "http_error",
            Self::Undecodable => "undecodable",
            Self::CardSilent => "card_silent",
            Self::ServerSilent => "server_silent",
            Self::TlsAlert => "tls_alert",
            Self::Lost => "lost",
            Self::Unfinished => "unfinished",
        }
    }

    /// The sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NothingMore => "the server had nothing more",
            Self::LastScript => "the last script had no Next-URI: the card runs it and does not answer",
            Self::CardGone => "the link closed while the card owed an answer: bearer lost, or the card gave up",
            Self::CardLeft => {
                "the card closed while the server owed an answer: a time limit of its own, or bearer lost"
            }
            Self::LinkReset => "the link was reset: bearer lost, or a terminal that restarts",
            Self::ServerGone => "the server closed while it owed an answer: see its own log for this time",
            Self::ServerLeft => "the server closed while the card was to answer: a time limit of its own, or a restart",
            Self::HttpError => "the server answered with an error status",
            Self::Undecodable => "what came is not HTTP as the other side could read it",
            Self::CardSilent => "the card did not answer in time: it computes, or the bearer is gone",
            Self::ServerSilent => "the server did not answer in time",
            Self::TlsAlert => "a TLS alert ended it",
            Self::Lost => "bytes were lost, and with them how it ended",
            Self::Unfinished => "the agent stopped, or the recording ends, while it was under way",
        }
    }

    /// The card may come back on another connection and go on.
    pub const fn may_be_resumed(self) -> bool {
        matches!(
            self,
            Self::CardGone | Self::CardLeft | Self::LinkReset | Self::ServerGone | Self::ServerLeft | Self::Lost
        )
    }

    pub const fn status(self) -> SessionStatus {
        match self {
            Self::NothingMore | Self::LastScript => SessionStatus::Completed,
            Self::CardSilent | Self::ServerSilent => SessionStatus::Timeout,
            _ => SessionStatus::Failed,
        }
    }
}

/// What started a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionType {
    /// A trigger SMS that was seen.
    Triggered,
    /// The trigger path is watched, and none was sent.
    Polled,
    Unknown,
}

impl SessionType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Polled => "polled",
            Self::Unknown => "unknown",
        }
    }
}

/// Where the time of a session went. Bearer and card are estimates: the terminal ends TCP, so the bearer is the kernel's
/// shortest round-trip time of the connection for each time that the turn changed, and the card has the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionTime {
    pub handshake: Duration,
    /// Requests complete, responses not yet.
    pub server: Duration,
    /// `None` when the kernel's round-trip time is not known.
    pub bearer: Option<Duration>,
    /// Card and terminal.
    pub card: Duration,
}

impl SessionTime {
    /// Shares the duration of a session out: what is not the handshake's, the server's or the bearer's is the card's. The
    /// four are the duration, whatever is put in.
    pub fn share(whole: Duration, handshake: Duration, server: Duration, bearer: Option<Duration>) -> Self {
        let handshake = handshake.min(whole);
        let rest = whole.saturating_sub(handshake);
        let server = server.min(rest);
        let rest = rest.saturating_sub(server);
        let bearer = bearer.map(|bearer| bearer.min(rest));
        Self { handshake, server, bearer, card: rest.saturating_sub(bearer.unwrap_or_default()) }
    }
}

/// A session begins: the first request of it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOpened {
    pub number: u64,
    pub connection: Arc<Connection>,
    /// The first byte of its request.
    pub at: Stamp,
    /// The first byte of all: of the handshake, when it is the first session of its connection.
    pub start: Stamp,
    /// The request said `X-Admin-Resume: true`.
    pub resumes: bool,
    pub identity: Option<PskIdentity>,
    pub agent: Option<AgentId>,
    pub counted_elsewhere: bool,
    /// What it was done for.
    pub cause: Cause,
}

/// A session of remote administration, from its first byte to the end of what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub number: u64,
    /// The last connection of it.
    pub connection: Arc<Connection>,
    /// Connections that it took: more than one when it was resumed.
    pub connections: u32,
    pub device: DeviceType,
    pub kind: SessionType,
    /// The message that started it.
    pub trigger: Option<Arc<Trigger>>,
    /// The first byte of the handshake, or of the first request when there was none (or another session before).
    pub start: Stamp,
    pub end: Stamp,
    pub reason: SessionReason,
    /// Of the TLS connection, where it was seen.
    pub identity: Option<PskIdentity>,
    pub agent: Option<AgentId>,
    /// Requests that were answered.
    pub exchanges: u32,
    pub scripts: u32,
    pub apdus: u32,
    /// APDUs whose status word says error; APDUs without an answer are counted apart.
    pub apdu_errors: u32,
    pub unanswered: u32,
    pub findings: u32,
    pub time: SessionTime,
    /// The kernel's shortest round-trip time of the (last) connection.
    pub round_trip: Option<Duration>,
    /// Plaintext bytes that the card sent, and that it was sent.
    pub bytes_from_card: u64,
    pub bytes_to_card: u64,
    pub incomplete: bool,
    pub counted_elsewhere: bool,
}

impl Session {
    pub fn status(&self) -> SessionStatus {
        self.reason.status()
    }

    pub fn duration(&self) -> Duration {
        self.end.since(self.start)
    }
}
