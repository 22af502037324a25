//! Showing concerts: the list with its filters, and one concert; to visitors and to staff.

pub mod change;

use domain::concert::{Concert, ConcertStatus};
use domain::id::{ConcertId, RunId};
use jiff::civil::Date;
use store::concerts::{self as stored, Filter};
pub use store::concerts::{Named, Position, START, StaffFilter};
use store::reservations::{self, Taken};
use store::{Acting, Seen, StoreError, Transaction, staff_runs};

use crate::App;

/// The most that one page of a list may have.
pub const PAGE_MAX: u16 = 200;
/// More venues or months than this don't help anybody to choose.
const FACETS_MAX: i64 = 500;

/// As long as a list in an input may become.
const NEAR_MAX: i64 = 200;

/// What a visitor wants to see; `None` means "whatever is usual".
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Open ones by default; archived ones are never listed.
    pub status: Option<Listed>,
    /// Open concerts are listed from today on unless a day is given.
    pub from: Option<Date>,
    pub until: Option<Date>,
    pub venue: Option<String>,
    pub text: Option<String>,
    pub after: Option<Position>,
    pub limit: u16,
}

/// The statuses that visitors may list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listed {
    #[default]
    Open,
    Closed,
}

impl Listed {
    pub const fn status(self) -> ConcertStatus {
        match self {
            Self::Open => ConcertStatus::Open,
            Self::Closed => ConcertStatus::Closed,
        }
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this was the last.
    pub next: Option<Position>,
}

/// What the filters of the list can be set to.
#[derive(Clone, Debug, Default)]
pub struct Facets {
    pub venues: Vec<String>,
    /// The first day of each month that has a concert.
    pub months: Vec<Date>,
}

/// A page of concerts in chronological order.
pub async fn list(
    app: &App,
    request: ListRequest,
    seen: Seen,
) -> Result<Page<Concert>, StoreError> {
    let listed = request.status.unwrap_or_default();
    let filter = Filter {
        status: listed.status(),
        from: request.from.or_else(|| first_day(app, listed)),
        until: request.until,
        venue: request.venue,
        text: request.text,
    };
    let limit = request.limit.clamp(1, PAGE_MAX);
    let after = request.after.unwrap_or(START);
    let items = app.read(seen, |connection| {
        let filter = filter.clone();
        Box::pin(async move { stored::list(connection, &filter, after, one_more(limit)).await })
    });
    Ok(page(items.await?, limit))
}

/// A page of all concerts that staff see, in chronological order.
pub async fn list_for_staff(
    app: &App,
    filter: &StaffFilter,
    (after, limit): (Option<Position>, u16),
) -> Result<Page<Concert>, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let connection = app.writer().get().await?;
    let after = after.unwrap_or(START);
    let items = stored::list_for_staff(&connection, filter, after, one_more(limit)).await?;
    Ok(page(items, limit))
}

/// One more than asked for tells whether there is a next page.
fn one_more(limit: u16) -> i64 {
    i64::from(limit) + 1
}

fn page(mut items: Vec<Concert>, limit: u16) -> Page<Concert> {
    let has_more = items.len() > usize::from(limit);
    items.truncate(usize::from(limit));
    let next = items.last().filter(|_| has_more).map(|last| Position {
        date: last.date,
        id: last.id.get(),
    });
    Page { items, next }
}

/// The venues and months that have concerts of a status.
pub async fn facets(app: &App, listed: Listed, seen: Seen) -> Result<Facets, StoreError> {
    let from = first_day(app, listed).unwrap_or(START.date);
    let status = listed.status();
    app.read(seen, |connection| {
        Box::pin(async move {
            Ok(Facets {
                venues: stored::list_venues(connection, status, from, FACETS_MAX).await?,
                months: stored::list_months(connection, status, from, FACETS_MAX).await?,
            })
        })
    })
    .await
}

/// One concert; `None` when it is unknown, deleted or archived.
pub async fn show(app: &App, id: ConcertId, seen: Seen) -> Result<Option<Concert>, StoreError> {
    let found = app
        .read(seen, |connection| Box::pin(stored::find(connection, id)))
        .await?;
    Ok(found.filter(is_shown))
}

