//! Made-up rows in large numbers, by `COPY`.
//!
//! Reservations are copied into a temporary table first: `COPY` into a table with row-level
//! security is refused, `INSERT … SELECT` is not. It costs little, for the indexes take the time:
//! 100,000 rows took 4.4 and 4.5 s directly, 4.9 and 4.6 s this way.

use std::pin::pin;

use domain::concert::ConcertStatus;
use domain::id::ConcertId;
use domain::money::Money;
use domain::reservation::Reservation;
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::client::GenericClient as _;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::seed as statements;
use crate::time::to_column;
use crate::{concerts, money};

// Not in `queries/`: the generator can't prepare what speaks of a temporary table, nor `COPY`.
const CREATE: &str = "/* seed.create */ CREATE TEMPORARY TABLE made_up_reservations \
                      (LIKE reservations) ON COMMIT DROP";
const COPY: &str = "/* seed.copy */ COPY made_up_reservations (id, concert_id, customer_name, \
                    customer_email, quantity, total_price, status, google_auth, payment_status, \
                    reserved_at, created_at, updated_at, expires_at, client_ip) \
                    FROM STDIN (FORMAT binary)";
const TAKE_OVER: &str = "/* seed.take_over */ INSERT INTO reservations (id, concert_id, \
                         customer_name, customer_email, quantity, total_price, status, \
                         google_auth, payment_status, reserved_at, created_at, updated_at, \
                         expires_at, client_ip) \
                         SELECT id, concert_id, customer_name, customer_email, quantity, \
                         total_price, status, google_auth, payment_status, reserved_at, \
                         created_at, updated_at, expires_at, client_ip \
                         FROM made_up_reservations";
// Nobody did what is made up, so that the audit log gets one row that says so. What was summed for
// reports is summed anew.
const PAUSE_AUDIT: &str = "/* seed.pause_audit */ \
                           ALTER TABLE concerts DISABLE TRIGGER concerts_audit_insert; \
                           ALTER TABLE concerts DISABLE TRIGGER concerts_audit_update; \
                           ALTER TABLE reservations DISABLE TRIGGER reservations_audit_insert; \
                           ALTER TABLE reservations DISABLE TRIGGER reservations_sales_insert; \
                           DELETE FROM sales_days";
const RESUME_AUDIT: &str = "/* seed.resume_audit */ \
                            ALTER TABLE concerts ENABLE TRIGGER concerts_audit_insert; \
                            ALTER TABLE concerts ENABLE TRIGGER concerts_audit_update; \
                            ALTER TABLE reservations ENABLE TRIGGER reservations_audit_insert; \
                            ALTER TABLE reservations ENABLE TRIGGER reservations_sales_insert";
/// Nobody sums meanwhile what isn't there yet: [`SUM_LOCK`](crate::reports::SUM_LOCK).
const KEEP_FROM_SUMMING: &str =
    "/* seed.keep_from_summing */ SELECT pg_advisory_xact_lock(495555732851)";
const EMPTY: &str = "/* seed.empty */ TRUNCATE made_up_reservations";
const ANALYZE: &str = "/* seed.analyze */ ANALYZE concerts, reservations";

const COLUMNS: [Type; 14] = [
    Type::VARCHAR,
    Type::INT4,
    Type::VARCHAR,
    Type::VARCHAR,
    Type::INT4,
    Type::NUMERIC,
    Type::VARCHAR,
    Type::BOOL,
    Type::VARCHAR,
    Type::TIMESTAMP,
    Type::TIMESTAMP,
    Type::TIMESTAMP,
    Type::TIMESTAMP,
    Type::VARCHAR,
];

/// A concert that nobody plays; its tickets follow from its reservations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeUpConcert {
    pub name: String,
    pub artist: String,
    pub date: Date,
    pub venue: String,
    pub price: Money,
    pub status: ConcertStatus,
}

/// A reservation with the address that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeUpReservation {
    pub reservation: Reservation,
    pub client_ip: String,
}

