//! `/admin/audit-logs`: who changed what, when and from where. Nothing here changes the log.

use app::App;
use app::audit::{self, Filter};
use axum::Json;
use axum::extract::{RawQuery, State};
use domain::id::AdminUserId;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::model::{AuditEntryBody, AuditPageBody};
use crate::api::{cursor, query, shape};
use crate::http::fields::FieldReason;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{ReadAuditLog, Staff};

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;
const LIMIT_MAX: u16 = 200;
pub(crate) const ACTIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "EXPORT"];

/// The audit log, newest first
#[utoipa::path(
    get, path = "/admin/audit-logs", tag = "staff", operation_id = "listAuditLogs",
    params(
        ("table_name" = Option<String>, Query, description = "`concerts`, `reservations`, `payments`, `tickets`, `mails`, `customers`, `customer_identities`, `admin_users`, `admin_totp`, `admin_recovery_codes`, `sign_in_failures` or `staff_runs`", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("record_id" = Option<String>, Query, description = "The row's number or id", max_length = 100, pattern = r"^[^\u0000]*$"),
        ("user_id" = Option<shape::Number>, Query, description = "The number of a staff account"),
        ("action" = Option<String>, Query, description = "`CREATE`, `UPDATE`, `DELETE` or `EXPORT`", pattern = "^(CREATE|UPDATE|DELETE|EXPORT)?$"),
        ("from" = Option<shape::DayOrInstant>, Query, description = "From then on: a day, `YYYY-MM-DD`, or an instant"),
        ("to" = Option<shape::DayOrInstant>, Query, description = "Until then: a day, which belongs to it, or an instant, which doesn't"),
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = AuditPageBody, description = "A page of the log"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: admins alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    by: Staff<ReadAuditLog>,
    RawQuery(query): RawQuery,
) -> Result<Json<AuditPageBody>, Problem> {
    let zone = &app.settings().timezone;
    let (filter, behind, limit) = read_query(query.as_deref().unwrap_or_default(), zone)?;
    // One more than is shown tells whether there is a next page.
    let page = (behind, i32::from(limit) + 1);
    let mut entries = audit::list(&app, &by.acting, &filter, page).await?;
    let has_more = entries.len() > usize::from(limit);
    entries.truncate(usize::from(limit));
    let last = entries.last().filter(|_| has_more);
    Ok(Json(AuditPageBody {
        next_cursor: last.map(|entry| cursor::write_moment(entry.created_at, entry.id)),
        items: entries.into_iter().map(AuditEntryBody::new).collect(),
    }))
}

/// Where the page before ended.
pub(crate) type Behind = Option<(Timestamp, i32)>;

pub(crate) fn read_query(query: &str, zone: &TimeZone) -> Result<(Filter, Behind, u16), Problem> {
    let mut filter = Filter::default();
    let (mut behind, mut limit) = (None, LIMIT_DEFAULT);
    query::read(query, |name, value| {
        match name {
            "limit" => limit = query::limit(value, LIMIT_MAX)?,
            "cursor" => behind = Some(cursor::read_moment(value).ok_or(query::WRONG_CURSOR)?),
            _ => read_filter(&mut filter, (name, value), zone)?,
        }
        Ok(())
    })?;
    Ok((filter, behind, limit))
}

/// One of the parameters that narrow the log, for exports too.
pub(crate) fn read_filter(
    filter: &mut Filter,
    (name, value): (&str, &str),
    zone: &TimeZone,
) -> Result<(), FieldReason> {
    match name {
        "table_name" => filter.table_name = query::search_text(value)?,
        "record_id" => filter.record_id = query::search_text(value)?,
        "user_id" => {
            let user = |text: &str| text.parse::<AdminUserId>().ok();
            let user = query::choice(value, "the number of a staff account", user)?;
            filter.user_id = Some(user.get());
        }
        "action" => {
            let action = |text: &str| ACTIONS.contains(&text).then(|| text.to_owned());
            let action = query::choice(value, "CREATE, UPDATE, DELETE or EXPORT", action)?;
            filter.action = Some(action);
        }
        "from" => filter.from = Some(query::beginning(value, zone)?),
        "to" => filter.to = Some(query::end(value, zone)?),
        _ => return Err(FieldReason::Unknown),
    }
    Ok(())
}
