//! What is answered at which path.

use super::{Access, accept};
use crate::{
    health::{Health, Report, Status},
    sink::metrics::page::Page,
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
    let text =
        format!("cardlink-obs: the metrics are at {path}, the health at /health, /health/live and /health/ready\n");
    let routes = routes_of_health().route(path, get(metrics));
    // The metrics may be there themselves.
    let routes = if path == "/" { routes } else { routes.route("/", get(|| async { text })) };
    routes.with_state(state)
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
    let format = accept::format(&headers);
    let rendered = state.page.get(format);
    let head = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept, accept-encoding")];
    if accept::gzip(&headers) && !rendered.gzip.is_empty() {
        (head, [(header::CONTENT_ENCODING, "gzip")], Body::from(Bytes::from_owner(rendered.gzip))).into_response()
    } else {
        (head, Body::from(Bytes::from_owner(rendered.plain))).into_response()
    }
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
