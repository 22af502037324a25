//! Cancelling a reservation: the tickets are on sale again when the answer leaves.
//!
//! Not here: giving money back, which comes with payments and will be a job.

use domain::id::ReservationId;
use domain::reservation::{Reservation, ReservationStatus, TransitionError};
use store::{Acting, StoreError, Transaction, concerts, reservations as stored};

use crate::access::Holder;
use crate::{App, reservations, task};

/// Why a reservation was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("there is no such reservation")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Cancels what `holder` holds, and gives its tickets back in the same transaction.
pub async fn cancel(app: &App, holder: Holder) -> Result<Reservation, CancelError> {
    let id = holder.reservation_id().clone();
    cancel_as(app, id, holder.acting()).await
}

/// The same for staff who may; what was paid stays paid.
pub async fn cancel_by_staff(
    app: &App,
    id: ReservationId,
    by: Acting,
) -> Result<Reservation, CancelError> {
    cancel_as(app, id, by).await
}

async fn cancel_as(app: &App, id: ReservationId, by: Acting) -> Result<Reservation, CancelError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let cancelled = lock_and_cancel(&app, &transaction, &id).await;
        let cancelled = task::end(transaction, cancelled).await?;
        app.tickets_returned(cancelled.concert_id);
        metrics::counter!("stagedoor_reservations_total", "outcome" => "cancelled").increment(1);
        Ok(cancelled)
    })
    .await
}

async fn lock_and_cancel(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Reservation, CancelError> {
    let reservation = reservations::lock_behind_concert(transaction, id)
        .await?
        .ok_or(CancelError::NotFound)?;
    let now = app.ctx().now();
    reservation.check_cancel(now)?;
    let status = ReservationStatus::Cancelled;
    stored::update_status(transaction, &reservation.id, status, now).await?;
    let tickets = reservation.quantity;
    concerts::return_tickets(transaction, reservation.concert_id, tickets, now).await?;
    Ok(Reservation {
        status,
        updated_at: now,
        ..reservation
    })
}
