//! Collectors that die, that never answer, that want to know who sends; and settings that cannot be right.

use anyhow::Context as _;
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    collector::{Collector, count},
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    wait,
};
use std::{
    net::{Ipv4Addr, TcpListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Resident set, KiB.
fn resident(agent: &Agent) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.program.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
}

/// The collector dies under load and comes back: what waits is bounded, what is lost is counted, and the rest arrives.
#[test]
fn a_collector_that_dies_and_comes_back() -> Result {
    const QUEUE: u64 = 2000;
    let place = Place::new()?;
    let mut collector = Collector::start()?;
    let (grpc, http) = (collector.grpc, collector.http);
    let server = Server::lab(&place, "--model threads --workers 4")?;
    let words = format!(
        "--pid {} {} --otlp-endpoint http://127.0.0.1:{grpc} --otlp-queue {QUEUE} --otlp-timeout 2s --otlp-signals traces",
        server.pid(),
        place.with_keys()
    );
    let mut agent = Agent::run(&place, &words)?;
    let sessions =
        |sessions| peers::card(&place, server.port, &format!("--sessions {sessions} --parallel 8 --rate 150"));
    sessions(100)?;
    collector.until("the first hundred", |spans| count(spans, "session") == 100)?;
    let before = collector.spans().len() as u64;
    collector.kill()?;
    sessions(500)?;
    agent.program.line("that it is gone", |line| line.contains("does not take what it is sent").then_some(()))?;
    let midway = resident(&agent)?;
    sessions(1500)?;
    let page = agent.settled(2100)?;
    assert_eq!(page.successes(), 2100, "{:?}", page.handshakes());
    assert_eq!(page.count("cardlink_obs_incomplete_total", &[]), 0);
    let lost = page.span_fates()["queue_full"];
    assert!(lost > 0, "{:?}", page.span_fates());
    assert!(page.count("cardlink_obs_otlp_queue_spans", &[]) <= QUEUE);
    let grown = resident(&agent)?.saturating_sub(midway);
    assert!(grown < 8 << 10, "{grown} KiB more after three times as many sessions");
    let mut collector = Collector::on(grpc, http)?;
    agent.program.line("that it is back", |line| line.contains("takes what it is sent again").then_some(()))?;
    sessions(100)?;
    agent.until("all to be sent", |page| {
        let fates = page.span_fates();
        fates["sent"] + fates["queue_full"] == 5 * 2200 && page.count("cardlink_obs_otlp_queue_spans", &[]) == 0
    })?;
    let page = agent.settled(2200)?;
    let (fates, spans) = (page.span_fates(), collector.until("the last hundred", |spans| !spans.is_empty())?);
    assert_eq!(fates["given_up"] + fates["no_room"] + fates["sampled_out"] + fates["unsent"], 0, "{fates:?}");
    // What was on its way when it died may have arrived without an answer.
    assert!(before + spans.len() as u64 >= fates["sent"], "{before} {} {fates:?}", spans.len());
    let said = agent.program.err().into_iter().chain(agent.program.out()).collect::<Vec<_>>();
    let told = |words: &str| said.iter().filter(|line| line.contains(words)).count();
    assert_eq!((told("does not take what it is sent"), told("takes what it is sent again")), (1, 1), "{said:#?}");
    agent.stop().map(|_| ())
}

/// Something accepts, and never says a word.
#[test]
fn a_half_open_collector_slows_nobody() -> Result {
    const SESSIONS: u64 = 600;
    let place = Place::new()?;
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let endpoint = format!("http://{}", mute.local_addr()?);
    thread::spawn(move || mute.incoming().collect::<Vec<_>>());
    let server = Server::lab(&place, "--model threads --workers 4")?;
    for protocol in ["grpc", "http"] {
        let words = format!(
            "--pid {} {} --otlp-endpoint {endpoint} --otlp-protocol {protocol} --otlp-timeout 1s --otlp-queue 1000",
            server.pid(),
            place.with_keys()
        );
        let mut agent = Agent::run(&place, &words)?;
        let began = Instant::now();
        peers::card(&place, server.port, &format!("--sessions {SESSIONS} --parallel 8"))?;
        let load = began.elapsed();
        // The page is not far behind the load.
        let page = agent.until("all sessions", |page| page.count("cardlink_sessions_total", &[]) == SESSIONS)?;
        println!("{protocol}: {SESSIONS} sessions in {load:?}, told after {:?}", began.elapsed());
        assert_eq!(page.successes(), SESSIONS);
        assert_eq!(page.count("cardlink_obs_incomplete_total", &[]), 0);
        agent.balanced()?;
        let fates = agent.page()?.span_fates();
        assert_eq!(fates["sent"], 0);
        assert!(fates["queue_full"] > 0, "{fates:?}");
        let took = agent.stop()?;
        assert!(took < wait::scaled(Duration::from_millis(1500)), "it took {took:?} to end");
    }
    Ok(())
}

/// The authority, the server's certificate by it, and the agent's.
fn certificates(place: &Place) -> Result {
    let openssl = |words: &str| -> Result {
        let mut command = Command::new(place::peer("openssl", "openssl")?);
        command.current_dir(place.path("psk").parent().context("the place is a folder")?);
        Program::start(command.args(words.split_whitespace()))?.success()
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority")?;
    for name in ["server", "agent"] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"))?;
        std::fs::write(place.path("names"), "subjectAltName=IP:127.0.0.1\n")?;
        let by = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names";
        openssl(&format!("x509 -req -in {name}.csr {by} -out {name}.pem"))?;
    }
    Ok(())
}

/// By TLS, in front of the collector, which wants to know who sends.
#[test]
fn by_tls_with_certificates_on_both_sides() -> Result {
    let place = Place::new()?;
    certificates(&place)?;
    let shown = |name: &str| place.path(name).display().to_string();
    let mut collector = Collector::start()?;
    let server = Server::lab(&place, "")?;
    let mut seen = 0;
    for (protocol, plain) in [("grpc", collector.grpc), ("http", collector.http)] {
        let port = peers::free_port()?;
        let mut socat = Command::new(place::peer("socat", "socat")?);
        let files = format!("cert={},key={},cafile={}", shown("server.pem"), shown("server.key"), shown("ca.pem"));
        socat.arg(format!("OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=1,{files}"));
        let _tls = Server::on(socat.arg(format!("TCP:127.0.0.1:{plain}")), port)?;
        let words = format!(
            "--pid {} --otlp-endpoint https://127.0.0.1:{port} --otlp-protocol {protocol} --otlp-signals traces --otlp-ca {}",
            server.pid(),
            shown("ca.pem")
        );
        // Without a certificate of its own it is not let in.
        let mut stranger = Agent::run(&place, &words)?;
        peers::card(&place, server.port, "--fault wrong-key")?;
        stranger.program.line("that it is not taken", |line| line.contains("does not take").then_some(()))?;
        stranger.stop()?;
        assert_eq!(collector.spans().len(), seen);
        let own = format!("{words} --otlp-cert {} --otlp-key {}", shown("agent.pem"), shown("agent.key"));
        let mut agent = Agent::run(&place, &own)?;
        peers::card(&place, server.port, "--fault wrong-key")?;
        seen += 1;
        collector.until("one more failure", |spans| spans.len() == seen)?;
        agent.stop()?;
        // Another authority: the collector is not believed.
        let mistrustful = words.replace("ca.pem", "agent.pem");
        let mut agent = Agent::run(&place, &mistrustful)?;
        peers::card(&place, server.port, "--fault wrong-key")?;
        agent.program.line("that it is not taken", |line| line.contains("does not take").then_some(()))?;
        agent.stop()?;
        assert_eq!(collector.spans().len(), seen);
    }
    Ok(())
}

/// What cannot be right is one sentence before anything is attached.
#[test]
fn bad_settings_are_one_sentence() -> Result {
    let place = Place::new()?;
    let own = std::process::id();
    let ca = place.path("no-such-ca");
    let cases = [
        ("--otlp-endpoint 127.0.0.1:4317".to_owned(), 2, "must begin with http:// or https://"),
        ("--otlp-endpoint http://127.0.0.1:1 --trace-ratio 2".to_owned(), 2, "share from 0 to 1"),
        (format!("--otlp-endpoint https://127.0.0.1:1 --otlp-ca {}", ca.display()), 74, "No such file"),
    ];
    for (words, code, sentence) in cases {
        let output = agent::output(&place, &format!("run --listen 127.0.0.1:0 --pid {own} {words}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
    Ok(())
}
