//! What is given to Grafana and Prometheus, with a real Prometheus that scrapes an agent at work.

use anyhow::{Context as _, ensure};
use cardlink_e2e::{
    Result,
    agent::{self, Agent},
    collector::Collector,
    peers::{self, Server},
    place::{self, Place},
    program::Program,
    prometheus::{Alertmanager, Prometheus, Scraping},
    readers::Reader,
    wait::{self, PATIENCE},
};
use cardlink_obs::monitoring::{alerts::ALERTS, dashboards};
use serde_json::Value;
use std::{fs, process::Command, time::Duration};

/// The cards do, in turn, all that has a panel.
const CARD: &str = "--sessions 100000 --rate 3 --apdu-time 2 --hold 300 --drop before --deviate no-admin-protocol \
                    --answer 80E6=6A88 --answer 00B0=6282 \
                    --fault none,hex-taken-for-text,drop-mid-script,unknown-identity,none,no-shared-cipher,none,http";
const SERVER: &str = "--handshake-timeout 1500 --script 80F24002024F00,80E60C0009A00000008710020100,00B0000009";

/// Metrics of programs that do not run here: card readers, phones, databases, test runners, triggers. That their queries are
/// right in names and labels is tested with the tables; data is missing here.
const ELSEWHERE: &[&str] = &[
    "cardlink_adb_",
    "cardlink_db_",
    "cardlink_device_errors_total",
    "cardlink_devices_connected",
    "cardlink_test",
    "cardlink_trigger",
];

/// Programs that give the agent something to tell, until this value ends.
struct Work {
    server: Server,
    at: Program,
    _modem: Program,
    _cards: Program,
    reader: Reader,
    _reads: Program,
}

impl Work {
    fn start(place: &Place) -> Result<Self> {
        let server = Server::lab(place, SERVER)?;
        let modem = peers::modem(place, "--delay 5 --fault AT+WIND=error")?;
        let script = place.path("at_loop.py");
        fs::write(&script, include_str!("../../peers/at_loop.py"))?;
        let at = Program::start(Command::new(place::plain_python()?).arg(script).arg(place.path("tty")))?;
        let cards = peers::start_card(place, server.port, CARD)?;
        let reader = Reader::start(place, "--delay 5")?;
        let steps = format!("shared {}", "00A4000C022FE2 00B000000A 00B0000010 sleep=0.5 ".repeat(600));
        let reads = Program::start(&mut reader.client(place, &steps)?)?;
        Ok(Self { server, at, _modem: modem, _cards: cards, reader, _reads: reads })
    }

    fn pids(&self) -> String {
        format!("--pid {} --pid {} --pid {}", self.server.pid(), self.at.pid(), self.reader.daemon.pid())
    }
}

/// A series with a number in it, as an instant query or one over time gives it.
fn has_a_number(series: &Value) -> bool {
    let number = |pair: &Value| pair[1].as_str().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite);
    number(&series["value"]) || series["values"].as_array().is_some_and(|values| values.iter().any(number))
}

/// The queries of exported dashboards, with the variables that Grafana would put in.
fn queries(folder: &std::path::Path) -> Result<Vec<(String, String, bool)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(file?.path())?)?;
        for panel in dashboard["panels"].as_array().context("panels")? {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let what = format!("{}: {}", dashboard["title"], panel["title"]);
                let expr = target["expr"].as_str().context("an expression")?;
                let expr = expr.replace("$__rate_interval", "20s").replace("$__range", "2m");
                let expr = expr.replace("$instance", ".*").replace("$target", ".*");
                ensure!(!expr.contains('$'), "{what}: {expr}");
                found.push((what, expr, target["instant"] == true));
            }
        }
    }
    Ok(found)
}

#[test]
fn every_query_of_every_dashboard_returns_data() -> Result {
    let place = Place::new()?;
    let folder = place.path("dashboards");
    let output = agent::output(&place, &format!("dashboards export {}", folder.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.contains("6 dashboards in"), "{said}");
    let queries = queries(&folder)?;
    ensure!(fs::read_dir(&folder)?.count() == dashboards::ALL.len() && queries.len() > 90, "{}", queries.len());

    let work = Work::start(&place)?;
    let collector = Collector::start()?;
    let words = format!(
        "{} {} --sample-every 1s --probe-cost --otlp-endpoint http://127.0.0.1:{} --otlp-metrics-every 2s --otlp-signals traces,metrics,logs",
        work.pids(),
        place.with_keys(),
        collector.grpc
    );
    let mut agent = Agent::recording(&place, &words)?;
    let prometheus = Prometheus::start(&place, &Scraping { agents: vec![agent.address()], ..Scraping::default() })?;
    let (elsewhere, mut waiting): (Vec<_>, Vec<_>) =
        queries.into_iter().partition(|(_, expr, _)| ELSEWHERE.iter().any(|name| expr.contains(name)));
    let all = waiting.len();
    // What is not there at first comes with the traffic.
    let ended = wait::until("data for every query", PATIENCE * 3, || {
        ensure!(agent.program.ended()?.is_none(), "the agent ended:{}", agent.program.said());
        let mut left = Vec::new();
        for (what, expr, instant) in waiting.drain(..) {
            let series = if instant { prometheus.query(&expr) } else { prometheus.over(&expr, Duration::from_mins(1)) };
            if !series.with_context(|| what.clone())?.iter().any(has_a_number) {
                left.push((what, expr, instant));
            }
        }
        waiting = left;
        if !waiting.is_empty() {
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(waiting.is_empty().then_some(()))
    });
    let silent: Vec<String> = waiting.iter().map(|(what, expr, _)| format!("{what}\n    {expr}")).collect();
    ended.with_context(|| format!("no data for\n{}", silent.join("\n")))?;
    println!("{all} queries return data; of programs that do not run here: {}", elsewhere.len());
    agent.stop()?;
    Ok(())
}

/// Runs promtool to its end.
fn promtool(words: &[&str]) -> Result<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new(place::peer("promtool", "prometheus")?).current_dir(root).args(words).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "promtool {}: {said}", words.join(" "));
    Ok(said)
}

