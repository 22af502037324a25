//! Cancelling a reservation: the tickets are on sale again when the answer leaves, and what was paid is
//! on its way back.
//!
//! Not here: sending the money, which is a job of `payments`.

use domain::id::ReservationId;
use domain::mail::MailKind;
use domain::payment::RefundReason;
use domain::reservation::{Reservation, ReservationStatus, TransitionError};
use jiff::Timestamp;
use jiff::civil::Date;
use store::{Acting, StoreError, Transaction, concerts, reservations as stored, tickets};

use crate::access::Holder;
use crate::payments::ByHand;
use crate::{App, Settings, jobs, mails, payments, reservations, task};

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
    cancel_as(app, id, holder.acting(), RefundReason::ByCustomer).await
}

/// The same for staff who may, at any time.
pub async fn cancel_by_staff(
    app: &App,
    id: ReservationId,
    by: Acting,
) -> Result<Reservation, CancelError> {
    cancel_as(app, id, by, RefundReason::ByStaff).await
}

async fn cancel_as(
    app: &App,
    id: ReservationId,
    by: Acting,
    reason: RefundReason,
) -> Result<Reservation, CancelError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let cancelled = lock_and_cancel(&app, &transaction, &id, reason).await;
        let cancelled = task::end(transaction, cancelled).await?;
        app.tickets_returned(cancelled.concert_id);
        jobs::wake(&app);
        if !cancelled.concert_id.is_probe() {
            metrics::counter!("stagedoor_reservations_total", "outcome" => "cancelled")
                .increment(1);
        }
        Ok(cancelled)
    })
    .await
}

/// Cancels it in the caller's transaction. Whatever refuses does so before anything is written.
pub(crate) async fn lock_and_cancel(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
    reason: RefundReason,
) -> Result<Reservation, CancelError> {
    let reservation = reservations::lock_behind_concert(transaction, id)
        .await?
        .ok_or(CancelError::NotFound)?;
    let now = app.ctx().now();
    if reason == RefundReason::ByCustomer {
        let last_at = last_cancelled_at(app, transaction, &reservation).await?;
        reservation.check_own_cancel(now, last_at)?;
        let issued = tickets::list(transaction, id).await?;
        if issued.iter().any(|ticket| ticket.used_at.is_some()) {
            return Err(TransitionError::Used.into());
        }
    } else if reason == RefundReason::ConcertCancelled {
        reservation.check_end()?;
    } else {
        reservation.check_cancel(now)?;
    }
    payments::give_back_all(transaction, id, (reason, ByHand::Owed), now).await?;
    payments::close_pages(transaction, id, now).await?;
    let status = ReservationStatus::Cancelled;
    stored::update_status(transaction, &reservation.id, status, now).await?;
    let tickets = reservation.quantity;
    concerts::return_tickets(transaction, reservation.concert_id, tickets, now).await?;
    // Whoever lets a hold go knows it; and a hold may have anybody's address, whom nobody shall be
    // able to have mailed by holding and letting go.
    if reservation.status == ReservationStatus::Confirmed || reason != RefundReason::ByCustomer {
        mails::enqueue(app, transaction, MailKind::Cancelled, id).await?;
    }
    let cancelled = stored::lock(transaction, id).await?;
    cancelled.ok_or(CancelError::NotFound)
}

/// Until when its customer may cancel it: so long before the concert's day begins. Where the concert was
/// deleted, at any time.
async fn last_cancelled_at(
    app: &App,
    transaction: &Transaction,
    reservation: &Reservation,
) -> Result<Timestamp, StoreError> {
    let concert = concerts::find(transaction, reservation.concert_id).await?;
    Ok(concert.map_or(Timestamp::MAX, |concert| {
        last_own_cancel_at(app.settings(), concert.date)
    }))
}

/// Until when customers may cancel what is confirmed for a concert on that day.
pub fn last_own_cancel_at(settings: &Settings, day: Date) -> Timestamp {
    let begins = day.to_zoned(settings.timezone.clone());
    // Days at the end of the calendar have no such instant.
    let begins = begins.map_or(Timestamp::MAX, |begins| begins.timestamp());
    begins
        .checked_sub(settings.cancel_until)
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::allotment::Limits;
    use domain::money::Currency;
    use jiff::tz::TimeZone;

    use super::*;

    fn last_at(zone: &str, day: &str, hours: u64) -> String {
        let settings = Settings {
            hold_ttl: Duration::from_mins(10),
            cancel_until: Duration::from_hours(hours),
            limits: Limits {
                per_order: 10,
                per_customer: 10,
            },
            currency: Currency::THB,
            timezone: TimeZone::get(zone).expect("a time zone"),
        };
        let day: Date = day.parse().expect("a day");
        last_own_cancel_at(&settings, day).to_string()
    }

    #[test]
    fn a_concerts_day_begins_where_the_concert_is() {
        for (zone, day, hours, expected) in [
            ("Asia/Bangkok", "2026-12-24", 0, "2026-12-23T17:00:00Z"),
            ("Asia/Bangkok", "2026-12-24", 48, "2026-12-21T17:00:00Z"),
            ("UTC", "2026-12-24", 48, "2026-12-22T00:00:00Z"),
            (
                "Pacific/Kiritimati",
                "2026-12-24",
                1,
                "2026-12-23T09:00:00Z",
            ),
            // Hours are hours, also in the night in which clocks are changed.
            ("Europe/Berlin", "2026-03-30", 24, "2026-03-28T22:00:00Z"),
            ("Europe/Berlin", "2026-10-26", 24, "2026-10-24T23:00:00Z"),
            // A day without a midnight begins an hour later.
            ("Africa/Cairo", "2026-04-24", 0, "2026-04-23T22:00:00Z"),
        ] {
            assert_eq!(last_at(zone, day, hours), expected, "{zone} {day} {hours}");
        }
    }

    #[test]
    fn the_calendars_end_is_no_trouble() {
        assert!(last_at("America/New_York", "9999-12-31", 48).as_str() > "9999-12-28");
    }
}
