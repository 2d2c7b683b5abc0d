//! Lines in words: final result codes (V.250 §5.7, Table 1) and what modems say unasked.

use crate::observation::AtResult;

/// What a line in words means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Final(Answered),
    Unsolicited,
}

/// The final result codes in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Ok,
    Error,
    Connect,
    NoCarrier,
    Busy,
    NoAnswer,
    NoDialtone,
    Aborted,
    NotSupported,
    SendFail,
}

impl From<Answered> for AtResult {
    fn from(answered: Answered) -> Self {
        match answered {
            Answered::Ok => Self::Ok,
            Answered::Error => Self::Error,
            Answered::Connect => Self::Connect,
            Answered::NoCarrier => Self::NoCarrier,
            Answered::Busy => Self::Busy,
            Answered::NoAnswer => Self::NoAnswer,
            Answered::NoDialtone => Self::NoDialtone,
            Answered::Aborted => Self::Aborted,
            Answered::NotSupported => Self::NotSupported,
            Answered::SendFail => Self::SendFail,
        }
    }
}

/// An error of a vendor that may have a number after a colon, as `+EXT ERROR` has.
pub(super) const REFUSED: &str = "MODEM ERROR";

/// Every line that is known by its words. A line that goes another way than all of these is text.
pub(super) const WORDS: &[(&str, Meaning)] = &[
    ("OK", Meaning::Final(Answered::Ok)),
    ("ERROR", Meaning::Final(Answered::Error)),
    ("CONNECT", Meaning::Final(Answered::Connect)),
    ("NO CARRIER", Meaning::Final(Answered::NoCarrier)),
    ("BUSY", Meaning::Final(Answered::Busy)),
    ("NO ANSWER", Meaning::Final(Answered::NoAnswer)),
    ("NO DIALTONE", Meaning::Final(Answered::NoDialtone)),
    ("NO DIAL TONE", Meaning::Final(Answered::NoDialtone)),
    ("ABORTED", Meaning::Final(Answered::Aborted)),
    // Not of the standard, but seen as the last line of an answer.
    ("COMMAND NOT SUPPORT", Meaning::Final(Answered::NotSupported)),
    ("COMMAND NOT SUPPORTED", Meaning::Final(Answered::NotSupported)),
    ("TOO MANY PARAMETERS", Meaning::Final(Answered::Error)),
    ("DELAYED", Meaning::Final(Answered::Error)),
    ("BLACKLISTED", Meaning::Final(Answered::Error)),
    // A number may follow.
    (REFUSED, Meaning::Final(Answered::Error)),
    ("SEND OK", Meaning::Final(Answered::Ok)),
    ("SEND FAIL", Meaning::Final(Answered::SendFail)),
    ("SHUT OK", Meaning::Final(Answered::Ok)),
    ("CLOSE OK", Meaning::Final(Answered::Ok)),
    ("RING", Meaning::Unsolicited),
    ("CONNECT OK", Meaning::Unsolicited),
    ("CONNECT FAIL", Meaning::Unsolicited),
    ("ALREADY CONNECT", Meaning::Unsolicited),
    ("CLOSED", Meaning::Unsolicited),
    ("RDY", Meaning::Unsolicited),
    ("SMS READY", Meaning::Unsolicited),
    ("SMS Ready", Meaning::Unsolicited),
    ("SMS DONE", Meaning::Unsolicited),
    ("PB DONE", Meaning::Unsolicited),
    ("CALL READY", Meaning::Unsolicited),
    ("Call Ready", Meaning::Unsolicited),
    ("NORMAL POWER DOWN", Meaning::Unsolicited),
    ("POWERED DOWN", Meaning::Unsolicited),
    ("UNDER-VOLTAGE WARNING", Meaning::Unsolicited),
    ("OVER-VOLTAGE WARNING", Meaning::Unsolicited),
];

/// Whether a known line can begin like this.
pub(super) fn may_become_word(line: &str) -> bool {
    WORDS.iter().any(|(word, _)| word.starts_with(line))
}

pub(super) fn word(line: &str) -> Option<(&'static str, Meaning)> {
    WORDS.iter().find(|(word, _)| *word == line).copied()
}

/// Result codes in numbers (`ATV0`; V.250 §6.3.6 Table 1). 2 is `RING` and therefore not final.
pub(super) fn numeric(digit: u8) -> Option<(&'static str, Meaning)> {
    let line = match digit {
        b'0' => "OK",
        b'1' | b'5' => "CONNECT",
        b'2' => "RING",
        b'3' => "NO CARRIER",
        b'4' => "ERROR",
        b'6' => "NO DIALTONE",
        b'7' => "BUSY",
        b'8' => "NO ANSWER",
        _ => return None,
    };
    word(line)
}

#[cfg(test)]
mod tests {
    use super::{WORDS, may_become_word};

    /// The redactor's filler for text must lead away from every known line, wherever it stands.
    #[test]
    fn no_word_goes_on_with_the_filler() {
        for (word, _) in WORDS {
            for cut in 0..=word.len() {
                assert!(!may_become_word(&format!("{}~", &word[..cut])), "{word} at {cut}");
            }
        }
    }

    #[test]
    fn a_word_fits_the_line_buffer() {
        assert!(WORDS.iter().all(|(word, _)| word.len() <= crate::protocol::at::command::NAME_LIMIT));
    }
}
