//! Concerts in the database.

use domain::concert::{Concert, ConcertStatus, NewConcert};
use domain::id::ConcertId;
use domain::money::Money;
use domain::reservation::Quantity;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::client::Params;
use crate::connection::Connection;
use crate::error::{StoreError, expect_rows};
use crate::generated::queries::concerts as statements;
use crate::time::{from_column, to_column};
use crate::{money, text};

/// Which concerts a list shows; what is `None` doesn't narrow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub status: ConcertStatus,
    pub from: Option<Date>,
    pub until: Option<Date>,
    /// The whole name.
    pub venue: Option<String>,
    /// A part of name, artist or venue, in any case.
    pub text: Option<String>,
}

/// Which concerts staff see; what is `None` doesn't narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaffFilter {
    pub status: Option<ConcertStatus>,
    pub from: Option<Date>,
    pub until: Option<Date>,
    /// The whole name.
    pub venue: Option<String>,
    /// A part of name, artist or venue, in any case.
    pub text: Option<String>,
    /// Those that were deleted, and no others.
    pub is_deleted: bool,
}

/// What a concert is known by among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: ConcertId,
    pub name: String,
    pub artist: String,
    pub date: Date,
}

/// A place in the chronological order: the last concert of the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub date: Date,
    pub id: i32,
}

/// Before every concert: PostgreSQL's days begin later than jiff's, and nobody played in year 1.
pub const START: Position = Position {
    date: Date::constant(1, 1, 1),
    id: 0,
};

/// What a sale needs to know of a concert, read under its row lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedConcert {
    pub available_tickets: i32,
    pub price: Money,
    pub status: ConcertStatus,
    pub date: Date,
}

pub async fn find(connection: &Connection, id: ConcertId) -> Result<Option<Concert>, StoreError> {
    statements::find()
        .bind(connection, &id.get())
        .opt()
        .await?
        .map(read)
        .transpose()
}

