//! `/concerts`: what is on, and one concert.

use app::concerts::{self, ListRequest, Listed, PAGE_MAX};
use app::{App, concerts::Position};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::id::ConcertId;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use super::model::{ConcertBody, ConcertPageBody};
use super::{cursor, query, shape};
use crate::http::fields::FieldReason;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::seen::Seen;

const LIMIT_DEFAULT: u16 = 50;

/// Concerts in chronological order
///
/// Without a filter: open concerts from today on.
#[utoipa::path(
    get, path = "/concerts", tag = "concerts", operation_id = "listConcerts",
    params(
        ("status" = Option<String>, Query, description = "`open` (default) or `closed`", pattern = "^(open|closed)?$"),
        ("q" = Option<String>, Query, description = "A part of name, artist or venue", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::Day>, Query, description = "First day, `YYYY-MM-DD`"),
        ("to" = Option<shape::Day>, Query, description = "Last day, `YYYY-MM-DD`"),
        ("venue" = Option<String>, Query, description = "The venue's whole name", pattern = r"^[^\u0000]*$"),
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = ConcertPageBody, description = "A page of concerts"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    Seen(seen): Seen,
    RawQuery(query): RawQuery,
) -> Result<Json<ConcertPageBody>, Problem> {
    let request = read_query(query.as_deref().unwrap_or_default())?;
    let page = concerts::list(&app, request, seen).await?;
    let currency = app.settings().currency;
    let items = page
        .items
        .into_iter()
        .map(|concert| ConcertBody::new(concert, currency));
    let next_cursor = page.next.map(cursor::write);
    Ok(Json(ConcertPageBody {
        items: items.collect(),
        next_cursor,
    }))
}

/// One concert
#[utoipa::path(
    get, path = "/concerts/{id}", tag = "concerts", operation_id = "getConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    responses(
        (status = 200, body = ConcertBody, description = "The concert", headers(("ETag" = String, description = "Changes with every field"))),
        (status = 304, description = "`If-None-Match` has the current ETag"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(
    State(app): State<App>,
    Seen(seen): Seen,
    Segment(id): Segment<ConcertId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let concert = concerts::show(&app, id, seen)
        .await?
        .ok_or_else(Problem::not_found)?;
    let changed = concert.updated_at.as_microsecond();
    let etag = format!("\"{}-{changed}-{}\"", concert.id, concert.available_tickets);
    let head = [(ETAG, etag.clone()), (CACHE_CONTROL, "no-cache".to_owned())];
    let known = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    if known.is_some_and(|tags| names_tag(tags, &etag)) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let body = ConcertBody::new(concert, app.settings().currency);
    Ok((head, Json(body)).into_response())
}

/// Whether `If-None-Match` names a tag, by weak comparison (RFC 9110, 13.1.2).
fn names_tag(tags: &str, etag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn read_query(query: &str) -> Result<ListRequest, Problem> {
    let mut request = ListRequest {
        limit: LIMIT_DEFAULT,
        ..ListRequest::default()
    };
    query::read(query, |name, value| {
        read_parameter(&mut request, name, value)
    })?;
    Ok(request)
}

fn read_parameter(request: &mut ListRequest, name: &str, value: &str) -> Result<(), FieldReason> {
    match name {
        "status" => request.status = Some(status(value)?),
        "q" => request.text = query::search_text(value)?,
        "from" => request.from = Some(query::day(value)?),
        "to" => request.until = Some(query::day(value)?),
        "venue" => request.venue = query::searchable(value)?,
        "limit" => request.limit = query::limit(value, PAGE_MAX)?,
        "cursor" => {
            let position: Option<Position> = cursor::read(value);
            request.after = Some(position.ok_or(query::WRONG_CURSOR)?);
        }
        _ => return Err(FieldReason::Unknown),
    }
    Ok(())
}

fn status(value: &str) -> Result<Listed, FieldReason> {
    match value {
        "open" => Ok(Listed::Open),
        "closed" => Ok(Listed::Closed),
        _ => Err(FieldReason::Invalid {
            wanted: "open or closed",
        }),
    }
}
