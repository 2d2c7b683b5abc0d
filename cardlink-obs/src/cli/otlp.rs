//! Where traces, metrics and the log are sent: the section `tracing` of the configuration, and the standard variables of OpenTelemetry.

use super::CliError;
use crate::{
    config::{Loaded, Place},
    sink::otlp::{Flags, Protocol, Settings, Signal},
};

/// `None` when nothing is to be sent. A flag or a `CARDLINK_OBS_` variable goes before `OTEL_…`, and that before the file.
pub fn settings(loaded: &Loaded) -> Result<Option<Settings>, CliError> {
    resolve(loaded, &|name| std::env::var(name).ok())
}

fn resolve(loaded: &Loaded, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Settings>, CliError> {
    let tracing = &loaded.config.tracing;
    let is_set = |name: &str| environment(name).is_some_and(|value| !value.trim().is_empty());
    let counts = |key: &str, standard: &[&str]| {
        let place = loaded.values.get(key).map(|(_, place)| place);
        match place {
            None | Some(Place::Default) => false,
            Some(Place::File { .. }) => !standard.iter().any(|name| is_set(name)),
            Some(Place::Variable(_) | Place::Flag(_)) => true,
        }
    };
    // The variable of one signal stands for that of all.
    let of = |key: &str, what: &str| {
        let names = ["", "TRACES_", "METRICS_", "LOGS_"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}{what}"));
        counts(key, &names.each_ref().map(String::as_str))
    };
    let headers = tracing.otlp_headers.iter().filter_map(|text| text.split_once('='));
    let headers: Vec<_> = headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    let flags = Flags {
        endpoint: tracing.otlp_endpoint.clone().filter(|_| of("tracing.otlp_endpoint", "ENDPOINT")),
        protocol: tracing
            .otlp_protocol
            .as_deref()
            .filter(|_| of("tracing.otlp_protocol", "PROTOCOL"))
            .map(|word| if word == "http" { Protocol::Http } else { Protocol::Grpc }),
        headers: if of("tracing.otlp_headers", "HEADERS") { headers } else { Vec::new() },
        gzip: tracing.otlp_gzip && of("tracing.otlp_gzip", "COMPRESSION"),
        timeout: tracing.otlp_timeout.filter(|_| of("tracing.otlp_timeout", "TIMEOUT")),
        ca: tracing.otlp_ca.clone().filter(|_| of("tracing.otlp_ca", "CERTIFICATE")),
        certificate: tracing.otlp_certificate.clone().filter(|_| of("tracing.otlp_certificate", "CLIENT_CERTIFICATE")),
        key: tracing.otlp_key.clone().filter(|_| of("tracing.otlp_key", "CLIENT_KEY")),
        signals: tracing
            .otlp_signals
            .iter()
            .filter_map(|word| Signal::ALL.into_iter().find(|signal| signal.as_str() == word))
            .filter(|_| {
                counts("tracing.otlp_signals", &["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"])
            })
            .collect(),
        metrics_every: tracing
            .otlp_metrics_every
            .filter(|_| counts("tracing.otlp_metrics_every", &["OTEL_METRIC_EXPORT_INTERVAL"])),
        queue: tracing.otlp_queue.filter(|_| counts("tracing.otlp_queue", &["OTEL_BSP_MAX_QUEUE_SIZE"])),
        ratio: tracing.trace_ratio.filter(|_| counts("tracing.trace_ratio", &["OTEL_TRACES_SAMPLER"])),
        slower: tracing.trace_slower,
    };
    Ok(Settings::resolve(&flags, environment)?)
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use crate::config::Loaded;
    use std::path::Path;

    fn endpoint(file: &str, variables: &[(&str, &str)]) -> Option<String> {
        let loaded = Loaded::of_text(Path::new("x"), file).expect("valid");
        let environment = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
        let settings = resolve(&loaded, &environment).expect("settings");
        settings.and_then(|settings| settings.traces).map(|traces| traces.url.to_string())
    }

    #[test]
    fn standard_variables_go_before_the_file() {
        assert_eq!(endpoint("", &[]), None);
        let file = "[tracing]\notlp_endpoint = \"http://file:4317\"\n";
        assert_eq!(endpoint(file, &[]).as_deref(), Some("http://file:4317/"));
        let standard = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable:4317")];
        assert_eq!(endpoint(file, &standard).as_deref(), Some("http://variable:4317/"));
        let signals = "[tracing]\notlp_endpoint = \"http://file:4317\"\notlp_signals = [\"metrics\"]\n";
        assert_eq!(endpoint(signals, &[]), None, "metrics alone");
    }
}
