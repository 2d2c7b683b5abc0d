//! `health`: how a running agent is, and what it watches.

use super::{
    CliError, out,
    remote::{AgentArgs, HealthAnswer},
    socket::SocketArgs,
};
use crate::{control::Request, health::Status};
use anstyle::{AnsiColor, Style};
use clap::Args;
use serde_json::Value;
use std::io::{self, Write};

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Every check, not only those that are not healthy.
    #[arg(long, short)]
    verbose: bool,
    /// What the agent said, as it said it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    agent: AgentArgs,
    #[command(flatten)]
    socket: SocketArgs,
}

pub fn health(args: &HealthArgs) -> Result<i32, CliError> {
    let answer = match args.socket.client(&args.agent)? {
        Some(mut client) => HealthAnswer::of(client.ask(&Request::Health)?),
        None => args.agent.remote()?.health()?,
    };
    if args.json {
        out::line(&answer.json)?;
    } else {
        out::print(|out| print(out, &answer, args.verbose))?;
    }
    Ok(i32::from(matches!(answer.status, None | Some(Status::Unhealthy))))
}

pub const fn style(status: Option<Status>) -> (Style, &'static str) {
    match status {
        Some(Status::Healthy) => (AnsiColor::Green.on_default(), "✓"),
        Some(Status::Degraded) => (AnsiColor::Yellow.on_default(), "⚠"),
        Some(Status::Unhealthy) => (AnsiColor::Red.on_default(), "✗"),
        None => (Style::new().dimmed(), "–"),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn print(out: &mut impl Write, answer: &HealthAnswer, verbose: bool) -> io::Result<()> {
    let (colour, mark) = style(answer.status);
    let word = text(&answer.json, "status");
    writeln!(out, "{colour}{mark} {word}{colour:#} {}", text(&answer.json, "message"))?;
    let Some(checks) = answer.json.get("checks").and_then(Value::as_object) else { return Ok(()) };
    let width = checks.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, check) in checks {
        let status = Status::parse(text(check, "status"));
        if !verbose && status == Some(Status::Healthy) {
            continue;
        }
        let (colour, mark) = style(status);
        let took = check.get("duration_seconds").and_then(Value::as_f64);
        let took = took.filter(|_| verbose).map(|took| format!("  ({:.1} ms)", took * 1000.0)).unwrap_or_default();
        let dim = Style::new().dimmed();
        writeln!(out, "  {colour}{mark}{colour:#} {name:width$}  {}{dim}{took}{dim:#}", text(check, "message"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{HealthAnswer, print};
    use crate::health::Status;
    use serde_json::json;

    #[test]
    fn the_good_ones_only_when_asked_for() {
        let json = json!({"status": "degraded", "checks": {
            "disk": {"status": "healthy", "message": "enough", "duration_seconds": 0.0004},
            "process": {"status": "degraded", "message": "no target has come yet", "duration_seconds": 0.0},
        }});
        let shown = |verbose| {
            let answer = HealthAnswer { status: Some(Status::Degraded), json: json.clone() };
            let mut out = anstream::StripStream::new(Vec::new());
            print(&mut out, &answer, verbose).expect("written");
            String::from_utf8(out.into_inner()).expect("UTF-8")
        };
        assert_eq!(shown(false), "⚠ degraded \n  ⚠ process  no target has come yet\n");
        assert!(shown(true).contains("  ✓ disk     enough  (0.4 ms)\n"), "{}", shown(true));
    }
}
