//! Reports for staff: sales by day and by concert within a stretch of days, and how long concerts took
//! to sell out. They may be some seconds old, so a replica serves them where there is one.
//!
//! A reservation counts for the day on which it was made, whatever became of it since and whenever.

use std::collections::{HashMap, HashSet};

use domain::concert::Concert;
use domain::id::ConcertId;
use domain::report::{Sales, Share};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use store::reports::{self as stored, Parts, Stretch, Wanted};
use store::transaction::read_as;
use store::{Acting, Connection, Seen, StoreError, concerts};

use crate::App;

pub(crate) mod summing;
pub mod tables;

/// A year and a day: from one festival to the same of the year after.
pub const DAYS_MAX: i32 = 366;
/// What is shown unless somebody asks for other days.
pub const DAYS_DEFAULT: i32 = 30;
/// Of more concerts those that sold least are left out.
pub const CONCERTS_MAX: i64 = 500;
/// Concerts whose selling out is looked up, of those that sold most.
const SELL_OUTS_MAX: usize = 50;

/// Days that a report is about, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    from: Date,
    to: Date,
}

/// Why days make no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDays {
    #[error("the last day is before the first")]
    Reversed,
    #[error("more than {DAYS_MAX} days")]
    TooMany,
}

impl Days {
    /// Of what isn't given, so many days until today, or until the last one.
    pub fn new(from: Option<Date>, to: Option<Date>, today: Date) -> Result<Self, InvalidDays> {
        let back = (DAYS_DEFAULT - 1).days();
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, today.max(from)),
            (None, to) => {
                let to = to.unwrap_or(today);
                (to.saturating_sub(back), to)
            }
        };
        if to < from {
            return Err(InvalidDays::Reversed);
        }
        if from.saturating_add((DAYS_MAX - 1).days()) < to {
            return Err(InvalidDays::TooMany);
        }
        Ok(Self { from, to })
    }

    pub const fn from(self) -> Date {
        self.from
    }

    pub const fn to(self) -> Date {
        self.to
    }

    fn each(self) -> impl Iterator<Item = Date> {
        let mut next = Some(self.from);
        std::iter::from_fn(move || {
            let day = next.filter(|day| *day <= self.to)?;
            next = day.tomorrow().ok();
            Some(day)
        })
    }

    /// The beginnings of the days where the concerts are, and the end of the last one.
    fn edges(self, zone: &TimeZone) -> Vec<Timestamp> {
        let end = self.to.tomorrow().unwrap_or(Date::MAX);
        let begin = |day| beginning(day, zone);
        self.each().chain([end]).map(begin).collect()
    }
}

fn beginning(day: Date, zone: &TimeZone) -> Timestamp {
    let zoned = zone.to_zoned(day.at(0, 0, 0, 0));
    zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// What tells days that are days elsewhere.
fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or_default().to_owned()
}

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub days: Days,
    pub concert: Option<ConcertId>,
}

/// Sales of the days and of the concerts that were asked for.
#[derive(Clone, Debug)]
pub struct Report {
    pub total: Sales,
    /// Every one of the days.
    pub days: Vec<DaySales>,
    /// Those of which anything was reserved, by tickets sold.
    pub concerts: Vec<ConcertSales>,
    /// There are more concerts than [`CONCERTS_MAX`].
    pub has_more_concerts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySales {
    pub day: Date,
    pub sales: Sales,
}

#[derive(Clone, Debug)]
pub struct ConcertSales {
    pub concert: Concert,
    /// Of the report's days.
    pub sales: Sales,
    /// Of the concerts that are sold out only the first [`SELL_OUTS_MAX`] have it.
    pub sold_out: Option<SellOut>,
}

/// From a concert's first reservation to that of the last ticket, of one that has none left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SellOut {
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

impl SellOut {
    pub fn took(&self) -> SignedDuration {
        self.last_at.duration_since(self.first_at)
    }
}

impl ConcertSales {
    pub fn is_sold_out(&self) -> bool {
        is_sold_out(&self.concert)
    }

