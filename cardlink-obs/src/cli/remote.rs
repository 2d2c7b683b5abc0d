//! A running agent, as `status`, `export`, `health` and `test` find it by HTTP.

use super::{CliError, flags::ConfigArgs};
use crate::{
    client::{
        Answer, ClientError, Password, Request, Trust, Url,
        exposition::{self, Family, Sample},
        fetch,
    },
    config::{Loaded, duration},
    health::Status,
    sink::metrics::table::Metric,
};
use clap::Args;
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

/// Where the agent is, and how it is talked to. Without these the configuration says it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which agent")]
pub struct AgentArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where it serves, `http://HOST:PORT`, with the path of its metrics where that is another than `/metrics`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// User name, where it wants one.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File with the password in its first line.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Certificates to trust (PEM): the agent's own, or those that signed it.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How long an answer may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

type Login = Option<(String, Password)>;

/// An agent that can be asked.
pub struct Remote {
    pub metrics: Url,
    pub health: Url,
    login: Login,
    trust: Trust,
    timeout: Duration,
}

/// The page of an agent.
pub struct Fetched {
    pub text: String,
    pub families: Vec<Family>,
    pub content_type: String,
    pub took: Duration,
}

impl Fetched {
    /// The lines of a metric.
    pub fn of(&self, metric: &Metric) -> impl Iterator<Item = &Sample> {
        self.families.iter().filter(|family| family.name == metric.name).flat_map(|family| &family.samples)
    }

    pub fn sum(&self, metric: &Metric) -> f64 {
        total(self.of(metric).map(|sample| sample.value))
    }
}

/// A sum; of nothing it is 0, not the -0 that `sum` gives.
pub fn total(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// What `/health` said.
pub struct HealthAnswer {
    pub status: Option<Status>,
    pub json: Value,
}

impl HealthAnswer {
    pub fn of(json: Value) -> Self {
        let status = json.get("status").and_then(Value::as_str).and_then(Status::parse);
        Self { status, json }
    }
}

impl AgentArgs {
    /// The configuration that is looked at.
    pub fn loaded(&self) -> Result<Loaded, CliError> {
        self.config.load()
    }

    /// How long an answer may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether an address, or something that only HTTP needs, was given.
    pub const fn is_by_http(&self) -> bool {
        self.url.is_some() || self.username.is_some() || self.password_file.is_some() || self.ca_file.is_some()
    }

    pub fn remote(&self) -> Result<Remote, CliError> {
        let wrong = |error: ClientError| CliError::Usage(error.to_string());
        let (metrics, health, login, trust) = match &self.url {
            Some(url) => {
                let mut metrics = Url::parse(url).map_err(wrong)?;
                if metrics.path == "/" {
                    metrics.path = String::from("/metrics");
                }
                let health = metrics.at("/health");
                (metrics, health, None, Trust::System)
            }
            None => self.configured()?,
        };
        let login = match (&self.username, &self.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), Password::from_file(file)?)),
            (None, None) => login,
            _ => return Err(CliError::Usage(String::from("--username and --password-file belong together"))),
        };
        let trust = self.ca_file.clone().map_or(trust, Trust::File);
        Ok(Remote { metrics, health, login, trust, timeout: self.timeout })
    }

    fn configured(&self) -> Result<(Url, Url, Login, Trust), CliError> {
        let config = self.config.load()?.config;
        let wrong = |error: ClientError| CliError::Usage(error.to_string());
        let scheme = if config.metrics.tls_certificate.is_some() { "https" } else { "http" };
        let place = reachable(config.metrics.listen);
        let metrics = Url::parse(&format!("{scheme}://{place}{}", config.metrics.path)).map_err(wrong)?;
        let health = match config.health.listen {
            Some(place) => Url::parse(&format!("http://{}/health", reachable(place))).map_err(wrong)?,
            None => metrics.at("/health"),
        };
        let login = match (&self.username, &config.metrics.password_file) {
            (None, Some(file)) => Some((config.metrics.username.clone(), Password::from_file(file)?)),
            _ => None,
        };
        let trust = config.metrics.tls_certificate.map_or(Trust::System, Trust::File);
        Ok((metrics, health, login, trust))
    }
}

/// Who listens everywhere is talked to here.
fn reachable(place: SocketAddr) -> SocketAddr {
    let ip = match place.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, place.port())
}

impl Remote {
    /// The page, read.
    pub fn page(&self) -> Result<Fetched, CliError> {
        let began = Instant::now();
        let answer = self.ask(&self.metrics)?;
        let took = began.elapsed();
        let url = &self.metrics;
        let none = |what: String| Err(CliError::NoAgent(what));
        match answer.status {
            200 => {}
            404 => return none(format!("there is no page at {url}: name the agent's with --url")),
            503 => return none(format!("the agent at {url} does not serve metrics: `metrics.enabled` is off")),
            other => return none(format!("what answers at {url} says {other}: is it cardlink-obs?")),
        }
        let Ok(text) = String::from_utf8(answer.body) else {
            return none(format!("what answers at {url} is no metrics page"));
        };
        match exposition::parse(&text) {
            Ok(families) => Ok(Fetched { text, families, content_type: answer.content_type, took }),
            Err(error) => none(format!("what answers at {url} is no metrics page: {error}")),
        }
    }

    /// What the checks say, whatever they say.
    pub fn health(&self) -> Result<HealthAnswer, CliError> {
        let answer = self.ask(&self.health)?;
        let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let Some(json) = json.filter(|json| json.get("status").is_some()) else {
            let (url, status) = (&self.health, answer.status);
            return Err(CliError::NoAgent(format!("what answers at {url} says {status}: is it cardlink-obs?")));
        };
        Ok(HealthAnswer::of(json))
    }

    fn ask(&self, url: &Url) -> Result<Answer, CliError> {
        let login = self.login.as_ref().map(|(user, password)| (user.as_str(), password));
        let request = Request { login, trust: self.trust.clone(), ..Request::default() };
        match fetch(url, &request, self.timeout) {
            Ok(Answer { status: 401, .. }) if self.login.is_some() => {
                Err(CliError::NoAgent(format!("the agent at {url} refuses this user name and password")))
            }
            Ok(Answer { status: 401, .. }) => Err(CliError::NoAgent(format!(
                "the agent at {url} wants a user name and a password: give --username and --password-file"
            ))),
            Ok(answer) => Ok(answer),
            Err(ClientError::Unreachable { url, why }) => Err(CliError::NoAgent(format!(
                "no agent answers at {url} ({why}): start one with `cardlink-obs run`, or name another with --url"
            ))),
            Err(ClientError::NotHttp(url)) if url.starts_with("http://") => Err(CliError::NoAgent(format!(
                "what answers at {url} does not speak HTTP: if it serves HTTPS, name it with --url https://…"
            ))),
            Err(error @ ClientError::Handshake { .. }) => {
                Err(CliError::NoAgent(format!("{error}: no agent serves there; name its page with --url")))
            }
            Err(error) => Err(CliError::NoAgent(error.to_string())),
        }
    }
}
