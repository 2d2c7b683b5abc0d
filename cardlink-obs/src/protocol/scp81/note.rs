//! Deviations from the standards that are read all the same, and faults of scripts.

use std::fmt;

/// A deviation in the headers of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    NotPost,
    MissingProtocol,
    UnknownProtocol,
    MissingFrom,
    MissingScriptStatus,
    UnknownScriptStatus,
    BadResume,
    BadTargetedApplication,
    UnusualStatus,
    MissingContentType,
    UnknownContentType,
    ContentOfOtherDirection,
    MissingVersion,
    UnknownVersion,
    LooseSpelling,
}

impl Note {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPost => "not_post",
            Self::MissingProtocol => "missing_protocol",
            Self::UnknownProtocol => "unknown_protocol",
            Self::MissingFrom => "missing_from",
            Self::MissingScriptStatus => "missing_script_status",
            Self::UnknownScriptStatus => "unknown_script_status",
            Self::BadResume => "bad_resume",
            Self::BadTargetedApplication => "bad_targeted_application",
            Self::UnusualStatus => "unusual_status",
            Self::MissingContentType => "missing_content_type",
            Self::UnknownContentType => "unknown_content_type",
            Self::ContentOfOtherDirection => "content_of_other_direction",
            Self::MissingVersion => "missing_version",
            Self::UnknownVersion => "unknown_version",
            Self::LooseSpelling => "loose_spelling",
        }
    }

    /// For people: one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotPost => "The request is not a POST (GPC_SPE_011 §3.4).",
            Self::MissingProtocol => "X-Admin-Protocol is missing (GPC_SPE_011 §3.4).",
            Self::UnknownProtocol => "X-Admin-Protocol is not globalplatform-remote-admin/1.0 (GPC_SPE_011 §3.4).",
            Self::MissingFrom => "The first request does not say who asks: X-Admin-From is missing (GPC_SPE_011 §3.4).",
            Self::MissingScriptStatus => "A response script comes without X-Admin-Script-Status (GPC_SPE_011 §3.4).",
            Self::UnknownScriptStatus => "X-Admin-Script-Status has a value of no standard (GPC_SPE_011 §3.4).",
            Self::BadResume => "X-Admin-Resume is not `true` (GPC_SPE_011 §3.4).",
            Self::BadTargetedApplication => {
                "X-Admin-Targeted-Application is not of the form //aid/RID/PIX (GPC_SPE_011 §3.4)."
            }
            Self::UnusualStatus => "The status is neither 200 nor 204 (GPC_SPE_011 §3.4).",
            Self::MissingContentType => "The body has no Content-Type (GPC_SPE_011 §3.4).",
            Self::UnknownContentType => "Content-Type is not one of remote administration (GPC_SPE_011 §3.4).",
            Self::ContentOfOtherDirection => "Content-Type is that of the other direction (GPC_SPE_011 §3.4).",
            Self::MissingVersion => "Content-Type has no version (GPC_SPE_011 §3.4).",
            Self::UnknownVersion => "Content-Type has another version than 1.0 (GPC_SPE_011 §3.4).",
            Self::LooseSpelling => "A value differs from the standard in case or spaces only (GPC_SPE_011 §3.4).",
        }
    }
}

/// What is wrong in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The body ends before the script does.
    Truncated,
    /// Bytes of the body were missed.
    Missed,
    /// A length that BER does not have, or of more than four bytes.
    BadLength,
    /// An object ends after its template.
    EntryTooLong,
    /// A tag of more than one byte, or one that is padding.
    BadTag,
    /// A C-APDU among responses, or an R-APDU among commands.
    WrongTag,
    /// The template of the other direction.
    WrongTemplate,
    /// A tag for indefinite length with a length, or the other way round.
    WrongForm,
    /// The end-of-contents octets are not both zero.
    BadEnd,
    TrailingBytes,
    /// An APDU without a header, or without a status word.
    ShortApdu,
    /// The number of executed commands is not a number of one to four bytes.
    BadCount,
    /// More responses than commands were executed.
    CountMismatch,
}

impl FaultKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Missed => "missed",
            Self::BadLength => "bad_length",
            Self::EntryTooLong => "entry_too_long",
            Self::BadTag => "bad_tag",
            Self::WrongTag => "wrong_tag",
            Self::WrongTemplate => "wrong_template",
            Self::WrongForm => "wrong_form",
            Self::BadEnd => "bad_end",
            Self::TrailingBytes => "trailing_bytes",
            Self::ShortApdu => "short_apdu",
            Self::BadCount => "bad_count",
            Self::CountMismatch => "count_mismatch",
        }
    }
}

/// A fault, and the byte of the body where it was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScriptFault {
    pub kind: FaultKind,
    pub offset: u64,
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.kind.as_str(), self.offset)
    }
}
