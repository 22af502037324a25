//! `/admin/mails`: the mails to buyers and what became of them; those that were given up are tried
//! again from here.

use app::App;
use app::mails::{self, LIMIT_MAX};
use axum::Json;
use axum::extract::{RawQuery, State};
use domain::id::MailId;
use domain::mail::MailStatus;
use store::mails::Position;

use super::model::{MailBody, MailPageBody};
use crate::api::{cursor, query, shape};
use crate::http::fields::FieldReason;
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{ReadMails, RetryMails, Staff};

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;
const STATUSES: &str = "pending, sent, kept or dead";

/// Mails, newest first
///
/// They are kept for 90 days.
#[utoipa::path(
    get, path = "/admin/mails", tag = "staff", operation_id = "listMails",
    params(
        ("status" = Option<String>, Query, description = "`pending`, `sent`, `kept` (there is no mail server) or `dead` (given up)", pattern = "^(pending|sent|kept|dead)?$"),
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = MailPageBody, description = "A page of mails"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    by: Staff<ReadMails>,
    RawQuery(query): RawQuery,
) -> Result<Json<MailPageBody>, Problem> {
    let (status, place) = read_query(query.as_deref().unwrap_or_default())?;
    let page = mails::list(&app, status, place, &by.acting).await?;
    Ok(Json(MailPageBody {
        items: page.items.into_iter().map(MailBody::new).collect(),
        next_cursor: page
            .next
            .map(|next| cursor::write_moment(next.created_at, next.id)),
    }))
}

/// Try a mail again
///
/// One that was given up is sent anew, as often as a new one if need be.
#[utoipa::path(
    post, path = "/admin/mails/{id}/retry", tag = "staff", operation_id = "retryMail",
    params(("id" = shape::MailId, Path, description = "The mail's id")),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = MailBody, description = "The mail, which waits to be sent"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: staff alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such mail"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: it wasn't given up"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn retry(
    State(app): State<App>,
    by: Staff<RetryMails>,
    Segment(id): Segment<MailId>,
) -> Result<Json<MailBody>, Problem> {
    let tried = mails::retry(&app, id, by.acting).await?;
    Ok(Json(MailBody::new(tried)))
}

type Place = (Option<Position>, u16);

fn read_query(query: &str) -> Result<(Option<MailStatus>, Place), Problem> {
    let (mut status, mut behind, mut limit) = (None, None, LIMIT_DEFAULT);
    query::read(query, |name, value| {
        match name {
            "status" => {
                let read = query::choice(value, STATUSES, |text| text.parse().ok());
                status = Some(read?);
            }
            "limit" => limit = query::limit(value, LIMIT_MAX)?,
            "cursor" => {
                let place = cursor::read_moment::<MailId>(value);
                let (created_at, id) = place.ok_or(query::WRONG_CURSOR)?;
                behind = Some(Position { created_at, id });
            }
            _ => return Err(FieldReason::Unknown),
        }
        Ok(())
    })?;
    Ok((status, (behind, limit)))
}