/// Up to `limit` concerts after a position, by date.
pub async fn list(
    connection: &Connection,
    filter: &Filter,
    after: Position,
    limit: i64,
) -> Result<Vec<Concert>, StoreError> {
    let parameters = statements::ListParams {
        status: filter.status.as_str(),
        from: filter.from,
        until: filter.until,
        venue: filter.venue.as_deref(),
        pattern: filter.text.as_deref().map(text::contains_pattern),
        after_date: after.date,
        after_id: after.id,
        limit,
    };
    let rows = statements::list()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// Up to `limit` concerts of any status after a position, by date.
pub async fn list_for_staff(
    connection: &Connection,
    filter: &StaffFilter,
    after: Position,
    limit: i64,
) -> Result<Vec<Concert>, StoreError> {
    let parameters = statements::ListForStaffParams {
        is_deleted: filter.is_deleted,
        status: filter.status.map(ConcertStatus::as_str),
        from: filter.from,
        until: filter.until,
        venue: filter.venue.as_deref(),
        pattern: filter.text.as_deref().map(text::contains_pattern),
        after_date: after.date,
        after_id: after.id,
        limit,
    };
    let rows = statements::list_for_staff()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// Up to `limit` concerts of every status with a number above `after`.
pub async fn list_all(
    connection: &Connection,
    after: i32,
    limit: i64,
) -> Result<Vec<Concert>, StoreError> {
    let rows = statements::list_all()
        .bind(connection, &after, &limit)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these concerts that are there, deleted ones included.
pub async fn list_by_ids(
    connection: &Connection,
    ids: &[ConcertId],
) -> Result<Vec<Concert>, StoreError> {
    let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
    let rows = statements::list_by_ids()
        .bind(connection, &ids)
        .all()
        .await?;
    rows.into_iter().map(read).collect()
}

/// The `each` last concerts before a day and the `each` next from it on, in chronological order.
pub async fn list_near(
    connection: &Connection,
    day: Date,
    each: i64,
) -> Result<Vec<Named>, StoreError> {
    let rows = statements::list_near()
        .bind(connection, &day, &each)
        .all()
        .await?;
    rows.into_iter().map(read_named).collect()
}

/// Up to `limit` concerts with a part in their artist, their name, or both as "artist: name", in any
/// case; the latest first.
pub async fn list_named(
    connection: &Connection,
    part: &str,
    limit: i64,
) -> Result<Vec<Named>, StoreError> {
    let pattern = text::contains_pattern(part);
    let rows = statements::list_named()
        .bind(connection, &pattern.as_str(), &limit)
        .all()
        .await?;
    rows.into_iter().map(read_named).collect()
}

/// What those of these concerts that are there are called, deleted ones included.
pub async fn list_names(
    connection: &Connection,
    ids: &[ConcertId],
) -> Result<Vec<Named>, StoreError> {
    let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
    let rows = statements::list_names()
        .bind(connection, &ids)
        .all()
        .await?;
    rows.into_iter().map(read_named).collect()
}

fn read_named(row: statements::Named) -> Result<Named, StoreError> {
    Ok(Named {
        id: read_id(row.id)?,
        name: row.name,
        artist: row.artist,
        date: row.date,
    })
}

/// Those of these concerts that were cancelled.
pub async fn list_cancelled(
    connection: &Connection,
    ids: &[ConcertId],
) -> Result<Vec<ConcertId>, StoreError> {
    let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
    let statement = statements::list_cancelled();
    let found = statement.bind(connection, &ids).all().await?;
    Ok(found.into_iter().filter_map(ConcertId::new).collect())
}

/// The venues of concerts in one status from a day on, in alphabetical order.
pub async fn list_venues(
    connection: &Connection,
    status: ConcertStatus,
    from: Date,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    let status = status.as_str();
    Ok(statements::list_venues()
        .bind(connection, &status, &from, &limit)
        .all()
        .await?)
}

/// The first days of the months with concerts in one status from a day on.
pub async fn list_months(
    connection: &Connection,
    status: ConcertStatus,
    from: Date,
    limit: i64,
) -> Result<Vec<Date>, StoreError> {
    let status = status.as_str();
    Ok(statements::list_months()
        .bind(connection, &status, &from, &limit)
        .all()
        .await?)
}

/// Locks the concert's row until the transaction ends.
///
/// Only the benchmark's plain way uses it; the engine has `admission`.
pub async fn lock(
    connection: &Connection,
    id: ConcertId,
) -> Result<Option<LockedConcert>, StoreError> {
    let Some(row) = statements::lock().bind(connection, &id.get()).opt().await? else {
        return Ok(None);
    };
    Ok(Some(LockedConcert {
        available_tickets: row.available_tickets,
        price: money::from_column("concerts", row.price)?,
        status: read_status(&row.status)?,
        date: row.date,
    }))
}

/// Locks a concert to change it; `None` when there is none, or it is deleted.
pub async fn lock_whole(
    connection: &Connection,
    id: ConcertId,
) -> Result<Option<Concert>, StoreError> {
    statements::lock_whole()
        .bind(connection, &id.get())
        .opt()
        .await?
        .map(read)
        .transpose()
}

/// Locks a concert only to give tickets back; deleted ones too. `None` when there is no such row.
pub async fn lock_stock(connection: &Connection, id: ConcertId) -> Result<Option<i32>, StoreError> {
    Ok(statements::lock_stock()
        .bind(connection, &id.get())
        .opt()
        .await?)
}

/// Waits until nobody sells or changes a concert, and keeps nobody else from waiting for that too:
/// rows that refer to it can be inserted then.
pub async fn lock_key(connection: &Connection, id: ConcertId) -> Result<(), StoreError> {
    statements::lock_key()
        .bind(connection, &id.get())
        .opt()
        .await?;
    Ok(())
}

pub async fn take_tickets(
    connection: &Connection,
    id: ConcertId,
    quantity: Quantity,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::take_tickets()
        .bind(connection, &quantity.get(), &to_column(now), &id.get())
        .await?;
    expect_rows("concerts.take_tickets", changed, 1)
}

pub async fn return_tickets(
    connection: &Connection,
    id: ConcertId,
    quantity: i32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::return_tickets()
        .bind(connection, &quantity, &to_column(now), &id.get())
        .await?;
    expect_rows("concerts.return_tickets", changed, 1)
}

/// Writes what staff edited, with what is available of it now.
pub async fn update_details(
    connection: &Connection,
    edited: &Concert,
    now: Timestamp,
) -> Result<(), StoreError> {
    let parameters = statements::UpdateDetailsParams {
        name: edited.name.as_str(),
        artist: edited.artist.as_str(),
        date: edited.date,
        venue: edited.venue.as_str(),
        total_tickets: edited.total_tickets,
        available_tickets: edited.available_tickets,
        price: money::to_column(edited.price),
        image_url: edited.image_url.as_deref(),
        description: edited.description.as_deref(),
        now: to_column(now),
        id: edited.id.get(),
    };
    let changed = statements::update_details()
        .params(connection, &parameters)
        .await?;
    expect_rows("concerts.update_details", changed, 1)
}

pub async fn update_status(
    connection: &Connection,
    id: ConcertId,
    status: ConcertStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::update_status()
        .bind(connection, &status.as_str(), &to_column(now), &id.get())
        .await?;
    expect_rows("concerts.update_status", changed, 1)
}

/// Marks a concert as deleted.
pub async fn delete(
    connection: &Connection,
    id: ConcertId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let changed = statements::delete()
        .bind(connection, &to_column(now), &id.get())
        .await?;
    expect_rows("concerts.delete", changed, 1)
}

/// Inserts a concert with all its tickets available; returns its number.
pub async fn insert(
    connection: &Connection,
    concert: &NewConcert,
    now: Timestamp,
) -> Result<ConcertId, StoreError> {
    let parameters = statements::InsertParams {
        name: concert.name.as_str(),
        artist: concert.artist.as_str(),
        date: concert.date,
        venue: concert.venue.as_str(),
        total_tickets: concert.total_tickets.get(),
        price: money::to_column(concert.price),
        status: concert.status.as_str(),
        image_url: concert
            .image_url
            .as_ref()
            .map(domain::text::ImagePath::as_str),
        description: concert
            .description
            .as_ref()
            .map(domain::text::Description::as_str),
        now: to_column(now),
    };
    let id = statements::insert()
        .params(connection, &parameters)
        .one()
        .await?;
    read_id(id)
}

/// Keeps other imports of new concerts waiting until the transaction ends.
pub async fn lock_import(connection: &Connection) -> Result<(), StoreError> {
    statements::lock_import().bind(connection).one().await?;
    Ok(())
}

/// Which of these are concerts already, by name, artist, day and venue: their places, from 1.
pub async fn list_existing(
    connection: &Connection,
    new: &[NewConcert],
) -> Result<Vec<usize>, StoreError> {
    let column = |text: fn(&NewConcert) -> &str| new.iter().map(text).collect::<Vec<_>>();
    let dates: Vec<Date> = new.iter().map(|one| one.date).collect();
    let parameters = statements::ListExistingParams {
        names: column(|one| one.name.as_str()),
        artists: column(|one| one.artist.as_str()),
        dates,
        venues: column(|one| one.venue.as_str()),
    };
    let places = statements::list_existing()
        .params(connection, &parameters)
        .all()
        .await?;
    let places = places.into_iter().map(usize::try_from);
    Ok(places.filter_map(Result::ok).collect())
}

/// Whether there never was a concert.
pub async fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    Ok(!statements::exist().bind(connection).one().await?)
}

fn read(row: statements::Concert) -> Result<Concert, StoreError> {
    Ok(Concert {
        id: read_id(row.id)?,
        status: read_status(&row.status)?,
        price: money::from_column("concerts", row.price)?,
        name: row.name,
        artist: row.artist,
        date: row.date,
        venue: row.venue,
        total_tickets: row.total_tickets,
        available_tickets: row.available_tickets,
        image_url: row.image_url,
        description: row.description,
        created_at: from_column(row.created_at),
        updated_at: from_column(row.updated_at),
    })
}

pub(crate) fn read_id(id: i32) -> Result<ConcertId, StoreError> {
    if id == ConcertId::PROBE.get() {
        return Ok(ConcertId::PROBE);
    }
    ConcertId::new(id).ok_or_else(|| StoreError::Unreadable {
        table: "concerts",
        detail: format!("id {id}"),
    })
}

pub(crate) fn read_status(status: &str) -> Result<ConcertStatus, StoreError> {
    status.parse().map_err(|_| StoreError::Unreadable {
        table: "concerts",
        detail: format!("status {status:?}"),
    })
}
