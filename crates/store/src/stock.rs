//! Telling other processes that stock changed, hearing it from them, and what is left now.

use domain::concert::ConcertStatus;
use domain::id::ConcertId;
use tokio::sync::mpsc;

use crate::concerts;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::{monitor, stock as statements};
use crate::pool::{Lease, Pool};

/// What is left of a concert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    pub available_tickets: i32,
    pub status: ConcertStatus,
}

/// Sends a payload of at most 8,000 bytes to every listener, this process' own included.
pub async fn announce(connection: &Connection, payload: &str) -> Result<(), StoreError> {
    statements::announce()
        .bind(connection, &payload)
        .one()
        .await?;
    Ok(())
}

/// What is left of those of the concerts that anybody may see.
pub async fn list_availability(
    connection: &Connection,
    ids: &[ConcertId],
) -> Result<Vec<(ConcertId, Availability)>, StoreError> {
    let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
    let rows = statements::list_availability()
        .bind(connection, &ids)
        .all()
        .await?;
    rows.into_iter()
        .map(|row| {
            let availability = Availability {
                available_tickets: row.available_tickets,
                status: concerts::read_status(&row.status)?,
            };
            Ok((concerts::read_id(row.id)?, availability))
        })
        .collect()
}

/// How one concert's sale stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    pub total_tickets: i32,
    pub available_tickets: i32,
    /// Tickets of pending reservations, overdue ones included until they are swept.
    pub held: i64,
    /// Payments that were begun and neither made nor failed.
    pub payments_undecided: i64,
}

/// How the sale of a concert stands that isn't deleted, for whoever sees every reservation.
pub async fn find_sale(
    connection: &Connection,
    concert: ConcertId,
) -> Result<Option<Sale>, StoreError> {
    let found = statements::find_sale()
        .bind(connection, &concert.get())
        .opt()
        .await?;
    Ok(found.map(|row| Sale {
        total_tickets: row.total_tickets,
        available_tickets: row.available_tickets,
        held: row.held,
        payments_undecided: row.payments_undecided,
    }))
}

/// A connection of the pool that only listens. It is closed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    lease: Lease,
    heard: mpsc::Receiver<String>,
}

impl Listener {
    /// Hears everything that is announced from now on.
    pub async fn open(pool: &Pool) -> Result<Self, StoreError> {
        let lease = pool.get().await?;
        let heard = lease
            .listen("LISTEN stagedoor_stock")
            .await?
            .ok_or(StoreError::FailedTransaction)?;
        Ok(Self { lease, heard })
    }

    /// The next announcement; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<String> {
        self.heard.recv().await
    }

    /// Whether the connection still answers, and to a primary: a standby hears nothing.
    pub async fn is_alive(&self) -> bool {
        let asked = monitor::is_read_only().bind(&*self.lease).one().await;
        asked.is_ok_and(|is_read_only| !is_read_only)
    }
}
