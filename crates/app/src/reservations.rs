//! Showing a reservation to whoever holds its token and to staff, who also list, search and delete
//! them, and locking one to change it.

use domain::concert::Concert;
use domain::id::{ConcertId, ReservationId};
use domain::reservation::{Reservation, TransitionError};
use jiff::Timestamp;
use store::reservations::{self as stored, Stretch};
pub use store::reservations::{Filter, Position};
use store::{Acting, Connection, StoreError, Transaction, concerts};

use crate::App;
use crate::access::Holder;
use crate::task;

/// The most that one page of a list may have.
pub const PAGE_MAX: u16 = 200;
/// How many rows one page of a search looks at for a part that is too short for the index: some 40 ms of
/// work, of a million rows as of many more; the next page goes on behind them.
const SEARCH_ROWS_MAX: i64 = 20_000;

/// The reservation as it stands now: a hold that has run out is already `expired`.
pub async fn show(app: &App, holder: &Holder) -> Result<Option<Reservation>, StoreError> {
    find(app, &holder.acting(), holder.reservation_id()).await
}

/// The same for staff who may see it.
pub async fn show_to_staff(
    app: &App,
    id: &ReservationId,
    by: &Acting,
) -> Result<Option<Reservation>, StoreError> {
    find(app, by, id).await
}

async fn find(
    app: &App,
    acting: &Acting,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    let found = stored::find(app.writer(), acting, id).await?;
    Ok(found.map(|reservation| as_of_now(app, reservation)))
}

fn as_of_now(app: &App, reservation: Reservation) -> Reservation {
    Reservation {
        status: reservation.status_at(app.ctx().now()),
        ..reservation
    }
}

/// What staff look for.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    pub filter: Filter,
    /// A part of name or e-mail address, the beginning of an id, or a whole id.
    pub text: Option<String>,
    pub after: Option<Position>,
    pub limit: u16,
}

/// A page of a list, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub items: Vec<Reservation>,
    /// Where the next page begins. A page of a search may have few items, or none, and a next page.
    pub next: Option<Position>,
}

/// A page of reservations for staff who may see them.
pub async fn list(app: &App, request: ListRequest, by: &Acting) -> Result<Page, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let request = ListRequest {
        limit: request.limit.clamp(1, PAGE_MAX),
        ..request
    };
    let page = list_in(app, &transaction, request).await;
    transaction.rollback().await;
    page
}

/// The same on a connection where somebody acts, of as many rows as are asked for.
pub(crate) async fn list_in(
    app: &App,
    connection: &Connection,
    request: ListRequest,
) -> Result<Page, StoreError> {
    let ListRequest {
        mut filter,
        mut text,
        after,
        limit,
    } = request;
    // A whole id has an index; the beginning of one has none.
    let whole_id = text.as_deref().map(str::to_ascii_uppercase);
    if let Some(id) = whole_id.and_then(|id| id.parse().ok()) {
        filter.id = Some(id);
        text = None;
    }
    let now = app.ctx().now();
    let (mut items, end) = if let Some(part) = text {
        search_in(connection, (&filter, &part), after, (now, limit)).await?
    } else {
        let stretch = Stretch {
            behind: after,
            end: None,
        };
        let more = (now, i64::from(limit) + 1);
        let items = stored::list(connection, (&filter, None), &stretch, more).await?;
        (items, None)
    };
    let has_more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    let last = items.last().filter(|_| has_more).map(|last| Position {
        created_at: last.created_at,
        id: last.id.to_string(),
    });
    let items = items.into_iter().map(|item| as_of_now(app, item));
    Ok(Page {
        items: items.collect(),
        next: last.or(end),
    })
}

/// Those with the part, one more than asked for to tell whether there is a next page; and how far was
/// looked, where that wasn't the end.
async fn search_in(
    connection: &Connection,
    (filter, part): (&Filter, &str),
    behind: Option<Position>,
    (now, limit): (Timestamp, u16),
) -> Result<(Vec<Reservation>, Option<Position>), StoreError> {
    if stored::is_indexed(part) {
        let more = (now, i32::from(limit) + 1);
        let found = stored::search(connection, (filter, part), behind.as_ref(), more).await?;
        return Ok((found, None));
    }
    let rows = (now, SEARCH_ROWS_MAX);
    let end = stored::find_search_end(connection, filter, behind.as_ref(), rows).await?;
    let stretch = Stretch { behind, end };
    let more = (now, i64::from(limit) + 1);
    let found = stored::list(connection, (filter, Some(part)), &stretch, more).await?;
    Ok((found, stretch.end))
}

/// The concerts of these reservations, deleted ones included.
pub async fn concerts_of<'a>(
    app: &App,
    items: impl IntoIterator<Item = &'a Reservation>,
) -> Result<Vec<Concert>, StoreError> {
    let mut ids: Vec<ConcertId> = items.into_iter().map(|item| item.concert_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let connection = app.writer().get().await?;
    concerts::list_by_ids(&connection, &ids).await
}

/// Why a reservation was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    #[error("there is no such reservation")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Deletes a reservation softly for staff who may: one that keeps no tickets, so that no concert is
/// locked for it.
pub async fn delete(app: &App, id: ReservationId, by: Acting) -> Result<(), DeleteError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin_hurried(app.writer(), &by).await?;
        let deleted = delete_in(&app, &transaction, &id).await;
        task::end(transaction, deleted).await
    })
    .await
}

async fn delete_in(
    app: &App,
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<(), DeleteError> {
    let locked = stored::lock(transaction, id).await?;
    let reservation = locked.ok_or(DeleteError::NotFound)?;
    let now = app.ctx().now();
    reservation.check_delete(now)?;
    Ok(stored::delete(transaction, id, now).await?)
}

/// Locks a reservation until the transaction ends; its status and end are to be looked at
/// after that.
///
/// INVARIANT: the concert is locked before the reservation, as everywhere; guarded by
/// `whoever_waits_for_a_concert_has_locked_no_reservation`.
pub(crate) async fn lock_behind_concert(
    transaction: &Transaction,
    id: &ReservationId,
) -> Result<Option<Reservation>, StoreError> {
    let Some(concert_id) = stored::find_concert_id(transaction, id).await? else {
        return Ok(None);
    };
    if concerts::lock_stock(transaction, concert_id)
        .await?
        .is_none()
    {
        return Ok(None);
    }
    stored::lock(transaction, id).await
}
