//! More time for a hold: its end becomes now and the hold time, a limited number of times.
//!
//! Not here: how often and when, which is `domain::reservation`'s rule; the time that outages lend,
//! which is the sweeper's (`expire`).

use domain::reservation::{Reservation, TransitionError};
use store::{StoreError, Transaction, reservations as stored};

use crate::access::Holder;
use crate::{App, concerts, reservations, task};

/// Why a hold was not extended.
#[derive(Debug, thiserror::Error)]
pub enum ExtendError {
    #[error("there is no such reservation")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error("its concert was cancelled")]
    ConcertCancelled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps what `holder` holds for another hold time from now on.
pub async fn extend(app: &App, holder: Holder) -> Result<Reservation, ExtendError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &holder.acting()).await?;
        match lock_and_extend(&app, &transaction, &holder).await {
            Ok(extended) => {
                transaction.commit().await?;
                Ok(extended)
            }
            Err(refusal) => {
                transaction.rollback().await;
                Err(refusal)
            }
        }
    })
    .await
}

async fn lock_and_extend(
    app: &App,
    transaction: &Transaction,
    holder: &Holder,
) -> Result<Reservation, ExtendError> {
    let reservation = reservations::lock_behind_concert(transaction, holder.reservation_id())
        .await?
        .ok_or(ExtendError::NotFound)?;
    if concerts::is_cancelled(transaction, reservation.concert_id).await? {
        return Err(ExtendError::ConcertCancelled);
    }
    let extended = reservation.extend(app.ctx().now(), app.settings().hold_ttl)?;
    stored::extend(transaction, &extended).await?;
    Ok(extended)
}
