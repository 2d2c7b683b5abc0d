//! What is answered at which path.

use super::Access;
use crate::{
    health::{Health, Report, Status},
    sink::metrics::page::{CONTENT_TYPE, Page},
};
use axum::{
    Router,
    body::{Body, Bytes},
    extract,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct State {
    pub page: Arc<Page>,
    pub health: Health,
    pub access: Access,
    /// Nobody is asked for a password here.
    pub open: bool,
}

type Shared = extract::State<State>;

pub(super) fn all(path: &str, state: State) -> Router {
    routes_of_health().route(path, get(metrics)).with_state(state)
}

pub(super) fn health(state: State) -> Router {
    routes_of_health().with_state(state)
}

fn routes_of_health() -> Router<State> {
    Router::new().route("/health", get(overall)).route("/health/live", get(live)).route("/health/ready", get(ready))
}

async fn metrics(extract::State(state): Shared, headers: HeaderMap) -> Response {
    if !state.access.permits(&headers) {
        return who_are_you();
    }
    if !state.access.metrics_enabled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "metrics are switched off: see metrics.enabled\n").into_response();
    }
    let rendered = state.page.current();
    if accepts_gzip(&headers) && !rendered.gzip.is_empty() {
        let head = [
            (header::CONTENT_TYPE, CONTENT_TYPE),
            (header::CONTENT_ENCODING, "gzip"),
            (header::VARY, "accept-encoding"),
        ];
        (head, Body::from(Bytes::from_owner(rendered.gzip))).into_response()
    } else {
        let head = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::VARY, "accept-encoding")];
        (head, Body::from(Bytes::from_owner(rendered.plain))).into_response()
    }
}

/// `gzip` or `*`, unless its weight is 0 (RFC 9110 §12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let wanted = |coding: &str| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0_f32));
        matches!(name.trim(), "gzip" | "*") && !refused
    };
    let values = headers.get_all(header::ACCEPT_ENCODING);
    values.iter().filter_map(|value| value.to_str().ok()).any(|value| value.split(',').any(wanted))
}

async fn overall(extract::State(state): Shared, headers: HeaderMap) -> Response {
    if !state.open && !state.access.permits(&headers) {
        return who_are_you();
    }
    if !state.access.health_enabled() {
        return switched_off();
    }
    let report = state.health.report();
    told(&report, report.status(), true)
}

/// The agent's loop comes round. Supervisors ask for this without a password.
async fn live(extract::State(state): Shared) -> Response {
    let report = state.health.report();
    let status = if report.alive { Status::Healthy } else { Status::Unhealthy };
    told(&report, status, false)
}

/// The agent does its work: its own checks are not unhealthy, and every check has a result. The checks are told to whoever
/// may see them.
async fn ready(extract::State(state): Shared, headers: HeaderMap) -> Response {
    if !state.access.health_enabled() {
        return switched_off();
    }
    let report = state.health.report();
    let status = if report.ready() { report.status().min(Status::Degraded) } else { Status::Unhealthy };
    told(&report, status, state.open || state.access.permits(&headers))
}

fn told(report: &Report, status: Status, details: bool) -> Response {
    let code = if status == Status::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let head = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (code, head, format!("{}\n", report.json(status, details))).into_response()
}

fn switched_off() -> Response {
    let head = [(header::CONTENT_TYPE, "application/json")];
    let text = "{\"status\":\"disabled\",\"message\":\"checks are switched off: see health.enabled\"}\n";
    (StatusCode::SERVICE_UNAVAILABLE, head, text).into_response()
}

fn who_are_you() -> Response {
    let head = [(header::WWW_AUTHENTICATE, "Basic realm=\"cardlink-obs\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, head, "a user name and a password are wanted\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::accepts_gzip;
    use axum::http::{HeaderMap, header};

    #[test]
    fn who_takes_gzip() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().expect("a value"));
            accepts_gzip(&headers)
        };
        assert!(of("gzip") && of("br, gzip;q=0.5") && of("*"));
        assert!(!of("br") && !of("gzip;q=0") && !of("x-gzip-not, identity"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
