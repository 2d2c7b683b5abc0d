//! `log`: the log of a running agent.

use super::{CliError, out, socket::OnlySocketArgs};
use crate::{config::kind::Kind, control::Request};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Args)]
pub struct LogCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say the level of the log, or change it until the agent is reloaded or ends.
    Level(LevelArgs),
}

#[derive(Debug, Args)]
struct LevelArgs {
    /// The new one: `debug` for all that has none of its own, `capture=debug` for one component; several are separated by commas. Without it
    /// nothing is changed.
    #[arg(value_name = "[COMPONENT=]LEVEL", value_parser = level)]
    level: Option<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    socket: OnlySocketArgs,
}

/// What the agent would refuse is refused here.
fn level(text: &str) -> Result<String, String> {
    Kind::Levels.parse(text).map(|_| text.to_owned())
}

pub fn log(args: &LogCommand) -> Result<i32, CliError> {
    let Action::Level(args) = &args.action;
    let answer = args.socket.client()?.ask(&Request::LogLevel { set: args.level.clone() })?;
    if args.json {
        out::line(&answer)?;
        return Ok(0);
    }
    let of = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    match args.level {
        Some(_) => out::line(format_args!("{} → {}", of("old"), of("new")))?,
        None => out::line(of("level"))?,
    }
    Ok(0)
}
