//! A metrics page read back: the Prometheus text format 0.0.4.

use std::collections::BTreeMap;

/// All series of one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    pub name: String,
    /// `counter`, `gauge`, `histogram`; `untyped` when the page does not say.
    pub kind: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count`, where it is of a histogram.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A line that is none of the format; its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not one of a metrics page")]
pub struct NotAPage(pub usize);

/// Reads a page.
pub fn parse(text: &str) -> Result<Vec<Family>, NotAPage> {
    let mut families: Vec<Family> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = NotAPage(number + 1);
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.trim_start().splitn(3, ' ');
            if let (Some(what @ ("HELP" | "TYPE")), Some(name)) = (words.next(), words.next()) {
                let rest = words.next().unwrap_or_default();
                let family = family_of(&mut families, name);
                match what {
                    "HELP" => family.help = unescaped(rest),
                    _ => rest.clone_into(&mut family.kind),
                }
            }
        } else if !line.is_empty() {
            let sample = sample(line).ok_or(wrong)?;
            let base = families.last().map(|family| family.name.clone()).filter(|name| belongs(&sample.name, name));
            let name = base.unwrap_or_else(|| sample.name.clone());
            family_of(&mut families, &name).samples.push(sample);
        }
    }
    for family in families.iter_mut().filter(|family| family.kind.is_empty()) {
        family.kind = String::from("untyped");
    }
    Ok(families)
}

/// `\\n` and `\\\\`.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

fn belongs(sample: &str, family: &str) -> bool {
    sample.strip_prefix(family).is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
}

fn family_of<'a>(families: &'a mut Vec<Family>, name: &str) -> &'a mut Family {
    let at = families.iter().rposition(|family| family.name == name).unwrap_or_else(|| {
        families.push(Family { name: name.to_owned(), ..Family::default() });
        families.len() - 1
    });
    // It was found, or pushed just now.
    families.get_mut(at).expect("the index is one of the list")
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    if !is_name(name) {
        return None;
    }
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if !is_name(label) {
                return None;
            }
            labels.insert(label.to_owned(), value);
            rest = after;
        }
    }
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    // A time may follow.
    let timed = words.next().is_none_or(|time| time.parse::<i64>().is_ok());
    (timed && words.next().is_none()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// The value up to its closing quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            (_, other) => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NotAPage, parse};
    use crate::sink::metrics::{Registry, table};

    #[test]
    fn families_with_their_lines() {
        let text = "# HELP a_total what\\nit is\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"\\\\r\"} 2\n\
                    # TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 0.5\nh_count 1\nother NaN 1700000000000\n";
        let families = parse(text).expect("a page");
        let names: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["a_total", "h", "other"]);
        assert_eq!((families[0].kind.as_str(), families[0].help.as_str()), ("counter", "what\nit is"));
        assert_eq!(families[0].samples[0].label("y"), "q\"\\r");
        assert_eq!(families[1].samples.len(), 3);
        assert!(families[2].samples[0].value.is_nan());
        assert_eq!(families[2].kind, "untyped");
    }

    #[test]
    fn what_is_no_page() {
        for (text, line) in [("<html>", 1), ("a 1\nb{x=1} 2", 2), ("a", 1), ("a 1 2 3", 1), ("a{x=\"1} 2", 1)] {
            assert_eq!(parse(text), Err(NotAPage(line)), "{text}");
        }
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_the_registry_writes_is_read() {
        let registry = Registry::new();
        registry.add(&table::TLS_HANDSHAKES, &["a\"b\\c\nd", "success", "", "", ""], 3.0);
        registry.observe(&table::TLS_HANDSHAKE_DURATION, &["t", "success"], 0.2);
        let families = parse(&registry.render()).expect("a page");
        let handshakes = families.iter().find(|family| family.name == table::TLS_HANDSHAKES.name).expect("a family");
        assert_eq!(handshakes.samples[0].label("target"), "a\"b\\c\nd");
        let duration = families.iter().find(|family| family.kind == "histogram").expect("a histogram");
        assert_eq!(duration.samples.len(), table::HANDSHAKE_BUCKETS.len() + 3);
    }
}
