//! Collectors of all tempers on loopback: one that takes everything, one that is not there, one that refuses, one that never
//! answers.

use super::{Endpoint, Flags, Otlp, Sender, Settings, start};
use crate::{
    observation::{AtCommand, AtResult, Cause, Observation, Process, Stamp, Tty},
    sink::{
        Sink as _,
        metrics::{Registry, table},
        names::Names,
        spans::{Ids, Sampling, Spans},
        wall::WallClock,
    },
};
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use prost::Message as _;
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const BOOT: u64 = 1_700_000_000_000_000_000;

/// What a collector was sent.
#[derive(Debug, Clone)]
struct Message {
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// A collector of OTLP over HTTP.
struct Collector {
    address: SocketAddr,
    /// What it answers.
    status: Arc<AtomicU16>,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Collector {
    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let status = Arc::new(AtomicU16::new(200));
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::clone(&status), Arc::clone(&messages));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || while serve(&stream, &answer, &seen).is_some() {});
            }
        });
        Self { address, status, messages }
    }

    fn new() -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"))
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.lock().expect("nobody panicked").clone()
    }

    fn spans(&self) -> Vec<Span> {
        let messages = self.messages();
        let traces = messages.iter().filter(|message| message.path.ends_with("/v1/traces"));
        traces.flat_map(|message| spans(&message.body)).collect()
    }
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("protobuf");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// One request; `None` at the end of the connection. What is answered with an error is not kept.
fn serve(stream: &TcpStream, answer: &AtomicU16, seen: &Mutex<Vec<Message>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if headers.get("content-encoding").is_some_and(|coding| coding == "gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut plain).expect("gzip");
        body = plain;
    }
    let status = answer.load(Ordering::Relaxed);
    if status == 200 {
        seen.lock().expect("nobody panicked").push(Message { path, headers, body });
    }
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n").ok()
}

fn settings(address: SocketAddr, flags: Flags) -> Settings {
    let flags = Flags { endpoint: Some(format!("http://{address}/")), ..flags };
    let settings = Settings::resolve(&flags, &|_| None).expect("they are right").expect("it was asked for");
    Settings { linger: Duration::from_millis(10), ..settings }
}

fn http() -> Flags {
    Flags { protocol: Some(super::Protocol::Http), ..Flags::default() }
}

fn sender(settings: &Settings) -> (Sender, Otlp, Arc<Registry>) {
    let registry = Arc::new(Registry::new());
    let sender = start(settings, Arc::clone(&registry), "a-host", None).expect("it starts");
    let names = Names::with_new_key(false).expect("random bytes");
    let spans = Spans::new(Ids::new("a boot"), names, Sampling::default());
    let sink = sender.sink(spans, WallClock::recorded(i128::from(BOOT))).expect("traces are wanted");
    (sender, sink, registry)
}

/// So many commands, each a trace of one span once the next has come.
fn commands(sink: &mut Otlp, from: u64, count: u64) {
    let process = Arc::new(Process { pid: 1, comm: Arc::from("tool"), target: Arc::from("tool") });
    let tty = Arc::new(Tty::new(process, "/dev/ttyUSB0"));
    for number in from..from + count {
        let start = Stamp::from_nanos(number * 1_000_000);
        sink.take(&Observation::AtCommand(Box::new(AtCommand {
            tty: Arc::clone(&tty),
            name: String::from("AT+CSQ"),
            line: vec![String::from("AT+CSQ")],
            result: AtResult::Ok,
            start,
            first_byte: None,
            end: start + Duration::from_micros(500),
            prompt: None,
            unattended: Duration::ZERO,
            information_lines: 0,
            incomplete: false,
            cause: Cause::default(),
        })));
    }
}

#[expect(clippy::cast_sign_loss, reason = "counters are not negative")]
fn fate(registry: &Registry, fate: &str) -> u64 {
    registry.value(&table::OWN_OTLP_SPANS, &[fate]) as u64
}

fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let began = Instant::now();
    while !wanted() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|one| one.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

#[test]
fn what_arrives_is_what_was_made() {
    let collector = Collector::new();
    for gzip in [false, true] {
        let headers = vec![(String::from("X-Tenant"), String::from("lab"))];
        let (sender, mut sink, registry) = sender(&settings(collector.address, Flags { headers, gzip, ..http() }));
        collector.messages.lock().expect("nobody panicked").clear();
        commands(&mut sink, 7, 3);
        drop(sink);
        sender.stop(Duration::from_secs(20));
        assert_eq!(fate(&registry, "sent"), 3);
        let spans = collector.spans();
        assert_eq!(spans.len(), 3);
        let mut times: Vec<_> = spans.iter().map(|span| (span.start_time_unix_nano, span.end_time_unix_nano)).collect();
        times.sort_unstable();
        assert_eq!(times[0], (BOOT + 7_000_000, BOOT + 7_500_000));
        assert_eq!(text(&spans[0].attributes, "cardlink.device"), Some("/dev/ttyUSB0"));
        let message = collector.messages().into_iter().find(|message| message.path == "/v1/traces").expect("spans");
        assert_eq!(message.headers.get("x-tenant").map(String::as_str), Some("lab"));
        assert_eq!(message.headers.contains_key("content-encoding"), gzip);
        assert_eq!(message.headers.get("content-type").map(String::as_str), Some("application/x-protobuf"));
        let request = ExportTraceServiceRequest::decode(&*message.body).expect("protobuf");
        let resource = request.resource_spans[0].resource.as_ref().expect("a resource");
        assert_eq!(text(&resource.attributes, "service.name"), Some("cardlink-obs"));
        assert_eq!(text(&resource.attributes, "host.name"), Some("a-host"));
        // The last reading of the metrics goes at the end.
        let metrics = collector.messages().into_iter().find(|message| message.path == "/v1/metrics").expect("metrics");
        let request = ExportMetricsServiceRequest::decode(&*metrics.body).expect("protobuf");
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert!(metrics.iter().any(|metric| metric.name == "cardlink_obs_otlp_spans_total"));
        assert_eq!(metrics.len(), registry.families().len());
    }
}

