//! `/admin/concerts`: what staff see and change of concerts.

use app::App;
use app::concerts::change;
use app::concerts::{self, PAGE_MAX, Position, StaffFilter};
use app::runs::cancel_concert;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::concert::{Concert, ConcertEdit, ConcertStatus, NewConcert, parse_day};
use domain::id::ConcertId;
use domain::money::Money;
use domain::text::{Description, ImagePath, Line};
use http::header::{ETAG, LOCATION};
use http::{HeaderMap, StatusCode};
use store::Acting;

use super::model::{ConcertChangeBody, NewConcertBody};
use crate::api::body::JsonFields;
use crate::api::model::{ConcertBody, ConcertPageBody};
use crate::api::{cursor, query, shape};
use crate::http::etag;
use crate::http::fields::{FieldReason, Fields};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{
    CancelConcert, DeleteConcert, EditConcerts, OpenConcerts, ReadConcerts, Staff,
};

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;
const DAY: &str = "a day like 2027-01-31";
const PRICE: &str = "an amount like 1250.00, from 0.00 to 99999999.99";

/// All concerts in chronological order
///
/// Without a filter: of every status and day, but not deleted ones.
#[utoipa::path(
    get, path = "/admin/concerts", tag = "staff", operation_id = "listAllConcerts",
    params(
        ("status" = Option<String>, Query, description = "`open`, `closed` or `archived`", pattern = "^(open|closed|archived)?$"),
        ("q" = Option<String>, Query, description = "A part of name, artist or venue", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::Day>, Query, description = "First day, `YYYY-MM-DD`"),
        ("to" = Option<shape::Day>, Query, description = "Last day, `YYYY-MM-DD`"),
        ("venue" = Option<String>, Query, description = "The venue's whole name", pattern = r"^[^\u0000]*$"),
        ("deleted" = Option<shape::Flag>, Query, description = "`true`: deleted ones, and no others"),
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertPageBody, description = "A page of concerts"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    _: Staff<ReadConcerts>,
    RawQuery(query): RawQuery,
) -> Result<Json<ConcertPageBody>, Problem> {
    let (filter, page) = read_query(query.as_deref().unwrap_or_default())?;
    let page = concerts::list_for_staff(&app, &filter, page).await?;
    let currency = app.settings().currency;
    let items = page.items.into_iter();
    Ok(Json(ConcertPageBody {
        items: items
            .map(|concert| ConcertBody::new(concert, currency))
            .collect(),
        next_cursor: page.next.map(cursor::write),
    }))
}

/// Make a concert
///
/// It is closed until it is opened.
#[utoipa::path(
    post, path = "/admin/concerts", tag = "staff", operation_id = "createConcert",
    request_body = NewConcertBody,
    security(("staff_session" = [])),
    responses(
        (status = 201, body = ConcertBody, description = "The concert", headers(
            ("Location" = String, description = "The concert's path"),
            ("ETag" = String, description = "For `If-Match`"),
        )),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: every wrong field is named"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    by: Staff<EditConcerts>,
    JsonFields(fields): JsonFields,
) -> Result<Response, Problem> {
    let new = read_new(fields)?;
    let made = change::create(&app, new, by.acting).await?;
    let location = format!("/api/v1/admin/concerts/{}", made.id);
    let head = [(LOCATION, location)];
    Ok((StatusCode::CREATED, head, shown(&app, made)).into_response())
}

/// One concert, archived ones too
#[utoipa::path(
    get, path = "/admin/concerts/{id}", tag = "staff", operation_id = "getAnyConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(
    State(app): State<App>,
    _: Staff<ReadConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let found = concerts::show_to_staff(&app, id).await?;
    Ok(shown(&app, found.ok_or_else(Problem::not_found)?))
}

