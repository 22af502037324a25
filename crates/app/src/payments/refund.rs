//! Money that goes back: wished for here, sent by a job, and settled when the provider says so.

use domain::id::{PaymentId, ReservationId};
use domain::mail::MailKind;
use domain::payment::{PaymentState, RefundReason};
use domain::reservation::{PaymentStatus, Reservation, ReservationStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::payments::{self as stored, Change, ERROR_LENGTH_MAX, Stored};
use store::{Acting, StoreError, Transaction, concerts, reservations as reservation_rows};

use super::MANUAL;
use super::work::REFUND;
use crate::{App, jobs, mails, reservations, task};

/// Providers take some seconds for what they don't do at once.
const ASKED_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// What staff read about money that they had by hand and whose tickets were given back or cancelled.
const OWED: &str = "it was paid by hand: pay it back by hand, then say so by a refund";

/// What becomes of money that staff had by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByHand {
    /// They have paid it back: only a refund of this one reservation says so, and its page asks for it.
    PaidBack,
    /// They must pay it back, and it stays listed until they say that they did.
    Owed,
}

/// Why no money goes back.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    #[error("there is no such reservation")]
    NotFound,
    #[error("nothing was paid that could go back")]
    NothingPaid,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a reservation's money back for staff who may; a confirmed one is cancelled by it. What was to go
/// back and couldn't is tried again.
pub async fn refund(app: &App, id: ReservationId, by: Acting) -> Result<Reservation, RefundError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let refunded = refund_in(&app, &transaction, &id, ByHand::PaidBack).await;
        let (refunded, is_cancelled) = task::end(transaction, refunded).await?;
        if is_cancelled {
            app.tickets_returned(refunded.concert_id);
            metrics::counter!("stagedoor_reservations_total", "outcome" => "cancelled")
                .increment(1);
        }
        jobs::wake(&app);
        Ok(refunded)
    })
    .await
}

/// The reservation as it is then, and whether this cancelled it.
pub(crate) async fn refund_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
    by_hand: ByHand,
) -> Result<(Reservation, bool), RefundError> {
    let now = app.ctx().now();
    let locked = reservations::lock_behind_concert(transaction, id).await?;
    let Some(reservation) = locked else {
        return Ok((refund_deleted(transaction, id, by_hand, now).await?, false));
    };
    // Trying again what is stuck must not take the tickets of another, good payment.
    let is_tried = try_stuck(transaction, id, by_hand, now).await?;
    let why = (RefundReason::ByStaff, by_hand);
    let is_given = !is_tried && give_back_all(transaction, id, why, now).await?;
    if !is_given && !is_tried {
        return Err(RefundError::NothingPaid);
    }
    let is_cancelled = is_given && reservation.status == ReservationStatus::Confirmed;
    if is_cancelled {
        let cancelled = ReservationStatus::Cancelled;
        reservation_rows::update_status(transaction, id, cancelled, now).await?;
        let tickets = reservation.quantity;
        concerts::return_tickets(transaction, reservation.concert_id, tickets, now).await?;
        mails::enqueue(app, transaction, MailKind::Cancelled, id).await?;
    }
    let after = reservation_rows::lock(transaction, id).await?;
    Ok((after.ok_or(RefundError::NotFound)?, is_cancelled))
}

/// Of a deleted reservation, which holds nothing, money may still have to go back.
async fn refund_deleted(
    transaction: &Transaction,
    id: &ReservationId,
    by_hand: ByHand,
    now: Timestamp,
) -> Result<Reservation, RefundError> {
    if !try_stuck(transaction, id, by_hand, now).await? {
        return Err(RefundError::NotFound);
    }
    let deleted = reservation_rows::find_even_deleted(transaction, id).await?;
    deleted.ok_or(RefundError::NotFound)
}

/// Sends back whatever of a reservation was paid; `false` where nothing was. The reservation's row is
/// locked.
pub(crate) async fn give_back_all(
    transaction: &Transaction,
    id: &ReservationId,
    (reason, by_hand): (RefundReason, ByHand),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut is_given = false;
    for attempt in stored::list(transaction, id).await? {
        let Some(paid) = stored::lock(transaction, &attempt.payment.id).await? else {
            continue;
        };
        if paid.payment.state == PaymentState::Completed {
            give_back_as(transaction, &paid, (reason, by_hand), now).await?;
            is_given = true;
        }
    }
    Ok(is_given)
}

