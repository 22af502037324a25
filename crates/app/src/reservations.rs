//! Showing a reservation to whoever holds its token.

use domain::reservation::Reservation;
use store::StoreError;
use store::reservations as stored;

use crate::App;
use crate::access::Holder;

/// The reservation as it stands now: a hold that has run out is already `expired`.
pub async fn show(app: &App, holder: &Holder) -> Result<Option<Reservation>, StoreError> {
    let connection = app.writer().get().await?;
    let found = stored::find(&connection, holder.reservation_id()).await?;
    let now = app.ctx().now();
    Ok(found.map(|reservation| Reservation {
        status: reservation.status_at(now),
        ..reservation
    }))
}
