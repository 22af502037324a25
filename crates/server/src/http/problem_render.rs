//! Shows a problem: as `application/problem+json` under `/api`, as a page elsewhere.
//!
//! Errors of the framework's own (unknown route, wrong method, panics) pass here too, so that all
//! have the same shape.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use super::etag;
use super::fields::FieldReason;
use super::page::{ErrorPage, Layout};
use super::problem::{Code, Problem};
use super::request::RequestId;
use super::web::Web;
use crate::api::model::ConcertBody;
use crate::shop::visitor::Visitor;
use crate::{setup, staff};

/// An error, as of RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Always `about:blank`; `code` tells problems apart.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The same for every problem of a code.
    title: &'static str,
    status: u16,
    /// What happened this time, and what to do.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// Stable; programs decide by it.
    code: &'static str,
    /// Finds the line in the server's log.
    request_id: String,
    /// With `validation_failed`: every field that is wrong; of very many the first 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    errors: Vec<FieldErrorBody>,
    /// With `not_enough_tickets`: how many are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<i32>,
    /// With `purchase_limit`: how many are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<i32>,
    /// With `invalid_state` of a ticket: `used`, `cancelled`, `forged` or `other_concert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, pattern = "^(used|cancelled|forged|other_concert)$")]
    reason: Option<&'static str>,
    /// With `precondition_failed`: the concert as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ConcertBody, required = false)]
    current: Option<ConcertBody>,
    /// With `precondition_failed`: the `ETag` that `If-Match` needs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_etag: Option<String>,
    /// With `precondition_failed`: the `ETag`s that `If-Match` had.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_etags: Option<Vec<String>>,
}

/// One wrong field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FieldErrorBody {
    /// Where in the request it is (RFC 6901).
    pointer: String,
    code: &'static str,
    detail: String,
    /// Of a capacity below what is taken: how many tickets are sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    sold: Option<i64>,
    /// And how many are held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    held: Option<i64>,
}

/// Renders the problem of an answer, if it is one.
pub async fn render(State(web): State<Web>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let id = request
        .extensions()
        .get::<RequestId>()
        .map(|id| id.0.to_string());
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // An answer that explains itself, such as a form with its errors.
        None if explains_itself(response.headers()) => return response,
        None => Problem::of_status(status),
    };
    let id = id.unwrap_or_default();
    let mut shown = if uri.path().starts_with("/api/") {
        as_json(&problem, &uri, id)
    } else {
        as_page(&web, &problem, &id, (&uri, &headers)).await
    };
    for header in [ALLOW, http::header::SET_COOKIE] {
        if let Some(value) = response.headers_mut().remove(&header) {
            shown.headers_mut().insert(header, value);
        }
    }
    shown
}

fn explains_itself(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|media_type| {
            media_type.starts_with("text/html") || media_type.starts_with("application/json")
        })
}

fn as_json(problem: &Problem, uri: &Uri, request_id: String) -> Response {
    let current = problem.current.as_deref();
    let body = ProblemBody {
        kind: "about:blank",
        title: problem.code.title(),
        status: problem.code.status().as_u16(),
        detail: problem.detail.clone(),
        instance: uri.path().to_owned(),
        code: problem.code.as_str(),
        request_id,
        errors: problem.errors.iter().map(FieldErrorBody::of).collect(),
        available: problem.available,
        limit: problem.limit,
        reason: problem.reason,
        current: current.map(|is| ConcertBody::new(is.concert.clone(), is.currency)),
        current_etag: current.map(|is| etag::of_concert(&is.concert)),
        given_etags: current.map(|is| etag::of_versions(&is.expected)),
    };
    let mut response = (problem.code.status(), Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    finish(headers, problem);
    response
}

impl FieldErrorBody {
    fn of(error: &super::fields::FieldError) -> Self {
        let token = error.field.replace('~', "~0").replace('/', "~1");
        // The empty pointer is the whole document.
        let counts = match error.reason {
            FieldReason::BelowTaken { sold, held } => Some((sold, held)),
            _ => None,
        };
        let slash = if token.is_empty() { "" } else { "/" };
        Self {
            pointer: format!("{slash}{token}"),
            code: error.reason.code(),
            detail: error.reason.detail(),
            sold: counts.map(|(sold, _)| sold),
            held: counts.map(|(_, held)| held),
        }
    }
}

async fn as_page(
    web: &Web,
    problem: &Problem,
    request_id: &str,
    (uri, headers): (&Uri, &HeaderMap),
) -> Response {
    let status = problem.code.status();
    let frame = if staff::has_page(uri.path()) && uri.path() != setup::PATH {
        Some(staff::frame_of_error(status, (uri, headers), web).await)
    } else {
        None
    };
    let mut page = if let Some(frame) = &frame {
        staff::error_page(status, uri.path(), frame)
    } else {
        let visitor = Visitor::of(uri.path(), headers);
        let mut layout = Layout::new(&web.site, visitor.lang, visitor.theme, "/");
        if uri.path() == setup::PATH {
            layout = layout.at_secret_address();
        }
        ErrorPage::new(layout, status)
    };
    if let Some(wait) = problem.retry_after {
        page = page.retry_after(wait.as_secs());
    }
    if status.is_server_error() {
        page = page.with_request_id(request_id);
    }
    let mut response = match frame {
        Some(frame) => staff::show_error(frame, page),
        None => page.into_response(),
    };
    finish(response.headers_mut(), problem);
    response
}

fn finish(headers: &mut HeaderMap, problem: &Problem) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if problem.code == Code::Unauthenticated {
        // RFC 9110, section 15.5.2: a 401 says how one would be let in.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
}
