//! All that staff see of one reservation at once: payments with what their providers told, mails, tickets.

use domain::concert::Concert;
use domain::id::ReservationId;
use domain::reservation::Reservation;
use domain::ticket::Ticket;
use store::mails::{self, Mail};
use store::payments::{self, Stored, Told};
use store::{Acting, StoreError, Transaction, concerts, reservations, tickets};

use crate::App;

/// A reservation with its story.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its status is that of now: a hold that ran out is already `expired`.
    pub reservation: Reservation,
    /// None where it was deleted.
    pub concert: Option<Concert>,
    /// All attempts to pay, the newest first.
    pub payments: Vec<Stored>,
    /// What providers told of them, the oldest first.
    pub told: Vec<Told>,
    /// Of the last 90 days, the newest first.
    pub mails: Vec<Mail>,
    /// Those that were made yet.
    pub tickets: Vec<Ticket>,
}

/// A reservation's story for staff who may see it.
pub async fn tell(app: &App, id: &ReservationId, by: &Acting) -> Result<Option<Story>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let told = tell_in(app, &transaction, id).await;
    transaction.rollback().await;
    told
}

async fn tell_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Option<Story>, StoreError> {
    let Some(found) = reservations::find_in(transaction, id).await? else {
        return Ok(None);
    };
    let now = app.ctx().now();
    let reservation = Reservation {
        status: found.status_at(now),
        ..found
    };
    Ok(Some(Story {
        concert: concerts::find(transaction, reservation.concert_id).await?,
        payments: payments::list(transaction, id).await?,
        told: payments::list_events(transaction, id).await?,
        mails: mails::list_of_reservation(transaction, id).await?,
        tickets: tickets::list(transaction, id).await?,
        reservation,
    }))
}
