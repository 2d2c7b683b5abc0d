//! `/metrics` and OTLP are two readings of one recording: value by value the same.

use super::{CUMULATIVE, ExportMetricsServiceRequest, ResourceProto, request};
use crate::sink::metrics::{Registry, table};
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value},
    metrics::v1::{metric::Data, number_data_point},
};
use std::collections::BTreeMap;

type Values = BTreeMap<String, f64>;

/// One series of each kind, and awkward ones.
fn recorded() -> Registry {
    let registry = Registry::new();
    for metric in table::ALL {
        let one: Vec<&str> = metric.labels.iter().map(|_| "one").collect();
        // Empty labels, and words that a text format must escape.
        let odd: Vec<&str> =
            metric.labels.iter().enumerate().map(|(at, _)| if at % 2 == 0 { "" } else { "a\"b\\c\nd" }).collect();
        for (labels, times) in [(&one, 3), (&odd, 1)] {
            for step in 0..times {
                match metric.kind {
                    table::Kind::Counter => registry.add(metric, labels, 1.25 + f64::from(step)),
                    table::Kind::Gauge => registry.set(metric, labels, -0.5 - f64::from(step)),
                    table::Kind::Histogram(bounds) => {
                        // On a bound, between two, and beyond the last.
                        for value in [bounds[1], bounds[2] * 1.01, 1e9, 0.0] {
                            registry.observe(metric, labels, value);
                        }
                    }
                }
            }
        }
    }
    registry
}

/// What Prometheus would read of the page.
fn of_page(page: &str) -> Values {
    page.lines().filter(|line| !line.starts_with('#')).map(series).collect()
}

fn series(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().expect("a number") };
    let Some((name, labels)) = series.split_once('{') else { return (key_of(series, Vec::new()), value) };
    let mut rest = labels.strip_suffix('}').expect("an end");
    let mut found = Vec::new();
    while let Some((key, after)) = rest.split_once("=\"") {
        let (mut text, mut characters) = (String::new(), after.char_indices());
        let end = loop {
            match characters.next().expect("a quote") {
                (at, '"') => break at,
                (_, '\\') => text.push(match characters.next().expect("what is escaped").1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => text.push(other),
            }
        };
        found.push((key.trim_start_matches(',').to_owned(), text));
        rest = &after[end + 1..];
    }
    (key_of(name, found), value)
}

fn key_of(name: &str, mut labels: Vec<(String, String)>) -> String {
    labels.retain(|(_, value)| !value.is_empty());
    labels.sort();
    format!("{name}{labels:?}")
}

/// The same of the request, as a back end of Prometheus would store it.
fn of_request(request: &ExportMetricsServiceRequest) -> Values {
    let mut values = Values::new();
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic && sum.aggregation_temporality == CUMULATIVE);
                for point in &sum.data_points {
                    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (1, 2));
                    values.insert(key_of(&metric.name, labels(&point.attributes)), number(point.value));
                }
            }
            Data::Gauge(gauge) => {
                for point in &gauge.data_points {
                    values.insert(key_of(&metric.name, labels(&point.attributes)), number(point.value));
                }
            }
            Data::Histogram(histogram) => {
                assert_eq!(histogram.aggregation_temporality, CUMULATIVE);
                for point in &histogram.data_points {
                    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                    let labels = labels(&point.attributes);
                    let mut below = 0;
                    let bounds = point.explicit_bounds.iter().map(ToString::to_string).chain([String::from("+Inf")]);
                    for (bound, count) in bounds.zip(&point.bucket_counts) {
                        below += count;
                        let mut labels = labels.clone();
                        labels.push((String::from("le"), bound));
                        values.insert(key_of(&format!("{}_bucket", metric.name), labels), below as f64);
                    }
                    values.insert(key_of(&format!("{}_count", metric.name), labels.clone()), point.count as f64);
                    values.insert(key_of(&format!("{}_sum", metric.name), labels), point.sum.expect("a sum"));
                }
            }
            other => panic!("{other:?} is not for us"),
        }
    }
    values
}

fn number(value: Option<number_data_point::Value>) -> f64 {
    match value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        other => panic!("{other:?}"),
    }
}

fn labels(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), text(one))).collect()
}

#[test]
fn the_page_and_otlp_agree_value_by_value() {
    let registry = recorded();
    let page = of_page(&registry.render());
    let otlp = of_request(&request(&registry.families(), &ResourceProto::default(), 1, 2));
    assert!(page.len() > 2 * table::ALL.len());
    for (name, value) in &page {
        assert_eq!(Some(value), otlp.get(name), "{name}");
    }
    let more: Vec<_> = otlp.keys().filter(|name| !page.contains_key(*name)).collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn every_metric_has_its_unit_and_help() {
    let registry = recorded();
    let request = request(&registry.families(), &ResourceProto::default(), 1, 2);
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    assert_eq!(metrics.len(), table::ALL.len());
    let unit = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.unit.as_str());
    assert_eq!(unit("cardlink_tls_handshake_duration_seconds"), Some("s"));
    assert_eq!(unit("cardlink_process_cpu_seconds_total"), Some("s"));
    assert_eq!(unit("cardlink_apdu_bytes_total"), Some("By"));
    assert_eq!(unit("cardlink_sessions_total"), Some("1"));
    assert!(metrics.iter().all(|metric| !metric.description.is_empty()));
}
