//! A comparison, for people and for programs.

use super::{Comparison, ErrorRow, Row, Times, Verdict};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Prints a comparison; with `all` also what did not change.
pub fn print(out: &mut impl Write, comparison: &Comparison, all: bool) -> io::Result<()> {
    let rows = &comparison.rows;
    let shown: Vec<&Row> = rows.iter().filter(|row| all || row.verdict <= Verdict::Gone).collect();
    let name = |row: &Row| format!("{} {}", row.key.kind.as_str(), row.key.name);
    let width = shown.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let mut last = None;
    for row in shown {
        if last != Some(row.verdict) {
            let style = style(row.verdict);
            writeln!(out, "{style}{}{style:#}", row.verdict.as_str())?;
            last = Some(row.verdict);
        }
        write!(out, "  {:width$}  ", name(row))?;
        if let (Some(ratio), Some((low, high))) = (row.ratio, row.interval) {
            write!(out, "×{ratio:<5.2} [{low:.2}, {high:.2}]  ")?;
            write!(out, "p50 {} → {}  ", time(row.a.p50), time(row.b.p50))?;
            write!(out, "p95 {} → {}  ", time(row.a.p95), time(row.b.p95))?;
            write!(out, "p99 {} → {}  ", time(row.a.p99), time(row.b.p99))?;
            writeln!(out, "n {} → {}  p {}", row.a.count, row.b.count, p_value(row.p.unwrap_or(1.0)))?;
        } else {
            let Times { count, p50, p95, p99, .. } = if row.verdict == Verdict::New { row.b } else { row.a };
            writeln!(out, "p50 {}  p95 {}  p99 {}  n {count}", time(p50), time(p95), time(p99))?;
        }
    }
    errors(out, "new errors", AnsiColor::Red.on_default(), comparison.new_errors())?;
    errors(out, "errors that are gone", AnsiColor::Green.on_default(), comparison.gone_errors())?;
    if all {
        let both = comparison.errors.iter().filter(|row| row.a > 0 && row.b > 0);
        errors(out, "errors in both", Style::new(), both)?;
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    writeln!(
        out,
        "{} compared: {} slower, {} faster, {} the same, {} unclear; {} only in one",
        rows.len(),
        count(Verdict::Slower),
        count(Verdict::Faster),
        count(Verdict::Same),
        count(Verdict::Unclear),
        count(Verdict::New) + count(Verdict::Gone),
    )
}

fn errors<'a>(
    out: &mut impl Write,
    title: &str,
    style: Style,
    rows: impl Iterator<Item = &'a ErrorRow>,
) -> io::Result<()> {
    for (index, row) in rows.enumerate() {
        if index == 0 {
            writeln!(out, "{style}{title}{style:#}")?;
        }
        writeln!(out, "  {} {}: {}  {} → {}", row.key.kind.as_str(), row.key.name, row.what, row.a, row.b)?;
    }
    Ok(())
}

const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Slower => AnsiColor::Red.on_default().bold(),
        Verdict::Faster => AnsiColor::Green.on_default().bold(),
        _ => Style::new().bold(),
    }
}

fn time(seconds: f64) -> String {
    let (value, unit) = if seconds >= 1.0 {
        (seconds, "s")
    } else if seconds >= 1e-3 {
        (seconds * 1e3, "ms")
    } else {
        (seconds * 1e6, "µs")
    };
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

fn p_value(p: f64) -> String {
    if p < 0.001 { String::from("< 0.001") } else { format!("{p:.3}") }
}

/// The whole comparison; times in seconds.
pub fn json(comparison: &Comparison) -> Value {
    let rows = comparison.rows.iter().map(|row| {
        json!({
            "kind": row.key.kind.as_str(),
            "name": row.key.name,
            "verdict": row.verdict.as_str(),
            "ratio": row.ratio,
            "interval": row.interval.map(|(low, high)| [low, high]),
            "p": row.p,
            "a": times(&row.a),
            "b": times(&row.b),
        })
    });
    let errors = comparison.errors.iter().map(|row| {
        let state = match (row.a, row.b) {
            (0, _) => "new",
            (_, 0) => "gone",
            _ => "both",
        };
        json!({
            "kind": row.key.kind.as_str(),
            "name": row.key.name,
            "error": row.what,
            "state": state,
            "a": row.a,
            "b": row.b,
        })
    });
    json!({"compared": rows.collect::<Vec<_>>(), "errors": errors.collect::<Vec<_>>()})
}

fn times(times: &Times) -> Value {
    if times.count == 0 {
        return Value::Null;
    }
    json!({"count": times.count, "mean": times.mean, "p50": times.p50, "p95": times.p95, "p99": times.p99})
}
