//! `/admin/tickets`: the door.

use app::App;
use app::tickets;
use axum::Json;
use axum::extract::State;
use domain::text::Line;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body::JsonFields;
use crate::api::shape;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{CheckTickets, Staff};

/// What was scanned or typed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketCheck)]
#[expect(
    dead_code,
    reason = "documents the fields that the handler reads one by one"
)]
pub struct CheckBody {
    /// The QR code's text, or the code in letters.
    #[schema(value_type = shape::Line)]
    code: String,
    /// Which concert is played here; without it every ticket is taken for its own.
    #[schema(minimum = 1, required = false)]
    concert_id: Option<i32>,
}

/// Somebody may come in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckedTicket)]
pub struct CheckedBody {
    code: String,
    /// `used`: from now on.
    #[schema(pattern = "^used$")]
    status: &'static str,
    reservation_id: String,
    concert_id: i32,
    /// Which of the reservation's tickets it is.
    number: i32,
    #[schema(format = DateTime)]
    used_at: String,
}

/// Let somebody in
///
/// The first time 200; after that, and for what is no good, 409 with the reason.
#[utoipa::path(
    post, path = "/admin/tickets/check", tag = "staff", operation_id = "checkTicket",
    request_body = CheckBody,
    security(("staff_session" = [])),
    responses(
        (status = 200, body = CheckedBody, description = "Let them in"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state` with `reason`: `used`, `cancelled`, `forged` or `other_concert`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn check(
    State(app): State<App>,
    by: Staff<CheckTickets>,
    JsonFields(mut fields): JsonFields,
) -> Result<Json<CheckedBody>, Problem> {
    let code = fields.text("code", Line::parse);
    let concert = fields.optional_concert_id("concert_id");
    let errors = fields.finish();
    let (Some(code), true) = (code, errors.is_empty()) else {
        return Err(Problem::validation(errors));
    };
    let ticket = tickets::check(&app, code.as_str(), concert, by.acting).await?;
    Ok(Json(CheckedBody {
        code: ticket.code.to_string(),
        status: ticket.status.as_str(),
        reservation_id: ticket.reservation_id.to_string(),
        concert_id: ticket.concert_id.get(),
        number: ticket.number,
        used_at: ticket.used_at.map_or_else(String::new, |at| at.to_string()),
    }))
}
