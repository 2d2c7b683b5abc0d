//! What a client wants: the format of the page, and whether it may be compressed.

use crate::sink::metrics::page::Format;
use axum::http::{HeaderMap, HeaderName, header};

/// A media range, a coding or a `*`, as written in a list of RFC 9110 §12.5.
struct Wanted<'a> {
    /// In lower case.
    name: String,
    parameters: Vec<(String, &'a str)>,
    /// From 0 (never) to 1.
    weight: f32,
}

impl Wanted<'_> {
    /// How closely this names the format: 3 with its version, 2 by its type, 1 by half of it, 0 by `*/*`; `None`: it names
    /// another one.
    fn names(&self, media: (&str, &str), version: &str) -> Option<u8> {
        match self.name.split_once('/')? {
            ("*", "*") => Some(0),
            (major, "*") if major == media.0 => Some(1),
            named if named == media => match self.parameters.iter().find(|(name, _)| name == "version") {
                Some((_, wanted)) if *wanted == version => Some(3),
                Some(_) => None,
                None => Some(2),
            },
            _ => None,
        }
    }
}

/// The format that the client prefers: the classic one when it does not care.
pub fn format(headers: &HeaderMap) -> Format {
    let wanted = list(headers, &header::ACCEPT);
    // The closest range decides about a format (RFC 9110 §12.5.1).
    let verdict = |media, version| {
        let ranges = wanted.iter().filter_map(|range| Some((range.names(media, version)?, range.weight)));
        ranges.max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))).unwrap_or((0, 0.0))
    };
    let (named, open) = verdict(("application", "openmetrics-text"), "1.0.0");
    let (classic_named, classic) = verdict(("text", "plain"), "0.0.4");
    // Equally welcome: the one that is asked for by its name, when the other one is not.
    if open > classic || (open > 0.0 && open >= classic && named > 1 && classic_named < 2) {
        Format::OpenMetrics
    } else {
        Format::Classic
    }
}

/// `gzip`, or `*` where `gzip` is not named; not with the weight 0 (RFC 9110 §12.5.3).
pub fn gzip(headers: &HeaderMap) -> bool {
    let wanted = list(headers, &header::ACCEPT_ENCODING);
    let find = |name| wanted.iter().find(|coding| coding.name == name);
    find("gzip").or_else(|| find("*")).is_some_and(|coding| coding.weight > 0.0)
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<Wanted<'a>> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(element).collect()
}

/// `None` when it is empty, or its weight is none.
fn element(text: &str) -> Option<Wanted<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let mut wanted = Wanted { name, parameters: Vec::new(), weight: 1.0 };
    for part in parts.filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        if name == "q" {
            wanted.weight = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
        } else {
            wanted.parameters.push((name, value));
        }
    }
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::{Format, format, gzip};
    use axum::http::{HeaderMap, header};

    fn headers(name: &header::HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn who_takes_gzip() {
        let of = |value: &str| gzip(&headers(&header::ACCEPT_ENCODING, &[value]));
        assert!(of("gzip") && of("br, gzip;q=0.5") && of("*") && of("GZIP") && of("identity;q=0, gzip; q=1"));
        assert!(!of("br") && !of("gzip;q=0") && !of("gzip; q=0.000") && !of("x-gzip-not, identity"));
        assert!(!of("*, gzip;q=0"), "the name goes before the star");
        assert!(of("*;q=0, gzip"));
        assert!(!gzip(&HeaderMap::new()));
    }

    #[test]
    fn which_format() {
        let of = |values: &[&str]| format(&headers(&header::ACCEPT, values));
        for open in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8",
            "application/openmetrics-text;version=\"1.0.0\"",
            "application/openmetrics-text; version=1.0.0;q=0.5, text/plain;version=0.0.4;q=0.4",
            // Prometheus 2.42, and 3.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/*",
            "*/*;q=0.1, application/openmetrics-text",
            "application/openmetrics-text, */*",
            "text/plain;q=0, */*",
        ] {
            assert_eq!(of(&[open]), Format::OpenMetrics, "{open}");
        }
        for classic in [
            "*/*",
            "text/plain",
            "text/*, application/openmetrics-text;q=0.9",
            "text/plain, application/openmetrics-text",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0, */*",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=much, text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/*;q=0.3, text/plain;q=0.4",
            "",
            ",;,",
        ] {
            assert_eq!(of(&[classic]), Format::Classic, "{classic}");
        }
        assert_eq!(of(&[]), Format::Classic);
        assert_eq!(of(&["text/plain;q=0.2", "application/openmetrics-text;q=0.3"]), Format::OpenMetrics, "two lines");
    }
}
