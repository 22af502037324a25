//! A confirmed reservation's tickets: as data with QR codes, to print, and for a calendar.

use app::App;
use app::tickets::{self, Issued};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use serde::Serialize;
use utoipa::ToSchema;

use super::reservations::Reader;
use super::shape;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::web::Web;
use crate::i18n::Lang;
use crate::takeaway;

/// A ticket: whoever shows it comes in, once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketBody {
    /// For typing at the door.
    #[schema(example = "7Q2M-K8XD-0V5T")]
    code: String,
    /// What the QR code says: signed, so that scanners know it is ours.
    payload: String,
    /// The QR code as a whole SVG document, black on white.
    qr_svg: String,
    #[schema(pattern = "^(valid|used|cancelled)$")]
    status: &'static str,
}

/// All tickets of a reservation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TicketList)]
pub struct TicketListBody {
    items: Vec<TicketBody>,
}

impl TicketBody {
    pub fn new(issue: &tickets::Issue) -> Result<Self, Problem> {
        let code = issue.ticket.code.to_string();
        Ok(Self {
            qr_svg: takeaway::qr_code(&issue.payload, &code)?,
            payload: issue.payload.clone(),
            status: issue.ticket.status.as_str(),
            code,
        })
    }
}

/// The tickets of a confirmed reservation
#[utoipa::path(
    get, path = "/reservations/{id}/tickets", tag = "reservations", operation_id = "listTickets",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("staff_session" = [])),
    responses(
        (status = 200, body = TicketListBody, description = "The tickets"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: not confirmed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(State(app): State<App>, reader: Reader) -> Result<Json<TicketListBody>, Problem> {
    let issued = issue(&app, reader).await?;
    let items = issued.tickets.iter().map(TicketBody::new);
    Ok(Json(TicketListBody {
        items: items.collect::<Result<_, _>>()?,
    }))
}

/// The tickets to print, one page each
#[utoipa::path(
    get, path = "/reservations/{id}/tickets.pdf", tag = "reservations", operation_id = "printTickets",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("staff_session" = [])),
    responses(
        (status = 200, content_type = "application/pdf", description = "In the language that `Accept-Language` prefers"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: not confirmed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn pdf(
    State(app): State<App>,
    headers: HeaderMap,
    reader: Reader,
) -> Result<Response, Problem> {
    let issued = issue(&app, reader).await?;
    let name = takeaway::pdf_name(&issued.reservation.id);
    let bytes = takeaway::pdf(&app, issued, lang(&headers)).await?;
    Ok(takeaway::file(takeaway::PDF, &name, bytes))
}

/// The concert's day for a calendar
#[utoipa::path(
    get, path = "/reservations/{id}/calendar.ics", tag = "reservations", operation_id = "getCalendar",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("staff_session" = [])),
    responses(
        (status = 200, content_type = "text/calendar", description = "iCalendar (RFC 5545)"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: not confirmed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn calendar(
    State(web): State<Web>,
    headers: HeaderMap,
    reader: Reader,
) -> Result<Response, Problem> {
    let issued = issue(&web.app, reader).await?;
    let name = takeaway::calendar_name(&issued.reservation.id);
    let base_url = &web.site.base_url;
    let text = takeaway::calendar(&web.app, &issued, lang(&headers), base_url).await?;
    Ok(takeaway::file(takeaway::CALENDAR, &name, text.into_bytes()))
}

async fn issue(app: &App, reader: Reader) -> Result<Issued, Problem> {
    Ok(match reader {
        Reader::Holder(holder) => tickets::issue(app, &holder).await?,
        Reader::Staff(id, acting) => tickets::issue_as(app, id, acting).await?,
    })
}

fn lang(headers: &HeaderMap) -> Lang {
    let accepted = headers.get(ACCEPT_LANGUAGE);
    Lang::negotiate(None, accepted.and_then(|value| value.to_str().ok()))
}