/// The same as the primary has it: what is left after a refusal, for who was refused.
pub async fn show_current(app: &App, id: ConcertId) -> Result<Option<Concert>, StoreError> {
    let connection = app.writer().get().await?;
    Ok(stored::find(&connection, id).await?.filter(is_shown))
}

/// Those of these concerts that were cancelled, which end their sales for good.
pub async fn find_cancelled(
    app: &App,
    concerts: &[Concert],
    seen: Seen,
) -> Result<Vec<ConcertId>, StoreError> {
    let ids = not_open(concerts);
    if ids.is_empty() {
        return Ok(ids);
    }
    app.read(seen, |connection| {
        let ids = ids.clone();
        Box::pin(async move { stored::list_cancelled(connection, &ids).await })
    })
    .await
}

/// The same as the primary has it.
pub async fn find_cancelled_current(
    app: &App,
    concerts: &[Concert],
) -> Result<Vec<ConcertId>, StoreError> {
    let ids = not_open(concerts);
    if ids.is_empty() {
        return Ok(ids);
    }
    let connection = app.writer().get().await?;
    stored::list_cancelled(&connection, &ids).await
}

/// Whether one of them was, as the primary has it.
pub async fn was_cancelled(app: &App, concert: &Concert) -> Result<bool, StoreError> {
    let cancelled = find_cancelled_current(app, std::slice::from_ref(concert)).await?;
    Ok(!cancelled.is_empty())
}

/// The same for one that needn't be shown any more, such as an archived one.
pub async fn was_cancelled_ever(app: &App, id: ConcertId) -> Result<bool, StoreError> {
    let connection = app.writer().get().await?;
    Ok(!stored::list_cancelled(&connection, &[id]).await?.is_empty())
}

/// Whether a concert was cancelled, whoever asks. Behind the concert's lock it stays so.
pub(crate) async fn is_cancelled(
    transaction: &Transaction,
    id: ConcertId,
) -> Result<bool, StoreError> {
    let cancelled = stored::list_cancelled(transaction, &[id]).await?;
    Ok(!cancelled.is_empty())
}

/// No concert that was cancelled is open, so that the others needn't be looked up.
fn not_open(concerts: &[Concert]) -> Vec<ConcertId> {
    let others = concerts
        .iter()
        .filter(|one| one.status != ConcertStatus::Open);
    others.map(|one| one.id).collect()
}

fn is_shown(concert: &Concert) -> bool {
    concert.status != ConcertStatus::Archived
}

/// One concert as staff see it; `None` when it is unknown or deleted.
pub async fn show_to_staff(app: &App, id: ConcertId) -> Result<Option<Concert>, StoreError> {
    let connection = app.writer().get().await?;
    stored::find(&connection, id).await
}

/// The concerts around today that are offered to who chooses one: more of them nobody looks through.
pub async fn list_near(app: &App) -> Result<Vec<Named>, StoreError> {
    let connection = app.writer().get().await?;
    stored::list_near(&connection, app.today(), NEAR_MAX / 2).await
}

/// Up to `limit` concerts with a part in artist or name, the latest first.
pub async fn list_named(app: &App, part: &str, limit: i64) -> Result<Vec<Named>, StoreError> {
    let connection = app.writer().get().await?;
    stored::list_named(&connection, part, limit).await
}

/// How many tickets of a concert are sold and held, for whoever may read reservations.
pub async fn count_taken(app: &App, id: ConcertId, by: &Acting) -> Result<Taken, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let taken = reservations::count_taken(&transaction, id).await;
    transaction.rollback().await;
    taken
}

/// The run that cancelled a concert, where it was cancelled, for whoever may read it.
pub async fn find_cancellation(
    app: &App,
    id: ConcertId,
    by: &Acting,
) -> Result<Option<RunId>, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let run = staff_runs::find_of_concert(&transaction, id).await;
    transaction.rollback().await;
    run
}

/// A page of all concerts by number, archived ones too, for exports.
pub async fn list_all(app: &App, after: Option<ConcertId>) -> Result<Vec<Concert>, StoreError> {
    let connection = app.writer().get().await?;
    stored::list_all(
        &connection,
        after.map_or(0, ConcertId::get),
        i64::from(PAGE_MAX),
    )
    .await
}

fn first_day(app: &App, listed: Listed) -> Option<Date> {
    (listed == Listed::Open).then(|| app.today())
}
