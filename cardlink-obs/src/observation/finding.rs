//! Where one side broke Amendment B, or does what it should not: the linter's list.

use super::{Connection, Stamp};
use std::sync::Arc;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Works here, and may not with another card or server.
    Warning,
    /// Breaks the specification, or loses something.
    Error,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! findings {
    ($($id:ident $name:literal $severity:ident $clause:literal $sentence:literal $cure:literal)*) => {
        /// A kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FindingKind {
            $(#[doc = $sentence] $id,)*
        }

        impl FindingKind {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// The word for labels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            pub const fn severity(self) -> Severity {
                match self { $(Self::$id => Severity::$severity,)* }
            }

            /// Where it is specified.
            pub const fn clause(self) -> &'static str {
                match self { $(Self::$id => $clause,)* }
            }

            /// What is wrong.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$id => $sentence,)* }
            }

            /// The likely cause and the cure.
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$id => $cure,)* }
            }
        }
    };
}

findings! {
    MissingContentType "missing_content_type" Error "GPC_SPE_011 §3.4"
        "a body without a Content-Type"
        "the server framework sends none by itself: set the Amendment B type on each response with a script, and on each request with an answer"
    WrongContentType "wrong_content_type" Error "GPC_SPE_011 §3.4"
        "a body with a Content-Type that is none of Amendment B's"
        "a default of the HTTP library (text/html, application/octet-stream): cards refuse scripts of another type"
    NoContentWithBody "no_content_with_body" Error "RFC 9110 §15.3.5"
        "status 204 announces or carries a body"
        "answer 200 when there is a script; a card takes the body for the next response"
    BodyWithoutNextUri "body_without_next_uri" Note "GPC_SPE_011 §3.4.2"
        "a script without X-Admin-Next-URI: the card runs it and sends no answer"
        "right for a last script whose answer nobody needs; else give the URI that the answer goes to"
    MissingNextUri "missing_next_uri" Error "GPC_SPE_011 §3.4.2"
        "the session went on though the response gave no X-Admin-Next-URI"
        "the server gives no URI and the card uses the old one: another card will end its session here"
    ResponseTruncated "response_truncated" Error "TS 102 226 §5.2.2"
        "the response script ends in the middle of a data object"
        "the card's buffer is too small for all answers, or the link dropped: send shorter scripts"
    ResponseScriptMalformed "response_script_malformed" Error "TS 102 226 §5.2.2"
        "the response script does not add up in BER-TLV"
        "a length that was computed wrong, or an agent of another dialect"
    CommandScriptMalformed "command_script_malformed" Error "TS 102 226 §5.2.1"
        "the command script does not add up in BER-TLV"
        "a length that was computed wrong, or a body cut by a proxy: the card answers bad format"
    ResponseCountDiffers "response_count_differs" Error "TS 102 226 §5.2.2"
        "the number of R-APDUs is not that of the C-APDUs"
        "the card stopped at an error, or the server lost count: look at the last status word"
    ScriptStatusContradicts "script_status_contradicts" Error "GPC_SPE_011 §3.4.1"
        "X-Admin-Script-Status and the body contradict each other"
        "a status other than ok comes without R-APDUs, ok comes with them: an agent of a card that mixes them up"
    ScriptFailed "script_failed" Warning "GPC_SPE_011 §3.4.1"
        "the card refused a script: X-Admin-Script-Status is not ok"
        "the targeted application is not on the card, is not a security domain, or the security is not enough"
    ResumeLoop "resume_loop" Warning "GPC_SPE_011 §3.4.1"
        "the session was resumed again and again"
        "the link drops in mid-script each time: a script that takes longer than the bearer or a proxy allows"
    NoAdminProtocol "no_admin_protocol" Error "GPC_SPE_011 §3.4.1"
        "a request or response without X-Admin-Protocol: globalplatform-remote-admin/1.0"
        "an agent or server of another dialect, or a proxy that drops the header"
    UnknownDialect "unknown_dialect" Warning "TS 102 226 §5"
        "the body is in none of the formats of TS 102 226"
        "a server that sends bare APDUs: works with its own cards only"
    RawApdus "raw_apdus" Warning "TS 102 226 §5.2"
        "bare APDUs instead of a script"
        "a server that sends bare APDUs: works with its own cards only"
    RecordTooLong "record_too_long" Error "RFC 6066 §4"
        "a TLS record is larger than the negotiated max_fragment_length"
        "the peer ignores what it agreed to: cards with a small buffer answer record_overflow"
    NullSuite "null_suite" Warning "GPC_SPE_011 §3.3"
        "a cipher suite without encryption is in use"
        "anybody on the way reads keys and data: for tests only"
    SecretInClear "secret_in_clear" Error "GPC_SPE_011 §3.3"
        "a command that carries a key or PIN went over without encryption"
        "use an encrypting suite, or protect the command by secure messaging"
    CardIdle "card_idle" Warning "GPC_SPE_011 §3.4"
        "the card was silent beyond the limit"
        "a script that takes long, a card that is busy, or a bearer that is gone: see the time of the exchange"
    HttpBroken "http_broken" Error "RFC 9112"
        "a message that is not HTTP/1.1 as the other side could read it"
        "the sentence beside it says what; a proxy or a hand-made agent is the usual cause"
    BareLineFeed "bare_line_feed" Note "RFC 9112 §2.2"
        "lines end in LF instead of CRLF"
        "a hand-made agent: tolerated by most servers, refused by strict ones"
    CardHeld "card_held" Warning "PC/SC Part 5 §3.2.5"
        "a program was refused a card that another one holds"
        "the detail names the holder: end it, or let both share the card and use transactions"
    NotPost "not_post" Error "GPC_SPE_011 §3.4.1"
        "a request of remote administration that is not a POST"
        "an agent of another dialect, or a browser: servers that follow the specification answer with an error"
    MissingFrom "missing_from" Warning "GPC_SPE_011 §3.4.1"
        "the first request does not say who asks: no X-Admin-From"
        "an agent of another dialect, or a proxy that drops the header: the server has the PSK identity only to know the card by"
    MissingScriptStatus "missing_script_status" Error "GPC_SPE_011 §3.4.1"
        "a response script comes without X-Admin-Script-Status"
        "an agent of another dialect: the server cannot tell a script that ran from one that was refused"
    UnusualStatus "unusual_status" Warning "GPC_SPE_011 §3.4.2"
        "a response of remote administration whose status is neither 200 nor 204"
        "a default of the HTTP library (201, 202): cards end the session, or try it again"
    BadHeader "bad_header" Error "GPC_SPE_011 §3.4"
        "a header of remote administration with a value that the specification does not have"
        "the detail names the header: correct it; what reads it strictly refuses the message"
    LooseHeader "loose_header" Note "GPC_SPE_011 §3.4"
        "a header differs from the specification in case, in spaces or in a version that is left out"
        "tolerated by most, refused by a card that compares byte for byte: write it as the specification does"
    PortShared "port_shared" Warning "V.250 §5.6"
        "two programs have one port open: each takes answers that are the other's, and breaks off its commands"
        "end one of them; of ModemManager: udev property ID_MM_DEVICE_IGNORE=1 for the device, or mmcli --inhibit-device"
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub connection: Arc<Connection>,
    pub session: Option<u64>,
    pub at: Stamp,
    /// What exactly, without secrets: `2 C-APDUs, 1 R-APDU`.
    pub detail: String,
    pub counted_elsewhere: bool,
}

#[cfg(test)]
mod tests {
    use super::FindingKind;
    use std::collections::HashSet;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_all_its_words() {
        let names: HashSet<&str> = FindingKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), FindingKind::ALL.len());
        for kind in FindingKind::ALL {
            let name = kind.as_str();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(kind.clause().contains(|c: char| c.is_ascii_digit()), "{name}: {}", kind.clause());
            for text in [kind.clause(), kind.sentence(), kind.cure()] {
                assert!(!text.is_empty() && text.trim() == text, "{name}: {text}");
                assert!(!text.ends_with(['.', ':', ',']), "{name}: {text}");
            }
        }
    }
}
