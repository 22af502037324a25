//! `/me`: the customer who is signed in; `/sessions`: how one signs in by mail, and out.

use app::App;
use app::customers::{self, Wish};
use axum::Json;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Response};
use domain::customer::ReturnPath;
use domain::text::EmailAddress;
use http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use store::reservations::Position;

use super::body::JsonFields;
use super::model::{LinkRequestBody, MeBody, ReservationBody, ReservationPageBody};
use super::{cursor, query, shape};
use crate::http::client::origin;
use crate::http::customer::Customer;
use crate::http::fields::FieldReason;
use crate::http::headers::FORGET_COPIES;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::http::web::Web;
use crate::i18n::Lang;
use crate::shop::visitor::Holdings;

/// As every list's.
const LIMIT_DEFAULT: u16 = 50;

/// Ask for a sign-in link
///
/// Every address gets the same answer, and a mail in the language that `Accept-Language` prefers: at
/// most five in an hour.
#[utoipa::path(
    post, path = "/sessions/email", tag = "customers", operation_id = "askForSignInLink",
    request_body = LinkRequestBody,
    responses(
        (status = 202, description = "A mail is on its way, unless the address had enough of them"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: no e-mail address"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn ask_for_link(
    State(app): State<App>,
    Sender(origin): Sender,
    headers: HeaderMap,
    JsonFields(mut fields): JsonFields,
) -> Result<StatusCode, Problem> {
    let email = fields.text("email", EmailAddress::parse);
    let errors = fields.finish();
    let Some(email) = email.filter(|_| errors.is_empty()) else {
        return Err(Problem::validation(errors));
    };
    let accepted = headers.get(ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    let lang = Lang::negotiate(None, accepted);
    let own = format!("/{}/me", lang.as_str());
    let wish = Wish {
        email,
        language: lang.language(),
        return_to: ReturnPath::parse(&own).ok_or_else(Problem::internal)?,
        origin,
    };
    customers::ask_for_link(&app, wish).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sign out
///
/// Ends the session of the cookie, and takes the cookie out of the browser with all that it holds.
#[utoipa::path(
    delete, path = "/sessions/current", tag = "customers", operation_id = "signOutCustomer",
    security(("customer_session" = [])),
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn sign_out(
    State(app): State<App>,
    Customer(customer): Customer,
    holdings: Holdings,
) -> Result<Response, Problem> {
    customers::sign_out(&app, &customer).await?;
    let cookie = [(SET_COOKIE, holdings.to_no_cookie())];
    Ok((StatusCode::NO_CONTENT, FORGET_COPIES, cookie).into_response())
}

/// The customer who is signed in
#[utoipa::path(
    get, path = "/me", tag = "customers", operation_id = "getMe",
    security(("customer_session" = [])),
    responses(
        (status = 200, body = MeBody, description = "The customer"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(Customer(customer): Customer) -> Json<MeBody> {
    Json(MeBody {
        email: customer.email().to_string(),
        name: customer.name().map(str::to_owned),
        google_auth: customer.is_google(),
    })
}

/// The customer's reservations, newest first
#[utoipa::path(
    get, path = "/me/reservations", tag = "customers", operation_id = "listMyReservations",
    params(
        ("limit" = Option<shape::Limit>, Query, description = "1 to 200, default 50"),
        ("cursor" = Option<shape::Cursor>, Query, description = "`next_cursor` of the page before"),
    ),
    security(("customer_session" = [])),
    responses(
        (status = 200, body = ReservationPageBody, description = "A page of reservations"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: a parameter is wrong or unknown"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn list_reservations(
    State(app): State<App>,
    Customer(customer): Customer,
    RawQuery(query): RawQuery,
) -> Result<Json<ReservationPageBody>, Problem> {
    let place = read_place(query.as_deref().unwrap_or_default())?;
    let page = customers::list_reservations(&app, &customer, place).await?;
    let currency = app.settings().currency;
    let items = page.items.into_iter();
    let next = page.next;
    Ok(Json(ReservationPageBody {
        items: items
            .map(|item| ReservationBody::new(item, currency))
            .collect(),
        next_cursor: next.map(|next| cursor::write_moment(next.created_at, next.id)),
    }))
}

fn read_place(query: &str) -> Result<(Option<Position>, u16), Problem> {
    let (mut after, mut limit) = (None, LIMIT_DEFAULT);
    query::read(query, |name, value| {
        match name {
            "limit" => limit = query::limit(value, app::reservations::PAGE_MAX)?,
            "cursor" => {
                let (created_at, id) = cursor::read_moment::<domain::id::ReservationId>(value)
                    .ok_or(query::WRONG_CURSOR)?;
                let id = id.to_string();
                after = Some(Position { created_at, id });
            }
            _ => return Err(FieldReason::Unknown),
        }
        Ok(())
    })?;
    Ok((after, limit))
}

/// Where a request came from.
#[derive(Debug)]
pub struct Sender(app::access::Origin);

impl FromRequestParts<Web> for Sender {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Self::Rejection> {
        Ok(Self(origin(parts, web).await))
    }
}