    /// How full the concert is now: tickets that are sold or held, of all.
    pub fn fill(&self) -> Share {
        let total = i64::from(self.concert.total_tickets);
        Share {
            part: total - i64::from(self.concert.available_tickets),
            whole: total,
        }
    }
}

/// Everything about the days that are asked for.
pub async fn sales(
    app: &App,
    request: Request,
    (seen, by): (Seen, &Acting),
) -> Result<Report, StoreError> {
    let zone = &app.settings().timezone;
    let wanted = Wanted {
        days: Stretch {
            first: request.days.from,
            edges: request.days.edges(zone),
        },
        concert: request.concert,
        zone: zone_name(zone),
        now: app.ctx().now(),
    };
    let read = app.read_slowly(seen, |connection| {
        let (wanted, by) = (wanted.clone(), by.clone());
        Box::pin(async move { read_as(connection, &by, Read::all(connection, &wanted)).await })
    });
    Ok(read.await?.into_report(request.days))
}

/// What the database says.
struct Read {
    sales: Parts,
    concerts: Vec<Concert>,
    sell_outs: Vec<stored::SellOut>,
}

impl Read {
    async fn all(connection: &Connection, wanted: &Wanted) -> Result<Self, StoreError> {
        // One more than is shown tells whether there are more.
        let sales = stored::list_sales(connection, wanted, CONCERTS_MAX + 1).await?;
        let mut ids: Vec<ConcertId> = sales.by_concert.iter().map(|part| part.of).collect();
        ids.dedup();
        let concerts = concerts::list_by_ids(connection, &ids).await?;
        let sold_out = concerts.iter().filter(|concert| is_sold_out(concert));
        let sold_out: HashSet<ConcertId> = sold_out.map(|concert| concert.id).collect();
        ids.retain(|id| sold_out.contains(id));
        ids.truncate(SELL_OUTS_MAX);
        let sold_out = ids;
        let sell_outs = if sold_out.is_empty() {
            Vec::new()
        } else {
            let how = (&*wanted.zone, wanted.now);
            stored::list_sell_outs(connection, &sold_out, how).await?
        };
        Ok(Self {
            sales,
            concerts,
            sell_outs,
        })
    }

    fn into_report(self, days: Days) -> Report {
        let mut by_day: Vec<_> = days
            .each()
            .map(|day| DaySales {
                day,
                sales: Sales::default(),
            })
            .collect();
        let mut total = Sales::default();
        for part in self.sales.by_day {
            total.count(part.outcome, part.is_free, part.sum);
            // The days are one behind the other.
            if let Ok(place) = by_day.binary_search_by_key(&part.of, |of| of.day) {
                by_day[place]
                    .sales
                    .count(part.outcome, part.is_free, part.sum);
            }
        }
        let mut concerts: HashMap<ConcertId, Concert> = self
            .concerts
            .into_iter()
            .map(|concert| (concert.id, concert))
            .collect();
        let mut by_concert: Vec<ConcertSales> = Vec::new();
        for part in self.sales.by_concert {
            if let Some(concert) = concerts.remove(&part.of) {
                by_concert.push(ConcertSales {
                    concert,
                    sales: Sales::default(),
                    sold_out: sell_out_of(&self.sell_outs, part.of),
                });
            }
            // Its parts come together.
            if let Some(last) = by_concert.last_mut() {
                last.sales.count(part.outcome, part.is_free, part.sum);
            }
        }
        let shown = usize::try_from(CONCERTS_MAX).unwrap_or(usize::MAX);
        let has_more_concerts = by_concert.len() > shown;
        by_concert.truncate(shown);
        Report {
            total,
            days: by_day,
            concerts: by_concert,
            has_more_concerts,
        }
    }
}

fn is_sold_out(concert: &Concert) -> bool {
    concert.available_tickets == 0 && concert.total_tickets > 0
}

fn sell_out_of(sell_outs: &[stored::SellOut], concert: ConcertId) -> Option<SellOut> {
    let found = sell_outs.iter().find(|one| one.concert == concert)?;
    Some(SellOut {
        first_at: found.first_at,
        last_at: found.last_at?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const TODAY: Date = date(2026, 11, 22);

    #[test]
    fn days_end_today_and_are_thirty_unless_somebody_asks() {
        let days = |from, to| Days::new(from, to, TODAY).map(|days| (days.from(), days.to()));
        let first = date(2026, 10, 24);
        assert_eq!(days(None, None), Ok((first, TODAY)));
        assert_eq!(days(Some(TODAY), None), Ok((TODAY, TODAY)));
        let (old, later) = (date(2026, 1, 30), date(2027, 1, 1));
        assert_eq!(days(None, Some(old)), Ok((date(2026, 1, 1), old)));
        assert_eq!(days(Some(later), None), Ok((later, later)));
        assert_eq!(days(Some(TODAY), Some(first)), Err(InvalidDays::Reversed));
        let year_before = date(2025, 11, 22);
        assert!(days(Some(year_before), Some(TODAY)).is_ok());
        let before = year_before.yesterday().unwrap();
        assert_eq!(days(Some(before), Some(TODAY)), Err(InvalidDays::TooMany));
        assert!(days(Some(Date::MIN), Some(Date::MIN)).is_ok());
        assert!(days(Some(Date::MAX), Some(Date::MAX)).is_ok());
    }

    #[test]
    fn a_day_begins_where_the_concerts_are_also_when_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let days = Days::new(Some(date(2026, 10, 24)), Some(date(2026, 10, 25)), TODAY).unwrap();
        let edges = days.edges(&zone);
        let edges: Vec<_> = edges.iter().map(ToString::to_string).collect();
        let expected = [
            "2026-10-23T22:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        ];
        assert_eq!(edges, expected);
    }
}
