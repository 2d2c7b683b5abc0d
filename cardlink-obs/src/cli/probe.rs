//! `test`: whether what the agent offers can really be had.

use super::{
    CliError,
    health::style,
    live, otlp, out,
    remote::{AgentArgs, Remote},
};
use crate::{
    health::Status,
    sink::{
        metrics::table,
        otlp::{Settings, Tried, try_out},
    },
};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write as _;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct TestArgs {
    /// The metrics page: it comes, it can be read, and it is up to date.
    #[arg(long)]
    metrics: bool,
    /// The health paths: they answer, and every check has a result.
    #[arg(long)]
    health: bool,
    /// The OTLP collector of the configuration (or of `OTEL_…`): a span and a metric are sent, and it takes them.
    #[arg(long)]
    otlp: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    agent: AgentArgs,
}

/// A page that is older than this is not kept up to date.
const OLDEST: f64 = 30.0;

struct Tested {
    what: &'static str,
    result: Result<String, String>,
}

pub fn test(args: &TestArgs) -> Result<i32, CliError> {
    let all = !args.metrics && !args.health && !args.otlp;
    let mut tested = Vec::new();
    if args.metrics || all {
        tested.push(Tested { what: "metrics", result: metrics(&args.agent.remote()?) });
    }
    if args.health || all {
        tested.push(Tested { what: "health", result: health(&args.agent.remote()?) });
    }
    let settings = otlp::settings(&args.agent.loaded()?)?;
    if args.otlp || (all && settings.is_some()) {
        tested.push(Tested { what: "otlp", result: collector(settings.as_ref()) });
    }
    if args.json {
        let object: serde_json::Map<String, Value> = tested
            .iter()
            .map(|one| {
                let (works, message) = match &one.result {
                    Ok(message) => (true, message),
                    Err(message) => (false, message),
                };
                (one.what.to_owned(), json!({"works": works, "message": message}))
            })
            .collect();
        out::line(Value::Object(object))?;
    } else {
        out::print(|out| {
            tested.iter().try_for_each(|one| {
                let (status, message) = match &one.result {
                    Ok(message) => (Status::Healthy, message),
                    Err(message) => (Status::Unhealthy, message),
                };
                let (colour, mark) = style(Some(status));
                writeln!(out, "{colour}{mark}{colour:#} {:8} {message}", one.what)
            })
        })?;
    }
    Ok(i32::from(tested.iter().any(|one| one.result.is_err())))
}

fn collector(settings: Option<&Settings>) -> Result<String, String> {
    let Some(settings) = settings else {
        return Err(String::from(
            "no collector is configured: set `tracing.otlp_endpoint` or `OTEL_EXPORTER_OTLP_ENDPOINT`",
        ));
    };
    let tried = try_out(settings, &live::host_name()).map_err(|error| error.to_string())?;
    let mut words = Vec::new();
    let mut failed = false;
    for Tried { signal, url, result } in tried {
        match result {
            Ok(took) => words.push(format!("{url} took {signal} in {:.1} ms", took.as_secs_f64() * 1000.0)),
            Err(reason) => {
                failed = true;
                words.push(format!("{url} did not take {signal}: {reason}"));
            }
        }
    }
    let words = words.join("; ");
    if failed { Err(words) } else { Ok(words) }
}

fn metrics(remote: &Remote) -> Result<String, String> {
    let page = remote.page().map_err(|error| error.to_string())?;
    let url = &remote.metrics;
    if !page.content_type.starts_with("text/plain") {
        return Err(format!("{url} is of the type `{}`: Prometheus wants text/plain", page.content_type));
    }
    let series: usize = page.families.iter().map(|family| family.samples.len()).sum();
    let rendered = page.families.iter().find(|family| family.name == table::OWN_PAGE_TIME.name);
    let rendered = rendered.and_then(|family| family.samples.first()).map(|sample| sample.value);
    let Some(rendered) = rendered else { return Err(format!("{url} is not the page of a running cardlink-obs")) };
    let age = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0 - rendered;
    if age > OLDEST {
        return Err(format!("the page at {url} is {age:.0} s old: the agent hangs, or the clocks differ"));
    }
    Ok(format!("{url}: {series} series in {:.1} ms, {:.1} s old", page.took.as_secs_f64() * 1000.0, age.max(0.0)))
}

fn health(remote: &Remote) -> Result<String, String> {
    let answer = remote.health().map_err(|error| error.to_string())?;
    let url = &remote.health;
    let checks = answer.json.get("checks").and_then(Value::as_object);
    let Some(checks) = checks else {
        let status = answer.json.get("status").and_then(Value::as_str).unwrap_or_default();
        return Err(format!("{url} tells no checks: it is {status}"));
    };
    let without: Vec<&str> = checks
        .iter()
        .filter(|(_, check)| check.get("checked_at").is_none_or(Value::is_null))
        .map(|(name, _)| name.as_str())
        .collect();
    if !without.is_empty() {
        return Err(format!("{url}: no result yet of {}", without.join(", ")));
    }
    let status = answer.status.map_or("unknown", Status::as_str);
    Ok(format!("{url}: {status}, {} checks", checks.len()))
}
