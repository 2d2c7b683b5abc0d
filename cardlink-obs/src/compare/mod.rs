//! Two runs side by side: what got slower, what faster, which errors are new. `docs/compare.md` says how it is decided.

mod page;
mod series;
mod statistics;

#[cfg(test)]
mod compare_tests;

pub use page::{json, print};
pub use series::{Key, Kind, Series};

use statistics::{holm, mann_whitney, quantile, ratio_interval};
use std::collections::BTreeSet;

/// A corrected p-value below this is taken for more than chance.
pub const SIGNIFICANT: f64 = 0.01;
/// A change of the median of less than this share is not told.
pub const FLOOR: f64 = 0.05;
/// A change of the median of less than this, seconds, is not told: the scheduler of the kernel alone makes as much.
pub const LEAST: f64 = 10e-6;

/// What is said of a thing that has a time in at least one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Slower,
    Faster,
    /// Only in the second run.
    New,
    /// Only in the first run.
    Gone,
    /// No change is proven, and one beyond the floor cannot be ruled out: too few values, or too far apart.
    Unclear,
    /// The interval of the ratio lies within the floor.
    Same,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::New => "new",
            Self::Gone => "gone",
            Self::Unclear => "unclear",
            Self::Same => "same",
        }
    }
}

/// The times of one thing in one run, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    pub count: usize,
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl Times {
    fn of(sorted: &[f64]) -> Self {
        Self {
            count: sorted.len(),
            mean: sorted.iter().sum::<f64>() / (sorted.len().max(1)) as f64,
            p50: quantile(sorted, 0.5),
            p95: quantile(sorted, 0.95),
            p99: quantile(sorted, 0.99),
        }
    }
}

/// One thing in both runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: Key,
    pub a: Times,
    pub b: Times,
    /// Median of B by median of A.
    pub ratio: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<(f64, f64)>,
    /// Corrected for all rows (Holm).
    pub p: Option<f64>,
    pub verdict: Verdict,
}

impl Row {
    /// What the change costs in all, seconds of the second run: the order of what is told.
    fn weight(&self) -> f64 {
        match self.verdict {
            Verdict::Gone => self.a.mean * self.a.count as f64,
            Verdict::New => self.b.mean * self.b.count as f64,
            _ => ((self.b.mean - self.a.mean) * self.b.count as f64).abs(),
        }
    }
}

/// An error, and how often it was in each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRow {
    pub key: Key,
    pub what: String,
    pub a: u64,
    pub b: u64,
}

/// The result.
#[derive(Debug, Default)]
pub struct Comparison {
    /// By verdict, then by what the change costs in all.
    pub rows: Vec<Row>,
    /// New ones first, then those that are gone, then those in both.
    pub errors: Vec<ErrorRow>,
}

impl Comparison {
    /// Compares `a`, the run before, with `b`, the run after. A change of the median beyond `floor` (a share) is told.
    pub fn of(mut a: Series, mut b: Series, floor: f64) -> Self {
        a.sort();
        b.sort();
        let keys: BTreeSet<&Key> = a.times.keys().chain(b.times.keys()).collect();
        let mut rows: Vec<Row> = Vec::with_capacity(keys.len());
        let mut tested = Vec::new();
        for key in keys {
            let before = a.times.get(key).map_or(&[][..], Vec::as_slice);
            let after = b.times.get(key).map_or(&[][..], Vec::as_slice);
            let mut row = Row {
                key: key.clone(),
                a: Times::of(before),
                b: Times::of(after),
                ratio: None,
                interval: None,
                p: None,
                verdict: if after.is_empty() { Verdict::Gone } else { Verdict::New },
            };
            if !before.is_empty() && !after.is_empty() {
                // Phases may take no time at all.
                let within = |values: &[f64]| values.iter().map(|value| value.max(LEAST)).collect::<Vec<_>>();
                row.ratio = Some(row.b.p50.max(LEAST) / row.a.p50.max(LEAST));
                row.interval = ratio_interval(&within(before), &within(after));
                tested.push((rows.len(), mann_whitney(before, after)));
            }
            rows.push(row);
        }
        let corrected = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
        for ((index, _), p) in tested.into_iter().zip(corrected) {
            if let Some(row) = rows.get_mut(index) {
                row.p = Some(p);
                row.verdict = verdict(row, p, floor);
            }
        }
        rows.sort_by(|left, right| {
            left.verdict.cmp(&right.verdict).then_with(|| right.weight().total_cmp(&left.weight()))
        });
        Self { rows, errors: errors(&a, &b) }
    }

    /// The largest ratio of what got slower.
    pub fn worst(&self) -> Option<f64> {
        let slower = self.rows.iter().filter(|row| row.verdict == Verdict::Slower);
        slower.filter_map(|row| row.ratio).max_by(f64::total_cmp)
    }

    pub fn new_errors(&self) -> impl Iterator<Item = &ErrorRow> {
        self.errors.iter().filter(|row| row.a == 0)
    }

    pub fn gone_errors(&self) -> impl Iterator<Item = &ErrorRow> {
        self.errors.iter().filter(|row| row.b == 0)
    }
}

fn verdict(row: &Row, p: f64, floor: f64) -> Verdict {
    let (Some(ratio), Some((low, high))) = (row.ratio, row.interval) else { return Verdict::Unclear };
    let (least, most) = (1.0 / (1.0 + floor), 1.0 + floor);
    let enough = (row.b.p50 - row.a.p50).abs() >= LEAST;
    if p < SIGNIFICANT && enough && ratio >= most && low > 1.0 {
        Verdict::Slower
    } else if p < SIGNIFICANT && enough && ratio <= least && high < 1.0 {
        Verdict::Faster
    } else if (low >= least && high <= most) || row.a.p50.max(row.b.p50) <= LEAST {
        Verdict::Same
    } else {
        Verdict::Unclear
    }
}

fn errors(a: &Series, b: &Series) -> Vec<ErrorRow> {
    let keys: BTreeSet<_> = a.errors.keys().chain(b.errors.keys()).collect();
    let mut rows: Vec<ErrorRow> = keys
        .into_iter()
        .map(|at| {
            let of = |series: &Series| series.errors.get(at).copied().unwrap_or_default();
            ErrorRow { key: at.0.clone(), what: at.1.clone(), a: of(a), b: of(b) }
        })
        .collect();
    let rank = |row: &ErrorRow| match (row.a, row.b) {
        (0, _) => 0,
        (_, 0) => 1,
        _ => 2,
    };
    rows.sort_by(|left, right| {
        rank(left).cmp(&rank(right)).then_with(|| right.a.max(right.b).cmp(&left.a.max(left.b)))
    });
    rows
}
