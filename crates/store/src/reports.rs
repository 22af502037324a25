//! Sums of reservations by day and by concert.

use domain::id::ConcertId;
use domain::money::Total;
use domain::report::{Outcome, Sum};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use crate::client::Params;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::reports as statements;
use crate::time::{from_column, to_column};
use crate::{concerts, reservations};

/// Which reservations are summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The beginnings of the days, and the end of the last one.
    pub edges: Vec<Timestamp>,
    pub concert: Option<ConcertId>,
    /// What a hold that ran out is told by.
    pub now: Timestamp,
}

impl Wanted {
    fn ends(&self) -> (Timestamp, Timestamp) {
        let first = self.edges.first().copied().unwrap_or(self.now);
        (first, self.edges.last().copied().unwrap_or(first))
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

/// By day, told by its place from 0 on.
pub async fn list_sales_by_day(
    connection: &Connection,
    wanted: &Wanted,
) -> Result<Vec<Part<usize>>, StoreError> {
    let (from, to) = wanted.ends();
    let edges: Vec<_> = wanted.edges.iter().copied().map(to_column).collect();
    let parameters = statements::ListSalesByDayParams {
        edges,
        now: to_column(wanted.now),
        from_at: to_column(from),
        to_at: to_column(to),
        of_concert: wanted.concert.map(ConcertId::get),
    };
    let rows = statements::list_sales_by_day()
        .params(connection, &parameters)
        .all()
        .await?;
    let part = |row: statements::ListSalesByDay| {
        // Buckets are counted from 1.
        let day = usize::try_from(row.day - 1).map_err(|_| unreadable("day", &row.day))?;
        let standing = (&*row.status, &*row.payment_status, row.is_free);
        let sum = read_sum(row.reservations, row.tickets, row.amount)?;
        read_part(day, standing, sum)
    };
    rows.into_iter().map(part).collect()
}

/// By concert, for at most `limit` of them; those that sold most come first.
pub async fn list_sales_by_concert(
    connection: &Connection,
    wanted: &Wanted,
    limit: i64,
) -> Result<Vec<Part<ConcertId>>, StoreError> {
    let (from, to) = wanted.ends();
    let parameters = statements::ListSalesByConcertParams {
        now: to_column(wanted.now),
        from_at: to_column(from),
        to_at: to_column(to),
        of_concert: wanted.concert.map(ConcertId::get),
        limit,
    };
    let rows = statements::list_sales_by_concert()
        .params(connection, &parameters)
        .all()
        .await?;
    let part = |row: statements::ListSalesByConcert| {
        let concert = concerts::read_id(row.concert_id)?;
        let standing = (&*row.status, &*row.payment_status, row.is_free);
        let sum = read_sum(row.reservations, row.tickets, row.amount)?;
        read_part(concert, standing, sum)
    };
    rows.into_iter().map(part).collect()
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
) -> Result<Vec<SellOut>, StoreError> {
    let ids: Vec<i32> = concerts.iter().map(|id| id.get()).collect();
    let rows = statements::list_sell_outs()
        .bind(connection, &ids)
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

fn read_part<Of>(
    of: Of,
    (status, payment, is_free): (&str, &str, bool),
    sum: Sum,
) -> Result<Part<Of>, StoreError> {
    let (status, payment) = reservations::read_standing(status, payment)?;
    Ok(Part {
        of,
        outcome: Outcome::of(status, payment, is_free),
        is_free,
        sum,
    })
}

fn read_sum(reservations: i64, tickets: i64, amount: Decimal) -> Result<Sum, StoreError> {
    let minor = (amount * Decimal::ONE_HUNDRED).to_i64();
    let total = minor.and_then(Total::from_minor);
    Ok(Sum {
        reservations,
        tickets,
        amount: total.ok_or_else(|| unreadable("sum of total_price", &amount))?,
    })
}

fn unreadable(what: &str, value: &impl ToString) -> StoreError {
    StoreError::Unreadable {
        table: "reservations",
        detail: format!("{what} {}", value.to_string()),
    }
}
