//! Flags before the variable of a signal, before the general variable, before the default.

use super::{Endpoint, Flags, Protocol, Settings, Signal};
use crate::sink::spans::Sampling;
use std::time::Duration;

fn resolved(flags: &Flags, environment: &[(&str, &str)]) -> Result<Option<Settings>, String> {
    let look = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Settings::resolve(flags, &look).map_err(|error| error.to_string())
}

fn settings(flags: &Flags, environment: &[(&str, &str)]) -> Settings {
    resolved(flags, environment).expect("they are right").expect("somebody asked for it")
}

fn to(endpoint: &str) -> Flags {
    Flags { endpoint: Some(endpoint.to_owned()), ..Flags::default() }
}

fn urls(settings: &Settings) -> [String; 2] {
    let url = |endpoint: &Option<Endpoint>| endpoint.as_ref().map(|one| one.url.to_string()).unwrap_or_default();
    [url(&settings.traces), url(&settings.metrics)]
}

#[test]
fn nothing_is_sent_unless_asked_for() {
    assert_eq!(resolved(&Flags::default(), &[]), Ok(None));
    assert_eq!(resolved(&Flags { gzip: true, ..Flags::default() }, &[("OTEL_SERVICE_NAME", "x")]), Ok(None));
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
    assert_eq!(resolved(&Flags::default(), &[endpoint, ("OTEL_SDK_DISABLED", "true")]), Ok(None));
    let none = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "prometheus")];
    assert_eq!(resolved(&Flags::default(), &[endpoint, none[0], none[1]]), Ok(None));
}

#[test]
fn a_flag_alone_is_enough() {
    let settings = settings(&to("http://127.0.0.1:4317"), &[]);
    let traces = settings.traces.clone().expect("traces");
    assert_eq!(traces.protocol, Protocol::Grpc);
    assert_eq!((traces.timeout, traces.gzip), (Duration::from_secs(10), false));
    assert_eq!(settings.metrics_every, Duration::from_mins(1));
    assert_eq!(settings.sampling, Sampling::default());
    assert_eq!(settings.resource, [(String::from("service.name"), String::from("cardlink-obs"))]);
    let only = Flags { signals: vec![Signal::Metrics], ..to("http://127.0.0.1:4317") };
    let metrics = super::tests::settings(&only, &[]);
    assert!(metrics.traces.is_none() && metrics.metrics.is_some());
}

#[test]
fn over_http_each_signal_has_its_path() {
    for endpoint in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
        assert_eq!(urls(&settings(&to(endpoint), &[])), ["http://c:4318/v1/traces", "http://c:4318/v1/metrics"]);
    }
    let below = settings(&to("https://c/otlp"), &[]);
    assert_eq!(urls(&below), ["https://c/otlp/v1/traces", "https://c/otlp/v1/metrics"]);
    let grpc = Flags { protocol: Some(Protocol::Grpc), ..to("http://c:4318") };
    assert_eq!(settings(&grpc, &[]).traces.expect("traces").url, "http://c:4318/");
    let own = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:1/as/it/is"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://m:2"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    assert_eq!(urls(&settings(&Flags::default(), &own)), ["http://t:1/as/it/is", "http://m:2/v1/metrics"]);
}

