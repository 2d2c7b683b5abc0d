//! The agent and its targets.

use crate::{
    client::{Deadline, certificate},
    health::{Check, Facts, Verdict},
    sink::metrics::table,
    words::{ProbeCounts, counted, whole},
};
use certificate::Validity;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(super) struct Process {
    pub(super) facts: Arc<Facts>,
}

impl Check for Process {
    fn look(&mut self, deadline: Deadline) -> Verdict {
        // Before the first round nobody can be known.
        self.facts.wait_for_first_round(deadline.left().unwrap_or_default() / 2);
        let targets: Vec<(String, f64)> = self
            .facts
            .registry
            .series(&table::TARGET_PROCESSES)
            .into_iter()
            .filter_map(|(labels, count)| Some((labels.into_iter().next()?, count)))
            .collect();
        let gone: Vec<&str> =
            targets.iter().filter(|(_, count)| *count <= 0.0).map(|(name, _)| name.as_str()).collect();
        let processes = targets.iter().map(|(_, count)| whole(*count)).sum();
        if targets.is_empty() {
            Verdict::degraded("no target has come yet")
        } else if gone.len() == targets.len() {
            Verdict::unhealthy(format!("no process is left of {}", gone.join(", ")))
        } else if gone.is_empty() {
            let processes = counted(processes, "process", "processes");
            Verdict::healthy(format!("{processes} of {}", counted(targets.len() as u64, "target", "targets")))
        } else {
            Verdict::degraded(format!("no process is left of {}", gone.join(", ")))
        }
    }
}

pub(super) struct Metrics {
    pub(super) facts: Arc<Facts>,
    pub(super) oldest: Duration,
    pub(super) certificate_days: i64,
}

impl Check for Metrics {
    fn look(&mut self, _: Deadline) -> Verdict {
        let Some(page) = self.facts.page.latest() else { return Verdict::unhealthy("there is no page yet") };
        let age = page.at.elapsed();
        if page.plain.is_empty() || age > self.oldest {
            return Verdict::unhealthy(format!("the page was last rendered {:.0} s ago", age.as_secs_f64()));
        }
        let text = format!("{} bytes, {:.1} s old", page.plain.len(), age.as_secs_f64());
        match self.certificate() {
            Some(verdict) => verdict,
            None => Verdict::healthy(text),
        }
    }
}

impl Metrics {
    /// What is wrong with the certificate.
    fn certificate(&self) -> Option<Verdict> {
        let path = self.facts.certificate.as_deref()?;
        let chain = match certificate::chain(path) {
            Ok(chain) => chain,
            Err(error) => return Some(Verdict::degraded(error.to_string())),
        };
        let what = format!("the certificate {}", path.display());
        let Some(validity) = chain.first().and_then(|first| Validity::of(first)) else {
            return Some(Verdict::degraded(format!("{what} cannot be read")));
        };
        let now = Timestamp::now();
        if let Some(fault) = validity.fault(now, &what) {
            return Some(Verdict::unhealthy(fault));
        }
        let days = validity.days_left(now);
        (days < self.certificate_days).then(|| Verdict::degraded(format!("{what} expires in {days} days: renew it")))
    }
}

pub(super) struct Probes {
    pub(super) facts: Arc<Facts>,
}

impl Check for Probes {
    fn look(&mut self, _: Deadline) -> Verdict {
        let series = self.facts.registry.series(&table::OWN_PROBE_STATUS);
        let of = |wanted: &str| -> Vec<String> {
            series
                .iter()
                .filter(|(labels, _)| labels.get(1).is_some_and(|status| status == wanted))
                .filter_map(|(labels, _)| labels.first().cloned())
                .collect()
        };
        let mut counts = ProbeCounts::default();
        series.iter().filter_map(|(labels, _)| labels.get(1)).for_each(|verdict| counts.add(verdict));
        let (good, broken) = (of("ok"), of("broken"));
        if good.is_empty() {
            Verdict::unhealthy("no probe is attached")
        } else if broken.is_empty() {
            Verdict::healthy(counts.sentence())
        } else {
            Verdict::degraded(format!("broken: {} (`cardlink-obs doctor` tells why)", broken.join(", ")))
        }
    }
}

pub(super) struct Recording {
    pub(super) facts: Arc<Facts>,
}

impl Check for Recording {
    fn look(&mut self, _: Deadline) -> Verdict {
        let Some(progress) = &self.facts.recording else { return Verdict::healthy("nothing is recorded") };
        let counts = progress.counts();
        let of = |number| counted(number, "event", "events");
        match progress.failure() {
            Some(why) => {
                let (lost, written) = (of(counts.lost), of(counts.written));
                Verdict::unhealthy(format!("it has ended: {why}; {written} written, {lost} lost"))
            }
            None => Verdict::healthy(format!("{} written", of(counts.written))),
        }
    }
}

/// The two sides of the ledger are read one after the other: only a difference that stays is one.
pub(super) struct Ledger {
    facts: Arc<Facts>,
    lost: f64,
    difference: f64,
    same: u32,
}

/// So many runs a difference has to stay the same.
const STAYS: u32 = 3;

impl Ledger {
    pub(super) fn new(facts: Arc<Facts>) -> Self {
        Self { facts, lost: 0.0, difference: 0.0, same: 0 }
    }
}

impl Check for Ledger {
    fn look(&mut self, _: Deadline) -> Verdict {
        let counts = |metric| -> BTreeMap<String, f64> {
            let series = self.facts.registry.series(metric).into_iter();
            series.filter_map(|(labels, count)| Some((labels.into_iter().next()?, count))).collect()
        };
        let fates = counts(&table::OWN_EVENTS);
        let fate = |name: &str| fates.get(name).copied().unwrap_or(0.0);
        let seen = fate("seen");
        let others: f64 = fates.iter().filter(|(name, _)| *name != "seen").fold(0.0, |sum, (_, count)| sum + count);
        let received = counts(&table::OWN_RECEIVED).values().fold(0.0, |sum, count| sum + count);
        let sent = fate("submitted") + fate("read_fault");
        let difference = (seen - others).abs().max((sent - received).abs());
        self.same = if difference > 0.0 && (difference - self.difference).abs() < 0.5 { self.same + 1 } else { 0 };
        self.difference = difference;
        let lost = fate("ring_full") + fate("table_full");
        let more = lost - self.lost;
        self.lost = lost;
        if self.same >= STAYS {
            Verdict::unhealthy(format!("{difference} events are unaccounted for: please report this"))
        } else if more > 0.0 {
            Verdict::degraded(format!("{more} events were lost since the last look: use a larger `kernel.ring_kib`"))
        } else {
            Verdict::healthy(format!("{seen} events, {lost} lost since the start"))
        }
    }
}
