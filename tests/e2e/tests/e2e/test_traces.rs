//! Tests in traces: what a test caused lies under it, in servers and databases, too.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    IDENTITY, KEY, Result,
    agent::{self, Agent},
    collector::{Collector, Span, count},
    peers::{self, Server},
    place::{self, Place},
    postgres::Postgres,
};
use std::{collections::BTreeMap, process::Command};

/// How far a span may stick out of the one that it is under, nanoseconds: they were dated apart.
const NEAR: u64 = 2_000_000;

/// The servers that the tests talk to, and what they say.
struct Servers {
    postgres: Postgres,
    lab: Server,
    /// Writes a row for each request.
    rows: Server,
}

impl Servers {
    fn start(place: &Place) -> Result<Self> {
        let postgres = Postgres::start()?;
        postgres.sql("CREATE TABLE results (a int)")?;
        postgres.sql("CREATE TABLE requests (a int)")?;
        for (name, text) in [
            ("scp81_admin.py", include_str!("../../peers/scp81_admin.py")),
            ("scp81_clear.py", include_str!("../../peers/scp81_clear.py")),
            ("scp81_rows.py", include_str!("../../peers/scp81_rows.py")),
            ("test_causes.py", include_str!("../../peers/suite_causes.py")),
        ] {
            std::fs::write(place.path(name), text)?;
        }
        let lab = Server::lab(place, "")?;
        let mut rows = Command::new(place::python()?);
        rows.arg(place.path("scp81_rows.py")).arg("0").arg(place.path("psk"));
        let rows = Server::that_says_where(rows.env("ROWS_PORT", postgres.port.to_string()))?;
        Ok(Self { postgres, lab, rows })
    }

    /// The agent, with pytest as its command; returns when all is over.
    fn tested(&self, place: &Place, collector: &Collector, words: &str) -> Result {
        let mut command = agent::command(place)?;
        command.args(["run", "--listen", "127.0.0.1:0", "--otlp-signals", "traces", "--otlp-endpoint"]);
        command.arg(format!("http://127.0.0.1:{}", collector.grpc)).args(place.with_keys().split_whitespace());
        command.args(["--pid", &self.lab.pid().to_string(), "--pid", &self.rows.pid().to_string()]);
        command.args(words.split_whitespace()).arg("--").arg(place::python()?);
        // pytest would take a folder that the checkout and the place have in common.
        command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"]).arg(place.path(""));
        command.arg(place.path("test_causes.py"));
        command.env("ROWS_PORT", self.postgres.port.to_string());
        command.env("LAB_PORT", self.lab.port.to_string()).env("CLEAR_PORT", self.rows.port.to_string());
        command.env("CARD_PROGRAM", place::program("lab-card")?).env("CLEAR_CARD", place.path("scp81_clear.py"));
        command.env("CARD_IDENTITY", IDENTITY).env("CARD_KEY", KEY);
        let mut agent = Agent::started(&mut command)?;
        let status = agent.program.wait()?;
        // One of the tests fails.
        ensure!(status.code() == Some(1), "pytest ended with {status}:{}", agent.program.said());
        Ok(())
    }
}

/// How often there is a span of this name under one of that name. All are of one trace, and lie within what they are under.
fn tree(spans: &[Span]) -> Result<BTreeMap<String, usize>> {
    let by_id: BTreeMap<&str, &Span> = spans.iter().map(|span| (&*span.id, span)).collect();
    ensure!(by_id.len() == spans.len(), "an id is used twice");
    let mut tree: BTreeMap<String, usize> = BTreeMap::new();
    for span in spans {
        ensure!(span.trace == spans[0].trace, "{} is of another trace", span.name);
        let line = if span.parent.is_empty() {
            span.name.clone()
        } else {
            let above = by_id.get(&*span.parent).with_context(|| format!("{} hangs in the air", span.name))?;
            let within = above.start <= span.start + NEAR && span.end <= above.end + NEAR;
            ensure!(within, "{span:?}\n is not within\n{above:?}");
            format!("{} > {}", above.name, span.name)
        };
        *tree.entry(line).or_default() += 1;
    }
    Ok(tree)
}

fn wanted(lines: &[(&str, usize)]) -> BTreeMap<String, usize> {
    lines.iter().map(|(line, count)| ((*line).to_owned(), *count)).collect()
}

/// What one session on the lab's server is: two requests with a script between them.
const LAB_SESSION: [(&str, usize); 4] = [
    ("session > POST /lab", 1),
    ("session > POST /lab/scripts/1", 1),
    ("session > script", 1),
    ("session > tls.handshake", 1),
];

