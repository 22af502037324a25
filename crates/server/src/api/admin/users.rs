//! `/admin/users`: staff accounts.

use app::App;
use app::staff::{self, Change, NewStaffMember};
use axum::Json;
use axum::extract::{RawQuery, State};
use domain::id::AdminUserId;
use domain::password::Password;
use domain::role::Role;
use domain::text::{EmailAddress, Username};
use http::StatusCode;

use super::model::{
    NewStaffMemberBody, StaffMemberBody, StaffMemberChangeBody, StaffMemberPageBody,
};
use crate::api::body::JsonFields;
use crate::api::{cursor, query, shape};
use crate::http::fields::{FieldReason, Fields};
use crate::http::path::Segment;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{ManageUsers, ReadUsers, Staff};

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;
const LIMIT_MAX: u16 = 200;
const ROLES: &str = "superadmin, admin or moderator";
const TOTP: &str = "false: a second factor is turned on by its owner alone, with \
                    `POST /api/v1/admin/totp`";

/// Staff accounts by number
///
/// Deleted ones aren't shown.
#[utoipa::path(
    get, path = "/admin/users", tag = "staff", operation_id = "listUsers",
    params(
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = StaffMemberPageBody, description = "A page of accounts"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list(
    State(app): State<App>,
    _: Staff<ReadUsers>,
    RawQuery(query): RawQuery,
) -> Result<Json<StaffMemberPageBody>, Problem> {
    let (mut limit, mut after) = (LIMIT_DEFAULT, 0);
    query::read(query.as_deref().unwrap_or_default(), |name, value| {
        match name {
            "limit" => limit = query::limit(value, LIMIT_MAX)?,
            "cursor" => after = cursor::read_number(value).ok_or(query::WRONG_CURSOR)?,
            _ => return Err(FieldReason::Unknown),
        }
        Ok(())
    })?;
    // One more than is shown tells whether there is a next page.
    let mut members = staff::list(&app, after, i64::from(limit) + 1).await?;
    let has_more = members.len() > usize::from(limit);
    members.truncate(usize::from(limit));
    let last = members.last().filter(|_| has_more);
    Ok(Json(StaffMemberPageBody {
        next_cursor: last.map(|member| cursor::write_number(member.id.get())),
        items: members.into_iter().map(StaffMemberBody::new).collect(),
    }))
}

/// Make a staff account
#[utoipa::path(
    post, path = "/admin/users", tag = "staff", operation_id = "createUser",
    request_body = NewStaffMemberBody,
    security(("staff_session" = [])),
    responses(
        (status = 201, body = StaffMemberBody, description = "The account"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`; a name or address that is `taken`, also by a deleted account; a password that is easy to guess"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    by: Staff<ManageUsers>,
    JsonFields(fields): JsonFields,
) -> Result<(StatusCode, Json<StaffMemberBody>), Problem> {
    let new = read_new(fields)?;
    let made = staff::create(&app, new, by.acting).await?;
    Ok((StatusCode::CREATED, Json(StaffMemberBody::new(made))))
}

/// Change a staff account
///
/// Another role, another password, a second factor that is taken away, and disabling end all of its
/// sessions. One's own password is `POST /admin/password`'s and one's own second factor
/// `DELETE /admin/totp`'s, which ask for the current password.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "staff", operation_id = "changeUser",
    params(("id" = i32, Path, description = "The account's number", minimum = 1)),
    request_body = StaffMemberChangeBody,
    security(("staff_session" = [])),
    responses(
        (status = 200, body = StaffMemberBody, description = "The account as it is now"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such account"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: the last active superadmin"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`; also `null`, which leaves nothing as it is, a password that is easy to guess, and a `password` for one's own account"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn change(
    State(app): State<App>,
    by: Staff<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
    JsonFields(fields): JsonFields,
) -> Result<Json<StaffMemberBody>, Problem> {
    let change = read_change(fields)?;
    let changed = staff::change(&app, id, change, by.acting).await?;
    Ok(Json(StaffMemberBody::new(changed)))
}

/// Disable a staff account
///
/// Nobody can sign in with it any more, and its sessions end. `PATCH` with `is_active` enables it.
#[utoipa::path(
    post, path = "/admin/users/{id}/disable", tag = "staff", operation_id = "disableUser",
    params(("id" = i32, Path, description = "The account's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 200, body = StaffMemberBody, description = "The disabled account; also when it was disabled before"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such account"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: the last active superadmin"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn disable(
    State(app): State<App>,
    by: Staff<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<Json<StaffMemberBody>, Problem> {
    let disabling = Change {
        is_active: Some(false),
        ..Change::default()
    };
    let disabled = staff::change(&app, id, disabling, by.acting).await?;
    Ok(Json(StaffMemberBody::new(disabled)))
}

/// Delete a staff account
///
/// Softly: its sessions end, and its name stays taken, for the audit log speaks of it.
#[utoipa::path(
    delete, path = "/admin/users/{id}", tag = "staff", operation_id = "deleteUser",
    params(("id" = i32, Path, description = "The account's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such account"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: the last active superadmin"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn delete(
    State(app): State<App>,
    by: Staff<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<StatusCode, Problem> {
    staff::delete(&app, id, by.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End an account's sessions
///
/// Of one's own account all but the one in which it is asked for. The account itself stays as it is, so
/// that its owner may sign in again.
#[utoipa::path(
    delete, path = "/admin/users/{id}/sessions", tag = "staff", operation_id = "endSessions",
    params(("id" = i32, Path, description = "The account's number", minimum = 1)),
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Ended; also when there were none"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "`forbidden`: superadmins alone"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such account"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn end_sessions(
    State(app): State<App>,
    by: Staff<ManageUsers>,
    Segment(id): Segment<AdminUserId>,
) -> Result<StatusCode, Problem> {
    staff::end_sessions(&app, id, by.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_new(mut fields: Fields) -> Result<NewStaffMember, Problem> {
    let username = fields.text("username", Username::parse);
    let email = fields.text("email", EmailAddress::parse);
    let role = fields.choice("role", ROLES, role);
    let password = fields.text("password", Password::parse);
    let errors = fields.finish();
    match (username, email, role, password, errors.is_empty()) {
        (Some(username), Some(email), Some(role), Some(password), true) => Ok(NewStaffMember {
            username,
            email,
            role,
            password,
        }),
        _ => Err(Problem::validation(errors)),
    }
}

fn read_change(mut fields: Fields) -> Result<Change, Problem> {
    let change = Change {
        email: fields.changed_text("email", EmailAddress::parse),
        role: fields.changed_choice("role", ROLES, role),
        is_active: fields.changed_flag("is_active"),
        password: fields.changed_text("password", Password::parse),
        forget_totp: fields.cleared_flag("totp", TOTP),
    };
    let errors = fields.finish();
    if errors.is_empty() {
        Ok(change)
    } else {
        Err(Problem::validation(errors))
    }
}

fn role(text: &str) -> Option<Role> {
    text.parse().ok()
}
