//! Content types of remote administration (GPC_SPE_011 §3.4, TS 102 226 §11).

use crate::protocol::http::Headers;

/// What a message says its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentKind {
    /// Card content management, server to card.
    CardContent,
    /// Card content management, card to server.
    CardContentResponse,
    /// Remote file management, server to card.
    FileManagement,
    /// Remote file management, card to server.
    FileManagementResponse,
    /// `application/octet-stream`.
    Binary,
    Other,
    Missing,
}

const CARD_CONTENT: &str = "application/vnd.globalplatform.card-content-mgt";
const CARD_CONTENT_RESPONSE: &str = "application/vnd.globalplatform.card-content-mgt-response";
const COMMAND_DATA: &str = "application/vnd.etsi.scp.command-data";
const RESPONSE_DATA: &str = "application/vnd.etsi.scp.response-data";

impl ContentKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardContent => "card_content",
            Self::CardContentResponse => "card_content_response",
            Self::FileManagement => "file_management",
            Self::FileManagementResponse => "file_management_response",
            Self::Binary => "binary",
            Self::Other => "other",
            Self::Missing => "missing",
        }
    }

    /// Goes from the server to the card.
    pub const fn is_command(self) -> bool {
        matches!(self, Self::CardContent | Self::FileManagement)
    }

    /// Goes from the card to the server.
    pub const fn is_response(self) -> bool {
        matches!(self, Self::CardContentResponse | Self::FileManagementResponse)
    }

    /// A body of this kind is read as a script. `administered`: an earlier request of the connection, or this one, had
    /// a header of remote administration; some servers then leave the content type out.
    pub const fn may_hold_script(self, administered: bool) -> bool {
        match self {
            Self::CardContent | Self::CardContentResponse | Self::FileManagement | Self::FileManagementResponse => true,
            Self::Binary | Self::Missing => administered,
            Self::Other => false,
        }
    }
}

/// A content type and its version parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub kind: ContentKind,
    /// Major and minor.
    pub version: Option<(u8, u8)>,
    /// Not spelt as the standard does, but meant.
    pub loose: bool,
}

impl Content {
    pub fn read(headers: &Headers) -> Self {
        let Some(value) = headers.get("Content-Type") else {
            return Self { kind: ContentKind::Missing, version: None, loose: false };
        };
        let Some(text) = std::str::from_utf8(value).ok().map(str::trim) else {
            return Self { kind: ContentKind::Other, version: None, loose: false };
        };
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let known = [
            (CARD_CONTENT, ContentKind::CardContent),
            (CARD_CONTENT_RESPONSE, ContentKind::CardContentResponse),
            (COMMAND_DATA, ContentKind::FileManagement),
            (RESPONSE_DATA, ContentKind::FileManagementResponse),
            ("application/octet-stream", ContentKind::Binary),
        ];
        let found = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let version = parts.find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case("version").then(|| version(value.trim().trim_matches('"')))?
        });
        match found {
            None => Self { kind: ContentKind::Other, version, loose: false },
            Some((spelling, kind)) => {
                let exact = text.strip_prefix(spelling).is_some_and(|rest| !rest.contains([' ', '\t', '"']));
                Self { kind, version, loose: !exact }
            }
        }
    }
}

fn version(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
