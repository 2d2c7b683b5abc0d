//! What an AT command is answered with.

/// The final result code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Final {
    Ok,
    Error,
    /// TS 27.007 §9.2.
    Cme(u16),
    /// TS 27.005 §3.2.5.
    Cms(u16),
    /// `CONNECT`, `NO CARRIER`, or whatever an answers file says.
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub lines: Vec<String>,
    pub result: Final,
    /// The command asks for data first, after `> `.
    pub prompt: bool,
}

impl Answer {
    pub const fn result(result: Final) -> Self {
        Self { lines: Vec::new(), result, prompt: false }
    }

    pub const fn ok() -> Self {
        Self::result(Final::Ok)
    }

    pub fn line(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], result: Final::Ok, prompt: false }
    }

    pub const fn lines(lines: Vec<String>) -> Self {
        Self { lines, result: Final::Ok, prompt: false }
    }

    pub const fn prompt() -> Self {
        Self { lines: Vec::new(), result: Final::Ok, prompt: true }
    }
}

impl Final {
    /// As `ATV1` and `AT+CMEE` make it look.
    pub fn text(&self, cmee: u8) -> String {
        match self {
            Self::Ok => "OK".to_owned(),
            Self::Error => "ERROR".to_owned(),
            Self::Cme(number) => match (cmee, cme_text(*number)) {
                (2, Some(text)) => format!("+CME ERROR: {text}"),
                _ => format!("+CME ERROR: {number}"),
            },
            Self::Cms(number) => format!("+CMS ERROR: {number}"),
            Self::Text(text) => text.clone(),
        }
    }

    /// A text that is a final result code.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |rest: &str| rest.trim().parse().ok();
        match text {
            "OK" => Some(Self::Ok),
            "ERROR" => Some(Self::Error),
            "NO CARRIER" | "BUSY" | "NO ANSWER" | "NO DIALTONE" | "ABORTED" | "COMMAND NOT SUPPORT" | "SEND FAIL" => {
                Some(Self::Text(text.to_owned()))
            }
            _ if text.starts_with("CONNECT") => Some(Self::Text(text.to_owned())),
            _ => match (text.strip_prefix("+CME ERROR:"), text.strip_prefix("+CMS ERROR:")) {
                (Some(rest), _) => Some(number(rest).map_or_else(|| Self::Text(text.to_owned()), Self::Cme)),
                (_, Some(rest)) => Some(number(rest).map_or_else(|| Self::Text(text.to_owned()), Self::Cms)),
                _ => None,
            },
        }
    }

    /// The digit of `ATV0` (V.250 §5.7.1); errors with a number have none.
    pub fn digit(&self) -> Option<&'static str> {
        match self {
            Self::Ok => Some("0"),
            Self::Error => Some("4"),
            Self::Cme(_) | Self::Cms(_) => None,
            Self::Text(text) => match text.as_str() {
                "CONNECT" => Some("1"),
                "NO CARRIER" => Some("3"),
                "NO DIALTONE" => Some("6"),
                "BUSY" => Some("7"),
                "NO ANSWER" => Some("8"),
                _ => None,
            },
        }
    }
}

const fn cme_text(number: u16) -> Option<&'static str> {
    Some(match number {
        3 => "operation not allowed",
        4 => "operation not supported",
        10 => "SIM not inserted",
        11 => "SIM PIN required",
        13 => "SIM failure",
        16 => "incorrect password",
        22 => "not found",
        30 => "no network service",
        50 => "incorrect parameters",
        100 => "unknown",
        _ => return None,
    })
}
