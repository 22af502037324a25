//! Reservations in the database.

use domain::id::{ConcertId, ReservationId};
use domain::reservation::{PaymentStatus, Reservation, ReservationStatus};
use domain::text::EmailAddress;
use futures_util::TryFutureExt as _;
use jiff::Timestamp;

use crate::acting::Acting;
use crate::client::Params;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::reservations as statements;
pub(crate) use crate::generated::queries::reservations::Reservation as Row;
use crate::heartbeats::Task;
use crate::pool::Pool;
use crate::time::{from_column, to_column};
use crate::{concerts, money};

mod list;

pub use list::{Filter, Position, Stretch, find_search_end, is_indexed, list, search};

/// One reservation, if whoever acts may see it; in one round trip, for pages are made of it.
///
/// INVARIANT: everything is prepared before it is pipelined, or it would run when the transaction,
/// and with it the right to see anything, is over; guarded by
/// `a_holder_sees_the_reservation_on_a_new_connection`.
pub async fn find(
    pool: &Pool,
    acting: &Acting,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    let lease = pool.get().await?;
    tokio::try_join!(
        Acting::prepare(&lease),
        statements::find().prepare(&*lease).map_ok(drop),
    )?;
    let (find, name) = (statements::find(), id.as_str());
    let (begun, declared, found, ended) = tokio::join!(
        biased;
        lease.begin(),
        acting.declare(&lease),
        find.bind(&*lease, &name).opt(),
        lease.end("COMMIT"),
    );
    begun?;
    declared?;
    let found = found?;
    ended?;
    found.map(read_row).transpose()
}

/// The same in a transaction, for whoever acts in it.
pub async fn find_in(
    connection: &Connection,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    let found = statements::find()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(read_row).transpose()
}

/// The same for a reservation that staff may have deleted since.
///
/// Only the benchmark's plain way uses it; the engine has `admission`.
pub async fn find_even_deleted(
    connection: &Connection,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    statements::find_even_deleted()
        .bind(connection, &id.as_str())
        .opt()
        .await?
        .map(read_row)
        .transpose()
}

/// The concert whose row must be locked before the reservation's.
pub async fn find_concert_id(
    connection: &Connection,
    id: &ReservationId,
) -> Result<Option<ConcertId>, StoreError> {
    let found = statements::find_concert_id()
        .bind(connection, &id.as_str())
        .opt()
        .await?;
    found.map(concerts::read_id).transpose()
}

/// Locks the reservation's row until the transaction ends.
pub async fn lock(
    connection: &Connection,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    statements::lock()
        .bind(connection, &id.as_str())
        .opt()
        .await?
        .map(read_row)
        .transpose()
}

/// Those of these reservations that are there, by their ids.
pub async fn list_by_ids(
    connection: &Connection,
    ids: &[ReservationId],
) -> Result<Vec<Reservation>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(ReservationId::as_str).collect();
    let rows = statements::list_by_ids()
        .bind(connection, &ids)
        .all()
        .await?;
    rows.into_iter().map(read_row).collect()
}

/// How many tickets of a concert a customer holds or has bought.
///
/// Only the benchmark's plain way uses it; the engine has `admission`.
pub async fn sum_held(
    connection: &Connection,
    customer: &EmailAddress,
    concert: ConcertId,
) -> Result<i32, StoreError> {
    let held = statements::sum_held()
        .bind(connection, &customer.as_str(), &concert.get())
        .one()
        .await?;
    Ok(i32::try_from(held).unwrap_or(i32::MAX))
}

/// Inserts a new reservation with the address it was asked for from.
pub async fn insert(
    connection: &Connection,
    reservation: &Reservation,
    client_ip: Option<&str>,
) -> Result<(), StoreError> {
    let parameters = statements::InsertParams {
        id: reservation.id.as_str(),
        concert_id: reservation.concert_id.get(),
        customer_name: reservation.customer_name.as_str(),
        customer_email: reservation.customer_email.as_str(),
        quantity: reservation.quantity,
        total_price: money::to_column(reservation.total_price),
        status: reservation.status.as_str(),
        google_auth: reservation.google_auth,
        payment_status: reservation.payment_status.as_str(),
        now: to_column(reservation.created_at),
        expires_at: reservation.expires_at.map(to_column),
        client_ip,
    };
    let changed = statements::insert().params(connection, &parameters).await?;
    expect_rows("reservations.insert", changed, 1)
}

pub async fn update_status(
    connection: &Connection,
    id: &ReservationId,
    status: ReservationStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_status()
        .bind(connection, &status.as_str(), &to_column(now), &id.as_str())
        .await?;
    expect_rows("reservations.update_status", changed, 1)
}

/// Marks it as confirmed and paid.
pub async fn confirm(
    connection: &Connection,
    id: &ReservationId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::confirm()
        .bind(connection, &to_column(now), &id.as_str())
        .await?;
    expect_rows("reservations.confirm", changed, 1)
}

/// Marks it as deleted.
pub async fn delete(
    connection: &Connection,
    id: &ReservationId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::delete()
        .bind(connection, &to_column(now), &id.as_str())
        .await?;
    expect_rows("reservations.delete", changed, 1)
}

/// What keeps tickets of a concert from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Tickets of confirmed reservations.
    pub sold: i64,
    /// Tickets of pending ones, overdue ones included until they are swept.
    pub held: i64,
    /// How many reservations have them.
    pub reservations: i64,
}

pub async fn count_taken(connection: &Connection, concert: ConcertId) -> Result<Taken, StoreError> {
    let row = statements::count_taken()
        .bind(connection, &concert.get())
        .one()
        .await?;
    Ok(Taken {
        sold: row.sold,
        held: row.held,
        reservations: row.reservations,
    })
}

