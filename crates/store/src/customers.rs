//! Accounts of customers, the identities that providers vouch for, and what is under an address.

use domain::id::CustomerId;
use domain::reservation::Reservation;
use domain::text::EmailAddress;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::customers as statements;
use crate::reservations;
use crate::time::to_column;

/// The account of an address, which is made where there is none.
pub async fn upsert(
    connection: &Connection,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<CustomerId, StoreError> {
    let id = statements::upsert()
        .bind(connection, &email.as_str(), &to_column(now))
        .one()
        .await?;
    read_id(id)
}

/// Notes the name that a provider tells.
pub async fn update_name(
    connection: &Connection,
    id: CustomerId,
    name: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_name()
        .bind(connection, &name, &to_column(now), &id.get())
        .await?;
    expect_rows("customers.update_name", changed, 1)
}

/// Takes the name of the newest reservation where nobody has told one.
pub async fn update_name_from_booking(
    connection: &Connection,
    id: CustomerId,
    now: Timestamp,
) -> Result<(), StoreError> {
    statements::update_name_from_booking()
        .bind(connection, &to_column(now), &id.get())
        .await?;
    Ok(())
}

/// Links whom a provider vouches for with an account.
pub async fn upsert_identity(
    connection: &Connection,
    id: CustomerId,
    (issuer, subject): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::upsert_identity()
        .bind(connection, &id.get(), &issuer, &subject, &to_column(now))
        .await?;
    expect_rows("customers.upsert_identity", changed, 1)
}

/// A reservation with what a list tells of its concert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    pub reservation: Reservation,
    pub concert: String,
    pub artist: String,
    pub venue: String,
    pub date: Date,
    pub image_url: Option<String>,
    /// Whether there is still something to come of it.
    pub is_upcoming: bool,
}

/// A page of what is under an address: what is to come first, by day, then the rest, newest first.
pub async fn list_bookings(
    connection: &Connection,
    email: &EmailAddress,
    (today, now): (Date, Timestamp),
    (rows_before, limit): (i64, i64),
) -> Result<Vec<Booking>, StoreError> {
    let rows = statements::list_bookings()
        .bind(
            connection,
            &today,
            &to_column(now),
            &email.as_str(),
            &rows_before,
            &limit,
        )
        .all()
        .await?;
    rows.into_iter().map(read_booking).collect()
}

fn read_booking(row: statements::Booking) -> Result<Booking, StoreError> {
    let reservation = reservations::read_row(reservations::Row {
        id: row.id,
        concert_id: row.concert_id,
        customer_name: row.customer_name,
        customer_email: row.customer_email,
        quantity: row.quantity,
        total_price: row.total_price,
        status: row.status,
        google_auth: row.google_auth,
        payment_status: row.payment_status,
        reserved_at: row.reserved_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        expires_at: row.expires_at,
        extensions: row.extensions,
    })?;
    Ok(Booking {
        reservation,
        concert: row.name,
        artist: row.artist,
        venue: row.venue,
        date: row.date,
        image_url: row.image_url,
        is_upcoming: row.is_upcoming,
    })
}

pub(crate) fn read_id(id: i64) -> Result<CustomerId, StoreError> {
    CustomerId::new(id).ok_or_else(|| unreadable("customers", "id", &id.to_string()))
}

pub(crate) fn read_email(table: &'static str, text: &str) -> Result<EmailAddress, StoreError> {
    EmailAddress::parse(text).map_err(|_| unreadable(table, "email", text))
}

pub(crate) fn unreadable(table: &'static str, column: &str, value: &str) -> StoreError {
    StoreError::Unreadable {
        table,
        detail: format!("{column} {value:?}"),
    }
}