/// Edit a concert
///
/// Its `ETag` as `If-Match` says which version is edited, so that two who edit at the same time
/// don't undo each other. Fewer tickets than are sold and held are refused.
#[utoipa::path(
    patch, path = "/admin/concerts/{id}", tag = "staff", operation_id = "changeConcert",
    params(
        ("id" = i32, Path, description = "The concert's number", minimum = 1),
        ("If-Match" = String, Header, description = "The `ETag` of the version that is edited"),
    ),
    request_body = ConcertChangeBody,
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert as it is now", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: the concert is archived, or was cancelled"),
        (status = 412, body = ProblemBody, content_type = "application/problem+json", description = "`precondition_failed`: somebody else has edited it; with `current`, `current_etag` and `given_etags`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: every wrong field is named, also a capacity below what is sold and held"),
        (status = 428, body = ProblemBody, content_type = "application/problem+json", description = "`precondition_required`: `If-Match` is missing"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn change(
    State(app): State<App>,
    by: Staff<EditConcerts>,
    Segment(id): Segment<ConcertId>,
    headers: HeaderMap,
    JsonFields(fields): JsonFields,
) -> Result<Response, Problem> {
    let expected = etag::expected(&headers)?;
    let edit = read_edit(fields)?;
    let edited = change::edit(&app, id, (edit, expected), by.acting).await?;
    Ok(shown(&app, edited))
}

/// Open a concert
///
/// Its tickets are on sale until its day is over.
#[utoipa::path(
    post, path = "/admin/concerts/{id}/open", tag = "staff", operation_id = "openConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert; also when it was so before", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: archived; `sale_closed`: its day is over"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn open(
    State(app): State<App>,
    by: Staff<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    set_status(&app, id, ConcertStatus::Open, by.acting).await
}

/// Close a concert
///
/// Nothing of it is sold any more; reservations stay, and held tickets can still be paid.
#[utoipa::path(
    post, path = "/admin/concerts/{id}/close", tag = "staff", operation_id = "closeConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert; also when it was so before", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: archived"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn close(
    State(app): State<App>,
    by: Staff<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    set_status(&app, id, ConcertStatus::Closed, by.acting).await
}

/// Archive a concert
///
/// It is gone from every page, which is final; reservations stay.
#[utoipa::path(
    post, path = "/admin/concerts/{id}/archive", tag = "staff", operation_id = "archiveConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert; also when it was so before", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn archive(
    State(app): State<App>,
    by: Staff<OpenConcerts>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    set_status(&app, id, ConcertStatus::Archived, by.acting).await
}

/// Cancel a concert
///
/// It is closed for good when the answer leaves. Everybody who has tickets is cancelled, refunded and
/// written to within the next minutes; what staff had by hand is theirs to pay back. Asked for again it
/// cancels whoever was left out, or does nothing.
#[utoipa::path(
    post, path = "/admin/concerts/{id}/cancel", tag = "staff", operation_id = "cancelConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ConcertBody, description = "The concert, which is no longer open; also when it was cancelled before", headers(("ETag" = String, description = "Changes with what can be edited, not with a sale"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn cancel(
    State(app): State<App>,
    by: Staff<CancelConcert>,
    Segment(id): Segment<ConcertId>,
) -> Result<Response, Problem> {
    let who = by.signed_in.member().id;
    let (cancelled, _) = cancel_concert(&app, who, id, by.acting).await?;
    Ok(shown(&app, cancelled))
}

