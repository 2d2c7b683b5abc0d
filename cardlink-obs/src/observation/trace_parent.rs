//! Trace context that a program was given (W3C Trace Context §3.2, `traceparent`).

use std::fmt;
use std::str::FromStr;

/// The operation that something belongs to, as its own side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    pub trace: [u8; 16],
    /// The span of the operation.
    pub span: [u8; 8],
    /// Whoever made it records its part of the trace.
    pub sampled: bool,
}

/// What does not read as a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoTraceParent;

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Strict, as the specification wants it: lower case, no zero ids, version `ff` never, and more fields only of a version
    /// to come.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut fields = text.splitn(5, '-');
        let mut field = || fields.next().unwrap_or_default();
        let [version] = from_hex::<1>(field()).ok_or(NoTraceParent)?;
        let trace = from_hex::<16>(field()).ok_or(NoTraceParent)?;
        let span = from_hex::<8>(field()).ok_or(NoTraceParent)?;
        let [flags] = from_hex::<1>(field()).ok_or(NoTraceParent)?;
        let more = fields.next().is_some();
        if version == 0xFF || (version == 0 && more) || trace == [0; 16] || span == [0; 8] {
            return Err(NoTraceParent);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

/// So many bytes in lower-case hexadecimal digits, and nothing else.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{NoTraceParent, TraceParent};

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_again() {
        let parent: TraceParent = GOOD.parse().expect("the example of the specification");
        assert_eq!((parent.trace[0], parent.span[7], parent.sampled), (0x4b, 0xb7, true));
        assert_eq!(parent.to_string(), GOOD);
        let unsampled: TraceParent = GOOD.replace("-01", "-00").parse().expect("another flag");
        assert!(!unsampled.sampled);
    }

    #[test]
    fn a_version_to_come_may_have_more_fields() {
        let later: TraceParent = GOOD.replacen("00", "cc", 1).parse().expect("a version to come");
        assert_eq!(later.to_string(), GOOD);
        assert!(format!("cc{}-what-comes", &GOOD[2..]).parse::<TraceParent>().is_ok());
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let wrong = [
            String::new(),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            format!(" {GOOD}"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace("-01", "-1"),
            GOOD.replace("-01", ""),
            GOOD.replace("4b", "é"),
            String::from("00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<TraceParent>(), Err(NoTraceParent), "{text}");
        }
    }
}
