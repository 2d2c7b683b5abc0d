//! Spans to the collector, by the SDK's exporter.

use super::{
    queue::Dated,
    settings::{Endpoint, OtlpError, Protocol},
    transport::{self, Headers, Http, Trouble},
};
use crate::{
    observation::Stamp,
    sink::spans::{Attributes, Kind, Parent, Span, SpanId, Status, Value},
};
use opentelemetry::{
    Array, InstrumentationScope, KeyValue, StringValue, Value as OtelValue,
    trace::{
        Event, Link, SpanContext, SpanId as OtelSpanId, SpanKind, Status as OtelStatus, TraceFlags,
        TraceId as OtelTraceId, TraceState,
    },
};
use opentelemetry_otlp::{
    Compression, Protocol as OtlpProtocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkError,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use std::{
    borrow::Cow,
    sync::PoisonError,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Sends spans.
#[derive(Debug)]
pub struct Traces {
    exporter: SpanExporter,
    scope: InstrumentationScope,
    trouble: Trouble,
}

impl Traces {
    /// Needs a runtime.
    pub fn new(to: &Endpoint, resource: &Resource) -> Result<Self, OtlpError> {
        let wrong =
            |error: opentelemetry_otlp::ExporterBuildError| OtlpError::setting("--otlp-endpoint", error.to_string());
        // It is tried again here and later, too: see the worker.
        let retries = RetryPolicy::recommended();
        let mut trouble = Trouble::default();
        let mut exporter = match to.protocol {
            Protocol::Grpc => {
                let builder = SpanExporter::builder()
                    .with_tonic()
                    .with_channel(transport::channel(to)?)
                    .with_interceptor(Headers::of(to))
                    .with_timeout(to.timeout)
                    .with_retry_policy(retries);
                let builder = if to.gzip { builder.with_compression(Compression::Gzip) } else { builder };
                builder.build().map_err(wrong)?
            }
            Protocol::Http => {
                let http = Http::new(to)?;
                trouble = http.trouble();
                let builder = SpanExporter::builder()
                    .with_http()
                    .with_protocol(OtlpProtocol::HttpBinary)
                    .with_endpoint(to.url.to_string())
                    .with_http_client(http)
                    .with_timeout(to.timeout)
                    .with_retry_policy(retries);
                let builder = if to.gzip { builder.with_compression(Compression::Gzip) } else { builder };
                builder.build().map_err(wrong)?
            }
        };
        exporter.set_resource(resource);
        Ok(Self { exporter, scope: scope(), trouble })
    }

    /// Sends these traces; they can be sent again when it fails.
    pub async fn send(&self, traces: &[Dated]) -> Result<(), String> {
        let Err(error) = self.exporter.export(self.converted(traces)).await else { return Ok(()) };
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        Err(match error {
            _ if !trouble.is_empty() => trouble.clone(),
            OTelSdkError::InternalFailure(words) => words,
            other => other.to_string(),
        })
    }

    fn converted(&self, traces: &[Dated]) -> Vec<SpanData> {
        let spans = traces.iter().flat_map(|dated| dated.trace.iter().map(|span| (span, dated.boot)));
        spans.map(|(span, boot)| data(span, boot, &self.scope)).collect()
    }
}

/// What the agent calls itself within a trace.
pub fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("cardlink-obs").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn data(span: &Span, boot: i128, scope: &InstrumentationScope) -> SpanData {
    let wall = |stamp| wall(stamp, boot);
    let mut events = SpanEvents::default();
    events.events.extend(
        span.events
            .iter()
            .map(|event| Event::new(event.name.clone(), wall(event.at), attributes(&event.attributes), 0)),
    );
    events.dropped_count = span.dropped_events;
    let mut links = SpanLinks::default();
    links.links.extend(span.links.iter().map(|link| {
        let context = context(link.trace.0, link.span, true);
        Link::with_context(context)
    }));
    SpanData {
        span_context: context(span.context.trace.0, span.context.span, false),
        parent_span_id: span.parent.map_or(OtelSpanId::INVALID, |parent| OtelSpanId::from_bytes(parent.span.0)),
        parent_span_is_remote: span.parent.is_some_and(|Parent { remote, .. }| remote),
        span_kind: match span.kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Server => SpanKind::Server,
            Kind::Client => SpanKind::Client,
        },
        name: span.name.clone(),
        start_time: wall(span.start),
        end_time: wall(span.end),
        attributes: attributes(&span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match &span.status {
            Status::Unset => OtelStatus::Unset,
            Status::Error(words) => OtelStatus::Error { description: words.clone() },
        },
        instrumentation_scope: scope.clone(),
    }
}

fn context(trace: [u8; 16], span: SpanId, remote: bool) -> SpanContext {
    let (trace, span) = (OtelTraceId::from_bytes(trace), OtelSpanId::from_bytes(span.0));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, remote, TraceState::NONE)
}

fn attributes(of: &Attributes) -> Vec<KeyValue> {
    of.iter().map(|(key, value)| KeyValue::new(*key, converted(value))).collect()
}

fn converted(value: &Value) -> OtelValue {
    match value {
        Value::Text(text) => OtelValue::String(string(text)),
        Value::Texts(texts) => OtelValue::Array(Array::String(texts.iter().map(string).collect())),
        Value::Whole(number) => OtelValue::I64(*number),
        Value::Number(number) => OtelValue::F64(*number),
        Value::Flag(flag) => OtelValue::Bool(*flag),
    }
}

#[expect(clippy::ptr_arg, reason = "what is static is not copied")]
fn string(text: &Cow<'static, str>) -> StringValue {
    match text {
        Cow::Borrowed(text) => StringValue::from(*text),
        Cow::Owned(text) => StringValue::from(text.clone()),
    }
}

fn wall(stamp: Stamp, boot: i128) -> SystemTime {
    let nanos = u64::try_from(boot + i128::from(stamp.as_nanos())).unwrap_or(0);
    UNIX_EPOCH + Duration::from_nanos(nanos)
}
