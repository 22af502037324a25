//! How the house stands at this moment, for the first page of the staff.

use jiff::Timestamp;
use store::reservations::{self, Sum};
use store::{Acting, StoreError, Transaction};

use crate::App;

/// Today's sales and what is held now.
#[derive(Clone, Copy, Debug)]
pub struct Overview {
    /// Reserved today, where the concerts are, and confirmed.
    pub sold: Sum,
    pub held_reservations: i64,
    pub held_tickets: i64,
}

/// How it stands now, for staff who may see it.
pub async fn show(app: &App, by: &Acting) -> Result<Overview, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let read = read(app, &transaction).await;
    transaction.rollback().await;
    read
}

async fn read(app: &App, transaction: &Transaction) -> Result<Overview, StoreError> {
    let sold = reservations::sum_made(transaction, dawn(app)).await?;
    let held = reservations::sum_pending(transaction, app.ctx().now()).await?;
    Ok(Overview {
        sold,
        held_reservations: held.0,
        held_tickets: held.1,
    })
}

/// When today began.
fn dawn(app: &App) -> Timestamp {
    let midnight = app.today().to_zoned(app.settings().timezone.clone());
    midnight.map_or_else(|_| app.ctx().now(), |midnight| midnight.timestamp())
}
