//! One's own account: the password, and the second factor.

use app::App;
use app::own_password::{self, OwnPasswordError, PasswordError};
use app::second_factor::{self, EnrolError, Enrolment};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::password::Password;
use http::StatusCode;

use super::form::{Field, summary};
use super::frame::{Frame, done};
use super::member::Member;
use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::page::show;
use crate::http::pairs::{Pairs, value};
use crate::http::problem::Problem;
use crate::http::staff::Anybody;
use crate::http::web::Web;

const PATH: &str = "/staff/account";

pub fn routes() -> Router<Web> {
    Router::new()
        .route(PATH, get(show_account))
        .route("/staff/account/password", post(change_password))
        .route("/staff/account/totp", post(begin))
        .route("/staff/account/totp/confirm", post(confirm))
        .route("/staff/account/totp/off", post(turn_off))
}

/// `GET /staff/account`
async fn show_account(member: Member<Anybody>) -> Response {
    show(StatusCode::OK, &AccountPage::new(member, &Wrong::default()))
}

/// `POST /staff/account/password`
async fn change_password(
    State(app): State<App>,
    member: Member<Anybody>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let mut fields = Fields::from_form(pairs);
    let current = fields.text("current_password", |text| Ok(text.to_owned()));
    let new = fields.text("new_password", Password::parse);
    let errors = fields.finish();
    let (Some(current), Some(new), true) = (current, new, errors.is_empty()) else {
        return Ok(again(member, &Wrong::in_password(errors)));
    };
    let by = member.acting.clone();
    let error = match own_password::change(&app, &member.signed_in, (current, new), by).await {
        Ok(()) => return Ok(done(PATH, "password-changed")),
        Err(error) => error,
    };
    let (field, reason) = match error {
        OwnPasswordError::Password(PasswordError::Wrong) => ("current_password", None),
        OwnPasswordError::Same => {
            let wanted = "another one than the current one";
            ("new_password", Some(FieldReason::Invalid { wanted }))
        }
        OwnPasswordError::Guessable(_) => ("new_password", Some(FieldReason::Guessable)),
        error => return Err(error.into()),
    };
    let wrong = match reason {
        Some(reason) => Wrong::in_password(vec![FieldError {
            field: field.to_owned(),
            reason,
        }]),
        None => Wrong {
            current_password: true,
            ..Wrong::default()
        },
    };
    Ok(again(member, &wrong))
}

/// `POST /staff/account/totp`: the secret, once, to be confirmed by a code of it.
async fn begin(
    State(app): State<App>,
    member: Member<Anybody>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let password = value(&pairs, "password");
    match second_factor::begin(&app, &member.signed_in, password, &member.acting).await {
        Ok(enrolment) => show_secret(member.frame, &enrolment),
        Err(EnrolError::Password(PasswordError::Wrong)) => {
            Ok(again(member, &Wrong::of_factor("account-wrong-password")))
        }
        Err(EnrolError::NoLastingKey) => Ok(again(member, &Wrong::of_factor("account-no-key"))),
        Err(EnrolError::AlreadyOn) => Ok(done(PATH, "factor-on-already")),
        Err(error) => Err(error.into()),
    }
}

fn show_secret(frame: Frame, enrolment: &Enrolment) -> Result<Response, Problem> {
    let title = frame.t("account-factor-begin");
    let drawn = documents::qr_svg(&enrolment.otpauth_url, &frame.t("account-factor-qr"));
    let page = SecretPage {
        qr: drawn.map_err(|error| {
            tracing::error!(%error, "a secret couldn't be drawn");
            Problem::internal()
        })?,
        secret: enrolment.secret.clone(),
        frame: frame.titled(&title),
    };
    Ok(show(StatusCode::OK, &page))
}

/// `POST /staff/account/totp/confirm`: the recovery codes, once.
async fn confirm(
    State(app): State<App>,
    member: Member<Anybody>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let code: String = value(&pairs, "totp").split_whitespace().collect();
    match second_factor::confirm(&app, &member.signed_in, &code, &member.acting).await {
        Ok(codes) => {
            let title = member.frame.t("account-codes-title");
            let page = CodesPage {
                frame: member.frame.titled(&title),
                codes,
            };
            Ok(show(StatusCode::OK, &page))
        }
        Err(EnrolError::WrongCode | EnrolError::NotBegun) => {
            Ok(again(member, &Wrong::of_factor("account-wrong-code")))
        }
        Err(EnrolError::AlreadyOn) => Ok(done(PATH, "factor-on-already")),
        Err(error) => Err(error.into()),
    }
}

/// `POST /staff/account/totp/off`
async fn turn_off(
    State(app): State<App>,
    member: Member<Anybody>,
    Form(pairs): Form<Pairs>,
) -> Result<Response, Problem> {
    let password = value(&pairs, "password");
    let by = member.acting.clone();
    match second_factor::turn_off(&app, &member.signed_in, password, by).await {
        Ok(()) => Ok(done(PATH, "factor-off")),
        Err(EnrolError::Password(PasswordError::Wrong)) => {
            Ok(again(member, &Wrong::of_factor("account-wrong-password")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The page once more, with what is wrong.
fn again(member: Member<Anybody>, wrong: &Wrong) -> Response {
    let page = AccountPage::new(member, wrong);
    show(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// What was wrong with what was sent.
#[derive(Debug, Default)]
struct Wrong {
    /// In the form of the password.
    fields: Vec<FieldError>,
    current_password: bool,
    /// The key of a sentence about the second factor.
    factor: Option<&'static str>,
}

impl Wrong {
    fn in_password(fields: Vec<FieldError>) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    fn of_factor(key: &'static str) -> Self {
        Self {
            factor: Some(key),
            ..Self::default()
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/account.html")]
struct AccountPage {
    frame: Frame,
    errors: Vec<(&'static str, String)>,
    email: String,
    fields: [Field; 2],
    has_factor: bool,
    wrong_factor: Option<String>,
}

impl AccountPage {
    fn new(member: Member<Anybody>, wrong: &Wrong) -> Self {
        let frame = member.frame;
        let lang = frame.lang();
        let mut current = Field::new("current_password", "password", frame.t("account-current"))
            .completed_as("current-password")
            .filled(lang, String::new(), &wrong.fields);
        if wrong.current_password {
            current.error = Some(frame.t("account-wrong-password"));
        }
        let new = Field::new("new_password", "password", frame.t("account-new"))
            .with_hint(frame.t("setup-password-hint"))
            .completed_as("new-password")
            .filled(lang, String::new(), &wrong.fields);
        let fields = [current, new];
        let mut errors = summary(&fields);
        let wrong_factor = wrong.factor.map(|key| frame.t(key));
        errors.extend(wrong_factor.clone().map(|sentence| ("factor", sentence)));
        let title = frame.t("staff-account");
        Self {
            errors,
            email: member.signed_in.member().email.clone(),
            fields,
            has_factor: member.signed_in.member().has_totp,
            wrong_factor,
            frame: frame.titled(&title),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "staff/account_secret.html")]
struct SecretPage {
    frame: Frame,
    qr: String,
    secret: String,
}

#[derive(Debug, Template)]
#[template(path = "staff/account_codes.html")]
struct CodesPage {
    frame: Frame,
    codes: Vec<String>,
}