/// Inserts concerts without tickets; returns their numbers in the same order.
pub async fn insert_concerts(
    connection: &Connection,
    made_up: &[MadeUpConcert],
    now: Timestamp,
) -> Result<Vec<ConcertId>, StoreError> {
    let text = |of: fn(&MadeUpConcert) -> &str| made_up.iter().map(of).collect::<Vec<_>>();
    let dates: Vec<Date> = made_up.iter().map(|concert| concert.date).collect();
    let prices = made_up
        .iter()
        .map(|concert| money::to_column(concert.price));
    let mut ids = statements::insert_concerts()
        .bind(
            connection,
            &to_column(now),
            &text(|concert| &concert.name),
            &text(|concert| &concert.artist),
            &dates,
            &text(|concert| &concert.venue),
            &prices.collect::<Vec<_>>(),
            &text(|concert| concert.status.as_str()),
        )
        .all()
        .await?;
    ids.sort_unstable();
    ids.into_iter().map(concerts::read_id).collect()
}

/// Turns the audit log off until the transaction ends or [`resume_audit`]; nobody else can write
/// to the tables meanwhile.
pub async fn pause_audit(connection: &Connection) -> Result<(), StoreError> {
    connection.run(KEEP_FROM_SUMMING).await?;
    Ok(connection.run(PAUSE_AUDIT).await?)
}

/// Turns the audit log on again, with one row about all that was made up.
pub async fn resume_audit(
    connection: &Connection,
    concerts: u64,
    reservations: u64,
) -> Result<(), StoreError> {
    connection.run(RESUME_AUDIT).await?;
    let amount = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    statements::log_made_up()
        .bind(connection, &amount(concerts), &amount(reservations))
        .await?;
    Ok(())
}

/// Makes the temporary table of this transaction.
pub async fn begin_reservations(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(CREATE, &[]).await?;
    Ok(())
}

/// Inserts reservations; the concerts' tickets are settled when all are there.
pub async fn insert_reservations(
    connection: &Connection,
    made_up: &[MadeUpReservation],
) -> Result<(), StoreError> {
    let sink = connection.copy_in(COPY).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &COLUMNS));
    for row in made_up {
        write(writer.as_mut(), row).await?;
    }
    let expected = made_up.len() as u64;
    expect_rows("seed.copy", writer.finish().await?, expected)?;
    let inserted = connection.execute(TAKE_OVER, &[]).await?;
    expect_rows("seed.take_over", inserted, expected)?;
    connection.execute(EMPTY, &[]).await?;
    Ok(())
}

async fn write(
    writer: std::pin::Pin<&mut BinaryCopyInWriter>,
    row: &MadeUpReservation,
) -> Result<(), StoreError> {
    let of = &row.reservation;
    writer
        .write(&[
            &of.id.as_str(),
            &of.concert_id.get(),
            &of.customer_name,
            &of.customer_email,
            &of.quantity,
            &money::to_column(of.total_price),
            &of.status.as_str(),
            &of.google_auth,
            &of.payment_status.as_str(),
            &to_column(of.reserved_at),
            &to_column(of.created_at),
            &to_column(of.updated_at),
            &of.expires_at.map(to_column),
            &row.client_ip,
        ])
        .await?;
    Ok(())
}

/// Makes the inventory of concerts true.
pub async fn settle_stock(
    connection: &Connection,
    concerts: &[ConcertId],
) -> Result<(), StoreError> {
    let ids: Vec<i32> = concerts.iter().map(|id| id.get()).collect();
    let changed = statements::settle_stock().bind(connection, &ids).await?;
    expect_rows("seed.settle_stock", changed, ids.len() as u64)
}

/// Tells the planner what is there now; only the owner may.
pub async fn analyze(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(ANALYZE, &[]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_the_one_of_who_sums() {
        assert!(KEEP_FROM_SUMMING.contains(&format!("({})", crate::reports::SUM_LOCK)));
    }
}