#[test]
fn each_alert_fires_and_stays_quiet() -> Result {
    let said = promtool(&["check", "rules", "alerts/cardlink-obs.yml", "alerts/names.yml"])?;
    ensure!(said.contains(&format!("{} rules found", ALERTS.len())), "{said}");
    ensure!(promtool(&["test", "rules", "alerts/tests.yml"])?.contains("SUCCESS"));
    Ok(())
}

/// A loss of events, from the ring of an agent to a real Alertmanager.
#[test]
fn an_alert_reaches_alertmanager() -> Result {
    let place = Place::new()?;
    let rules = place.path("rules.yml");
    let output =
        agent::output(&place, &format!("alerts export --window 1m --runbooks https://runbooks {}", rules.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.contains(&format!("{} alerts in", ALERTS.len())), "{said}");
    promtool(&["check", "rules", rules.to_str().context("a path of text")?])?;

    let server = Server::lab(&place, "--model threads --workers 8")?;
    let mut agent = Agent::run(&place, &format!("--pid {} --ring-kib 4", server.pid()))?;
    let manager = Alertmanager::start(&place)?;
    let scraping =
        Scraping { agents: vec![agent.address()], rules: vec![rules.as_path()], alertmanager: Some(manager.port) };
    let prometheus = Prometheus::start(&place, &scraping)?;
    wait::until("some scrapes", PATIENCE, || {
        let scrapes = prometheus.query("count_over_time(cardlink_obs_events_total{fate=\"ring_full\"}[1m]) >= 3")?;
        Ok((!scrapes.is_empty()).then_some(()))
    })?;
    ensure!(prometheus.firing()?.is_empty() && manager.alerts()?.is_empty(), "nothing has happened yet");

    peers::card(&place, server.port, "--sessions 1500 --parallel 50 --timeout 60000")?;
    let alert = wait::until("an alert at Alertmanager", PATIENCE * 2, || Ok(manager.alerts()?.into_iter().next()))?;
    ensure!(alert["labels"]["alertname"] == "EventsLost" && alert["labels"]["severity"] == "warning", "{alert}");
    ensure!(alert["labels"]["instance"] == agent.address().to_string(), "{alert}");
    let text = |name: &str| alert["annotations"][name].as_str().unwrap_or_default().to_owned();
    ensure!(text("summary").contains("has lost"), "{alert}");
    ensure!(text("runbook_url") == "https://runbooks#eventslost", "{alert}");
    ensure!(prometheus.firing()? == ["EventsLost"], "{:?}", prometheus.firing());
    agent.stop()?;
    Ok(())
}

#[test]
fn limits_that_cannot_be() -> Result {
    let place = Place::without_agent()?;
    let file = place.path("rules.yml").display().to_string();
    for (words, code, part) in [
        (format!("alerts export --apdu-errors 200% {file}"), 2, "0% to 100%"),
        (format!("alerts export --databases ( {file}"), 2, "no regular expression"),
        (format!("alerts export {file}/below"), 74, "rules.yml/below"),
    ] {
        let output = agent::output(&place, &words)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code) && said.contains(part), "{words}: {:?} {said}", output.status);
    }
    // From the configuration, and a flag goes before it.
    fs::write(place.path("config.toml"), "[alerts]\napdu_errors = \"7%\"\nleast = 77\n")?;
    let config = place.path("config.toml").display().to_string();
    let output = agent::output(&place, &format!("alerts export --config {config} --least 78 -"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains("> 0.07\n") && text.contains(">= 78\n"), "{text}");
    Ok(())
}

#[test]
fn dashboards_where_they_cannot_be_written() -> Result {
    let place = Place::without_agent()?;
    let file = place.path("file");
    fs::write(&file, "")?;
    let output = agent::output(&place, &format!("dashboards export {}", file.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(74) && said.trim().lines().count() == 1, "{:?} {said}", output.status);
    ensure!(said.contains("file: "), "{said}");
    Ok(())
}
