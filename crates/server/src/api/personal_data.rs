//! All that is kept about a customer, as the file they get.
//!
//! Absent on purpose: a shape in the document of the API; the file is for people and their programs, and
//! gets keys as more is kept.

use app::personal_data::PersonalData;
use domain::money::Currency;
use serde_json::{Value, json};

/// The copy as JSON: money as strings, instants in RFC 3339. Nothing in it opens or pays anything.
pub fn document(copy: &PersonalData, currency: Currency) -> Value {
    json!({
        "email": copy.email.as_str(),
        "exported_at": copy.exported_at.to_string(),
        "is_complete": copy.is_complete,
        "reservations": reservations(copy, currency),
        "payments": payments(copy),
        "tickets": tickets(copy),
        "mails": mails(copy),
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
            "refund_reason": one.refund_reason.map(|reason| reason.as_str()),
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
            "reservation_id": one.reservation_id.as_ref().map(|id| id.as_str()),
            "status": one.status.as_str(),
            "sent_at": one.sent_at.map(|at| at.to_string()),
            "created_at": one.created_at.to_string(),
        })
    });
    each.collect()
}
