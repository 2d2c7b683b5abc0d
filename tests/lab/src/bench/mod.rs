//! System calls in a row, and what each of them costs: `cargo xtask bench` runs this with and without the agent.

mod calls;
mod commands;
mod pair;

use anyhow::Context;
use calls::Kind;
use clap::{Parser, ValueEnum as _};
use commands::Modem;
use std::io::{BufRead as _, Write as _};

/// Reads lines of `KIND COUNT` from standard input, makes so many calls of that kind, and answers each line with the
/// nanoseconds of CPU time that one call took, in the least disturbed stretch of them. `at TTY COUNT` sends so many AT commands to a modem, none of which was sent before, and answers with the
/// nanoseconds that each took. Ends with its input.
#[derive(Debug, Clone, Parser)]
#[command(name = "lab-bench")]
pub struct Options {}

pub fn run(_: &Options) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut modem = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (kind, count) = line.split_once(' ').context("a line is KIND COUNT")?;
        if kind == "at" {
            let (tty, count) = count.split_once(' ').context("a line is at TTY COUNT")?;
            let modem = match &mut modem {
                Some(modem) => modem,
                none => none.insert(Modem::open(tty)?),
            };
            writeln!(out, "{:.0}", modem.send(count.trim().parse().context("COUNT is a number")?)?)?;
            out.flush()?;
            continue;
        }
        let kind = Kind::from_str(kind, false).map_err(anyhow::Error::msg)?;
        let nanos = calls::measure(kind, count.trim().parse().context("COUNT is a number")?)?;
        writeln!(out, "{nanos:.2}")?;
        out.flush()?;
    }
    Ok(())
}
