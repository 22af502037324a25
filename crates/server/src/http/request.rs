//! The identity of a request: an id in every answer and log line, its duration in the metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HeaderName;
use http::{HeaderValue, Method};
use tracing::Instrument as _;
use uuid::Uuid;

use super::web::Web;
use crate::telemetry;

/// The header that carries the id in answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request's span.
pub const SPAN: &str = "request";
/// All paths without a route: they share one label, so that nobody can make the metrics grow.
pub const UNKNOWN_ROUTE: &str = "(unknown)";
/// All methods that HTTP doesn't define.
pub const OTHER_METHOD: &str = "(other)";

/// A request's id. It is always ours: a client's own could be used to confuse the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// Gives the request its id, measures it, and writes its line in the log.
///
/// The line has route, method and status; never the query or a header, which hold tokens.
pub async fn identify(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = web.app.ctx().random_uuid();
    request.extensions_mut().insert(RequestId(id));
    let method = known_method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(UNKNOWN_ROUTE.to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(SPAN, request_id = %id, method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status().as_u16(), started.elapsed());
    span.in_scope(|| tracing::debug!(status, duration_us = took.as_micros(), "answered"));
    telemetry::answered(&span, status);
    metrics::histogram!(
        "stagedoor_http_request_duration_seconds",
        "route" => route, "method" => method, "status" => status.to_string()
    )
    .record(took);
    response
}

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER_METHOD,
    }
}
