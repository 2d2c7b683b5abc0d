//! The keys of a key file.
//!
//! | format | an entry |
//! |---|---|
//! | GnuTLS (`psktool`) | `identity:hexkey`, or `#hexidentity:hexkey`; a `# comment` after the key names the card |
//! | YAML | `identity: hexkey`, or a map with `key` (or a list, `keys`) and `alias` |
//! | TOML | `"identity" = "hexkey"`, or a table with `key`/`keys` and `alias` |
//! | JSON | `"identity": "hexkey"`, or an object with `key`/`keys` and `alias` |
//!
//! An identity stands as text, or in hex after `hex:` or `0x`. One identity may have several keys, as when keys are rolled
//! over: all are tried.

use super::keyfile;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a key at most (RFC 4279 §2 has a length of 16 bits).
const MAX_KEY: usize = 65_535;

/// A pre-shared key. Wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(Zeroizing<Vec<u8>>);

impl Psk {
    /// `None`: a key has 1 to 65 535 bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        (1..=MAX_KEY).contains(&bytes.len()).then_some(Self(bytes))
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk({} bytes)", self.0.len())
    }
}

/// How a key file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    GnuTls,
    Yaml,
    Toml,
    Json,
}

impl Format {
    /// The format that files with this extension (without the dot) have; `None` when it says nothing.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// What a text that looks right may have against it.
    const fn rule(self) -> &'static str {
        match self {
            Self::Toml => ", or an identity stands twice in it",
            Self::GnuTls | Self::Yaml | Self::Json => "",
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::GnuTls => "GnuTLS",
            Self::Yaml => "YAML",
            Self::Toml => "TOML",
            Self::Json => "JSON",
        }
    }
}

/// Where in a key file something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Counted from 1.
    Line(usize),
    /// The entry, counted from 1, of a format that tells no lines.
    Entry(usize),
    Unknown,
}

impl Place {
    /// Of two places of which one is inside the other: the inner one if it is a line, since entries are counted at the
    /// top of a file.
    pub(super) const fn closer(self, within: Self) -> Self {
        if let Self::Line(_) = within { within } else { self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Entry(entry) => write!(f, "entry {entry}"),
            Self::Unknown => f.write_str("somewhere"),
        }
    }
}

/// Two entries of a key file that have the same identity and different keys: meant when keys are rolled over, a slip otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubled {
    pub first: Place,
    pub second: Place,
}

/// Neither the identity nor a key.
impl fmt::Display for Doubled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second } = self;
        write!(f, "{first} and {second} have the same identity and different keys; both are tried")
    }
}

/// What is wrong with a key file. It repeats nothing of the file: the wrong place may be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct KeyringError {
    pub place: Place,
    pub fault: Fault,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, fault } = self;
        match place {
            Place::Unknown => fault.fmt(f),
            Place::Line(_) | Place::Entry(_) => write!(f, "{place}: {fault}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("this is not {}{}", .0.name(), .0.rule())]
    Syntax(Format),
    #[error("the file is to be a map of PSK identities to keys")]
    NotAMap,
    #[error("a line is to be `identity:hexkey`")]
    NoColon,
    #[error("the identity is empty")]
    EmptyIdentity,
    #[error("the identity is marked as hex and is not an even number of hex digits")]
    IdentityNotHex,
    #[error("the key is empty")]
    EmptyKey,
    #[error("the key has an odd number of hex digits")]
    OddKey,
    #[error("the key is not hex: it is to have the digits 0 to 9 and a to f only")]
    KeyNotHex,
    #[error("the key has more than 65535 bytes")]
    LongKey,
    #[error("the key is to be a text of hex digits in quotes, or a list of them")]
    KeyNotText,
    #[error("an entry has `key` (or `keys`) and `alias`, and no other field; an identity with a dot goes in quotes")]
    UnknownField,
    #[error("the entry has no key")]
    NoKey,
    #[error("the alias is to be a text")]
    AliasNotText,
    #[error("aliases and merges of YAML (`*`, `<<`) are not taken")]
    YamlAlias,
}

impl Fault {
    pub(super) const fn at(self, place: Place) -> KeyringError {
        KeyringError { place, fault: self }
    }
}

/// PSK identities and their keys.
#[derive(Clone, Default)]
pub struct Keyring {
    entries: BTreeMap<Vec<u8>, Entry>,
    doubled: Vec<Doubled>,
}

#[derive(Clone, Default)]
struct Entry {
    keys: Vec<Psk>,
    alias: Option<String>,
    /// Where it stands first.
    place: Option<Place>,
}

/// Neither identities nor keys.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} identities)", self.entries.len())
    }
}

impl Keyring {
    /// Reads the text of a key file. `hint`: what the name of the file says of its format; else its content tells.
    pub fn parse(text: &str, hint: Option<Format>) -> Result<Self, KeyringError> {
        keyfile::parse(text, hint)
    }

    /// The first key of an identity.
    pub fn key(&self, identity: &[u8]) -> Option<&Psk> {
        self.keys(identity).first()
    }

    /// All keys of an identity.
    pub fn keys(&self, identity: &[u8]) -> &[Psk] {
        self.entries.get(identity).map_or(&[], |entry| &entry.keys)
    }

    /// How the card is called.
    pub fn alias(&self, identity: &[u8]) -> Option<&str> {
        self.entries.get(identity)?.alias.as_deref()
    }

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every key with its identity and alias, in the order of the identities.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Psk, Option<&str>)> {
        self.entries.iter().flat_map(|(identity, entry)| {
            entry.keys.iter().map(move |key| (identity.as_slice(), key, entry.alias.as_deref()))
        })
    }

    /// Entries that may be a slip.
    pub fn doubled(&self) -> &[Doubled] {
        &self.doubled
    }

    /// Adds an entry of a key file.
    pub(super) fn insert_entry(&mut self, place: Place, identity: &[u8], keys: Vec<Psk>, alias: Option<&str>) {
        let entry = self.entries.entry(identity.to_owned()).or_default();
        let first = *entry.place.get_or_insert(place);
        if first != place && keys.iter().any(|key| !entry.keys.contains(key)) {
            self.doubled.push(Doubled { first, second: place });
        }
        for key in keys {
            self.insert(identity.to_owned(), key, alias.map(str::to_owned));
        }
    }

    /// Adds a key to an identity.
    pub fn insert(&mut self, identity: Vec<u8>, key: Psk, alias: Option<String>) {
        let entry = self.entries.entry(identity).or_default();
        if !entry.keys.contains(&key) {
            entry.keys.push(key);
        }
        if alias.is_some() {
            entry.alias = alias;
        }
    }
}

/// The bytes that an even number of hex digits stands for.
pub(super) fn decode_hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    // The room is taken at once, so that no part of a key stays behind where it grew out of.
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    for pair in digits.chunks_exact(2) {
        let [high, low] = *pair else { return None };
        bytes.push(value(high)? << 4 | value(low)?);
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "keyring_tests.rs"]
mod tests;
