//! The metrics page as OTLP: the same recording, read in another way. The SDK's metrics cannot be made from outside, so
//! this speaks the protocol itself.

use super::{
    message::{self, Client, Service, attribute, text},
    settings::{Endpoint, OtlpError},
    traces::scope,
};
use crate::sink::metrics::Registry;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, metric::Data, number_data_point,
    },
    resource::v1::Resource as ResourceProto,
};
use opentelemetry_sdk::Resource;
use prometheus::proto::{LabelPair, MetricFamily, MetricType};
use tonic::codec::CompressionEncoding;

/// The order in which the protocol wants histograms and sums: everything since the agent started.
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Sends metrics.
pub struct Metrics {
    client: Client<MetricsServiceClient<Service>>,
    resource: ResourceProto,
    /// When the counters began, nanoseconds of the epoch.
    start: u64,
}

impl Metrics {
    /// Needs a runtime.
    pub fn new(to: &Endpoint, resource: &Resource, start: u64) -> Result<Self, OtlpError> {
        let client = Client::new(to, |service| {
            let client = MetricsServiceClient::new(service);
            if to.gzip { client.send_compressed(CompressionEncoding::Gzip) } else { client }
        })?;
        Ok(Self { client, resource: message::resource(resource), start })
    }

    /// Sends all series as they are now.
    pub async fn send(&mut self, registry: &Registry, now: u64) -> Result<(), String> {
        let request = request(&registry.families(), &self.resource, self.start, now);
        let answer = self.client.send(request, async |client, request| client.export(request).await).await?;
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => {
                Err(format!("it refused {} points: {}", partial.rejected_data_points, partial.error_message))
            }
            _ => Ok(()),
        }
    }
}

/// All families as one request.
pub fn request(
    families: &[MetricFamily],
    resource: &ResourceProto,
    start: u64,
    now: u64,
) -> ExportMetricsServiceRequest {
    let metrics = families.iter().filter_map(|family| metric(family, start, now)).collect();
    let scope = Some((scope(), None).into());
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(family: &MetricFamily, start: u64, now: u64) -> Option<Metric> {
    let number = |labels: &[LabelPair], value, start| NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let series = family.get_metric().iter();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: series.map(|one| number(one.get_label(), one.get_counter().get_value(), start)).collect(),
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge {
            data_points: series.map(|one| number(one.get_label(), one.get_gauge().get_value(), 0)).collect(),
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: series.map(|one| histogram(one, start, now)).collect(),
            aggregation_temporality: CUMULATIVE,
        }),
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// Prometheus counts up to each bound, OTLP between bounds; both count a value on a bound below it.
fn histogram(one: &prometheus::proto::Metric, start: u64, now: u64) -> HistogramDataPoint {
    let histogram = one.get_histogram();
    let buckets = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
    for bucket in buckets {
        bounds.push(bucket.upper_bound());
        counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    counts.push(histogram.get_sample_count().saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(one.get_label()),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: histogram.get_sample_count(),
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: counts,
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: &[LabelPair]) -> Vec<KeyValue> {
    // To Prometheus an empty label is none.
    let said = labels.iter().filter(|label| !label.value().is_empty());
    said.map(|label| attribute(label.name(), text(label.value()))).collect()
}

/// In the notation of UCUM.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        "1"
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