pub(crate) fn read_row(row: Row) -> Result<Reservation, StoreError> {
    let (status, payment_status) = read_standing(&row.status, &row.payment_status)?;
    Ok(Reservation {
        id: row.id.parse().map_err(|_| unreadable("id", &row.id))?,
        concert_id: concerts::read_id(row.concert_id)?,
        status,
        payment_status,
        total_price: money::from_column("reservations", row.total_price)?,
        customer_name: row.customer_name,
        customer_email: row.customer_email,
        quantity: row.quantity,
        google_auth: row.google_auth,
        reserved_at: from_column(row.reserved_at),
        expires_at: row.expires_at.map(from_column),
        extensions: row.extensions.unwrap_or(0),
        created_at: from_column(row.created_at),
        updated_at: from_column(row.updated_at),
    })
}

/// How a reservation and its payment stand.
pub(crate) fn read_standing(
    status: &str,
    payment: &str,
) -> Result<(ReservationStatus, PaymentStatus), StoreError> {
    let status = status.parse().map_err(|_| unreadable("status", status))?;
    let payment = payment
        .parse()
        .map_err(|_| unreadable("payment_status", payment))?;
    Ok((status, payment))
}

fn unreadable(column: &str, value: &str) -> StoreError {
    StoreError::Unreadable {
        table: "reservations",
        detail: format!("{column} {value:?}"),
    }
}

/// A hold that ran out, under its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    pub id: String,
    pub concert_id: ConcertId,
    pub quantity: i32,
}

/// What the sweeper sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The primary's clock.
    pub primary_now: Timestamp,
    /// When the sweeper was last awake, on whichever server; `None` when it never was.
    pub beat_at: Option<Timestamp>,
    /// When the next hold ends, or ended; `None` when nothing is held.
    pub end_at: Option<Timestamp>,
}

pub async fn look(connection: &Connection, sweeper: Task) -> Result<Look, StoreError> {
    let row = statements::look()
        .bind(connection, &sweeper.as_str())
        .one()
        .await?;
    Ok(Look {
        primary_now: from_column(row.primary_now),
        beat_at: row.beat_at.map(from_column),
        end_at: row.end_at.map(from_column),
    })
}

/// Writes the end and the extensions of a hold that was extended.
pub async fn extend(connection: &Connection, extended: &Reservation) -> Result<(), StoreError> {
    let end = extended.expires_at.unwrap_or(extended.updated_at);
    let changed = statements::extend()
        .bind(
            connection,
            &to_column(end),
            &extended.extensions,
            &to_column(extended.updated_at),
            &extended.id.as_str(),
        )
        .await?;
    expect_rows("reservations.extend", changed, 1)
}

/// A time in which nobody could use a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Holds that had ended by then get nothing.
    pub since: Timestamp,
    /// Holds that were made or changed after it get nothing.
    pub began_by: Timestamp,
    pub until: Timestamp,
}

/// Lends the outage's length to up to `limit` holds that it fell into; returns to how many.
pub async fn lend(connection: &Connection, outage: Outage, limit: i64) -> Result<u64, StoreError> {
    let parameters = statements::LendParams {
        since: to_column(outage.since),
        began: to_column(outage.began_by),
        now: to_column(outage.until),
        limit,
    };
    Ok(statements::lend().params(connection, &parameters).await?)
}

/// Up to `limit` holds that ran out, with their concerts, the longest overdue first.
pub async fn list_overdue(
    connection: &Connection,
    now: Timestamp,
    passed_over: &[ConcertId],
    limit: i64,
) -> Result<Vec<(String, ConcertId)>, StoreError> {
    let passed_over: Vec<i32> = passed_over.iter().map(|id| id.get()).collect();
    let rows = statements::list_overdue()
        .bind(connection, &to_column(now), &passed_over, &limit)
        .all()
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.id, concerts::read_id(row.concert_id)?)))
        .collect()
}

/// Locks those that are still overdue, in id order.
pub async fn lock_overdue(
    connection: &Connection,
    ids: &[String],
    now: Timestamp,
) -> Result<Vec<Overdue>, StoreError> {
    let rows = statements::lock_overdue()
        .bind(connection, &ids, &to_column(now))
        .all()
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Overdue {
                id: row.id,
                concert_id: concerts::read_id(row.concert_id)?,
                quantity: row.quantity,
            })
        })
        .collect()
}

/// Marks locked holds as expired.
pub async fn expire(
    connection: &Connection,
    overdue: &[Overdue],
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = overdue.iter().map(|hold| hold.id.as_str()).collect();
    let changed = statements::expire()
        .bind(connection, &to_column(now), &ids)
        .await?;
    expect_rows("reservations.expire", changed, ids.len() as u64)
}

/// Puts into order what the index of the search took up since the last time.
pub async fn tidy_search(connection: &Connection) -> Result<(), StoreError> {
    statements::tidy_search().bind(connection).one().await?;
    Ok(())
}

/// Reservations with their tickets and prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub reservations: i64,
    pub tickets: i64,
    /// In the currency's hundredth parts.
    pub minor: i64,
}

/// What was reserved since then and is confirmed.
pub async fn sum_made(connection: &Connection, from: Timestamp) -> Result<Sum, StoreError> {
    let from = to_column(from);
    let made = statements::sum_made().bind(connection, &from).one().await?;
    Ok(Sum {
        reservations: made.reservations,
        tickets: made.tickets,
        minor: made.minor,
    })
}

/// What is held at `now`: reservations and tickets.
pub async fn sum_pending(
    connection: &Connection,
    now: Timestamp,
) -> Result<(i64, i64), StoreError> {
    let now = to_column(now);
    let held = statements::sum_pending()
        .bind(connection, &now)
        .one()
        .await?;
    Ok((held.reservations, held.tickets))
}