/// Staff say once more that money must go back which couldn't: a provider is asked again, and what was
/// paid by hand has been paid back by hand, unless that is said of many at once. `false` where nothing was
/// stuck.
async fn try_stuck(
    transaction: &Transaction,
    id: &ReservationId,
    by_hand: ByHand,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut is_tried = false;
    for attempt in stored::list(transaction, id).await? {
        let Some(stuck) = stored::lock(transaction, &attempt.payment.id).await? else {
            continue;
        };
        if !is_stuck(&stuck) {
            continue;
        }
        if stuck.provider == MANUAL && by_hand == ByHand::Owed {
            continue;
        }
        is_tried = true;
        if stuck.provider == MANUAL {
            give_back_by_hand(transaction, &stuck, (RefundReason::ByStaff, by_hand), now).await?;
        } else {
            ask_once_more(transaction, &stuck, now).await?;
        }
    }
    Ok(is_tried)
}

/// Whether money must go back and can't without somebody's help.
pub(super) fn is_stuck(payment: &Stored) -> bool {
    payment.payment.state == PaymentState::Refunding && payment.refund_error.is_some()
}

/// Has the provider asked again for money that it couldn't send back. The payment's row is locked.
pub(super) async fn ask_once_more(
    transaction: &Transaction,
    stuck: &Stored,
    now: Timestamp,
) -> Result<(), StoreError> {
    // What was wrong stays told until the money is back; what no provider tells is asked for.
    let change = Change {
        state: PaymentState::Refunding,
        money: None,
        refund_reason: None,
        refund_error: stuck.refund_error.as_deref(),
        ask_at: Some(now + ASKED_AFTER),
    };
    stored::update_state(transaction, &stuck.payment.id, &change, now).await?;
    enqueue(transaction, &stuck.payment.id, now).await
}

/// Has the money sent where that was wished for and nobody does it: the job looks before it sends.
pub(super) async fn send_again(app: &App, id: &PaymentId) -> Result<(), StoreError> {
    let transaction = task::begin(app, &Acting::system("payments")).await?;
    let written = enqueue(&transaction, id, app.ctx().now()).await;
    task::end(transaction, written).await?;
    jobs::wake(app);
    Ok(())
}

/// No provider has it: staff have paid it back, or still must.
async fn give_back_by_hand(
    transaction: &Transaction,
    payment: &Stored,
    (reason, by_hand): (RefundReason, ByHand),
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_owed = by_hand == ByHand::Owed;
    let change = Change {
        state: if is_owed {
            PaymentState::Refunding
        } else {
            PaymentState::Refunded
        },
        money: None,
        refund_reason: Some(payment.payment.refund_reason.unwrap_or(reason)),
        refund_error: is_owed.then_some(OWED),
        ask_at: None,
    };
    stored::update_state(transaction, &payment.payment.id, &change, now).await?;
    if is_owed {
        return Ok(());
    }
    let reservation = &payment.payment.reservation_id;
    let refunded = PaymentStatus::Refunded;
    stored::update_reservation_payment(transaction, reservation, refunded, now).await
}

/// Marks a payment's money as going back, and enqueues the job that sends it.
pub(super) async fn give_back(
    transaction: &Transaction,
    payment: &Stored,
    reason: RefundReason,
    now: Timestamp,
) -> Result<(), StoreError> {
    give_back_as(transaction, payment, (reason, ByHand::Owed), now).await
}

async fn give_back_as(
    transaction: &Transaction,
    payment: &Stored,
    (reason, by_hand): (RefundReason, ByHand),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = &payment.payment.id;
    if payment.provider == MANUAL {
        return give_back_by_hand(transaction, payment, (reason, by_hand), now).await;
    }
    let change = Change {
        state: PaymentState::Refunding,
        money: payment.money.as_deref(),
        refund_reason: Some(reason),
        refund_error: None,
        ask_at: Some(now + ASKED_AFTER),
    };
    stored::update_state(transaction, id, &change, now).await?;
    enqueue(transaction, id, now).await
}

async fn enqueue(
    transaction: &Transaction,
    id: &PaymentId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let names = json!({ "payment": id.as_str() });
    let job = jobs::NewJob {
        dedup_key: Some(id.as_str()),
        ..jobs::new(REFUND, &names, now)
    };
    jobs::enqueue(transaction, &job).await.map(drop)
}

/// Writes down why the money couldn't be sent back; the payment stays as one whose money must go.
pub(crate) async fn report(
    transaction: &Transaction,
    payment: &Stored,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let why: String = why.chars().take(ERROR_LENGTH_MAX).collect();
    tracing::error!(payment = %payment.payment.id, why, "a refund stands open");
    let change = Change {
        state: PaymentState::Refunding,
        money: None,
        refund_reason: None,
        refund_error: Some(&why),
        ask_at: None,
    };
    stored::update_state(transaction, &payment.payment.id, &change, now).await
}
