//! Why a handshake failed, for programs and for people.

use super::facts::Facts;
use super::progress::{Progress, Sender, Step};
use crate::observation::{CipherSuite, Failure, FailureReason, Role, Side, TlsVersion};
use crate::protocol::tls::{Alert, AlertDescription, is_null, is_signal};

/// What ended it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Alert {
        from: Side,
        alert: Alert,
    },
    /// Its number is under keys.
    EncryptedAlert {
        from: Side,
    },
    PeerClosed,
    PeerReset,
    /// The network gave up on the peer.
    Unreachable,
    /// It was the peer's turn.
    Silent {
        then: &'static str,
    },
    /// It was our turn.
    Gave {
        up: &'static str,
    },
}

/// All that a verdict is made of.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) role: Role,
    pub(super) progress: &'a Progress,
    pub(super) facts: &'a Facts,
    /// The last message before the end.
    pub(super) last: Option<Step>,
    /// The peer's bytes stopped being TLS records.
    pub(super) peer_broken: bool,
    pub(super) our_turn: bool,
    pub(super) ending: Ending,
}

pub(super) fn judge(case: &Case<'_>) -> Failure {
    let (reason, side) = case.reason();
    Failure {
        reason,
        side,
        step: case.last.map_or_else(|| "ClientHello".to_owned(), Step::text),
        saw: case.saw(),
        advice: case.advice(reason, side),
    }
}

