//! `/admin/reservations`: what staff see and do for whoever has tickets.

use app::App;
use app::cancel::cancel_by_staff;
use app::confirm::confirm as confirm_by_hand;
use app::mails;
use app::payments;
use app::reservations::{self, ListRequest, PAGE_MAX, Position};
use axum::Json;
use axum::extract::{RawQuery, State};
use domain::id::ReservationId;
use domain::reservation::Reservation;
use domain::text::EmailAddress;
use http::StatusCode;
use jiff::tz::TimeZone;

use super::model::MailBody;
use crate::api::model::{ReservationBody, ReservationPageBody};
use crate::api::{cursor, query, shape};
use crate::http::fields::FieldReason;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{
    CancelReservation, ConfirmReservation, DeleteReservation, ReadReservations, Refund,
    ResendTickets, Staff,
};

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;
const CONCERT: &str = "a concert's number";
const STATUSES: &str = "pending, confirmed, cancelled or expired";

/// Reservations, newest first
///
/// A `q` without three letters or digits in a row is in no index: each page then looks at 20,000
/// reservations, and may have few items, or none, and a `next_cursor` all the same.
#[utoipa::path(
    get, path = "/admin/reservations", tag = "staff", operation_id = "listReservations",
    params(
        ("concert_id" = Option<shape::Number>, Query, description = "The concert's number"),
        ("status" = Option<String>, Query, description = "`pending`, `confirmed`, `cancelled` or `expired`; a hold that ran out is expired", pattern = "^(pending|confirmed|cancelled|expired)?$"),
        ("email" = Option<shape::EmailFilter>, Query, description = "The customer's whole e-mail address"),
        ("q" = Option<String>, Query, description = "A part of the name or e-mail address, or the beginning of the id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "Made from then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Made until then: a day, which belongs to it, or an instant, which doesn't"),
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ReservationPageBody, description = "A page of reservations"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    by: Staff<ReadReservations>,
    RawQuery(query): RawQuery,
) -> Result<Json<ReservationPageBody>, Problem> {
    let zone = &app.settings().timezone;
    let request = read_query(query.as_deref().unwrap_or_default(), zone)?;
    let page = reservations::list(&app, request, &by.acting).await?;
    let currency = app.settings().currency;
    let items = page.items.into_iter();
    Ok(Json(ReservationPageBody {
        items: items
            .map(|reservation| ReservationBody::new(reservation, currency))
            .collect(),
        next_cursor: page
            .next
            .map(|next| cursor::write_moment(next.created_at, next.id)),
    }))
}

/// Any reservation
#[utoipa::path(
    get, path = "/admin/reservations/{id}", tag = "staff", operation_id = "getAnyReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The reservation"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(
    State(app): State<App>,
    by: Staff<ReadReservations>,
    Segment(id): Segment<ReservationId>,
) -> Result<Json<ReservationBody>, Problem> {
    let found = reservations::show_to_staff(&app, &id, &by.acting).await?;
    Ok(shown(&app, found.ok_or_else(Problem::not_found)?))
}

/// Confirm a reservation by hand
///
/// For money that came another way: the payment counts as completed, by the method `manual`. An
/// expired reservation is confirmed again if there are still tickets for it, whatever limits buyers
/// have.
#[utoipa::path(
    post, path = "/admin/reservations/{id}/confirm", tag = "staff", operation_id = "confirmReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The confirmed reservation"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: confirmed or cancelled; or expired, and its tickets are gone, with `available`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn confirm(
    State(app): State<App>,
    by: Staff<ConfirmReservation>,
    Segment(id): Segment<ReservationId>,
) -> Result<Json<ReservationBody>, Problem> {
    let confirmed = confirm_by_hand(&app, id, by.acting).await?;
    Ok(shown(&app, confirmed))
}

/// Cancel any reservation
///
/// Its tickets are on sale again when the answer leaves. What was paid is on its way back:
/// `payment_status` becomes `refunded` when it is there. What staff had by hand is owed, and `completed`,
/// until they refund it.
#[utoipa::path(
    post, path = "/admin/reservations/{id}/cancel", tag = "staff", operation_id = "cancelAnyReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The cancelled reservation"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: cancelled; `reservation_expired`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn cancel(
    State(app): State<App>,
    by: Staff<CancelReservation>,
    Segment(id): Segment<ReservationId>,
) -> Result<Json<ReservationBody>, Problem> {
    let cancelled = cancel_by_staff(&app, id, by.acting).await?;
    Ok(shown(&app, cancelled))
}

/// Give the money back
///
/// All that was paid for it; a confirmed reservation is cancelled by that. What was paid to staff by hand
/// counts as given back at once.
#[utoipa::path(
    post, path = "/admin/reservations/{id}/refund", tag = "staff", operation_id = "refundReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The reservation; `payment_status` becomes `refunded` when the money is back"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: nothing was paid, or it is on its way back already"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn refund(
    State(app): State<App>,
    by: Staff<Refund>,
    Segment(id): Segment<ReservationId>,
) -> Result<Json<ReservationBody>, Problem> {
    let refunded = payments::refund(&app, id, by.acting).await?;
    Ok(shown(&app, refunded))
}

