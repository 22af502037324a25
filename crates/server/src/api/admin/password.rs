//! `/admin/password`: the password of the one who is signed in.

use app::App;
use app::own_password;
use axum::extract::State;
use domain::password::Password;
use http::StatusCode;

use super::model::OwnPasswordChangeBody;
use crate::api::body::JsonFields;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{Anybody, Staff};

/// Change one's own password
///
/// The current one is asked for. Other sessions of the account end; this one goes on.
#[utoipa::path(
    post, path = "/admin/password", tag = "staff", operation_id = "changeOwnPassword",
    request_body = OwnPasswordChangeBody,
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Changed"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: also when the current password is wrong, and the new one the same or easy to guess"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`: also after too many wrong passwords", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn change(
    State(app): State<App>,
    staff: Staff<Anybody>,
    JsonFields(mut fields): JsonFields,
) -> Result<StatusCode, Problem> {
    let current = fields.text("current_password", |text| Ok(text.to_owned()));
    let new = fields.text("new_password", Password::parse);
    let errors = fields.finish();
    let (Some(current), Some(new), true) = (current, new, errors.is_empty()) else {
        return Err(Problem::validation(errors));
    };
    own_password::change(&app, &staff.signed_in, (current, new), staff.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}
