//! What Stripe's events mean for a payment, once their signature is believed.
//!
//! <https://docs.stripe.com/api/events/types>. An event that isn't about a payment of ours is ignored,
//! also when it is of a kind that we know: one account may serve several shops.

use domain::payment::Fact;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::amount;
use super::object::{
    Charge, Dispute, Envelope, Metadata, Mode, PaymentStatus, Refund, RefundStatus, Session,
};
use crate::providers::{Delivery, Disbelief, Event, News, Subject};

/// Longer than any name of Stripe's (66 characters), and short enough that an event's name made of one
/// fits into `payment_events`.
const NAME_CHARACTERS_MAX: usize = 200;

/// Refunds of these are settled when they are made. Of any other kind it may take days, or wait for the
/// buyer to say where the money is to go (<https://docs.stripe.com/payments/promptpay>, "Refunds").
const REFUNDED_AT_ONCE: [&str; 2] = ["card", "link"];

type Read = Result<Option<(Subject, News)>, Disbelief>;

/// `is_live` is whether our key moves real money.
///
/// # Errors
/// When the body isn't one of Stripe's events, or an object in it isn't what the event's type says.
pub(super) fn read(body: &[u8], is_live: bool) -> Result<Delivery, Disbelief> {
    let event: Envelope = serde_json::from_slice(body).map_err(|_| Disbelief::Unreadable)?;
    if event.object != "event" || !is_name(&event.id) {
        return Err(Disbelief::Unreadable);
    }
    let id = event.id;
    if event.livemode != is_live {
        tracing::warn!(
            event = id,
            live = event.livemode,
            "Stripe sent an event of the other mode: the webhook's secret and the API key don't \
             belong together"
        );
        return Ok(Delivery::Ignored { id });
    }
    let object = event.data.object;
    // Only refunds have it.
    let words = object.get("failure_reason").and_then(Value::as_str);
    let words = words.map(str::to_owned);
    let read = match event.kind.as_str() {
        "checkout.session.completed" => completed(object),
        "checkout.session.async_payment_succeeded" => paid(&object_of(object)?),
        "checkout.session.async_payment_failed" | "checkout.session.expired" => failed(object),
        "charge.refunded" => charge_refunded(&id, object),
        "refund.failed" => Ok(refund_failed(&object_of(object)?)),
        "refund.created" | "refund.updated" | "charge.refund.updated" => refund(&id, object),
        "charge.dispute.created" => disputed(&id, object),
        _ => Ok(None),
    }?;
    Ok(match read {
        Some((of, news)) => Delivery::Event(Event {
            id,
            of,
            news,
            words,
        }),
        None => Delivery::Ignored { id },
    })
}

/// Whether a text can be one of Stripe's names, and may stand in a path.
pub(super) fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.len() <= NAME_CHARACTERS_MAX && text.bytes().all(is_plain)
}

fn object_of<T: DeserializeOwned>(value: Value) -> Result<T, Disbelief> {
    serde_json::from_value(value).map_err(|_| Disbelief::Unreadable)
}

fn completed(object: Value) -> Read {
    let session: Session = object_of(object)?;
    match session.payment_status {
        PaymentStatus::Paid | PaymentStatus::NoPaymentRequired => paid(&session),
        // The buyer was told how to pay, and another event says what became of it.
        PaymentStatus::Unpaid | PaymentStatus::Other => Ok(None),
    }
}

fn paid(session: &Session) -> Read {
    let Some(of) = subject_of(session) else {
        return Ok(None);
    };
    let fact = paid_fact(session).ok_or(Disbelief::Unreadable)?;
    let money = session.money();
    Ok(Some((of, News::Told { fact, money })))
}

/// What a session that was paid brought; `None` when we couldn't write the amount down.
pub(super) fn paid_fact(session: &Session) -> Option<Fact> {
    let currency = session.currency.as_deref()?;
    let (amount, currency) = amount::from_stripe(session.amount_total?, currency)?;
    Some(Fact::Paid { amount, currency })
}

fn failed(object: Value) -> Read {
    let session: Session = object_of(object)?;
    Ok(subject_of(&session).map(|of| (of, told(Fact::Failed, None))))
}

fn subject_of(session: &Session) -> Option<Subject> {
    let is_payment = session.mode == Mode::Payment;
    let payment = session.payment().filter(|_| is_payment)?;
    Some(Subject::Payment(payment))
}

/// Told when a refund is made, whoever made it and whether or not the money has arrived.
fn charge_refunded(id: &str, object: Value) -> Read {
    let charge: Charge = object_of(object)?;
    let Some(of) = named(charge.metadata.as_ref(), charge.payment_intent.as_deref()) else {
        return Ok(None);
    };
    if charge.amount_refunded < charge.amount {
        tracing::warn!(event = id, payment = ?of, "a part of a payment was sent back at Stripe");
        return Ok(None);
    }
    let method = charge.payment_method_details;
    if method.is_some_and(|method| !REFUNDED_AT_ONCE.contains(&method.kind.as_str())) {
        tracing::info!(event = id, payment = ?of, "money is on its way back, and not there yet");
        return Ok(None);
    }
    Ok(Some((of, told(Fact::Refunded, charge.payment_intent))))
}

fn refund(id: &str, object: Value) -> Read {
    let refund: Refund = object_of(object)?;
    let status = refund.standing();
    if status.is_failed() {
        return Ok(refund_failed(&refund));
    }
    if status != RefundStatus::Succeeded {
        return Ok(None);
    }
    // Ours are always of all that is left; how much one of somebody else's left can't be seen here.
    let is_ours = Metadata::payment(refund.metadata.as_ref()).is_some();
    if !is_ours {
        tracing::info!(
            event = id,
            "a refund that wasn't asked for here has arrived"
        );
    }
    Ok(refund_told(&refund, is_ours.then_some(Fact::Refunded)))
}

/// Somebody else's says little: another one may have sent the money back.
fn refund_failed(refund: &Refund) -> Option<(Subject, News)> {
    let is_ours = Metadata::payment(refund.metadata.as_ref()).is_some();
    refund_told(refund, is_ours.then_some(Fact::RefundFailed))
}

fn refund_told(refund: &Refund, fact: Option<Fact>) -> Option<(Subject, News)> {
    let of = named(refund.metadata.as_ref(), refund.payment_intent.as_deref())?;
    let fact = fact.unwrap_or(Fact::RefundMoved);
    Some((of, told(fact, refund.payment_intent.clone())))
}

fn disputed(id: &str, object: Value) -> Read {
    let dispute: Dispute = object_of(object)?;
    let of = named(None, dispute.payment_intent.as_deref());
    if of.is_none() {
        tracing::warn!(
            event = id,
            "a charge without a payment intent is disputed at Stripe"
        );
    }
    Ok(of.map(|of| (of, News::Disputed)))
}

/// By our own name where it is written on the object, and else by Stripe's name for the money.
fn named(metadata: Option<&Metadata>, intent: Option<&str>) -> Option<Subject> {
    let ours = Metadata::payment(metadata).map(Subject::Payment);
    ours.or_else(|| intent.map(|name| Subject::Money(name.to_owned())))
}

fn told(fact: Fact, money: Option<String>) -> News {
    News::Told { fact, money }
}

#[cfg(test)]
mod tests;
