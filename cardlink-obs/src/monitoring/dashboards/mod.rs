//! The dashboards for Grafana (9 and later), as tables. `json.rs` writes them; `dashboards/` in the repository holds the result.
//!
//! In expressions `@T` stands for the chosen agents and targets, `@A` for the chosen agents.

mod apdu;
mod devices;
mod handshakes;
mod json;
mod ota;
mod own;
mod test_runs;

/// All of them, in the order of the documentation.
pub const ALL: &[Dashboard] =
    &[ota::DASHBOARD, apdu::DASHBOARD, devices::DASHBOARD, test_runs::DASHBOARD, handshakes::DASHBOARD, own::DASHBOARD];

/// A dashboard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dashboard {
    /// Its file, without `.json`; with the project's name before it, its identity in Grafana.
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
    /// Whether a target can be chosen.
    pub by_target: bool,
    pub panels: &'static [Panel],
}

/// A panel, or the heading of a row of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Panel {
    pub title: &'static str,
    /// What it shows, and what to make of it.
    pub about: &'static str,
    pub shape: Shape,
    pub unit: Unit,
    /// Of 24 columns.
    pub width: u8,
    /// From these values on, these colours.
    pub steps: &'static [(f64, Colour)],
    pub queries: &'static [Query],
}

/// How a panel shows its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A heading.
    Row,
    /// One number, now.
    Stat,
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other.
    Stacked,
    /// A bar for each series.
    Bars,
    /// A row for each series, by its labels.
    Table,
    /// The buckets of a histogram over time.
    Heat,
}

/// Units, as Grafana calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    None,
    Seconds,
    Bytes,
    BytesPerSecond,
    PerSecond,
    /// A share of 1.
    Share,
    /// Seconds of a CPU in a second.
    Cores,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Green,
    Yellow,
    Red,
}

/// A query in PromQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub expr: &'static str,
    /// What its series are called: labels in `{{…}}`.
    pub legend: &'static str,
}

impl Dashboard {
    /// Its file under `dashboards/`.
    pub fn file(&self) -> String {
        format!("{}.json", self.name)
    }

    /// As Grafana imports it.
    pub fn render(&self) -> String {
        format!("{:#}\n", json::dashboard(self))
    }

    /// All panels but the headings.
    pub fn shown(&self) -> impl Iterator<Item = &Panel> {
        self.panels.iter().filter(|panel| panel.shape != Shape::Row)
    }
}

impl Unit {
    /// Grafana's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "short",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::PerSecond => "ops",
            Self::Share => "percentunit",
            Self::Cores => "cores",
        }
    }
}

impl Colour {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

impl Query {
    /// What Prometheus is asked, with the variables of the dashboard in it.
    pub fn promql(&self) -> String {
        self.expr.replace("@T", "instance=~\"$instance\",target=~\"$target\"").replace("@A", "instance=~\"$instance\"")
    }
}

const fn row(title: &'static str) -> Panel {
    Panel { title, about: "", shape: Shape::Row, unit: Unit::None, width: 24, steps: &[], queries: &[] }
}

const fn panel(shape: Shape, title: &'static str, unit: Unit, width: u8, queries: &'static [Query]) -> Panel {
    Panel { title, about: "", shape, unit, width, steps: &[], queries }
}

const fn q(expr: &'static str, legend: &'static str) -> Query {
    Query { expr, legend }
}

impl Panel {
    const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    const fn steps(mut self, steps: &'static [(f64, Colour)]) -> Self {
        self.steps = steps;
        self
    }
}

/// The quantile of a histogram over the rate interval, by these labels.
macro_rules! quantile {
    ($share:literal, $metric:literal, $by:literal) => {
        concat!(
            "histogram_quantile(",
            $share,
            ", sum by (le",
            $by,
            ") (rate(",
            $metric,
            "_bucket{@T}[$__rate_interval])))"
        )
    };
}
use quantile;
