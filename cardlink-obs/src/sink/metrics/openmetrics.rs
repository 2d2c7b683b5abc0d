//! The page in the OpenMetrics text format, version 1.0.0: what `prometheus` gathers, written by the rules of that format.
//!
//! What differs from the classic format: a counter's family is named without `_total`, a gauge that ends in `_info` is an
//! info, units are told, bounds of buckets are written as floats (`le="1.0"`), quotes are escaped in help texts, and the page
//! ends with `# EOF`.

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use std::fmt::Write as _;

/// What the page is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Units that end a family's name and are told as its unit.
const UNITS: &[&str] = &["seconds", "bytes", "ratio"];

/// What a family is called, without the ending of its kind, and its kind.
fn head(family: &MetricFamily) -> (&str, &'static str) {
    let name = family.name();
    match family.get_field_type() {
        MetricType::COUNTER => (name.strip_suffix("_total").unwrap_or(name), "counter"),
        MetricType::GAUGE => name.strip_suffix("_info").map_or((name, "gauge"), |name| (name, "info")),
        MetricType::HISTOGRAM => (name, "histogram"),
        MetricType::SUMMARY => (name, "summary"),
        MetricType::UNTYPED => (name, "unknown"),
    }
}

/// The whole page.
pub fn encode(families: &[MetricFamily]) -> String {
    let mut page = String::new();
    for family in families {
        let (name, kind) = head(family);
        line(&mut page, format_args!("# TYPE {name} {kind}"));
        // An info has none; a unit must be the end of the name, after an underscore.
        let unit = UNITS.iter().find(|unit| {
            kind != "info" && name.strip_suffix(**unit).is_some_and(|rest| rest.len() > 1 && rest.ends_with('_'))
        });
        if let Some(unit) = unit {
            line(&mut page, format_args!("# UNIT {name} {unit}"));
        }
        line(&mut page, format_args!("# HELP {name} {}", escaped(family.help())));
        for metric in family.get_metric() {
            series(&mut page, name, kind, metric);
        }
    }
    page.push_str("# EOF\n");
    page
}

fn series(page: &mut String, name: &str, kind: &str, metric: &Metric) {
    let labels = metric.get_label();
    match kind {
        "counter" => sample(page, name, "_total", labels, None, metric.get_counter().get_value()),
        "gauge" => sample(page, name, "", labels, None, metric.get_gauge().get_value()),
        "info" => sample(page, name, "_info", labels, None, metric.get_gauge().get_value()),
        "histogram" => {
            let histogram = metric.get_histogram();
            let count = histogram.get_sample_count();
            let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
            for bucket in finite {
                let bound = ("le", number(bucket.upper_bound()));
                whole(page, name, "_bucket", labels, Some(&bound), bucket.cumulative_count());
            }
            whole(page, name, "_bucket", labels, Some(&("le", String::from("+Inf"))), count);
            whole(page, name, "_count", labels, None, count);
            sample(page, name, "_sum", labels, None, histogram.get_sample_sum());
        }
        "summary" => {
            let summary = metric.get_summary();
            for quantile in summary.get_quantile() {
                let at = ("quantile", number(quantile.quantile()));
                sample(page, name, "", labels, Some(&at), quantile.value());
            }
            whole(page, name, "_count", labels, None, summary.sample_count());
            sample(page, name, "_sum", labels, None, summary.sample_sum());
        }
        _ => {}
    }
}

fn sample(
    page: &mut String,
    name: &str,
    ending: &str,
    labels: &[LabelPair],
    more: Option<&(&str, String)>,
    value: f64,
) {
    written(page, name, ending, labels, more, &number(value));
}

fn whole(page: &mut String, name: &str, ending: &str, labels: &[LabelPair], more: Option<&(&str, String)>, value: u64) {
    written(page, name, ending, labels, more, &value.to_string());
}

fn written(
    page: &mut String,
    name: &str,
    ending: &str,
    labels: &[LabelPair],
    more: Option<&(&str, String)>,
    value: &str,
) {
    page.push_str(name);
    page.push_str(ending);
    let own = labels.iter().map(|pair| (pair.name(), escaped(pair.value())));
    let more = more.map(|(name, value)| (*name, value.clone()));
    let mut open = false;
    for (label, value) in own.chain(more) {
        page.push(if open { ',' } else { '{' });
        open = true;
        let _ = write!(page, "{label}=\"{value}\"");
    }
    if open {
        page.push('}');
    }
    page.push(' ');
    page.push_str(value);
    page.push('\n');
}

/// A number that is always seen to be a float.
fn number(value: f64) -> String {
    if value.is_nan() {
        String::from("NaN")
    } else if value.is_infinite() {
        String::from(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        // Rust writes `1.0`, `0.0025`, `1e21`: shortest, and read back as the same number.
        format!("{value:?}")
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn line(page: &mut String, text: std::fmt::Arguments) {
    let _ = page.write_fmt(text);
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{encode, number};
    use prometheus::{CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, Opts, Registry};

    #[test]
    fn the_format() {
        let registry = Registry::new();
        let counter = CounterVec::new(Opts::new("sent_bytes_total", "A \"quoted\"\nhelp \\ text."), &["who"]);
        let counter = counter.expect("a counter");
        counter.with_label_values(&["a\\b\"c\nd"]).inc_by(3.0);
        let info = GaugeVec::new(Opts::new("build_info", "What runs."), &["version"]).expect("a gauge");
        info.with_label_values(&["1.2"]).set(1.0);
        let gauge = Gauge::new("seconds", "A name that is nothing but a unit.").expect("a gauge");
        gauge.set(f64::NEG_INFINITY);
        let options = HistogramOpts::new("took_seconds", "How long.").buckets(vec![0.25, 1.0]);
        let histogram = Histogram::with_opts(options).expect("a histogram");
        histogram.observe(0.25);
        histogram.observe(7.0);
        registry.register(Box::new(counter)).expect("registered");
        registry.register(Box::new(info)).expect("registered");
        registry.register(Box::new(gauge)).expect("registered");
        registry.register(Box::new(histogram)).expect("registered");
        let wanted = r#"# TYPE build info
# HELP build What runs.
build_info{version="1.2"} 1.0
# TYPE seconds gauge
# HELP seconds A name that is nothing but a unit.
seconds -Inf
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
# HELP sent_bytes A \"quoted\"\nhelp \\ text.
sent_bytes_total{who="a\\b\"c\nd"} 3.0
# TYPE took_seconds histogram
# UNIT took_seconds seconds
# HELP took_seconds How long.
took_seconds_bucket{le="0.25"} 1
took_seconds_bucket{le="1.0"} 1
took_seconds_bucket{le="+Inf"} 2
took_seconds_count 2
took_seconds_sum 7.25
# EOF
"#;
        assert_eq!(encode(&registry.gather()), wanted);
    }

    #[test]
    fn numbers() {
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::INFINITY), "+Inf");
        assert_eq!(number(3600.0), "3600.0");
        assert_eq!(number(0.0025), "0.0025");
        assert_eq!(number(0.000_1), "0.0001");
    }
}
