//! The formats of key files.

use super::keyring::{Fault, Format, Keyring, KeyringError, Place, Psk, decode_hex};
use saphyr_parser::{Event, Parser, Span};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

pub(super) fn parse(text: &str, hint: Option<Format>) -> Result<Keyring, KeyringError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match hint.unwrap_or_else(|| format(text)) {
        Format::GnuTls => gnutls(text),
        Format::Yaml => yaml(text),
        Format::Toml => toml(text),
        Format::Json => json(text),
    }
}

/// What the first line that is not a comment looks like.
fn format(text: &str) -> Format {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(line) = lines.find(|line| !line.starts_with('#') || escaped_identity(line).is_some()) else {
        return Format::GnuTls;
    };
    if line.starts_with('{') {
        return Format::Json;
    }
    if line.starts_with('[') {
        return Format::Toml;
    }
    if escaped_identity(line).is_some() {
        return Format::GnuTls;
    }
    let (colon, equals) = (line.find(':'), line.find('='));
    match (colon, equals) {
        (None, Some(_)) => Format::Toml,
        // In front of the colon: not a part of a key or a comment.
        (Some(colon), Some(equals)) if equals < colon => Format::Toml,
        _ if line.starts_with("---") || line.ends_with(':') || line.contains(": ") => Format::Yaml,
        _ => Format::GnuTls,
    }
}

/// `#` before an identity in hex, as `psktool` writes one that is not plain text: the identity, and what follows the colon.
fn escaped_identity(line: &str) -> Option<(Zeroizing<Vec<u8>>, &str)> {
    let (identity, rest) = line.strip_prefix('#')?.split_once(':')?;
    rest.starts_with(|first: char| first.is_ascii_hexdigit()).then_some(())?;
    Some((decode_hex(identity.as_bytes())?, rest))
}

fn gnutls(text: &str) -> Result<Keyring, KeyringError> {
    let mut keyring = Keyring::default();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        let place = Place::Line(number);
        let (identity, rest) = if let Some((identity, rest)) = escaped_identity(line) {
            (identity.to_vec(), rest)
        } else if line.is_empty() || line.starts_with('#') {
            continue;
        } else {
            // The colon of the mark `hex:` is not the one before the key, unless it is the only one.
            let marked = line.strip_prefix("hex:").and_then(|rest| rest.split_once(':'));
            let (text, rest) = match marked {
                Some((digits, rest)) => (format!("hex:{digits}"), rest),
                None => {
                    line.split_once(':').map(|(text, rest)| (text.to_owned(), rest)).ok_or(Fault::NoColon.at(place))?
                }
            };
            (identity(&text, place)?, rest)
        };
        let (digits, alias) = match rest.split_once('#') {
            Some((digits, alias)) => (digits, Some(alias.trim()).filter(|alias| !alias.is_empty())),
            None => (rest, None),
        };
        keyring.insert_entry(place, &identity, vec![key(digits, place)?], alias);
    }
    Ok(keyring)
}

fn identity(text: &str, place: Place) -> Result<Vec<u8>, KeyringError> {
    let bytes = match text.strip_prefix("hex:").or_else(|| text.strip_prefix("0x")) {
        Some(digits) => decode_hex(digits.as_bytes()).ok_or(Fault::IdentityNotHex.at(place))?.to_vec(),
        None => text.as_bytes().to_vec(),
    };
    if bytes.is_empty() { Err(Fault::EmptyIdentity.at(place)) } else { Ok(bytes) }
}

fn key(digits: &str, place: Place) -> Result<Psk, KeyringError> {
    let digits = digits.trim();
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("hex:")).unwrap_or(digits);
    if digits.is_empty() {
        return Err(Fault::EmptyKey.at(place));
    }
    let odd = !digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let fault = if odd { Fault::OddKey } else { Fault::KeyNotHex };
    let mut bytes = decode_hex(digits.as_bytes()).ok_or(fault.at(place))?;
    Psk::new(std::mem::take(&mut *bytes)).ok_or(Fault::LongKey.at(place))
}

/// What the structured formats have in common. Texts are wiped: they may be keys.
enum Node {
    Text(Zeroizing<String>),
    List(Vec<(Place, Node)>),
    Map(Vec<(Place, Zeroizing<String>, Node)>),
    Other,
}

fn keyring(top: Node) -> Result<Keyring, KeyringError> {
    let mut keyring = Keyring::default();
    let Node::Map(entries) = top else { return Err(Fault::NotAMap.at(Place::Unknown)) };
    for (place, text, node) in entries {
        let identity = identity(&text, place)?;
        let (keys, alias) = entry(place, node)?;
        if keys.is_empty() {
            return Err(Fault::NoKey.at(place));
        }
        keyring.insert_entry(place, &identity, keys, alias.as_deref());
    }
    Ok(keyring)
}