/// `sessions` of the lab's server, and the rest.
fn with_lab_sessions(sessions: usize, rest: &[(&str, usize)]) -> BTreeMap<String, usize> {
    let mut all = wanted(rest);
    for (line, each) in LAB_SESSION {
        *all.entry(line.to_owned()).or_default() += each * sessions;
    }
    all
}

/// One run is one trace: the tests, the sessions at the servers, the statements of both.
#[test]
fn a_run_of_tests_is_one_trace_with_all_that_it_caused() -> Result {
    for both_ends in [false, true] {
        let place = Place::new()?;
        let servers = Servers::start(&place)?;
        let mut collector = Collector::start()?;
        let words = if both_ends { format!("--pid {}", servers.postgres.pid()) } else { String::new() };
        servers.tested(&place, &collector, &words)?;
        let spans = collector.until("the run", |spans| spans.iter().any(|span| span.name.starts_with("run python")))?;
        let requests: usize = servers.postgres.sql("SELECT count(*) FROM requests")?.parse()?;
        assert_eq!(requests, 4, "two sessions of two requests each");
        let run = spans.iter().find(|span| span.name.starts_with("run python")).context("the run")?.name.clone();
        let under_run = |test: &str| format!("{run} > {test}");
        let all = with_lab_sessions(
            2,
            &[
                (&run, 1),
                (&under_run("test_causes::test_card"), 1),
                ("test_causes::test_card > session", 1),
                ("test_causes::test_card > INSERT results", 1),
                ("test_causes::test_card > UPDATE results", 1),
                (&under_run("test_causes::test_rows"), 1),
                ("test_causes::test_rows > session", 2),
                ("test_causes::test_rows > DELETE results", 1),
                ("session > POST /lab", 2),
                ("session > POST /lab/scripts/1", 2),
                ("session > script", 2),
                ("session > INSERT requests", requests),
                (&under_run("test_causes::test_nothing"), 1),
                (&under_run("test_causes::test_wrong"), 1),
                ("test_causes::test_wrong > session", 1),
                ("test_causes::test_wrong > INSERT results", 1),
            ],
        );
        assert_eq!(tree(&spans)?, all, "both ends of the database: {both_ends}");
        let statements = spans.iter().filter(|span| !span.attribute("db.operation.name").is_empty());
        let kind = if both_ends { "SPAN_KIND_SERVER" } else { "SPAN_KIND_CLIENT" };
        assert!(statements.map(|span| &*span.kind).all(|of| of == kind));
        // What the card was asked to do, as the server says it.
        let truth = peers::connections(&place, "server")?;
        let lived: usize = truth.iter().map(|one| one.session.apdus.len()).sum();
        let in_lab = |span: &&Span| span.name == "script" && span.attribute("cardlink.target") == "lab-server";
        let told: usize = spans.iter().filter(in_lab).map(|span| span.events.len()).sum();
        assert_eq!(told, lived);
        assert!(told > 0);
        results(&spans)?;
    }
    Ok(())
}

/// The tests say how they went.
fn results(spans: &[Span]) -> Result {
    for (name, outcome, status) in [("test_card", "passed", "pass"), ("test_wrong", "failed", "fail")] {
        let test = spans.iter().find(|span| span.attribute("test.case.name") == name).context("the test")?;
        assert_eq!(test.attribute("test.suite.name"), "test_causes");
        assert_eq!(test.attribute("cardlink.test.outcome"), outcome);
        assert_eq!(test.attribute("test.case.result.status"), status);
        assert_eq!(test.failed(), outcome == "failed");
        let events: Vec<&str> = test.events.iter().map(|event| &*event.name).collect();
        assert_eq!(events, ["test.setup", "test.call", "test.teardown"]);
        assert!(test.events.iter().all(|event| test.start <= event.at && event.at <= test.end));
    }
    Ok(())
}

/// When nothing is chosen, a test that fails is sent with all that it caused, and of the others nothing is.
#[test]
fn a_test_that_fails_is_sent_whole() -> Result {
    let place = Place::new()?;
    let servers = Servers::start(&place)?;
    let mut collector = Collector::start()?;
    servers.tested(&place, &collector, "--trace-ratio 0")?;
    let spans = collector.until("the run", |spans| spans.iter().any(|span| span.name.starts_with("run python")))?;
    let run = spans.iter().find(|span| span.name.starts_with("run python")).context("the run")?.name.clone();
    let all = with_lab_sessions(
        1,
        &[
            (&run, 1),
            (&format!("{run} > test_causes::test_wrong"), 1),
            ("test_causes::test_wrong > session", 1),
            ("test_causes::test_wrong > INSERT results", 1),
        ],
    );
    assert_eq!(tree(&spans)?, all);
    assert_eq!(count(&spans, "session"), 1);
    Ok(())
}
