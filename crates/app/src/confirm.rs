//! Confirming a reservation by hand, as staff do when the money came another way: its payment
//! counts as made.
//!
//! Its payment is written as one by hand. Which reservations can be confirmed is `domain`'s rule.

use domain::id::ReservationId;
use domain::mail::MailKind;
use domain::reservation::TransitionError;
use domain::reservation::{PaymentStatus, Quantity, Reservation, ReservationStatus};
use store::{Acting, StoreError, Transaction, concerts, reservations as stored, staff_runs};

use crate::{App, jobs, mails, payments, reservations, task};

/// Why a reservation was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    #[error("there is no such reservation")]
    NotFound,
    #[error("its concert was deleted")]
    ConcertDeleted,
    #[error("its concert was cancelled")]
    ConcertCancelled,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Confirms a reservation for staff who may; an expired one takes its tickets anew.
pub async fn confirm(
    app: &App,
    id: ReservationId,
    by: Acting,
) -> Result<Reservation, ConfirmError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let confirmed = lock_and_confirm(&app, &transaction, &id).await;
        let confirmed = task::end(transaction, confirmed).await?;
        app.live().changed(confirmed.concert_id);
        jobs::wake(&app);
        metrics::counter!("stagedoor_reservations_total", "outcome" => "confirmed").increment(1);
        Ok(confirmed)
    })
    .await
}

async fn lock_and_confirm(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Reservation, ConfirmError> {
    let reservation = reservations::lock_behind_concert(transaction, id)
        .await?
        .ok_or(ConfirmError::NotFound)?;
    // Behind the lock, which it has already: what the decision depends on.
    let concert = concerts::find(transaction, reservation.concert_id)
        .await?
        .ok_or(ConfirmError::ConcertDeleted)?;
    if staff_runs::find_of_concert(transaction, concert.id)
        .await?
        .is_some()
    {
        return Err(ConfirmError::ConcertCancelled);
    }
    let tickets = reservation.check_confirm(concert.available_tickets)?;
    let now = app.ctx().now();
    if let Some(tickets) = Quantity::new(tickets) {
        concerts::take_tickets(transaction, concert.id, tickets, now).await?;
    }
    stored::confirm(transaction, id, now).await?;
    payments::insert_by_hand(app, transaction, &reservation).await?;
    payments::close_pages(transaction, id, now).await?;
    mails::enqueue(app, transaction, MailKind::Confirmed, id).await?;
    Ok(Reservation {
        status: ReservationStatus::Confirmed,
        payment_status: PaymentStatus::Completed,
        updated_at: now,
        ..reservation
    })
}
