//! `/reservations`: reserve, show, extend, cancel.

use std::net::IpAddr;

use app::access::Holder;
use app::idempotency::{Caller, IdempotencyKey};
use app::payments::{self, Begin};
use app::reserve::{self, ReserveRequest};
use app::{App, cancel as cancelling, extend as extending, reservations};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::id::ReservationId;
use domain::language::Language;
use domain::text::{CustomerName, EmailAddress};
use http::header::{ACCEPT_LANGUAGE, HeaderName, LOCATION};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use store::Acting;
use uuid::Uuid;

use super::body::JsonFields;
use super::model::{
    NewReservationBody, PaymentBody, PaymentRequestBody, ReservationBody, ReservationRequestBody,
};
use super::shape;
use crate::http::client::{ClientAddress, origin};
use crate::http::customer::MaybeCustomer;
use crate::http::fields::{FieldError, FieldReason, Fields};
use crate::http::headers::bearer;
use crate::http::path::Segment;
use crate::http::problem::{Code, Problem};
use crate::http::problem_render::ProblemBody;
use crate::http::request::RequestId;
use crate::http::staff::{ReadReservations, Staff};
use crate::http::web::Web;
use crate::i18n::Lang;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Reserve tickets
///
/// The answer 201 is durable. A repeated `Idempotency-Key` within 24 hours gives the first 201
/// again, whatever happened since; refusals aren't kept.
#[utoipa::path(
    post, path = "/reservations", tag = "reservations", operation_id = "createReservation",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = ReservationRequestBody,
    responses(
        (status = 201, body = NewReservationBody, description = "The tickets are held or, when free, confirmed", headers(
            ("Location" = String, description = "The reservation's path"),
            ("Idempotent-Replayed" = String, description = "`true` when this is an earlier answer"),
        )),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such concert"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`sold_out`, `not_enough_tickets`, `purchase_limit`, `sale_closed`, `request_in_flight`"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`, `idempotency_key_reused`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn create(
    State(app): State<App>,
    sender: Sender,
    headers: HeaderMap,
    JsonFields(fields): JsonFields,
) -> Result<Response, Problem> {
    let key = read_key(&headers)?;
    let wish = read_wish(fields, app.settings().limits.per_buyer())?;
    let request = ReserveRequest {
        key,
        language: language(&headers),
        caller: sender.caller,
        client_ip: sender.client_ip,
        request_id: sender.request_id,
        ..wish
    };
    let reserved = reserve::reserve(&app, request).await?;
    let id = reserved.reservation.id.clone();
    let location = format!("/api/v1/reservations/{id}");
    let body = NewReservationBody {
        access_token: app.access_key().token(&id),
        reservation: ReservationBody::new(reserved.reservation, app.settings().currency),
    };
    let mut response = (StatusCode::CREATED, [(LOCATION, location)], Json(body)).into_response();
    if reserved.replayed {
        response
            .headers_mut()
            .insert(REPLAYED, http::HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Who asks for a reservation, and in which request.
#[derive(Debug)]
pub struct Sender {
    caller: Caller,
    client_ip: Option<IpAddr>,
    request_id: Uuid,
}

impl FromRequestParts<Web> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let Ok(ClientAddress(client_ip)) = ClientAddress::from_request_parts(parts, web).await;
        let MaybeCustomer(customer) = MaybeCustomer::from_request_parts(parts, web).await?;
        let Extension(RequestId(request_id)) = Extension::from_request_parts(parts, web)
            .await
            .map_err(|_| Problem::internal())?;
        Ok(Self {
            caller: customer.map_or(Caller::Anonymous, |customer| customer.caller()),
            client_ip,
            request_id,
        })
    }
}

/// One reservation
///
/// Without its access token, or a session of staff, it doesn't exist.
#[utoipa::path(
    get, path = "/reservations/{id}", tag = "reservations", operation_id = "getReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("customer_session" = []), ("staff_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The reservation"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn show(
    State(app): State<App>,
    reader: Reader,
) -> Result<Json<ReservationBody>, Problem> {
    let found = match reader {
        Reader::Holder(holder) => reservations::show(&app, &holder).await?,
        Reader::Staff(id, by) => reservations::show_to_staff(&app, &id, &by).await?,
    };
    let reservation = found.ok_or_else(Problem::not_found)?;
    Ok(Json(ReservationBody::new(
        reservation,
        app.settings().currency,
    )))
}

/// Cancel a reservation
///
/// Its tickets are on sale again when the answer leaves.
#[utoipa::path(
    post, path = "/reservations/{id}/cancel", tag = "reservations", operation_id = "cancelReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("customer_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The cancelled reservation"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`, `reservation_expired`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn cancel(
    State(app): State<App>,
    Bearer(holder): Bearer,
) -> Result<Json<ReservationBody>, Problem> {
    let reservation = cancelling::cancel(&app, holder).await?;
    Ok(Json(ReservationBody::new(
        reservation,
        app.settings().currency,
    )))
}

/// Extend a hold
///
/// It ends one hold time from now, at most ten times. The answer to the first request, if it is
/// repeated with its `Idempotency-Key`, still shows the first end.
#[utoipa::path(
    post, path = "/reservations/{id}/extend", tag = "reservations", operation_id = "extendReservation",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("customer_session" = [])),
    responses(
        (status = 200, body = ReservationBody, description = "The reservation with its new `expires_at`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`reservation_expired`; `invalid_state`: not held, or extended ten times already"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn extend(
    State(app): State<App>,
    Bearer(holder): Bearer,
) -> Result<Json<ReservationBody>, Problem> {
    let reservation = extending::extend(&app, holder).await?;
    Ok(Json(ReservationBody::new(
        reservation,
        app.settings().currency,
    )))
}

/// Begin to pay
///
/// While an attempt is undecided, every further call answers with it. `redirect_url` is a page of this
/// site that leads to the provider as soon as that has answered.
#[utoipa::path(
    post, path = "/reservations/{id}/payments", tag = "reservations", operation_id = "createPayment",
    params(("id" = shape::ReservationId, Path, description = "The reservation's id")),
    security(("access_token" = []), ("customer_session" = [])),
    request_body = PaymentRequestBody,
    responses(
        (status = 201, body = PaymentBody, description = "The attempt to pay"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "Not JSON"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "No such reservation, or not its token"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`reservation_expired`; `invalid_state`: not held"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json", description = "The body is larger than 64 KB"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json", description = "Not `application/json`"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "`validation_failed`: `method` isn't what this installation takes money by"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn pay(
    State(web): State<Web>,
    Bearer(holder): Bearer,
    headers: HeaderMap,
    JsonFields(mut fields): JsonFields,
) -> Result<(StatusCode, Json<PaymentBody>), Problem> {
    let app = &web.app;
    let provider = app.till().map_or("", |till| till.provider.name());
    let is_ours = |text: &str| (text == provider).then_some(());
    let method = fields.choice("method", "what this installation takes money by", is_ours);
    let errors = fields.finish();
    if method.is_none() || !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let language = language(&headers);
    let token = app.access_key().token(holder.reservation_id());
    let payment = payments::begin(app, Begin { holder, language }).await?;
    let body = PaymentBody::new(&payment, &web.site.base_url, &token);
    Ok((StatusCode::CREATED, Json(body)))
}

/// Whoever may see the reservation in the path: its holder, or staff.
#[derive(Debug)]
pub enum Reader {
    Holder(Holder),
    Staff(ReservationId, Acting),
}

impl FromRequestParts<Web> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        match Bearer::from_request_parts(parts, web).await {
            Ok(Bearer(holder)) => return Ok(Self::Holder(holder)),
            Err(problem) if problem.code.status().is_server_error() => return Err(problem),
            Err(_) => {}
        }
        let Segment(id) = Segment::from_request_parts(parts, web).await?;
        match Staff::<ReadReservations>::from_request_parts(parts, web).await {
            Ok(staff) => Ok(Self::Staff(id, staff.acting)),
            // Nobody learns whether the reservation exists.
            Err(problem) if problem.code.status().is_client_error() => Err(Problem::not_found()),
            Err(problem) => Err(problem),
        }
    }
}

/// Proof of the reservation in the path: `Authorization: Bearer <access_token>` (RFC 6750), or the
/// customer's session.
///
/// Without it the reservation is not found, as if it didn't exist.
#[derive(Debug)]
pub struct Bearer(pub Holder);

impl FromRequestParts<Web> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let Segment(id) = Segment::<ReservationId>::from_request_parts(parts, web).await?;
        let Some(token) = bearer(&parts.headers) else {
            let MaybeCustomer(found) = MaybeCustomer::from_request_parts(parts, web).await?;
            let customer = found.ok_or_else(Problem::not_found)?;
            return Ok(Self(customer.holder(&id)));
        };
        let holder = web.app.access_key().check(&id, token);
        let holder = holder.ok_or_else(Problem::not_found)?;
        Ok(Self(holder.from(origin(parts, web).await)))
    }
}