/// Delete a concert
///
/// Softly, and only without pending or confirmed reservations, without payments or refunds under way,
/// and never once it was cancelled.
#[utoipa::path(
    delete, path = "/admin/concerts/{id}", tag = "staff", operation_id = "deleteConcert",
    params(("id" = i32, Path, description = "The concert's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: so many reservations have tickets of it, money of it is under way, or it was cancelled"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn delete(
    State(app): State<App>,
    by: Staff<DeleteConcert>,
    Segment(id): Segment<ConcertId>,
) -> Result<StatusCode, Problem> {
    change::delete(&app, id, by.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_status(
    app: &App,
    id: ConcertId,
    status: ConcertStatus,
    by: Acting,
) -> Result<Response, Problem> {
    let changed = change::set_status(app, id, status, by).await?;
    Ok(shown(app, changed))
}

/// A concert with the tag for editing it. The tag isn't for caches: a sale doesn't change it.
pub(super) fn shown(app: &App, concert: Concert) -> Response {
    let etag = etag::of_concert(&concert);
    let body = ConcertBody::new(concert, app.settings().currency);
    ([(ETAG, etag)], Json(body)).into_response()
}

type PageWanted = (Option<Position>, u16);

fn read_query(query: &str) -> Result<(StaffFilter, PageWanted), Problem> {
    let mut filter = StaffFilter::default();
    let (mut after, mut limit) = (None, LIMIT_DEFAULT);
    query::read(query, |name, value| {
        match name {
            "limit" => limit = query::limit(value, PAGE_MAX)?,
            "cursor" => after = Some(cursor::read(value).ok_or(query::WRONG_CURSOR)?),
            _ => read_filter(&mut filter, (name, value))?,
        }
        Ok(())
    })?;
    Ok((filter, (after, limit)))
}

/// One of the parameters that narrow a list, for exports too.
pub(crate) fn read_filter(
    filter: &mut StaffFilter,
    (name, value): (&str, &str),
) -> Result<(), FieldReason> {
    match name {
        "status" => filter.status = Some(status(value)?),
        "q" => filter.text = query::search_text(value)?,
        "from" => filter.from = Some(query::day(value)?),
        "to" => filter.until = Some(query::day(value)?),
        "venue" => filter.venue = query::searchable(value)?,
        "deleted" => filter.is_deleted = flag(value)?,
        _ => return Err(FieldReason::Unknown),
    }
    Ok(())
}

fn status(value: &str) -> Result<ConcertStatus, FieldReason> {
    query::choice(value, "open, closed or archived", |text| text.parse().ok())
}

fn flag(value: &str) -> Result<bool, FieldReason> {
    query::choice(value, "true or false", |text| text.parse().ok())
}

/// A whole concert, from JSON or from a form.
pub(crate) fn read_new(mut fields: Fields) -> Result<NewConcert, Problem> {
    let name = fields.text("name", Line::parse);
    let artist = fields.text("artist", Line::parse);
    let date = fields.choice("date", DAY, parse_day);
    let venue = fields.text("venue", Line::parse);
    let total_tickets = fields.capacity("total_tickets");
    let price = fields.choice("price", PRICE, price);
    let image_url = fields.optional_text("image_url", ImagePath::parse);
    let description = fields.optional_text("description", Description::parse);
    let errors = fields.finish();
    let texts = name.zip(artist).zip(venue);
    let figures = date.zip(total_tickets).zip(price);
    match texts.zip(figures).filter(|_| errors.is_empty()) {
        Some((((name, artist), venue), ((date, total_tickets), price))) => Ok(NewConcert {
            name,
            artist,
            date,
            venue,
            total_tickets,
            price,
            status: ConcertStatus::Closed,
            image_url,
            description,
        }),
        None => Err(Problem::validation(errors)),
    }
}

fn read_edit(mut fields: Fields) -> Result<ConcertEdit, Problem> {
    let edit = ConcertEdit {
        name: fields.changed_text("name", Line::parse),
        artist: fields.changed_text("artist", Line::parse),
        date: fields.changed_choice("date", DAY, parse_day),
        venue: fields.changed_text("venue", Line::parse),
        total_tickets: fields.changed_capacity("total_tickets"),
        price: fields.changed_choice("price", PRICE, price),
        image_url: fields.replacement("image_url", ImagePath::parse),
        description: fields.replacement("description", Description::parse),
    };
    let errors = fields.finish();
    if errors.is_empty() {
        Ok(edit)
    } else {
        Err(Problem::validation(errors))
    }
}

fn price(text: &str) -> Option<Money> {
    text.parse().ok()
}
