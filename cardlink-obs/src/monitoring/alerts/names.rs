//! Recording rules: metrics of the agent under the names that the instrumented platform used, for dashboards that ask for those.

/// A metric under another name. A histogram is three series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renamed {
    /// Without the prefix.
    pub name: &'static str,
    pub of: &'static str,
    pub histogram: bool,
}

pub const NAMES: &[Renamed] = &[
    Renamed { name: "active_sessions", of: "cardlink_sessions_active", histogram: false },
    Renamed { name: "apdu_response_time_seconds", of: "cardlink_apdu_duration_seconds", histogram: true },
];

impl Renamed {
    /// The series: the new name without its prefix, and the one that it is.
    pub fn series(&self) -> Vec<(String, String)> {
        let suffixes: &[&str] = if self.histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        suffixes.iter().map(|suffix| (format!("{}{suffix}", self.name), format!("{}{suffix}", self.of))).collect()
    }
}