fn read_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    const WANTED: FieldReason = FieldReason::Invalid {
        wanted: "1 to 255 visible ASCII characters",
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|text| IdempotencyKey::parse(text).ok());
    key.map(Some).ok_or_else(|| {
        let error = FieldError {
            field: "Idempotency-Key".to_owned(),
            reason: WANTED,
        };
        Problem {
            errors: vec![error],
            ..invalid_key()
        }
    })
}

fn invalid_key() -> Problem {
    Problem::new(
        Code::ValidationFailed,
        "The Idempotency-Key can't be used; see `errors`.",
    )
}

/// In which the buyer is written to.
fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    Lang::negotiate(None, accepted).language()
}

fn read_wish(mut fields: Fields, per_buyer: i32) -> Result<ReserveRequest, Problem> {
    let concert_id = fields.concert_id("concert_id");
    let quantity = fields.quantity("quantity", per_buyer);
    let name = fields.text("customer_name", CustomerName::parse);
    let email = fields.text("customer_email", EmailAddress::parse);
    let errors = fields.finish();
    match (concert_id, quantity, name, email, errors.is_empty()) {
        (Some(concert_id), Some(quantity), Some(customer_name), Some(customer_email), true) => {
            Ok(ReserveRequest {
                concert_id,
                quantity,
                customer_name,
                customer_email,
                caller: Caller::Anonymous,
                language: Language::default(),
                key: None,
                client_ip: None,
                request_id: uuid::Uuid::nil(),
            })
        }
        _ => Err(Problem::validation(errors)),
    }
}