#[test]
fn flags_go_before_variables_and_those_of_a_signal_before_the_general() {
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variable:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "100"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc, x-tenant = one"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "77"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
    ];
    let by_variables = settings(&Flags::default(), &environment);
    let (traces, metrics) = (by_variables.traces.expect("traces"), by_variables.metrics.expect("metrics"));
    assert_eq!((traces.protocol, metrics.protocol), (Protocol::Grpc, Protocol::Http));
    assert_eq!((traces.timeout.as_millis(), metrics.timeout.as_millis()), (2500, 100));
    assert_eq!(traces.headers.get("authorization").expect("it is there"), "Basic abc");
    assert_eq!(traces.headers.get("x-tenant").expect("it is there"), "one");
    assert!(!format!("{traces:?}").contains("abc"));
    assert!(traces.gzip);
    assert_eq!(traces.tls.ca.as_deref(), Some(std::path::Path::new("/ca.pem")));
    assert_eq!((by_variables.queue, by_variables.metrics_every), (77, Duration::from_secs(5)));
    let flags = Flags {
        protocol: Some(Protocol::Http),
        headers: vec![(String::from("X-Tenant"), String::from("two"))],
        timeout: Some(Duration::from_secs(1)),
        queue: Some(5),
        metrics_every: Some(Duration::from_secs(9)),
        ..to("http://flag:1")
    };
    let by_flags = settings(&flags, &environment);
    let traces = by_flags.traces.clone().expect("traces");
    assert_eq!(urls(&by_flags), ["http://flag:1/v1/traces", "http://flag:1/v1/metrics"]);
    assert_eq!(traces.headers.get_all("x-tenant").iter().collect::<Vec<_>>(), ["two"]);
    assert_eq!((traces.timeout, by_flags.queue), (Duration::from_secs(1), 5));
    assert_eq!(by_flags.metrics_every, Duration::from_secs(9));
}

#[test]
fn samplers_by_their_standard_names() {
    let with = |sampler: &str, argument: &str, flags: &Flags| {
        resolved(flags, &[("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)])
            .map(|settings| settings.expect("metrics at least"))
    };
    let flags = to("http://c:4317");
    let chosen = |sampler: &str, argument: &str| {
        let settings = with(sampler, argument, &flags).expect("it is known");
        settings.traces.map(|_| (settings.sampling.ratio, settings.sampling.follows_parent))
    };
    assert_eq!(chosen("always_on", ""), Some((1.0, false)));
    assert_eq!(chosen("always_off", ""), None);
    assert_eq!(chosen("traceidratio", "0.25"), Some((0.25, false)));
    assert_eq!(chosen("parentbased_traceidratio", "0.5"), Some((0.5, true)));
    assert_eq!(chosen("parentbased_always_off", ""), Some((0.0, true)));
    assert!(with("jaeger_remote", "", &flags).is_err());
    assert!(with("traceidratio", "1.5", &flags).is_err());
    let ratio = Flags { ratio: Some(0.125), ..flags.clone() };
    assert!((with("always_off", "", &ratio).expect("the flag counts").sampling.ratio - 0.125).abs() < 1e-9);
}

#[test]
fn the_resource_is_the_users() {
    let resource = |environment: &[(&str, &str)]| {
        let pairs = settings(&to("http://c:4317"), environment).resource;
        pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab%2C2,service.name=theirs");
    assert_eq!(resource(&[attributes]), ["deployment.environment.name=lab,2", "service.name=theirs"]);
    assert_eq!(
        resource(&[attributes, ("OTEL_SERVICE_NAME", "nearer")]),
        ["service.name=nearer", "deployment.environment.name=lab,2"]
    );
}

#[test]
fn what_is_wrong_is_one_sentence() {
    let sentence = |flags: &Flags, environment: &[(&str, &str)]| resolved(flags, environment).expect_err("it is wrong");
    assert_eq!(
        sentence(&to("127.0.0.1:4317"), &[]),
        "--otlp-endpoint: 127.0.0.1:4317 must begin with http:// or https://, like http://127.0.0.1:4317"
    );
    assert!(sentence(&to("http://"), &[]).starts_with("--otlp-endpoint: "));
    assert!(sentence(&to("not a url"), &[]).starts_with("--otlp-endpoint: not a url is not a URL"));
    let json = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
    assert_eq!(
        sentence(&Flags::default(), &json),
        "OTEL_EXPORTER_OTLP_PROTOCOL: http/json is not known here: use grpc or http/protobuf"
    );
    let secret = Flags { headers: vec![(String::from("Authorization"), String::from("s3cret\n"))], ..to("http://c:1") };
    assert!(!sentence(&secret, &[]).contains("s3cret"));
    let half = Flags { certificate: Some("/cert".into()), ..to("https://c:1") };
    assert!(sentence(&half, &[]).contains("without the other"));
}