fn entry(place: Place, node: Node) -> Result<(Vec<Psk>, Option<String>), KeyringError> {
    let Node::Map(fields) = node else { return Ok((keys(place, node)?, None)) };
    let (mut found, mut alias) = (Vec::new(), None);
    for (within, name, node) in fields {
        let place = place.closer(within);
        match (name.as_str(), node) {
            ("key" | "keys" | "psk", node) => found.append(&mut keys(place, node)?),
            ("alias" | "name", Node::Text(text)) => alias = Some(text.to_string()),
            ("alias" | "name", _) => return Err(Fault::AliasNotText.at(place)),
            _ => return Err(Fault::UnknownField.at(place)),
        }
    }
    Ok((found, alias))
}

fn keys(place: Place, node: Node) -> Result<Vec<Psk>, KeyringError> {
    match node {
        Node::Text(text) => Ok(vec![key(&text, place)?]),
        Node::List(items) => items
            .into_iter()
            .map(|(within, item)| match item {
                Node::Text(text) => key(&text, place.closer(within)),
                _ => Err(Fault::KeyNotText.at(place.closer(within))),
            })
            .collect(),
        Node::Map(_) | Node::Other => Err(Fault::KeyNotText.at(place)),
    }
}

/// An identity, its fields, a list: no key file is deeper.
const MAX_DEPTH: usize = 8;

fn yaml(text: &str) -> Result<Keyring, KeyringError> {
    let mut reader = YamlReader { parser: Parser::new_from_str(text) };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(Keyring::default()),
            // An empty document, or one of comments only.
            (Event::Scalar(text, ..), _) if text.is_empty() || text == "~" => return Ok(Keyring::default()),
            event => return keyring(reader.node(event, 0)?.1),
        }
    }
}

struct YamlReader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
}

impl<'t> YamlReader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), KeyringError> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Fault::Syntax(Format::Yaml).at(Place::Line(error.marker().line()))),
            None => Err(Fault::Syntax(Format::Yaml).at(Place::Unknown)),
        }
    }

    fn node(&mut self, (event, span): (Event<'t>, Span), depth: usize) -> Result<(Place, Node), KeyringError> {
        let place = Place::Line(span.start.line());
        if depth > MAX_DEPTH {
            return Err(Fault::KeyNotText.at(place));
        }
        let node = match event {
            Event::Scalar(text, ..) => Node::Text(Zeroizing::new(text.into_owned())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Node::List(items),
                        event => items.push(self.node(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    let key = match self.next()? {
                        (Event::MappingEnd, _) => break Node::Map(entries),
                        event => self.node(event, depth + 1)?,
                    };
                    let (place, Node::Text(name)) = key else { return Err(Fault::NotAMap.at(key.0)) };
                    let value = self.next()?;
                    entries.push((place, name, self.node(value, depth + 1)?.1));
                }
            }
            Event::Alias(_) => return Err(Fault::YamlAlias.at(place)),
            _ => return Err(Fault::Syntax(Format::Yaml).at(place)),
        };
        Ok((place, node))
    }
}

fn toml(text: &str) -> Result<Keyring, KeyringError> {
    let line = |at: usize| Place::Line(1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count());
    let table = DeTable::parse(text).map_err(|error| {
        Fault::Syntax(Format::Toml).at(error.span().map_or(Place::Unknown, |span| line(span.start)))
    })?;
    keyring(toml_table(table.get_ref(), &line))
}

fn toml_table(table: &DeTable<'_>, line: &impl Fn(usize) -> Place) -> Node {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let entry = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
        (line(name.span().start), Zeroizing::new(name.get_ref().to_string()), toml_value(value.get_ref(), line))
    };
    Node::Map(entries.into_iter().map(entry).collect())
}

fn toml_value(value: &DeValue<'_>, line: &impl Fn(usize) -> Place) -> Node {
    match value {
        DeValue::String(text) => Node::Text(Zeroizing::new(text.to_string())),
        DeValue::Array(items) => {
            Node::List(items.iter().map(|item| (line(item.span().start), toml_value(item.get_ref(), line))).collect())
        }
        DeValue::Table(table) => toml_table(table, line),
        _ => Node::Other,
    }
}

fn json(text: &str) -> Result<Keyring, KeyringError> {
    match serde_json::from_str::<Json>(text) {
        Ok(Json(node)) => keyring(node),
        Err(error) => Err(Fault::Syntax(Format::Json).at(Place::Line(error.line().max(1)))),
    }
}

/// A JSON value whose duplicate names all survive.
struct Json(Node);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((name, Json(value))) = map.next_entry::<String, Json>()? {
            entries.push((Place::Entry(entries.len() + 1), Zeroizing::new(name), value));
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = list.next_element()? {
            items.push((Place::Entry(items.len() + 1), item));
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }
}
