//! The table, as live counters.

use super::table::{ALL, Kind, Metric};
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, Opts, Registry as Prometheus, core::Collector as _,
};
use std::collections::HashMap;

enum Family {
    Counter(CounterVec),
    Gauge(GaugeVec),
    Histogram(HistogramVec),
}

/// Every metric of the table, ready to be recorded to.
pub struct Registry {
    prometheus: Prometheus,
    families: HashMap<&'static str, Family>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    pub fn new() -> Self {
        let prometheus = Prometheus::new();
        let families = ALL.iter().map(|metric| (metric.name, register(&prometheus, metric))).collect();
        Self { prometheus, families }
    }

    /// Adds to a counter; 0 makes the series appear.
    pub fn add(&self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(Family::Counter(family)) = self.families.get(metric.name)
            && let Ok(series) = family.get_metric_with_label_values(labels)
            && value >= 0.0
        {
            series.inc_by(value);
        }
    }

    pub fn increment(&self, metric: &Metric, labels: &[&str]) {
        self.add(metric, labels, 1.0);
    }

    /// The value of a counter or gauge.
    pub fn value(&self, metric: &Metric, labels: &[&str]) -> f64 {
        match self.families.get(metric.name) {
            Some(Family::Counter(family)) => family.get_metric_with_label_values(labels).map_or(0.0, |s| s.get()),
            Some(Family::Gauge(family)) => family.get_metric_with_label_values(labels).map_or(0.0, |s| s.get()),
            _ => 0.0,
        }
    }

    pub fn set(&self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(Family::Gauge(family)) = self.families.get(metric.name)
            && let Ok(series) = family.get_metric_with_label_values(labels)
        {
            series.set(value);
        }
    }

    /// Adds to a gauge.
    pub fn shift(&self, metric: &Metric, labels: &[&str], by: f64) {
        if let Some(Family::Gauge(family)) = self.families.get(metric.name)
            && let Ok(series) = family.get_metric_with_label_values(labels)
        {
            series.add(by);
        }
    }

    /// Takes all series of a gauge away.
    pub fn clear(&self, metric: &Metric) {
        if let Some(Family::Gauge(family)) = self.families.get(metric.name) {
            family.reset();
        }
    }

    /// Takes one series of a gauge away.
    pub fn remove(&self, metric: &Metric, labels: &[&str]) {
        if let Some(Family::Gauge(family)) = self.families.get(metric.name) {
            let _ = family.remove_label_values(labels);
        }
    }

    /// All series of a counter or gauge: the values of the labels, in the order of the table, and the value.
    pub fn series(&self, metric: &Metric) -> Vec<(Vec<String>, f64)> {
        let families = match self.families.get(metric.name) {
            Some(Family::Counter(family)) => family.collect(),
            Some(Family::Gauge(family)) => family.collect(),
            _ => return Vec::new(),
        };
        let series = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        series
            .map(|one| {
                let find = |label: &&str| one.get_label().iter().find(|pair| pair.name() == *label);
                let values = metric.labels.iter().map(|label| find(label).map_or("", |pair| pair.value()).to_owned());
                (values.collect(), one.get_counter().get_value() + one.get_gauge().get_value())
            })
            .collect()
    }

    pub fn observe(&self, metric: &Metric, labels: &[&str], value: f64) {
        if let Some(Family::Histogram(family)) = self.families.get(metric.name)
            && let Ok(series) = family.get_metric_with_label_values(labels)
        {
            series.observe(value);
        }
    }

    /// Makes the series of a histogram appear, empty.
    pub fn announce(&self, metric: &Metric, labels: &[&str]) {
        if let Some(Family::Histogram(family)) = self.families.get(metric.name) {
            let _ = family.get_metric_with_label_values(labels);
        }
    }

    /// All series as they are now.
    pub fn families(&self) -> Vec<prometheus::proto::MetricFamily> {
        self.prometheus.gather()
    }

    /// All series, in the Prometheus text format.
    pub fn render(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.families()).unwrap_or_default()
    }
}

fn register(prometheus: &Prometheus, metric: &Metric) -> Family {
    let well_formed = "the table holds well-formed, distinct names: a test registers them all";
    let options = Opts::new(metric.name, metric.help);
    match metric.kind {
        Kind::Counter => {
            let family = CounterVec::new(options, metric.labels).expect(well_formed);
            prometheus.register(Box::new(family.clone())).expect(well_formed);
            Family::Counter(family)
        }
        Kind::Gauge => {
            let family = GaugeVec::new(options, metric.labels).expect(well_formed);
            prometheus.register(Box::new(family.clone())).expect(well_formed);
            Family::Gauge(family)
        }
        Kind::Histogram(buckets) => {
            let options = HistogramOpts::from(options).buckets(buckets.to_vec());
            let family = HistogramVec::new(options, metric.labels).expect(well_formed);
            prometheus.register(Box::new(family.clone())).expect(well_formed);
            Family::Histogram(family)
        }
    }
}