#[test]
fn a_mute_collector_holds_nobody_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    // Accepts, and says nothing.
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    });
    for protocol in [super::Protocol::Http, super::Protocol::Grpc] {
        let flags = Flags { protocol: Some(protocol), queue: Some(1000), ..Flags::default() };
        let flags = Flags { timeout: Some(Duration::from_millis(300)), ..flags };
        let (sender, mut sink, registry) = sender(&settings(address, flags));
        let before = accepted.load(Ordering::Relaxed);
        let began = Instant::now();
        commands(&mut sink, 0, 50_001);
        sink.flush();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        until("a connection", || accepted.load(Ordering::Relaxed) > before);
        until("a failure", || registry.value(&table::OWN_OTLP_EXPORTS, &["traces", "failed"]) > 0.0);
        let full = fate(&registry, "queue_full");
        // What waits, and what is on its way.
        assert!((50_000 - 1000 - 512..=50_000 - 1000).contains(&full), "{full}");
        drop(sink);
        let began = Instant::now();
        sender.stop(Duration::from_secs(1));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        let (full, unsent) = (fate(&registry, "queue_full"), fate(&registry, "unsent"));
        assert_eq!((full + unsent, fate(&registry, "sent")), (50_001, 0));
    }
}

#[test]
fn one_that_refuses_gets_everything_later() {
    let collector = Collector::new();
    collector.status.store(503, Ordering::Relaxed);
    let (sender, mut sink, registry) = sender(&settings(collector.address, http()));
    commands(&mut sink, 0, 101);
    until("a failure", || registry.value(&table::OWN_OTLP_EXPORTS, &["traces", "failed"]) > 0.0);
    commands(&mut sink, 200, 100);
    collector.status.store(200, Ordering::Relaxed);
    until("all spans", || fate(&registry, "sent") >= 199);
    drop(sink);
    sender.stop(Duration::from_secs(20));
    assert_eq!((collector.spans().len(), fate(&registry, "sent")), (201, 201));
}

#[test]
fn one_that_comes_late_gets_everything() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (sender, mut sink, registry) = sender(&settings(address, http()));
    commands(&mut sink, 0, 11);
    until("a failure", || registry.value(&table::OWN_OTLP_EXPORTS, &["traces", "failed"]) > 0.0);
    assert_eq!(fate(&registry, "sent"), 0);
    let collector = Collector::on(TcpListener::bind(address).expect("the same port"));
    until("all spans", || fate(&registry, "sent") == 10);
    drop(sink);
    sender.stop(Duration::from_secs(20));
    assert_eq!(collector.spans().len(), 11);
}

#[test]
fn enough_for_a_message_does_not_wait_for_more() {
    let collector = Collector::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    let patient = Settings { linger: Duration::from_hours(1), ..settings(collector.address, http()) };
    let (sender, mut sink, registry) = sender(&patient);
    commands(&mut sink, 0, 600);
    until("the first message", || fate(&registry, "sent") >= 512);
    drop(sink);
    sender.stop(Duration::from_secs(20));
    assert_eq!(collector.spans().len(), 600);
}

#[test]
fn files_of_tls_are_looked_at_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let with = |ca: &std::path::Path| {
        let flags =
            Flags { endpoint: Some(String::from("https://127.0.0.1:1")), ca: Some(ca.into()), ..Flags::default() };
        let settings = Settings::resolve(&flags, &|_| None).expect("they are right").expect("it was asked for");
        start(&settings, Arc::new(Registry::new()), "a-host", None).map(|_| ()).map_err(|error| error.to_string())
    };
    let shown = ca.display().to_string();
    let missing = with(&ca).expect_err("it is not there");
    assert!(missing.starts_with(&shown) && missing.contains("No such file"), "{missing}");
    std::fs::write(&ca, "nothing of the kind").expect("it can be written");
    assert_eq!(with(&ca).expect_err("it is empty"), format!("{shown}: there is no certificate in it"));
}

#[test]
fn an_endpoint_does_not_show_its_headers() {
    let headers = vec![(String::from("Authorization"), String::from("Bearer s3cret"))];
    let settings = settings(([127, 0, 0, 1], 1).into(), Flags { headers, ..http() });
    let endpoint: &Endpoint = settings.traces.as_ref().expect("traces");
    assert!(format!("{endpoint:?} {settings:?}").contains("authorization"));
    assert!(!format!("{endpoint:?} {settings:?}").contains("s3cret"));
}
