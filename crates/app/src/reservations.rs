//! Showing a reservation to whoever holds its token, and locking it to change it.

use domain::reservation::Reservation;
use store::reservations as stored;
use store::{StoreError, Transaction, concerts};

use crate::App;
use crate::access::Holder;

/// The reservation as it stands now: a hold that has run out is already `expired`.
pub async fn show(app: &App, holder: &Holder) -> Result<Option<Reservation>, StoreError> {
    let found = stored::find(app.writer(), &holder.acting(), holder.reservation_id()).await?;
    let now = app.ctx().now();
    Ok(found.map(|reservation| Reservation {
        status: reservation.status_at(now),
        ..reservation
    }))
}

/// Locks what `holder` holds until the transaction ends; its status and end are to be looked at
/// after that.
///
/// INVARIANT: the concert is locked before the reservation, as everywhere; guarded by
/// `whoever_waits_for_a_concert_has_locked_no_reservation`.
pub(crate) async fn lock_behind_concert(
    transaction: &Transaction,
    holder: &Holder,
) -> Result<Option<Reservation>, StoreError> {
    let id = holder.reservation_id();
    let Some(concert_id) = stored::find_concert_id(transaction, id).await? else {
        return Ok(None);
    };
    if concerts::lock_stock(transaction, concert_id)
        .await?
        .is_none()
    {
        return Ok(None);
    }
    stored::lock(transaction, id).await
}
