//! Rows of exports, read in pages: each a short transaction of its own, behind the last of the page
//! before, on a replica where there is one.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use domain::concert::Concert;
use domain::id::ConcertId;
use domain::money::Currency;
use domain::reservation::Reservation;
use jiff::Timestamp;
use store::audit_logs::{self, Entry};
use store::concerts::Named;
use store::transaction::read_as;
use store::{Acting, Connection, Seen, StoreError, concerts as stored_concerts};

use super::{ExportError, Row, WITHIN, Wanted};
use crate::App;
use crate::audit::Filter as AuditFilter;
use crate::concerts::{START, StaffFilter};
use crate::reservations::{self, ListRequest};

/// Rows of a page: read in some 20 ms, and less than a megabyte of most tables.
const PAGE_ROWS: u16 = 2_000;
/// Changes carry what was before and after.
const AUDIT_PAGE_ROWS: i32 = 500;

const RESERVATION_COLUMNS: &[&str] = &[
    "id",
    "concert_id",
    "customer_name",
    "customer_email",
    "quantity",
    "total_price",
    "currency",
    "status",
    "payment_status",
    "google_auth",
    "reserved_at",
    "expires_at",
    "created_at",
    "updated_at",
    "concert_artist",
    "concert_name",
];

pub(crate) const CONCERT_COLUMNS: &[&str] = &[
    "id",
    "name",
    "artist",
    "date",
    "venue",
    "total_tickets",
    "available_tickets",
    "price",
    "currency",
    "status",
    "image_url",
    "description",
    "created_at",
    "updated_at",
];

const AUDIT_COLUMNS: &[&str] = &[
    "id",
    "created_at",
    "user_id",
    "username",
    "action",
    "table_name",
    "record_id",
    "old_values",
    "new_values",
    "ip_address",
    "actor_kind",
    "actor",
    "request_id",
];

impl Wanted {
    /// As the audit log names it.
    pub(super) const fn table(&self) -> &'static str {
        match self {
            Self::Reservations(_) | Self::Report(_) => "reservations",
            Self::Concerts(_) => "concerts",
            Self::AuditLogs(_) => "audit_logs",
        }
    }

    const fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Reservations(_) => RESERVATION_COLUMNS,
            Self::Concerts(_) => CONCERT_COLUMNS,
            Self::AuditLogs(_) => AUDIT_COLUMNS,
            Self::Report(table) => table.columns,
        }
    }
}

/// All pages of an export, one after the other.
pub(super) struct Pages {
    app: App,
    columns: &'static [&'static str],
    source: Source,
    seen: Seen,
    by: Acting,
    until: Timestamp,
    /// One that was read before anybody asked.
    first: Option<Vec<Row>>,
}

/// Where the next page is read.
enum Source {
    Reservations(ListRequest),
    Concerts(StaffFilter, stored_concerts::Position),
    AuditLogs(AuditFilter, Option<(Timestamp, i32)>),
    Rows(Vec<Row>),
    Over,
}

impl Pages {
    pub(super) fn new(app: &App, wanted: Wanted, (seen, by): (Seen, Acting)) -> Self {
        Self {
            app: app.clone(),
            columns: wanted.columns(),
            source: match wanted {
                Wanted::Reservations(request) => Source::Reservations(request),
                Wanted::Concerts(filter) => Source::Concerts(filter, START),
                Wanted::AuditLogs(filter) => Source::AuditLogs(filter, None),
                Wanted::Report(table) => Source::Rows(table.rows),
            },
            seen,
            by,
            until: app.ctx().now() + WITHIN,
            first: None,
        }
    }

    pub(super) fn beginning_with(self, first: Vec<Row>) -> Self {
        Self {
            first: Some(first),
            ..self
        }
    }

