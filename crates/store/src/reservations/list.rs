//! Reservations as staff list and search them, newest first.
//!
//! Row-level security keeps a search for a part of a text from every index: it reads rows until it
//! has found enough. How many it may read is the caller's to say.

use domain::id::{ConcertId, ReservationId};
use domain::reservation::{Reservation, ReservationStatus};
use domain::text::EmailAddress;
use jiff::Timestamp;

use super::read_row;
use crate::client::Params;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::reservations as statements;
use crate::text;
use crate::time::{from_column, to_column};

/// Which reservations; what is `None` doesn't narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub id: Option<ReservationId>,
    pub concert_id: Option<ConcertId>,
    pub email: Option<EmailAddress>,
    /// As it reads now: a hold that ran out is expired.
    pub status: Option<ReservationStatus>,
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
}

/// A place in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub created_at: Timestamp,
    pub id: String,
}

/// A stretch of that order; what is `None` is its beginning or its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where the page before ended; not included.
    pub behind: Option<Position>,
    /// The last one to be looked at.
    pub end: Option<Position>,
}

/// Up to `limit` reservations within a stretch, newest first, at `now`; those with `part` in name or
/// e-mail address, or at the beginning of their id.
pub async fn list(
    connection: &Connection,
    (filter, part): (&Filter, Option<&str>),
    stretch: &Stretch,
    (now, limit): (Timestamp, i64),
) -> Result<Vec<Reservation>, StoreError> {
    let (behind, end) = (stretch.behind.as_ref(), stretch.end.as_ref());
    let parameters = statements::ListParams {
        of_id: filter.id.as_ref().map(ReservationId::as_str),
        of_concert: filter.concert_id.map(ConcertId::get),
        of_email: filter.email.as_ref().map(EmailAddress::as_str),
        of_status: filter.status.map(ReservationStatus::as_str),
        from_at: filter.from.map(to_column),
        to_at: filter.to.map(to_column),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        end_at: end.map(|place| to_column(place.created_at)),
        end_id: end.map(|place| place.id.as_str()),
        prefix: part.map(text::prefix_pattern),
        part: part.map(text::contains_pattern),
        now: to_column(now),
        limit,
    };
    let rows = statements::list()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(read_row).collect()
}

/// The place of the last of `rows` reservations behind `behind`; `None` when there are fewer.
pub async fn find_search_end(
    connection: &Connection,
    filter: &Filter,
    behind: Option<&Position>,
    (now, rows): (Timestamp, i64),
) -> Result<Option<Position>, StoreError> {
    let parameters = statements::FindSearchEndParams {
        of_id: filter.id.as_ref().map(ReservationId::as_str),
        of_concert: filter.concert_id.map(ConcertId::get),
        of_email: filter.email.as_ref().map(EmailAddress::as_str),
        of_status: filter.status.map(ReservationStatus::as_str),
        from_at: filter.from.map(to_column),
        to_at: filter.to.map(to_column),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        now: to_column(now),
        rows_before: rows - 1,
    };
    let found = statements::find_search_end()
        .params(connection, &parameters)
        .opt()
        .await?;
    Ok(found.map(|row| Position {
        created_at: from_column(row.created_at),
        id: row.id,
    }))
}
