//! Cancelling a reservation: the tickets are on sale again when the answer leaves.
//!
//! Not here: giving money back, which comes with payments and will be a job.

use domain::reservation::{Reservation, ReservationStatus, TransitionError};
use store::{StoreError, Transaction, concerts, reservations as stored};

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
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &holder.acting()).await?;
        match lock_and_cancel(&app, &transaction, &holder).await {
            Ok(cancelled) => {
                transaction.commit().await?;
                app.tickets_returned(cancelled.concert_id);
                metrics::counter!("stagedoor_reservations_total", "outcome" => "cancelled")
                    .increment(1);
                Ok(cancelled)
            }
            Err(refusal) => {
                transaction.rollback().await;
                Err(refusal)
            }
        }
    })
    .await
}

async fn lock_and_cancel(
    app: &App,
    transaction: &Transaction,
    holder: &Holder,
) -> Result<Reservation, CancelError> {
    let reservation = reservations::lock_behind_concert(transaction, holder)
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
