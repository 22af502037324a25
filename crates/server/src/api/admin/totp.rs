//! `/admin/totp`: the second factor of the one who is signed in.

use app::App;
use app::second_factor;
use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::model::{PasswordRequestBody, RecoveryCodesBody, TotpCodeRequestBody, TotpSecretBody};
use crate::api::body::JsonFields;
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::staff::{Anybody, Staff};

/// Begin a second factor
///
/// The current password is asked for. The factor isn't until a code of it was confirmed; beginning
/// again gives another secret.
#[utoipa::path(
    post, path = "/admin/totp", tag = "staff", operation_id = "beginTotp",
    request_body = PasswordRequestBody,
    security(("staff_session" = [])),
    responses(
        (status = 200, body = TotpSecretBody, description = "A secret for an authenticator"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: one is in use, or the server has no secret key that lasts"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: also for a wrong password"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`: also after too many wrong passwords", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn begin(
    State(app): State<App>,
    staff: Staff<Anybody>,
    JsonFields(fields): JsonFields,
) -> Result<Json<TotpSecretBody>, Problem> {
    let password = read_password(fields)?;
    let Staff {
        signed_in, acting, ..
    } = staff;
    let enrolment = second_factor::begin(&app, &signed_in, &password, &acting).await?;
    Ok(Json(TotpSecretBody {
        secret: enrolment.secret,
        otpauth_url: enrolment.otpauth_url,
    }))
}

/// Confirm a second factor
///
/// Within ten minutes of its beginning. From then on signing in asks for a code. Other sessions of the
/// account end.
#[utoipa::path(
    post, path = "/admin/totp/confirm", tag = "staff", operation_id = "confirmTotp",
    request_body = TotpCodeRequestBody,
    security(("staff_session" = [])),
    responses(
        (status = 200, body = RecoveryCodesBody, description = "It is in use; these codes replace it, each once"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: none was begun in the last ten minutes, or one is in use"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: also for a wrong code"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`: also after too many wrong codes", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn confirm(
    State(app): State<App>,
    staff: Staff<Anybody>,
    JsonFields(mut fields): JsonFields,
) -> Result<Json<RecoveryCodesBody>, Problem> {
    let code = fields.text("totp", |text| Ok(text.to_owned()));
    let errors = fields.finish();
    let Some(code) = code.filter(|_| errors.is_empty()) else {
        return Err(Problem::validation(errors));
    };
    let codes = second_factor::confirm(&app, &staff.signed_in, &code, &staff.acting).await?;
    Ok(Json(RecoveryCodesBody {
        recovery_codes: codes,
    }))
}

/// Turn off one's own second factor
///
/// The current password is asked for. Recovery codes go with it, and other sessions of the account end;
/// this one goes on. Nothing is wrong where there is none.
#[utoipa::path(
    delete, path = "/admin/totp", tag = "staff", operation_id = "turnOffTotp",
    request_body = PasswordRequestBody,
    security(("staff_session" = [])),
    responses(
        (status = 204, description = "Turned off"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: also for a wrong password"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`: also after too many wrong passwords", headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn turn_off(
    State(app): State<App>,
    staff: Staff<Anybody>,
    JsonFields(fields): JsonFields,
) -> Result<StatusCode, Problem> {
    let password = read_password(fields)?;
    second_factor::turn_off(&app, &staff.signed_in, &password, staff.acting).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_password(mut fields: Fields) -> Result<String, Problem> {
    let password = fields.text("password", |text| Ok(text.to_owned()));
    let errors = fields.finish();
    let password = password.filter(|_| errors.is_empty());
    password.ok_or_else(|| Problem::validation(errors))
}