impl Case<'_> {
    fn reason(&self) -> (FailureReason, Side) {
        match self.ending {
            Ending::Alert { from, alert } if alert.description == AlertDescription::CLOSE_NOTIFY => match from {
                Side::Peer => (FailureReason::PeerClosed, Side::Peer),
                Side::Local if self.our_turn => (FailureReason::LocalError, Side::Local),
                Side::Local => (FailureReason::Timeout, Side::Peer),
            },
            Ending::Alert { from, alert } => (self.alert_reason(self.sender(from), alert.description), from),
            Ending::EncryptedAlert { from } => (FailureReason::EncryptedAlert, from),
            Ending::PeerClosed => (FailureReason::PeerClosed, Side::Peer),
            Ending::PeerReset => (FailureReason::PeerReset, Side::Peer),
            Ending::Silent { .. } | Ending::Gave { .. } if self.peer_broken => {
                (FailureReason::DecodeError, Side::Local)
            }
            Ending::Silent { .. } | Ending::Unreachable => (FailureReason::Timeout, Side::Peer),
            Ending::Gave { .. } => (FailureReason::LocalError, Side::Local),
        }
    }

    fn alert_reason(&self, from: Sender, description: AlertDescription) -> FailureReason {
        match description {
            AlertDescription::UNKNOWN_PSK_IDENTITY => FailureReason::UnknownPskIdentity,
            AlertDescription::PROTOCOL_VERSION => FailureReason::ProtocolVersion,
            AlertDescription::RECORD_OVERFLOW => FailureReason::RecordOverflow,
            AlertDescription::DECODE_ERROR => FailureReason::DecodeError,
            AlertDescription::BAD_RECORD_MAC
            | AlertDescription::DECRYPTION_FAILED
            | AlertDescription::DECRYPT_ERROR
                if self.answers_finished(from) =>
            {
                FailureReason::WrongKey
            }
            // The binder did not fit (RFC 8446 §4.2.11): OpenSSL says 47, others 51.
            AlertDescription::ILLEGAL_PARAMETER | AlertDescription::DECRYPT_ERROR
                if self.answers_client_hello(from) && self.facts.offered_external_psk() =>
            {
                FailureReason::WrongKey
            }
            AlertDescription::HANDSHAKE_FAILURE | AlertDescription::INSUFFICIENT_SECURITY
                if self.answers_client_hello(from) =>
            {
                if self.offers_what_all_take() {
                    FailureReason::UnknownPskIdentity
                } else {
                    FailureReason::NoSharedCipher
                }
            }
            AlertDescription(number) => FailureReason::Alert(number),
        }
    }

    /// The alert is the first thing after the other side's `ChangeCipherSpec` and Finished, under new keys.
    fn answers_finished(&self, from: Sender) -> bool {
        !self.progress.tls13
            && match from {
                Sender::Server => self.progress.client_ccs && !self.progress.server_ccs,
                Sender::Client => self.progress.server_ccs && !self.progress.client_ccs,
            }
    }

    /// And what the client offered is known.
    fn answers_client_hello(&self, from: Sender) -> bool {
        from == Sender::Server
            && !self.progress.server_hello
            && !self.progress.server_done
            && !self.facts.offered.is_empty()
    }

    /// A key for TLS 1.3 together with the suite that every implementation must have (RFC 8446 §9.1): what is refused is
    /// then hardly the suites. A server that does not find the identity goes on as if no key were offered, and fails
    /// for want of a certificate.
    fn offers_what_all_take(&self) -> bool {
        self.facts.offered_external_psk() && self.facts.offered.iter().any(|suite| suite.id == TLS_AES_128_GCM_SHA256)
    }

    fn saw(&self) -> String {
        let whose = |side| if side == Side::Local { "our" } else { "the peer's" };
        let end = match self.ending {
            Ending::Alert { from, alert } => format!("{} alert {}", whose(from), alert.description),
            Ending::EncryptedAlert { from } => format!("{} encrypted alert", whose(from)),
            Ending::PeerClosed => "the peer closed (FIN)".to_owned(),
            Ending::PeerReset => "the peer reset the connection (RST)".to_owned(),
            Ending::Unreachable => "no answer, the network gave up on the peer".to_owned(),
            Ending::Silent { then } => format!("nothing from the peer, {then}"),
            Ending::Gave { up } => up.to_owned(),
        };
        match self.last {
            Some(step) => format!("{} → {end}", step.text()),
            None => format!("part of a ClientHello → {end}"),
        }
    }

    fn advice(&self, reason: FailureReason, side: Side) -> String {
        match reason {
            FailureReason::UnknownPskIdentity => self.unknown_identity(),
            FailureReason::WrongKey if self.progress.is_abbreviated() => {
                "the two sides resumed a session with different secrets: clear the session cache, or the ticket key".into()
            }
            FailureReason::WrongKey if self.progress.client_ccs => {
                "compare the key of this identity on the card and on the server (hex taken for text?); or the identity is \
                 unknown and this server hides it"
                    .into()
            }
            FailureReason::WrongKey => {
                "compare the key of this identity, and the hash it is bound to, on the card and on the server (hex taken for \
                 text?); or the identity is unknown and this server hides it"
                    .into()
            }
            FailureReason::NoSharedCipher => self.no_shared_cipher(),
            FailureReason::ProtocolVersion => self.protocol_version(),
            FailureReason::RecordOverflow => match self.facts.asked.max_fragment_length {
                Some(limit) => format!(
                    "a record was longer than agreed: the client asked for max_fragment_length {limit}; does the server keep to it?"
                ),
                None => "a record was longer than allowed: does the other side expect max_fragment_length?".into(),
            },
            FailureReason::DecodeError => {
                "what came did not add up as TLS: look for a proxy or a truncating bearer between the two, or for a \
                 mistake in the sender's TLS library"
                    .into()
            }
            FailureReason::PeerClosed => self.peer_left("hung up"),
            FailureReason::PeerReset => self.peer_left("dropped the connection"),
            FailureReason::Timeout => format!(
                "it was the {}'s turn and nothing came: is the bearer down, or the {} stalled or busy?",
                self.peer(),
                self.peer_thing()
            ),
            FailureReason::LocalError => {
                "it was this program's own turn and it gave up: its log should say why".into()
            }
            FailureReason::EncryptedAlert => format!(
                "the number of the alert is under keys: read the {}'s log; at this place it is mostly record_overflow \
                 (max_fragment_length ignored) or bad_record_mac",
                self.name(side)
            ),
            FailureReason::Alert(number) => self.other_alert(AlertDescription(number), side),
        }
    }

    fn unknown_identity(&self) -> String {
        let hidden = matches!(
            self.ending,
            Ending::Alert { alert, .. } if alert.description != AlertDescription::UNKNOWN_PSK_IDENTITY
        );
        let also = if hidden { "; or there is no common suite, group or key exchange mode" } else { "" };
        format!(
            "the server does not know the identity: check hex against ASCII, EID and key version on both sides{also}"
        )
    }

    fn no_shared_cipher(&self) -> String {
        let offered: Vec<CipherSuite> =
            self.facts.offered.iter().copied().filter(|suite| !is_signal(suite.id)).collect();
        let mut names: Vec<String> = offered.iter().take(SUITES_NAMED).map(ToString::to_string).collect();
        if offered.len() > SUITES_NAMED {
            names.push(format!("{} more", offered.len() - SUITES_NAMED));
        }
        let list = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let null = if offered.iter().any(|suite| is_null(*suite)) {
            " (NULL suites need OpenSSL's security level 0)"
        } else {
            ""
        };
        format!("no common suite: the client offered {list}; allow one of them on the server{null}")
    }

    fn protocol_version(&self) -> String {
        match (self.facts.highest, self.facts.version) {
            (_, Some(chosen)) => format!("the server chose {chosen}, which the client does not take"),
            (Some(highest), None) if highest < TlsVersion::TLS_1_2 => format!(
                "the client's TLS version is too old for the server: it offers up to {highest}; raise it, or allow it on the server"
            ),
            (Some(highest), None) => {
                format!("no common TLS version: the client offers up to {highest}; compare with what the server allows")
            }
            (None, None) => "no common TLS version: compare what both sides allow".into(),
        }
    }

    fn peer_left(&self, how: &str) -> String {
        match (self.role, self.our_turn) {
            (Role::Server, false) if self.last.is_none() => {
                format!("the client {how} in the middle of its ClientHello: a bearer that broke, or a port scan")
            }
            (Role::Server, false) => {
                format!(
                    "the client {how} when it was its turn: look at the card (does it accept what the server sent?) and the bearer"
                )
            }
            (Role::Server, true) => {
                format!("the client {how} before our answer: was it too late for the client, or is the bearer gone?")
            }
            (Role::Client, _) => format!("the server {how}: its log should say why; a proxy may also do this"),
        }
    }

    fn other_alert(&self, description: AlertDescription, side: Side) -> String {
        let log = format!("the {}'s log should say more", self.name(side));
        let hint = match description {
            AlertDescription::UNEXPECTED_MESSAGE => "a message came that does not belong here",
            AlertDescription::HANDSHAKE_FAILURE => "no acceptable parameters in what the other side sent",
            AlertDescription::BAD_RECORD_MAC | AlertDescription::DECRYPT_ERROR => {
                "a check of integrity failed: keys differ, or bytes were changed on the way"
            }
            AlertDescription::ILLEGAL_PARAMETER => "a field has a value that is not allowed or does not fit the others",
            AlertDescription::INTERNAL_ERROR => {
                "the sender failed for a reason of its own: callback, memory, configuration"
            }
            AlertDescription::USER_CANCELED => "the sender's program gave up",
            AlertDescription::MISSING_EXTENSION => "an extension that this handshake needs is missing",
            AlertDescription::UNRECOGNIZED_NAME => "the server does not serve the name that the client asked for",
            AlertDescription::INAPPROPRIATE_FALLBACK => "the client tried again with a lower version than both support",
            AlertDescription(41..=46 | 48 | 49 | 111 | 113 | 114 | 116) => {
                "a certificate is missing or was not accepted"
            }
            _ => "the sender refused to go on",
        };
        format!("{hint}; {log}")
    }

    fn sender(&self, side: Side) -> Sender {
        match (self.role, side) {
            (Role::Client, Side::Local) | (Role::Server, Side::Peer) => Sender::Client,
            (Role::Client, Side::Peer) | (Role::Server, Side::Local) => Sender::Server,
        }
    }

    fn name(&self, side: Side) -> &'static str {
        match self.sender(side) {
            Sender::Client => "client",
            Sender::Server => "server",
        }
    }

    fn peer(&self) -> &'static str {
        self.name(Side::Peer)
    }

    const fn peer_thing(&self) -> &'static str {
        match self.role {
            Role::Server => "card",
            Role::Client => "server",
        }
    }
}

const SUITES_NAMED: usize = 6;
const TLS_AES_128_GCM_SHA256: u16 = 0x1301;
