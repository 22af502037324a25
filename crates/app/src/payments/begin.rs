//! Beginning to pay: a payment that nobody has decided yet, and the job that asks for a page.

use domain::id::PaymentId;
use domain::language::Language;
use domain::payment::{Payment, PaymentState};
use domain::reservation::{PaymentStatus, Reservation, TransitionError};
use jiff::SignedDuration;
use serde_json::json;
use store::payments::{self as stored, Stored};
use store::{StoreError, Transaction};

use super::MANUAL;
use super::work::{OPEN, next_asked_at};
use crate::access::Holder;
use crate::{App, concerts, jobs, reservations, task};

/// Webhooks come within seconds; whoever hears nothing asks.
const FIRST_ASKED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// A buyer's wish to pay.
#[derive(Clone, Debug)]
pub struct Begin {
    pub holder: Holder,
    /// In which language the provider speaks to the buyer, and we do afterwards.
    pub language: Language,
}

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("there is no such reservation")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error("its concert was cancelled")]
    ConcertCancelled,
    #[error("this process takes no money")]
    NoProvider,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to pay for a hold. While an attempt is undecided it is the answer to every further wish, so
/// that nobody pays twice by pressing twice.
pub async fn begin(app: &App, wish: Begin) -> Result<Stored, BeginError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let by = wish.holder.acting();
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let begun = begin_in(&app, &transaction, &wish).await;
        let begun = task::end(transaction, begun).await?;
        jobs::wake(&app);
        Ok(begun)
    })
    .await
}

async fn begin_in(
    app: &App,
    transaction: &Transaction,
    wish: &Begin,
) -> Result<Stored, BeginError> {
    let till = app.till().ok_or(BeginError::NoProvider)?;
    let id = wish.holder.reservation_id();
    let reservation = reservations::lock_behind_concert(transaction, id)
        .await?
        .ok_or(BeginError::NotFound)?;
    let now = app.ctx().now();
    reservation.check_pay(now)?;
    if concerts::is_cancelled(transaction, reservation.concert_id).await? {
        return Err(BeginError::ConcertCancelled);
    }
    let attempts = stored::list(transaction, id).await?;
    let is_open = |attempt: &Stored| attempt.payment.state == PaymentState::Pending;
    if let Some(open) = attempts.into_iter().find(is_open) {
        return Ok(open);
    }
    let payment = Stored {
        payment: Payment {
            id: PaymentId::new(now, app.ctx().random_u64()),
            reservation_id: id.clone(),
            amount: reservation.total_price,
            currency: app.settings().currency,
            state: PaymentState::Pending,
            refund_reason: None,
            created_at: now,
        },
        provider: till.provider.name().to_owned(),
        language: wish.language,
        page: None,
        money: None,
        refund_error: None,
        refund_note: None,
        ask_at: Some(next_asked_at(
            now,
            FIRST_ASKED_AFTER,
            reservation.expires_at,
        )),
        updated_at: now,
    };
    stored::insert(transaction, &payment).await?;
    if reservation.payment_status != PaymentStatus::Pending {
        let pending = PaymentStatus::Pending;
        stored::update_reservation_payment(transaction, id, pending, now).await?;
    }
    let names = json!({ "payment": payment.payment.id.as_str() });
    jobs::enqueue(transaction, &jobs::new(OPEN, &names, now)).await?;
    Ok(payment)
}

/// Money that staff had another way: paid at the box office, for example.
pub(crate) async fn insert_by_hand(
    app: &App,
    transaction: &Transaction,
    reservation: &Reservation,
) -> Result<(), StoreError> {
    let now = app.ctx().now();
    if reservation.total_price.is_zero() {
        return Ok(());
    }
    let payment = Stored {
        payment: Payment {
            id: PaymentId::new(now, app.ctx().random_u64()),
            reservation_id: reservation.id.clone(),
            amount: reservation.total_price,
            currency: app.settings().currency,
            state: PaymentState::Completed,
            refund_reason: None,
            created_at: now,
        },
        provider: MANUAL.to_owned(),
        language: Language::default(),
        page: None,
        money: None,
        refund_error: None,
        refund_note: None,
        ask_at: None,
        updated_at: now,
    };
    stored::insert(transaction, &payment).await
}
