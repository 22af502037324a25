//! Tickets in the database. Whether one is good follows from its reservation.

use domain::id::{AdminUserId, ConcertId, ReservationId, TicketId};
use domain::reservation::ReservationStatus;
use domain::ticket::{Ticket, TicketCode, TicketStatus};
use jiff::Timestamp;

use crate::client::Params as _;
use crate::concerts;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::tickets as statements;
use crate::time::{from_column, to_column};

/// A reservation's tickets, by their number.
pub async fn list(
    connection: &Connection,
    reservation: &ReservationId,
) -> Result<Vec<Ticket>, StoreError> {
    let rows = statements::list()
        .bind(connection, &reservation.as_str())
        .all()
        .await?;
    rows.iter().map(read).collect()
}

/// Writes a reservation's tickets with these codes, numbered from 1; those that are there stay.
pub async fn insert(
    connection: &Connection,
    (reservation, concert): (&ReservationId, ConcertId),
    codes: &[TicketCode],
    now: Timestamp,
) -> Result<(), StoreError> {
    let numbers: Vec<i32> = (1..).take(codes.len()).collect();
    let codes: Vec<&str> = codes.iter().map(TicketCode::as_str).collect();
    let parameters = statements::InsertParams {
        reservation_id: reservation.as_str(),
        concert_id: concert.get(),
        now: to_column(now),
        numbers,
        codes,
    };
    statements::insert().params(connection, &parameters).await?;
    Ok(())
}

pub async fn find_id_by_code(
    connection: &Connection,
    code: &TicketCode,
) -> Result<Option<TicketId>, StoreError> {
    let found = statements::find_id_by_code()
        .bind(connection, &code.as_str())
        .opt()
        .await?;
    found.map(read_id).transpose()
}

/// The reservation whose row must be locked before the ticket's.
pub async fn find_reservation(
    connection: &Connection,
    id: TicketId,
) -> Result<Option<ReservationId>, StoreError> {
    let found = statements::find_reservation()
        .bind(connection, &id.get())
        .opt()
        .await?;
    found
        .map(|id| id.parse().map_err(|_| unreadable("reservation_id", &id)))
        .transpose()
}

/// Locks a ticket behind the lock of its reservation.
pub async fn lock(connection: &Connection, id: TicketId) -> Result<Option<Ticket>, StoreError> {
    let found = statements::lock_by_id()
        .bind(connection, &id.get())
        .opt()
        .await?;
    found.as_ref().map(read).transpose()
}

/// Notes that its holder was let in, by whom.
pub async fn update_used(
    connection: &Connection,
    id: TicketId,
    by: Option<AdminUserId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let by = by.map(AdminUserId::get);
    let changed = statements::update_used()
        .bind(connection, &to_column(now), &by, &id.get())
        .await?;
    expect_rows("tickets.update_used", changed, 1)
}

fn read(row: &statements::Ticket) -> Result<Ticket, StoreError> {
    let reservation: ReservationStatus = row
        .reservation_status
        .parse()
        .map_err(|_| unreadable("reservation's status", &row.reservation_status))?;
    let status = match (reservation, row.used_at) {
        (ReservationStatus::Confirmed, None) => TicketStatus::Valid,
        (ReservationStatus::Confirmed, Some(_)) => TicketStatus::Used,
        _ => TicketStatus::Cancelled,
    };
    Ok(Ticket {
        id: read_id(row.id)?,
        reservation_id: row
            .reservation_id
            .parse()
            .map_err(|_| unreadable("reservation_id", &row.reservation_id))?,
        concert_id: concerts::read_id(row.concert_id)?,
        number: row.number,
        // Its text would let somebody in.
        code: row.code.parse().map_err(|_| unreadable("code", "…"))?,
        status,
        used_at: row.used_at.map(from_column),
    })
}

fn read_id(id: i64) -> Result<TicketId, StoreError> {
    TicketId::new(id).ok_or_else(|| unreadable("id", &id.to_string()))
}

fn unreadable(column: &str, value: &str) -> StoreError {
    StoreError::Unreadable {
        table: "tickets",
        detail: format!("{column} {value:?}"),
    }
}
