//! All that is kept about a customer, as the file they get, and its erasure.
//!
//! Absent on purpose: the file's shape in the document of the API; it is for people and their programs,
//! and gets keys as more is kept.

use app::App;
use app::personal_data::{self, KeptAccount, PersonalData};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::money::Currency;
use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::{Value, json};

use crate::http::customer::Customer;
use crate::http::headers::FORGET_COPIES;
use crate::http::problem::Problem;
use crate::http::problem_render::ProblemBody;
use crate::shop::visitor::Holdings;
use crate::takeaway;

/// All that is kept about the customer
///
/// A file of JSON: account, reservations, payments, tickets and mails. That it left is in the audit log.
#[utoipa::path(
    get, path = "/me/export", tag = "customers", operation_id = "exportMyData",
    security(("customer_session" = [])),
    responses(
        (status = 200, body = Object, content_type = "application/json", description = "The file"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn export(
    State(app): State<App>,
    Customer(customer): Customer,
) -> Result<Response, Problem> {
    let email = customer.email().clone();
    let copy = personal_data::export(&app, customer.acting(), email).await?;
    let document = document(&copy, app.settings().currency);
    let text = serde_json::to_vec_pretty(&document).map_err(|_| Problem::internal())?;
    Ok(takeaway::file("application/json", FILE_NAME, text))
}

/// Erase the customer
///
/// A pseudonym takes the place of their name and addresses, in the audit log too; amounts and states stay
/// in the books. The account and its sessions are gone, and so is the cookie.
#[utoipa::path(
    post, path = "/me/erase", tag = "customers", operation_id = "eraseMe",
    security(("customer_session" = [])),
    responses(
        (status = 204, description = "Erased"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "`unauthenticated`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`invalid_state`: tickets are held, are for a concert that isn't over, or money is under way; `detail` names the reservations and says what to do"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "`rate_limited`; try again after the time given"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "`overloaded`, `database_unavailable`; try again"),
    )
)]
pub async fn erase(
    State(app): State<App>,
    Customer(customer): Customer,
    holdings: Holdings,
) -> Result<Response, Problem> {
    let email = customer.email().clone();
    personal_data::erase(&app, customer.acting(), email).await?;
    let cookie = [(SET_COOKIE, holdings.to_no_cookie())];
    Ok((StatusCode::NO_CONTENT, FORGET_COPIES, cookie).into_response())
}

pub const FILE_NAME: &str = "my-data.json";

/// The copy as JSON: money as strings, instants in RFC 3339. Nothing in it opens or pays anything.
pub fn document(copy: &PersonalData, currency: Currency) -> Value {
    json!({
        "email": copy.email.as_str(),
        "exported_at": copy.exported_at.to_string(),
        "is_complete": copy.is_complete,
        "account": copy.account.as_ref().map(account),
        "reservations": reservations(copy, currency),
        "payments": payments(copy),
        "tickets": tickets(copy),
        "mails": mails(copy),
    })
}

fn account(account: &KeptAccount) -> Value {
    let identities = account.identities.iter().map(|one| {
        json!({
            "issuer": one.issuer, "subject": one.subject, "created_at": one.created_at.to_string(),
        })
    });
    let sessions = account.sessions.iter().map(|one| {
        json!({
            "google_auth": one.is_google,
            "created_at": one.created_at.to_string(),
            "expires_at": one.expires_at.to_string(),
        })
    });
    json!({
        "name": account.name,
        "created_at": account.created_at.to_string(),
        "updated_at": account.updated_at.to_string(),
        "identities": identities.collect::<Vec<_>>(),
        "sessions": sessions.collect::<Vec<_>>(),
    })
}

fn reservations(copy: &PersonalData, currency: Currency) -> Vec<Value> {
    let each = copy.reservations.iter().map(|one| {
        let concert = one.concert.as_ref().map(|concert| {
            json!({
                "name": concert.name, "artist": concert.artist, "venue": concert.venue,
                "date": concert.date.to_string(),
            })
        });
        json!({
            "id": one.id.as_str(),
            "concert": concert,
            "customer_name": one.customer_name,
            "customer_email": one.customer_email,
            "quantity": one.quantity,
            "total_price": one.total_price.to_string(),
            "currency": currency.as_str(),
            "status": one.status.as_str(),
            "payment_status": one.payment_status.as_str(),
            "google_auth": one.google_auth,
            "reserved_at": one.reserved_at.to_string(),
            "expires_at": one.expires_at.map(|at| at.to_string()),
            "created_at": one.created_at.to_string(),
            "updated_at": one.updated_at.to_string(),
            "deleted_at": one.deleted_at.map(|at| at.to_string()),
            "ip_address": one.client_ip,
        })
    });
    each.collect()
}

fn payments(copy: &PersonalData) -> Vec<Value> {
    let each = copy.payments.iter().map(|one| {
        json!({
            "id": one.id.as_str(),
            "reservation_id": one.reservation_id.as_str(),
            "provider": one.provider,
            "amount": one.amount.to_string(),
            "currency": one.currency,
            "status": one.state.as_str(),
            "refund_reason": one.refund_reason.map(domain::payment::RefundReason::as_str),
            "refund_note": one.refund_note,
            "created_at": one.created_at.to_string(),
            "updated_at": one.updated_at.to_string(),
        })
    });
    each.collect()
}

fn tickets(copy: &PersonalData) -> Vec<Value> {
    let each = copy.tickets.iter().map(|one| {
        let status = match (one.is_confirmed, one.used_at) {
            (false, _) => "cancelled",
            (true, None) => "valid",
            (true, Some(_)) => "used",
        };
        json!({
            "reservation_id": one.reservation_id.as_str(),
            "number": one.number,
            "status": status,
            "used_at": one.used_at.map(|at| at.to_string()),
            "created_at": one.created_at.to_string(),
        })
    });
    each.collect()
}

fn mails(copy: &PersonalData) -> Vec<Value> {
    let each = copy.mails.iter().map(|one| {
        json!({
            "kind": one.kind.as_str(),
            "language": one.language.as_str(),
            "recipient": one.recipient,
            "reservation_id": one.reservation_id.as_ref().map(domain::id::ReservationId::as_str),
            "status": one.status.as_str(),
            "sent_at": one.sent_at.map(|at| at.to_string()),
            "created_at": one.created_at.to_string(),
        })
    });
    each.collect()
}
