//! What operators and `doctor` ask of the database itself.

use jiff::Timestamp;

use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::monitor as statements;
use crate::time::from_column;

/// A concert whose stock doesn't add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenInventory {
    pub concert_id: i32,
    pub total_tickets: i32,
    pub available_tickets: i32,
    /// What pending and confirmed reservations hold together.
    pub held: i64,
}

/// The login of a connection and whether it is more than a server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub name: String,
    pub is_superuser: bool,
    pub owns_tables: bool,
    pub server_version: String,
}

/// Up to `limit` concerts that break `available = total - held`. Empty is good.
pub async fn list_broken_inventory(
    connection: &Connection,
    limit: i64,
) -> Result<Vec<BrokenInventory>, StoreError> {
    let rows = statements::list_broken_inventory()
        .bind(connection, &limit)
        .all()
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| BrokenInventory {
            concert_id: row.id,
            total_tickets: row.total_tickets,
            available_tickets: row.available_tickets,
            held: row.held,
        })
        .collect())
}

pub async fn find_login(connection: &Connection) -> Result<Login, StoreError> {
    let row = statements::find_login().bind(connection).one().await?;
    Ok(Login {
        name: row.name,
        is_superuser: row.is_superuser,
        owns_tables: row.owns_tables,
        server_version: row.server_version,
    })
}

/// Whether this connection is to a node that takes no writes.
pub async fn is_read_only(connection: &Connection) -> Result<bool, StoreError> {
    Ok(statements::is_read_only().bind(connection).one().await?)
}

/// The primary's clock, which decides expiry.
pub async fn primary_clock(connection: &Connection) -> Result<Timestamp, StoreError> {
    Ok(from_column(
        statements::primary_clock().bind(connection).one().await?,
    ))
}
