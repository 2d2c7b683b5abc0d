//! The agent's log to the collector. Its lines are made elsewhere, so this speaks the protocol itself.

use super::{
    lines::{Line, Value},
    metrics::resource_of,
    settings::{Endpoint, OtlpError, Protocol},
    traces::scope,
    transport::{self, Headers, Http},
};
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_client::LogsServiceClient,
    },
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource as ResourceProto,
};
use opentelemetry_sdk::Resource;
use std::time::UNIX_EPOCH;
use tonic::{codec::CompressionEncoding, service::interceptor::InterceptedService, transport::Channel};
use tracing::Level;

enum Client {
    Grpc(Box<LogsServiceClient<InterceptedService<Channel, Headers>>>),
    Http { http: Box<Http>, to: Box<Endpoint> },
}

/// Sends lines of the log.
pub struct Logs {
    client: Client,
    resource: ResourceProto,
}

impl Logs {
    /// Needs a runtime.
    pub fn new(to: &Endpoint, resource: &Resource) -> Result<Self, OtlpError> {
        let client = match to.protocol {
            Protocol::Grpc => {
                let client = LogsServiceClient::with_interceptor(transport::channel(to)?, Headers::of(to));
                Client::Grpc(Box::new(if to.gzip { client.send_compressed(CompressionEncoding::Gzip) } else { client }))
            }
            Protocol::Http => Client::Http { http: Box::new(Http::new(to)?), to: Box::new(to.clone()) },
        };
        Ok(Self { client, resource: resource_of(resource) })
    }

    /// Sends these lines; they can be sent again when it fails.
    pub async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let request = request(lines, &self.resource);
        let answer: ExportLogsServiceResponse = match &mut self.client {
            Client::Grpc(client) => {
                client.export(request).await.map_err(|status| transport::said(&status))?.into_inner()
            }
            Client::Http { http, to } => http.post(to, &request).await?,
        };
        match answer.partial_success {
            Some(partial) if partial.rejected_log_records > 0 => {
                Err(format!("it refused {} lines of the log: {}", partial.rejected_log_records, partial.error_message))
            }
            _ => Ok(()),
        }
    }
}

fn request(lines: &[Line], resource: &ResourceProto) -> ExportLogsServiceRequest {
    let log_records = lines.iter().map(record).collect();
    let scope = Some((scope(), None).into());
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.clone()),
            scope_logs: vec![ScopeLogs { scope, log_records, ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }],
    }
}

/// A line as the data model of logs has it (OpenTelemetry, "Logs Data Model"): its ids stand apart from its attributes.
fn record(line: &Line) -> LogRecord {
    let at = line.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    let id = |name: &str| {
        let found = line.fields.iter().find(|(field, _)| *field == name);
        found.and_then(|(_, value)| if let Value::Text(text) = value { bytes(text) } else { None }).unwrap_or_default()
    };
    let own = [attribute("cardlink.component", any_value::Value::StringValue(line.component.to_owned()))];
    let fields = line.fields.iter().filter(|(name, _)| *name != TRACE && *name != SPAN);
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: severity(line.level).into(),
        severity_text: line.level.to_string(),
        body: Some(AnyValue { value: Some(any_value::Value::StringValue(line.message.clone())) }),
        attributes: own.into_iter().chain(fields.map(|(name, value)| attribute(name, converted(value)))).collect(),
        trace_id: id(TRACE),
        span_id: id(SPAN),
        ..LogRecord::default()
    }
}

/// The fields by which a line belongs to a span.
const TRACE: &str = "trace_id";
const SPAN: &str = "span_id";

const fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    }
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn converted(value: &Value) -> any_value::Value {
    match value {
        Value::Text(text) => any_value::Value::StringValue(text.clone()),
        Value::Whole(number) => any_value::Value::IntValue(*number),
        Value::Number(number) => any_value::Value::DoubleValue(*number),
        Value::Flag(flag) => any_value::Value::BoolValue(*flag),
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some((digit(*high)? << 4) | digit(*low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Line, Value, request};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use std::time::{Duration, UNIX_EPOCH};
    use tracing::Level;

    #[test]
    fn the_ids_of_a_line_stand_apart() {
        let text = |text: &str| Value::Text(text.to_owned());
        let line = Line {
            at: UNIX_EPOCH + Duration::from_secs(3),
            level: Level::WARN,
            component: "cardlink_obs::sink::log",
            message: String::from("handshake failed"),
            fields: vec![
                ("connection", Value::Whole(7)),
                ("trace_id", text("00112233445566778899aabbccddeeff")),
                ("span_id", text("0123456789abcdef")),
            ],
        };
        let request = request(&[line], &Resource::default());
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!(record.time_unix_nano, 3_000_000_000);
        assert_eq!((record.severity_number, &*record.severity_text), (13, "WARN"));
        assert_eq!(record.trace_id.len(), 16);
        assert_eq!(record.span_id, [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        let names: Vec<_> = record.attributes.iter().map(|attribute| &*attribute.key).collect();
        assert_eq!(names, ["cardlink.component", "connection"]);
    }
}
