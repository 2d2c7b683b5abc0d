//! The outcome of a phase as pytest's terminal reporter writes it to standard output: a letter, or with `-v` a word, with or
//! without colours, a reason and the progress after it.

/// What the reporter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    Passed,
    Failed,
    Error,
    Skipped,
    Xfailed,
    Xpassed,
    /// Its plug-in runs it again.
    Rerun,
}

/// Letter, word.
const WORDS: [(Word, &str, &str); 7] = [
    (Word::Passed, ".", "PASSED"),
    (Word::Failed, "F", "FAILED"),
    (Word::Error, "E", "ERROR"),
    (Word::Skipped, "s", "SKIPPED"),
    (Word::Xfailed, "x", "XFAIL"),
    (Word::Xpassed, "X", "XPASS"),
    (Word::Rerun, "R", "RERUN"),
];

impl Word {
    /// As the reporter writes it with `-v`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Error => "ERROR",
            Self::Skipped => "SKIPPED",
            Self::Xfailed => "XFAIL",
            Self::Xpassed => "XPASS",
            Self::Rerun => "RERUN",
        }
    }
}

/// One write to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Written {
    /// The reporter's word for an outcome, alone or with what it adds.
    Outcome(Word),
    /// What the reporter adds to an outcome: a reason in brackets, the progress.
    Addition,
    /// Anything else.
    Other,
}

impl Written {
    /// A write that is told apart in the same way, and has nothing else in it.
    pub const fn canonical(self) -> &'static str {
        match self {
            Self::Outcome(word) => word.as_str(),
            Self::Addition => " ",
            Self::Other => "\n",
        }
    }
}

/// What was written. The reporter writes the outcome by itself, and what it adds in writes of their own or behind it; a
/// program that prints a line ends it.
pub fn written(bytes: &[u8]) -> Written {
    let plain = without_colours(bytes);
    let text = String::from_utf8_lossy(&plain);
    // At the end of a line of letters the progress ends it.
    let line = text
        .strip_suffix('\n')
        .filter(|line| without_progress(line).trim_matches(' ').is_empty() && line.ends_with(']'));
    let text = line.unwrap_or(&text);
    if text.contains(['\n', '\r']) {
        return Written::Other;
    }
    let text = without_progress(text).trim_matches(' ');
    let (head, reason) = match text.split_once(" (") {
        Some((head, reason)) if reason.ends_with(')') => (head, true),
        _ => (text, false),
    };
    let outcome = WORDS.iter().find(|(_, letter, word)| head == *word || (!reason && head == *letter));
    match outcome {
        Some((word, ..)) => Written::Outcome(*word),
        None if text.is_empty() || (text.starts_with('(') && text.ends_with(')')) => Written::Addition,
        None => Written::Other,
    }
}

/// Without ` [ 50%]`, ` [  3/200]` or a time at the end.
fn without_progress(text: &str) -> &str {
    let trimmed = text.trim_end_matches(' ');
    let Some(inside) = trimmed.strip_suffix(']') else { return text };
    let Some(at) = inside.rfind('[') else { return text };
    let (before, inside) = inside.split_at(at);
    let progress = inside.chars().skip(1).all(|c| c.is_ascii_digit() || matches!(c, ' ' | '%' | '/' | '.' | 'm' | 's'));
    if progress { before.trim_end_matches(' ') } else { text }
}

/// Without the escape sequences of terminals (ECMA-48 §5.4).
fn without_colours(written: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(written.len());
    let mut bytes = written.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != 0x1B {
            plain.push(byte);
            continue;
        }
        if bytes.next() == Some(b'[') {
            // Up to its final byte.
            let _ = bytes.find(|byte| (0x40..=0x7E).contains(byte));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Word, Written, written};

    #[test]
    fn writes_as_the_reporter_makes_them() {
        let outcome = Written::Outcome;
        let cases: [(&str, Written); 25] = [
            (".", outcome(Word::Passed)),
            ("F", outcome(Word::Failed)),
            ("\u{1b}[32m.\u{1b}[0m", outcome(Word::Passed)),
            ("PASSED", outcome(Word::Passed)),
            ("PASSED                    [ 10%]", outcome(Word::Passed)),
            ("\u{1b}[31mFAILED\u{1b}[0m\u{1b}[31m      [ 10%]\u{1b}[0m", outcome(Word::Failed)),
            ("SKIPPED (no reader (today)) [  3/200]", outcome(Word::Skipped)),
            ("XPASS (strange)", outcome(Word::Xpassed)),
            ("XFAIL (known)   [ 60%]", outcome(Word::Xfailed)),
            ("RERUN [ 7%]", outcome(Word::Rerun)),
            ("ERROR", outcome(Word::Error)),
            ("R", outcome(Word::Rerun)),
            (" (no reader (today))", Written::Addition),
            ("                  [ 36%]", Written::Addition),
            ("\u{1b}[32m      [100%]\u{1b}[0m", Written::Addition),
            (" [ 80%]\n", Written::Addition),
            ("\n", Written::Other),
            ("hello\n.", Written::Other),
            ("hello\n", Written::Other),
            ("done.", Written::Other),
            ("all PASSED", Written::Other),
            ("PASSED\n", Written::Other),
            ("BUS", Written::Other),
            ("tests/test_b.py ", Written::Other),
            ("test_a.py::test_b ", Written::Other),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(written(bytes.as_bytes()), wanted, "{bytes:?}");
            assert_eq!(written(wanted.canonical().as_bytes()), wanted);
        }
    }
}
