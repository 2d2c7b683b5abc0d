//! A page of metrics, read as the text that it is.

use crate::Result;
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;

/// A series and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Sample {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

/// All series of a page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    pub samples: Vec<Sample>,
}

/// What happened, and how often: `failed wrong_key local TLS_PSK_…`.
pub type Counts = BTreeMap<String, u64>;

impl Page {
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(Self { samples: lines.map(sample).collect::<Result<_>>()? })
    }

    /// Series of this name that have these labels.
    pub fn series<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name && sample.has(labels))
    }

    /// The sum of all series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|sample| sample.value).sum()
    }

    /// The same for what counts in whole numbers.
    #[expect(clippy::cast_sign_loss, reason = "counters and gauges of things are not negative")]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels).round() as u64
    }

    /// Handshakes by result, reason, side and suite.
    pub fn handshakes(&self) -> Counts {
        self.counted("cardlink_tls_handshakes_total", &["result", "failure_reason", "failure_side", "cipher_suite"])
    }

    /// Connections that ended, by outcome.
    pub fn connections(&self) -> Counts {
        self.counted("cardlink_tls_connections_total", &["outcome"])
    }

    /// AT commands by name and result.
    pub fn commands(&self) -> Counts {
        self.counted("cardlink_at_commands_total", &["command", "result"])
    }

    /// What became of spans; also what became of none.
    pub fn span_fates(&self) -> Counts {
        const FATES: &str = "cardlink_obs_otlp_spans_total";
        let fates = self.series(FATES, &[]).map(|sample| sample.label("fate").to_owned());
        fates.map(|fate| (fate.clone(), self.count(FATES, &[("fate", &fate)]))).collect()
    }

    pub fn closed(&self) -> u64 {
        self.count("cardlink_tls_connections_total", &[])
    }

    pub fn active(&self) -> u64 {
        self.count("cardlink_tls_connections_active", &[])
    }

    pub fn successes(&self) -> u64 {
        self.count("cardlink_tls_handshakes_total", &[("result", "success")])
    }

    pub fn failures(&self) -> u64 {
        self.count("cardlink_tls_handshakes_total", &[("result", "failed")])
    }

    /// Every event has a fate: seen is the sum of all others, and what was submitted was received.
    pub fn ledger_balances(&self) -> Result {
        let fates = "cardlink_obs_events_total";
        let fate = |fate: &str| self.count(fates, &[("fate", fate)]);
        let seen = fate("seen");
        let others = self.count(fates, &[]) - seen;
        ensure!(seen > 0 && seen == others, "seen {seen}, but the other fates are {others}: {:?}", self.fates());
        let received = self.count("cardlink_obs_received_events_total", &[]);
        let sent = fate("submitted") + fate("read_fault");
        ensure!(received == sent, "{sent} events were put into the ring, {received} received: {:?}", self.fates());
        Ok(())
    }

    pub fn fates(&self) -> Counts {
        self.counted("cardlink_obs_events_total", &["fate"])
    }

    /// Series of this name, added up by these labels; those at 0 are left out.
    pub fn counted(&self, name: &str, labels: &[&str]) -> Counts {
        let mut counts = Counts::new();
        for sample in self.series(name, &[]) {
            let words: Vec<&str> =
                labels.iter().map(|label| sample.label(label)).filter(|word| !word.is_empty()).collect();
            #[expect(clippy::cast_sign_loss, reason = "a counter")]
            let count = sample.value.round() as u64;
            if count > 0 {
                *counts.entry(words.join(" ")).or_default() += count;
            }
        }
        counts
    }
}

/// What `after` has more than `before`.
pub fn more(before: &Counts, after: &Counts) -> Counts {
    after
        .iter()
        .map(|(what, count)| (what.clone(), count - before.get(what).copied().unwrap_or_default().min(*count)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn sample(line: &str) -> Result<Sample> {
    let wrong = || format!("not a line of a metrics page: {line}");
    let (series, value) = line.rsplit_once(' ').with_context(wrong)?;
    let value = value.parse().with_context(wrong)?;
    let Some((name, rest)) = series.split_once('{') else {
        return Ok(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_suffix('}').with_context(wrong)?;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").with_context(wrong)?;
        let mut text = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().with_context(wrong)? {
                (at, '"') => break at,
                (_, '\\') => text.push(match chars.next().with_context(wrong)?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => text.push(other),
            }
        };
        labels.insert(label.to_owned(), text);
        rest = after.get(end + 1..).unwrap_or_default().trim_start_matches(',');
    }
    Ok(Sample { name: name.to_owned(), labels, value })
}

#[cfg(test)]
mod tests {
    use super::{Page, Result};

    #[test]
    fn a_page_is_read() -> Result {
        let page = Page::parse("# HELP a b\na{x=\"1\",y=\"q\\\"r\"} 2\na{x=\"2\"} 3.5\nb 7\n")?;
        assert!((page.sum("a", &[]) - 5.5).abs() < 1e-9);
        assert_eq!(page.count("a", &[("y", "q\"r")]), 2);
        assert_eq!(page.count("b", &[]), 7);
        Ok(())
    }
}
