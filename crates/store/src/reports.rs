//! Sums of reservations by day and by concert, of which those of old days are kept.

use domain::id::ConcertId;
use domain::money::Total;
use domain::report::{Outcome, Sum};
use domain::reservation::{PaymentStatus, ReservationStatus};
use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, ToSpan as _};

use crate::client::Params as _;
use crate::concerts;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::reports as statements;
use crate::time::{from_column, to_column};

/// Of whoever sums days, for one transaction: "sales" in ASCII.
pub const SUM_LOCK: i64 = 0x73_616c_6573;

/// Which reservations are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub days: Stretch,
    pub concert: Option<ConcertId>,
    /// In which their days are days.
    pub zone: String,
    /// What a hold that ran out is told by.
    pub now: Timestamp,
}

/// Days, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub first: Date,
    /// Their beginnings, and the end of the last one.
    pub edges: Vec<Timestamp>,
}

impl Stretch {
    fn edges(&self) -> Vec<DateTime> {
        self.edges.iter().copied().map(to_column).collect()
    }
}

/// A sum of reservations that stand the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<Of> {
    pub of: Of,
    pub outcome: Outcome,
    pub is_free: bool,
    pub sum: Sum,
}

/// The same reservations summed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub by_day: Vec<Part<Date>>,
    /// For at most so many concerts as were wanted; those that sold most come first, all parts of one
    /// together.
    pub by_concert: Vec<Part<ConcertId>>,
}

pub async fn list_sales(
    connection: &Connection,
    wanted: &Wanted,
    concerts_max: i64,
) -> Result<Parts, StoreError> {
    let days = i64::try_from(wanted.days.edges.len()).unwrap_or(i64::MAX) - 1;
    let parameters = statements::ListSalesParams {
        edges: wanted.days.edges(),
        from_day: wanted.days.first,
        until_day: wanted.days.first.saturating_add(days.days()),
        zone: &wanted.zone,
        of_concerts: wanted.concert.map(|id| vec![id.get()]),
        now: to_column(wanted.now),
        limit: concerts_max,
    };
    let rows = statements::list_sales()
        .params(connection, &parameters)
        .all()
        .await?;
    let mut parts = Parts::default();
    for row in rows {
        match (row.day, row.concert_id) {
            (Some(day), _) => parts.by_day.push(read_part(day, &row)?),
            (None, Some(id)) => {
                let concert = concerts::read_id(id)?;
                parts.by_concert.push(read_part(concert, &row)?);
            }
            (None, None) => return Err(unreadable("day", &"NULL")),
        }
    }
    Ok(parts)
}

/// When a concert's first ticket was reserved, and when the last of those that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SellOut {
    pub concert: ConcertId,
    pub first_at: Timestamp,
    pub last_at: Option<Timestamp>,
}

pub async fn list_sell_outs(
    connection: &Connection,
    concerts: &[ConcertId],
    (zone, now): (&str, Timestamp),
) -> Result<Vec<SellOut>, StoreError> {
    let ids: Vec<i32> = concerts.iter().map(|id| id.get()).collect();
    let rows = statements::list_sell_outs()
        .bind(connection, &zone, &ids, &to_column(now))
        .all()
        .await?;
    let sell_out = |row: statements::ListSellOuts| {
        Ok(SellOut {
            concert: concerts::read_id(row.concert_id)?,
            first_at: from_column(row.first_at),
            last_at: row.last_at.map(from_column),
        })
    };
    rows.into_iter().map(sell_out).collect()
}

/// A day whose sales are summed, or are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub day: Date,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// From when until when sales are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summed {
    pub from: Timestamp,
    pub to: Timestamp,
    pub last_day: Date,
    /// In another time zone than is asked for.
    pub is_elsewhere: bool,
}

/// None where nothing is.
pub async fn find_summed(
    connection: &Connection,
    zone: &str,
) -> Result<Option<Summed>, StoreError> {
    let row = statements::find_summed()
        .bind(connection, &zone)
        .one()
        .await?;
    Ok(match (row.from_at, row.to_at, row.day) {
        (Some(from), Some(to), Some(last_day)) => Some(Summed {
            from: from_column(from),
            to: from_column(to),
            last_day,
            is_elsewhere: row.is_elsewhere,
        }),
        _ => None,
    })
}

pub async fn find_first_sale(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let first = statements::find_first_sale().bind(connection).one().await?;
    Ok(first.map(from_column))
}

/// Summed days of which anything changed since, and whether anything did before all of them.
pub async fn list_stale(
    connection: &Connection,
    summed: Summed,
    limit: i64,
) -> Result<(Vec<Day>, bool), StoreError> {
    let is_changed_before = statements::is_changed_before()
        .bind(connection, &to_column(summed.from))
        .one()
        .await?;
    let rows = statements::list_stale()
        .bind(connection, &limit)
        .all()
        .await?;
    let day = |row: statements::ListStale| Day {
        day: row.day,
        from: from_column(row.from_at),
        to: from_column(row.to_at),
    };
    Ok((rows.into_iter().map(day).collect(), is_changed_before))
}

/// Sums a day's sales, whether they were summed before or not.
pub async fn sum_day(
    connection: &Connection,
    (day, zone): (Day, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    let (from, to) = (to_column(day.from), to_column(day.to));
    statements::forget_changes()
        .bind(connection, &to, &from)
        .await?;
    statements::forget_sums().bind(connection, &day.day).await?;
    statements::insert_day()
        .bind(connection, &day.day, &zone, &from, &to)
        .await?;
    statements::sum_day()
        .bind(connection, &vec![from, to], &day.day, &to_column(now))
        .await?;
    Ok(())
}

/// So that all is summed anew, from the first sale on.
pub async fn forget_all_sums(connection: &Connection, summed: Summed) -> Result<(), StoreError> {
    // PostgreSQL's time begins later than ours.
    let ever = Date::new(1, 1, 1).unwrap_or(Date::MIN).at(0, 0, 0, 0);
    statements::forget_changes()
        .bind(connection, &to_column(summed.from), &ever)
        .await?;
    statements::forget_all_sums().bind(connection).await?;
    Ok(())
}

fn read_part<Of>(of: Of, row: &statements::Sums) -> Result<Part<Of>, StoreError> {
    let (status, payment) = read_standing(row.standing)?;
    let amount = Total::from_minor(row.minor);
    Ok(Part {
        of,
        outcome: Outcome::of(status, payment, row.is_free),
        is_free: row.is_free,
        sum: Sum {
            reservations: row.reservations,
            tickets: row.tickets,
            amount: amount.ok_or_else(|| unreadable("sum of total_price", &row.minor))?,
        },
    })
}

/// What the function `sales_standing` made of a status and a payment's.
fn read_standing(code: i16) -> Result<(ReservationStatus, PaymentStatus), StoreError> {
    use {PaymentStatus as P, ReservationStatus as R};
    let status = [R::Pending, R::Confirmed, R::Cancelled, R::Expired];
    let payment = [P::Pending, P::Completed, P::Failed, P::Refunded];
    let place = |of: i16| usize::try_from(of).ok()?.checked_sub(1);
    let read = || {
        let status = status.get(place(code / 10)?)?;
        Some((*status, *payment.get(place(code % 10)?)?))
    };
    read().ok_or_else(|| unreadable("standing", &code))
}

fn unreadable(what: &str, value: &impl ToString) -> StoreError {
    StoreError::Unreadable {
        table: "sales_sums",
        detail: format!("{what} {}", value.to_string()),
    }
}
