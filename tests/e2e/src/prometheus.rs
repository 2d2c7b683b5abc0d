//! A real Prometheus that scrapes the agent, a real Alertmanager, and what they say.

use crate::{
    Result,
    peers::free_port,
    place::{self, Place},
    program::Program,
    wait::{self, PATIENCE},
};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

/// What Prometheus is told.
#[derive(Debug, Clone, Default)]
pub struct Scraping<'a> {
    /// Agents, under the job `cardlink-obs`.
    pub agents: Vec<SocketAddr>,
    pub rules: Vec<&'a Path>,
    pub alertmanager: Option<u16>,
}

pub struct Prometheus {
    pub program: Program,
    address: SocketAddr,
}

impl Prometheus {
    /// On a free port of the loopback interface, in folders of the place; it scrapes every second.
    pub fn start(place: &Place, scraping: &Scraping) -> Result<Self> {
        let config = place.path("prometheus.yml");
        fs::write(&config, scraping.config()?)?;
        let port = free_port()?;
        let mut command = Command::new(place::peer("prometheus", "prometheus")?);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", place.path("tsdb").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=warn");
        let mut program = Program::start(&mut command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("a Prometheus that is ready", PATIENCE, || {
            ensure!(program.ended()?.is_none(), "Prometheus ended:{}", program.said());
            Ok(request(address, "/-/ready").is_ok_and(|(status, _)| status == 200).then_some(()))
        })?;
        Ok(Self { program, address })
    }

    /// The series that an expression gives now.
    pub fn query(&self, expr: &str) -> Result<Vec<Value>> {
        self.ask(&format!("/api/v1/query?query={}", escaped(expr)))
    }

    /// The same over the time until now, in steps of two seconds.
    pub fn over(&self, expr: &str, last: Duration) -> Result<Vec<Value>> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
        let start = now - last.as_secs_f64();
        self.ask(&format!("/api/v1/query_range?query={}&start={start}&end={now}&step=2", escaped(expr)))
    }

    /// What it has been told of a metric: type, unit and help.
    pub fn metadata(&self, metric: &str) -> Result<Value> {
        let (_, body) = request(self.address, &format!("/api/v1/metadata?metric={metric}"))?;
        let answer: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        answer["data"][metric].get(0).cloned().with_context(|| format!("nothing is known of {metric}: {body}"))
    }

    fn ask(&self, path: &str) -> Result<Vec<Value>> {
        let (_, body) = request(self.address, path)?;
        let answer: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        ensure!(answer["status"] == "success", "{path}: {}", answer["error"]);
        answer["data"]["result"].as_array().cloned().context("no result")
    }

    /// Names of the alerts that fire.
    pub fn firing(&self) -> Result<Vec<String>> {
        let series = self.query("ALERTS{alertstate=\"firing\"}")?;
        Ok(series.iter().filter_map(|one| one["metric"]["alertname"].as_str().map(str::to_owned)).collect())
    }
}

impl Scraping<'_> {
    fn config(&self) -> Result<String> {
        let mut text = String::from("global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n");
        writeln!(text, "scrape_configs:\n  - job_name: cardlink-obs\n    static_configs:\n      - targets: {:?}", {
            self.agents.iter().map(ToString::to_string).collect::<Vec<_>>()
        })?;
        if !self.rules.is_empty() {
            writeln!(text, "rule_files: {:?}", self.rules)?;
        }
        if let Some(port) = self.alertmanager {
            writeln!(
                text,
                "alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [\"127.0.0.1:{port}\"]"
            )?;
        }
        Ok(text)
    }
}

pub struct Alertmanager {
    pub program: Program,
    pub port: u16,
}

impl Alertmanager {
    /// It keeps alerts for itself.
    pub fn start(place: &Place) -> Result<Self> {
        let config = place.path("alertmanager.yml");
        fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n")?;
        let port = free_port()?;
        let mut command = Command::new(place::peer("prometheus-alertmanager", "prometheus-alertmanager")?);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", place.path("alertmanager").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.args(["--cluster.listen-address=", "--log.level=warn"]);
        let mut program = Program::start(&mut command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait::until("an Alertmanager that is ready", PATIENCE, || {
            ensure!(program.ended()?.is_none(), "Alertmanager ended:{}", program.said());
            Ok(request(address, "/-/ready").is_ok_and(|(status, _)| status == 200).then_some(()))
        })?;
        Ok(Self { program, port })
    }

    /// The alerts that have reached it.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        let (_, body) = request(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), "/api/v2/alerts")?;
        let answer: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        answer.as_array().cloned().context("no list of alerts")
    }
}

/// In HTTP/1.0: no answer comes in chunks.
fn request(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let limit = wait::scaled(Duration::from_secs(20));
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an answer of HTTP")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
