//! Masks heads and trailers, one byte at a time, and keeps their shape.

use crate::protocol::scp81::body::FILLER;

/// Digits in a row that are no identity yet: an issuer, a port, a date.
const HARMLESS_RUN: u32 = 6;
/// Names and versions are not longer than this.
const MOST_NAME: usize = 64;
const MOST_VERSION: usize = 64;

/// What becomes of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Is(u8),
    /// It is replaced with the rest of the identity.
    Agent,
}

/// What becomes of a header's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Clear,
    /// Long runs of digits are hidden.
    Runs,
    Agent,
    All,
}

/// Headers whose values do not identify or authenticate. Those of any other header are hidden.
const HARMLESS: [(&str, Policy); 29] = [
    ("accept", Policy::Clear),
    ("accept-encoding", Policy::Clear),
    ("allow", Policy::Clear),
    ("cache-control", Policy::Clear),
    ("connection", Policy::Clear),
    ("content-encoding", Policy::Clear),
    ("content-length", Policy::Clear),
    ("content-type", Policy::Clear),
    ("date", Policy::Clear),
    ("expect", Policy::Clear),
    ("host", Policy::Runs),
    ("keep-alive", Policy::Clear),
    ("location", Policy::Runs),
    ("pragma", Policy::Clear),
    ("proxy-connection", Policy::Clear),
    ("retry-after", Policy::Clear),
    ("server", Policy::Runs),
    ("te", Policy::Clear),
    ("traceparent", Policy::Clear),
    ("trailer", Policy::Clear),
    ("transfer-encoding", Policy::Clear),
    ("upgrade", Policy::Clear),
    ("user-agent", Policy::Runs),
    ("vary", Policy::Clear),
    ("x-admin-next-uri", Policy::Runs),
    ("x-admin-protocol", Policy::Clear),
    ("x-admin-resume", Policy::Clear),
    ("x-admin-script-status", Policy::Clear),
    ("x-admin-targeted-application", Policy::Clear),
];

fn policy(name: &[u8]) -> Policy {
    if name.eq_ignore_ascii_case(b"x-admin-from") {
        return Policy::Agent;
    }
    let known = HARMLESS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or(Policy::All, |(_, policy)| *policy)
}

/// Where a byte stands in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Before the start line.
    Start,
    /// The method, or the status line.
    Word(usize),
    Target(Runs),
    Version(usize),
    Name(Vec<u8>),
    Value(Policy, Runs),
}

/// Masks one head, or one trailer.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    place: Place,
    requests: bool,
}

impl Lines {
    pub(super) const fn head(requests: bool) -> Self {
        Self { place: Place::Start, requests }
    }

    /// Header lines without a start line.
    pub(super) const fn trailer() -> Self {
        Self { place: Place::Name(Vec::new()), requests: false }
    }

    pub(super) fn byte(&mut self, byte: u8) -> Fate {
        let (place, fate) = match std::mem::replace(&mut self.place, Place::Start) {
            Place::Start if matches!(byte, b'\r' | b'\n') => (Place::Start, Fate::Is(byte)),
            Place::Start => (Place::Word(1), Fate::Is(byte)),
            _ if byte == b'\n' => (Place::Name(Vec::new()), Fate::Is(byte)),
            Place::Word(_) if byte == b' ' && self.requests => (Place::Target(Runs::default()), Fate::Is(byte)),
            Place::Word(len) => (Place::Word(len + 1), Fate::Is(within(byte, len, MOST_VERSION))),
            Place::Target(_) if byte == b' ' => (Place::Version(0), Fate::Is(byte)),
            Place::Target(mut runs) => {
                let masked = runs.byte(byte);
                (Place::Target(runs), Fate::Is(masked))
            }
            Place::Version(len) => (Place::Version(len + 1), Fate::Is(within(byte, len, MOST_VERSION))),
            Place::Name(name) if byte == b':' => (Place::Value(policy(&name), Runs::default()), Fate::Is(byte)),
            // A line that goes on (RFC 9112 §5.2).
            Place::Name(name) if name.is_empty() && matches!(byte, b' ' | b'\t') => {
                (Place::Value(Policy::All, Runs::default()), Fate::Is(byte))
            }
            Place::Name(mut name) => {
                let masked = within(byte, name.len(), MOST_NAME);
                if name.len() <= MOST_NAME {
                    name.push(byte);
                }
                (Place::Name(name), Fate::Is(masked))
            }
            Place::Value(policy, mut runs) => {
                let kept = matches!(byte, b' ' | b'\t') || byte.is_ascii_control();
                let fate = match policy {
                    Policy::Clear => Fate::Is(byte),
                    Policy::Runs => Fate::Is(runs.byte(byte)),
                    Policy::Agent | Policy::All if kept => Fate::Is(byte),
                    Policy::Agent => Fate::Agent,
                    Policy::All => Fate::Is(FILLER),
                };
                (Place::Value(policy, runs), fate)
            }
        };
        self.place = place;
        fate
    }
}

/// The first bytes of a word stay; of the others, what could be text is hidden.
const fn within(byte: u8, index: usize, most: usize) -> u8 {
    if index < most || !byte.is_ascii_alphanumeric() { byte } else { FILLER }
}

/// Hides what may be an identity in a URI: long runs with decimal digits among hexadecimal ones, and in the query every
/// long run of letters and digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Runs {
    run: u32,
    digits: bool,
    query: bool,
}

impl Runs {
    fn byte(&mut self, byte: u8) -> u8 {
        let in_run = if self.query { byte.is_ascii_alphanumeric() } else { byte.is_ascii_hexdigit() };
        if !in_run {
            self.query |= byte == b'?';
            (self.run, self.digits) = (0, false);
            return byte;
        }
        self.run = self.run.saturating_add(1);
        self.digits |= byte.is_ascii_digit();
        if self.run <= HARMLESS_RUN || !(self.digits || self.query) { byte } else { b'0' }
    }
}
