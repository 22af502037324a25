//! Showing concerts: the list with its filters, and one concert; to visitors and to staff.

pub mod change;

use domain::concert::{Concert, ConcertStatus};
use domain::id::ConcertId;
use jiff::civil::Date;
use store::concerts::{self as stored, Filter};
pub use store::concerts::{Position, START, StaffFilter};
use store::reservations::{self, Taken};
use store::{Acting, Seen, StoreError, Transaction};

use crate::App;

/// The most that one page of a list may have.
pub const PAGE_MAX: u16 = 200;
/// More venues or months than this don't help anybody to choose.
const FACETS_MAX: i64 = 500;

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

fn is_shown(concert: &Concert) -> bool {
    concert.status != ConcertStatus::Archived
}

/// One concert as staff see it; `None` when it is unknown or deleted.
pub async fn show_to_staff(app: &App, id: ConcertId) -> Result<Option<Concert>, StoreError> {
    let connection = app.writer().get().await?;
    stored::find(&connection, id).await
}

/// How many tickets of a concert are sold and held, for whoever may read reservations.
pub async fn count_taken(app: &App, id: ConcertId, by: &Acting) -> Result<Taken, StoreError> {
    let transaction = Transaction::begin_reading(app.writer(), by).await?;
    let taken = reservations::count_taken(&transaction, id).await;
    transaction.rollback().await;
    taken
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
