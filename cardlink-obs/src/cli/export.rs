//! `export`: all metrics of a running agent.

use super::{CliError, out, remote::AgentArgs};
use crate::client::exposition::{Family, Sample};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// How they are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Prometheus)]
    format: Format,
    /// Where to; standard output when it is not said.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    agent: AgentArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The page as it is.
    Prometheus,
    /// One JSON object, by metric.
    Json,
}

pub fn export(args: &ExportArgs) -> Result<i32, CliError> {
    let page = args.agent.remote()?.page()?;
    let text = match args.format {
        Format::Prometheus => page.text,
        Format::Json => format!("{:#}\n", to_json(&page.families)),
    };
    match &args.output {
        Some(path) => write(path, &text)?,
        None => out::text(&text)?,
    }
    Ok(0)
}

/// Whole or not at all: whoever reads it meanwhile (the textfile collector of node_exporter) sees the old one.
pub fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error| CliError::File { what: path.display().to_string(), error };
    // A device or a pipe is written to as it is.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, text).map_err(failed);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(error)
    })
}

pub fn to_json(families: &[Family]) -> Value {
    let object: Map<String, Value> = families
        .iter()
        .map(|family| {
            let series = if family.kind == "histogram" { histogram(family) } else { plain(family) };
            (family.name.clone(), json!({"type": family.kind, "help": family.help, "series": series}))
        })
        .collect();
    Value::Object(object)
}

fn plain(family: &Family) -> Vec<Value> {
    family.samples.iter().map(|sample| json!({"labels": sample.labels, "value": number(sample.value)})).collect()
}

/// The series of one set of labels.
#[derive(Default)]
struct Series {
    labels: Value,
    buckets: Map<String, Value>,
    /// Sum and count.
    rest: Map<String, Value>,
}

/// One entry for each set of labels, with its buckets.
fn histogram(family: &Family) -> Vec<Value> {
    let mut series: Vec<Series> = Vec::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let le = labels.remove("le");
        let labels = json!(labels);
        if series.last().is_none_or(|last| last.labels != labels) {
            series.push(Series { labels, ..Series::default() });
        }
        let Some(last) = series.last_mut() else { continue };
        match le {
            Some(le) => last.buckets.insert(le, number(sample.value)),
            None => last.rest.insert(suffix(sample, family).to_owned(), number(sample.value)),
        };
    }
    let whole = |one: Series| {
        let mut object = Map::new();
        object.insert("labels".into(), one.labels);
        object.extend(one.rest);
        object.insert("buckets".into(), Value::Object(one.buckets));
        Value::Object(object)
    };
    series.into_iter().map(whole).collect()
}

fn suffix<'a>(sample: &'a Sample, family: &Family) -> &'a str {
    sample.name.strip_prefix(family.name.as_str()).unwrap_or_default().trim_start_matches('_')
}

/// JSON has no NaN and no infinities.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        Value::from(value as i64)
    } else if value.is_finite() {
        Value::from(value)
    } else {
        Value::from(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;
    use crate::client::exposition::parse;
    use serde_json::json;

    #[test]
    fn histograms_are_put_together() {
        let text = "# TYPE h histogram\nh_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"+Inf\"} 2\nh_sum{a=\"1\"} 1.5\n\
                    h_count{a=\"1\"} 2\nh_bucket{a=\"2\",le=\"+Inf\"} 0\nh_sum{a=\"2\"} 0\nh_count{a=\"2\"} 0\n\
                    # TYPE g gauge\ng NaN\n";
        let found = to_json(&parse(text).expect("a page"));
        assert_eq!(
            found["h"]["series"],
            json!([
                {"labels": {"a": "1"}, "sum": 1.5, "count": 2, "buckets": {"0.5": 1, "+Inf": 2}},
                {"labels": {"a": "2"}, "sum": 0, "count": 0, "buckets": {"+Inf": 0}},
            ])
        );
        assert_eq!(found["g"]["series"], json!([{"labels": {}, "value": "NaN"}]));
    }
}
