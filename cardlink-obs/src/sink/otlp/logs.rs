//! The agent's log to the collector. Its lines are made elsewhere, so this speaks the protocol itself.

use super::{
    lines::{Line, Value},
    message::{self, Client, Service, attribute, text},
    settings::{Endpoint, OtlpError},
    traces::scope,
};
use crate::observation::from_hex;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
    common::v1::{AnyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource as ResourceProto,
};
use opentelemetry_sdk::Resource;
use std::time::UNIX_EPOCH;
use tonic::codec::CompressionEncoding;
use tracing::Level;

/// Sends lines of the log.
pub struct Logs {
    client: Client<LogsServiceClient<Service>>,
    resource: ResourceProto,
}

impl Logs {
    /// Needs a runtime.
    pub fn new(to: &Endpoint, resource: &Resource) -> Result<Self, OtlpError> {
        let client = Client::new(to, |service| {
            let client = LogsServiceClient::new(service);
            if to.gzip { client.send_compressed(CompressionEncoding::Gzip) } else { client }
        })?;
        Ok(Self { client, resource: message::resource(resource) })
    }

    /// Sends these lines; they can be sent again when it fails.
    pub async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let request = request(lines, &self.resource);
        let answer = self.client.send(request, async |client, request| client.export(request).await).await?;
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
        line.fields.iter().find_map(|(field, value)| match value {
            Value::Text(text) if *field == name => Some(&**text),
            _ => None,
        })
    };
    let own = [attribute("cardlink.component", text(line.component))];
    let fields = line.fields.iter().filter(|(name, _)| *name != TRACE && *name != SPAN);
    LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number: severity(line.level).into(),
        severity_text: line.level.to_string(),
        body: Some(AnyValue { value: Some(text(&line.message)) }),
        attributes: own.into_iter().chain(fields.map(|(name, value)| attribute(name, converted(value)))).collect(),
        trace_id: id(TRACE).and_then(from_hex::<16>).map(Vec::from).unwrap_or_default(),
        span_id: id(SPAN).and_then(from_hex::<8>).map(Vec::from).unwrap_or_default(),
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

fn converted(value: &Value) -> any_value::Value {
    match value {
        Value::Text(value) => text(value),
        Value::Whole(number) => any_value::Value::IntValue(*number),
        Value::Number(number) => any_value::Value::DoubleValue(*number),
        Value::Flag(flag) => any_value::Value::BoolValue(*flag),
    }
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
