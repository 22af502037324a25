//! What a load test reads back to prove that every answer was true.

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::proof as statements;

/// Many times what a page of customers may have; a page that reaches it proves a fault as well.
const ROWS_MAX: i64 = 50_000;

/// A concert's stock beside what reservations hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    pub total_tickets: i32,
    pub available_tickets: i32,
    /// What pending and confirmed reservations hold together.
    pub held: i64,
}

/// A reservation as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredReservation {
    pub id: String,
    pub concert_id: i32,
    pub customer_email: String,
    pub quantity: i32,
    /// Whether it holds tickets: pending or confirmed.
    pub is_live: bool,
    pub is_deleted: bool,
}

pub async fn find_stock(
    connection: &Connection,
    concert_id: i32,
) -> Result<Option<Stock>, StoreError> {
    let found = statements::find_stock()
        .bind(connection, &concert_id)
        .opt()
        .await?;
    Ok(found.map(|row| Stock {
        total_tickets: row.total_tickets,
        available_tickets: row.available_tickets,
        held: row.held,
    }))
}

/// All reservations of these customers, whatever became of them.
pub async fn list_of_customers(
    connection: &Connection,
    emails: &[String],
) -> Result<Vec<StoredReservation>, StoreError> {
    let rows = statements::list_of_customers()
        .bind(connection, &emails, &ROWS_MAX)
        .all()
        .await?;
    let reservations = rows.into_iter().map(|row| StoredReservation {
        id: row.id,
        concert_id: row.concert_id,
        customer_email: row.customer_email,
        quantity: row.quantity,
        is_live: matches!(row.status.as_str(), "pending" | "confirmed"),
        is_deleted: row.is_deleted,
    });
    Ok(reservations.collect())
}