    pub(super) const fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// The next page, which may be empty where a search found nothing; `None` after the last one. Whoever
    /// loses the right to it gets no further.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, ExportError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if matches!(self.source, Source::Over) {
            return Ok(None);
        }
        let now = self.app.ctx().now();
        if now >= self.until {
            return Err(ExportError::TooLong);
        }
        self.by.check_time(now)?;
        self.by.check(&*self.app.writer().get().await?).await?;
        let source = std::mem::replace(&mut self.source, Source::Over);
        let (rows, source) = match source {
            Source::Reservations(request) => self.reservations(request).await?,
            Source::Concerts(filter, after) => self.concerts(filter, after).await?,
            Source::AuditLogs(filter, behind) => self.audit_logs(filter, behind).await?,
            Source::Rows(rows) => (rows, Source::Over),
            Source::Over => return Ok(None),
        };
        self.source = source;
        Ok(Some(rows))
    }

    async fn reservations(&self, request: ListRequest) -> Result<(Vec<Row>, Source), StoreError> {
        let (app, by) = (&self.app, &self.by);
        let request = ListRequest {
            limit: PAGE_ROWS,
            ..request
        };
        let page = app.read_slowly(self.seen, |connection| {
            let (app, by, request) = (app.clone(), by.clone(), request.clone());
            Box::pin(async move {
                let page = async {
                    let page = reservations::list_in(&app, connection, request).await?;
                    let concerts = names_of(connection, &page.items).await?;
                    Ok((page, concerts))
                };
                read_as(connection, &by, page).await
            })
        });
        let (page, concerts) = page.await?;
        let currency = app.settings().currency;
        let rows = page.items.into_iter();
        let rows = rows.map(|item| {
            let concert = concerts.get(&item.concert_id);
            reservation_row(item, (concert, currency))
        });
        let rows = rows.collect();
        let source = page.next.map_or(Source::Over, |next| {
            Source::Reservations(ListRequest {
                after: Some(next),
                ..request
            })
        });
        Ok((rows, source))
    }

    async fn concerts(
        &self,
        filter: StaffFilter,
        after: stored_concerts::Position,
    ) -> Result<(Vec<Row>, Source), StoreError> {
        let limit = i64::from(PAGE_ROWS);
        let by = &self.by;
        let page = self.app.read_slowly(self.seen, |connection| {
            let (by, filter) = (by.clone(), filter.clone());
            Box::pin(async move {
                let page = stored_concerts::list_for_staff(connection, &filter, after, limit);
                read_as(connection, &by, page).await
            })
        });
        let page = page.await?;
        let is_last = page.len() < usize::from(PAGE_ROWS);
        let last = page.last().filter(|_| !is_last);
        let source = last.map(|last| stored_concerts::Position {
            date: last.date,
            id: last.id.get(),
        });
        let source = source.map_or(Source::Over, |next| Source::Concerts(filter, next));
        let currency = self.app.settings().currency;
        let rows = page
            .iter()
            .map(|concert| concert_row(concert, currency.as_str()));
        Ok((rows.collect(), source))
    }

    async fn audit_logs(
        &self,
        filter: AuditFilter,
        behind: Option<(Timestamp, i32)>,
    ) -> Result<(Vec<Row>, Source), StoreError> {
        let by = &self.by;
        let page = self.app.read_slowly(self.seen, |connection| {
            let (by, filter) = (by.clone(), filter.clone());
            Box::pin(async move {
                let page = audit_logs::list(connection, &filter, behind, AUDIT_PAGE_ROWS);
                read_as(connection, &by, page).await
            })
        });
        let page = page.await?;
        let is_last = i32::try_from(page.len()).is_ok_and(|rows| rows < AUDIT_PAGE_ROWS);
        let last = page.last().filter(|_| !is_last);
        let behind = last.map(|last| (last.created_at, last.id));
        let source = behind.map_or(Source::Over, |_| Source::AuditLogs(filter, behind));
        Ok((page.into_iter().map(audit_row).collect(), source))
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} columns)", self.columns.len())
    }
}

/// The concerts of a page's reservations, deleted ones included.
async fn names_of(
    connection: &Connection,
    items: &[Reservation],
) -> Result<HashMap<ConcertId, Named>, StoreError> {
    let ids: BTreeSet<ConcertId> = items.iter().map(|item| item.concert_id).collect();
    let ids: Vec<ConcertId> = ids.into_iter().collect();
    let named = stored_concerts::list_names(connection, &ids).await?;
    Ok(named.into_iter().map(|one| (one.id, one)).collect())
}

/// In the order of [`RESERVATION_COLUMNS`].
fn reservation_row(of: Reservation, (concert, currency): (Option<&Named>, Currency)) -> Row {
    vec![
        of.id.as_str().into(),
        of.concert_id.get().into(),
        of.customer_name.into(),
        of.customer_email.into(),
        of.quantity.into(),
        of.total_price.into(),
        currency.as_str().into(),
        of.status.as_str().into(),
        of.payment_status.as_str().into(),
        of.google_auth.into(),
        of.reserved_at.into(),
        of.expires_at.into(),
        of.created_at.into(),
        of.updated_at.into(),
        concert.map(|one| one.artist.as_str()).into(),
        concert.map(|one| one.name.as_str()).into(),
    ]
}

/// In the order of [`CONCERT_COLUMNS`].
pub(crate) fn concert_row(of: &Concert, currency: &str) -> Row {
    vec![
        of.id.get().into(),
        of.name.as_str().into(),
        of.artist.as_str().into(),
        of.date.into(),
        of.venue.as_str().into(),
        of.total_tickets.into(),
        of.available_tickets.into(),
        of.price.into(),
        currency.into(),
        of.status.as_str().into(),
        of.image_url.as_deref().into(),
        of.description.as_deref().into(),
        of.created_at.into(),
        of.updated_at.into(),
    ]
}

fn audit_row(of: Entry) -> Row {
    vec![
        of.id.into(),
        of.created_at.into(),
        of.user_id.into(),
        of.username.into(),
        of.action.into(),
        of.table_name.into(),
        of.record_id.into(),
        of.old_values.into(),
        of.new_values.into(),
        of.ip_address.into(),
        of.actor_kind.into(),
        of.actor.into(),
        of.request_id.map(|id| id.to_string()).into(),
    ]
}
