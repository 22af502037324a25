//! `/admin/sessions`: staff sign in and out.

use app::App;
use app::sessions::sign_out;
use app::sign_in::{self, Attempt};
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::model::{SessionBody, SignInRequestBody, StaffMemberBody};
use crate::api::body::JsonFields;
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{Anybody, SigningIn, Staff};

/// Sign in
///
/// Every failure but a missing code has the same answer. After some of them a name or an address
/// has to wait, longer each time.
#[utoipa::path(
    post, path = "/admin/sessions", tag = "staff", operation_id = "signIn",
    request_body = SignInRequestBody,
    responses(
        (status = 201, body = SessionBody, description = "Signed in"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`: something is wrong; with `errors` at `/totp`: only the code is missing"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`: too many failures", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    SigningIn(acting): SigningIn,
    JsonFields(fields): JsonFields,
) -> Result<(StatusCode, Json<SessionBody>), Problem> {
    let attempt = read_attempt(fields)?;
    let begun = sign_in::sign_in(&app, attempt, acting).await?;
    let body = SessionBody {
        token: begun.token,
        expires_at: begun.expires_at.to_string(),
        admin: StaffMemberBody::new(begun.member),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Sign out
///
/// Ends this session; others of the account go on.
#[utoipa::path(
    delete, path = "/admin/sessions/current", tag = "staff", operation_id = "signOut",
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after `Retry-After` seconds", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn delete(State(app): State<App>, staff: Staff<Anybody>) -> Result<StatusCode, Problem> {
    sign_out(&app, &staff.signed_in).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing about name and password is judged here: what can't be right is simply wrong.
fn read_attempt(mut fields: Fields) -> Result<Attempt, Problem> {
    let username = fields.text("username", |text| Ok(text.to_owned()));
    let password = fields.text("password", |text| Ok(text.to_owned()));
    let totp = fields.optional_text("totp", |text| Ok(text.to_owned()));
    let errors = fields.finish();
    match (username, password, errors.is_empty()) {
        (Some(username), Some(password), true) => Ok(Attempt {
            username,
            password,
            totp,
        }),
        _ => Err(Problem::validation(errors)),
    }
}