/// Write to a reservation's buyer again
///
/// A new mail about how the reservation stands now: its tickets, that it is cancelled, that its money
/// went back, or that its payment failed.
#[utoipa::path(
    post, path = "/admin/reservations/{id}/resend", tag = "staff", operation_id = "resendMail",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = MailBody, description = "The new mail, which waits to be sent"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: a hold, or one that ran out, of which no mail tells"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn resend(
    State(app): State<App>,
    by: Staff<ResendTickets>,
    Segment(id): Segment<ReservationId>,
) -> Result<Json<MailBody>, Problem> {
    let written = mails::resend(&app, id, by.acting).await?;
    Ok(Json(MailBody::new(written)))
}

/// Delete a reservation
///
/// Softly, and only when it is cancelled or expired.
#[utoipa::path(
    delete, path = "/admin/reservations/{id}", tag = "staff", operation_id = "deleteReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: pending or confirmed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn delete(
    State(app): State<App>,
    by: Staff<DeleteReservation>,
    Segment(id): Segment<ReservationId>,
) -> Result<StatusCode, Problem> {
    reservations::delete(&app, id, by.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(app: &App, reservation: Reservation) -> Json<ReservationBody> {
    Json(ReservationBody::new(reservation, app.settings().currency))
}

/// What the parameters of a list ask for, here and on the pages.
pub(crate) fn read_query(query: &str, zone: &TimeZone) -> Result<ListRequest, Problem> {
    let mut request = ListRequest {
        limit: LIMIT_DEFAULT,
        ..ListRequest::default()
    };
    query::read(query, |name, value| {
        match name {
            "limit" => request.limit = query::limit(value, PAGE_MAX)?,
            "cursor" => request.after = Some(position(value)?),
            _ => read_filter(&mut request, (name, value), zone)?,
        }
        Ok(())
    })?;
    Ok(request)
}

/// One of the parameters that narrow a list, for exports too.
pub(crate) fn read_filter(
    request: &mut ListRequest,
    (name, value): (&str, &str),
    zone: &TimeZone,
) -> Result<(), FieldReason> {
    let filter = &mut request.filter;
    match name {
        "concert_id" => {
            let id = query::choice(value, CONCERT, |text| text.parse().ok());
            filter.concert_id = Some(id?);
        }
        "status" => {
            let status = query::choice(value, STATUSES, |text| text.parse().ok());
            filter.status = Some(status?);
        }
        "email" => {
            filter.email = Some(EmailAddress::parse(value).map_err(FieldReason::Text)?);
        }
        "q" => request.text = query::search_text(value)?,
        "from" => filter.from = Some(query::beginning(value, zone)?),
        "to" => filter.to = Some(query::end(value, zone)?),
        _ => return Err(FieldReason::Unknown),
    }
    Ok(())
}

fn position(cursor: &str) -> Result<Position, FieldReason> {
    let (created_at, id) =
        cursor::read_moment::<ReservationId>(cursor).ok_or(query::WRONG_CURSOR)?;
    Ok(Position {
        created_at,
        id: id.to_string(),
    })
}
