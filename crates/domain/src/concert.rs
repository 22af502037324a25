//! A concert, what its status means for a buyer, and what staff may enter for a new one.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::id::ConcertId;
use crate::money::Money;
use crate::text::{Description, ImagePath, Line};

/// A concert as it stands in the database.
///
/// Texts are plain here: operators may have written them with SQL, and a row must stay readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concert {
    pub id: ConcertId,
    pub name: String,
    pub artist: String,
    /// The day of the concert, and the last day of its sale, in the installation's time zone.
    pub date: Date,
    pub venue: String,
    pub total_tickets: i32,
    /// `total_tickets` less what pending and confirmed reservations hold.
    pub available_tickets: i32,
    /// For one ticket, all-in.
    pub price: Money,
    pub status: ConcertStatus,
    pub image_url: Option<String>,
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The rule of the sale: the concert is open, and its day isn't over.
pub fn is_on_sale(status: ConcertStatus, date: Date, today: Date) -> bool {
    status == ConcertStatus::Open && date >= today
}

/// `concerts.status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConcertStatus {
    /// Listed and, until its day is over, on sale.
    Open,
    /// Listed under its own filter, not on sale.
    Closed,
    /// Gone from every page; final.
    Archived,
}

impl ConcertStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }
}

impl fmt::Display for ConcertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a concert's status: open, closed or archived")]
pub struct InvalidConcertStatus;

impl FromStr for ConcertStatus {
    type Err = InvalidConcertStatus;

    fn from_str(text: &str) -> Result<Self, InvalidConcertStatus> {
        [Self::Open, Self::Closed, Self::Archived]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(InvalidConcertStatus)
    }
}

/// A day as everybody writes it to us, `YYYY-MM-DD` (RFC 3339, `full-date`), in the years 1 to 9999.
pub fn parse_day(text: &str) -> Option<Date> {
    let is_plain = text.len() == 10 && text.is_ascii() && text.as_bytes()[0].is_ascii_digit();
    text.parse()
        .ok()
        .filter(|day: &Date| is_plain && day.year() >= 1)
}

/// How many seats a concert has: 0 to 1,000,000, more than any venue on earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capacity(i32);

impl Capacity {
    pub const MAX: i32 = 1_000_000;

    pub const fn new(tickets: i32) -> Option<Self> {
        if tickets >= 0 && tickets <= Self::MAX {
            Some(Self(tickets))
        } else {
            None
        }
    }

    pub const fn get(self) -> i32 {
        self.0
    }
}

/// What staff enter for a concert; all its tickets are still to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConcert {
    pub name: Line,
    pub artist: Line,
    pub date: Date,
    pub venue: Line,
    pub total_tickets: Capacity,
    pub price: Money,
    pub status: ConcertStatus,
    pub image_url: Option<ImagePath>,
    pub description: Option<Description>,
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_concerts_day_is_the_last_day_of_sale() {
        let day = date(2026, 12, 12);
        assert!(is_on_sale(ConcertStatus::Open, day, date(2026, 12, 12)));
        assert!(!is_on_sale(ConcertStatus::Open, day, date(2026, 12, 13)));
        assert!(!is_on_sale(ConcertStatus::Closed, day, date(2026, 12, 1)));
        assert!(!is_on_sale(ConcertStatus::Archived, day, date(2026, 12, 1)));
    }

    #[test]
    fn days_have_one_form() {
        assert_eq!(parse_day("2027-01-31"), Some(date(2027, 1, 31)));
        for text in [
            "2027-02-30",
            "2027-1-31",
            "31.1.2027",
            "-009999-01-01",
            "0000-01-01",
            "",
            "20270131",
            "2027-01-31T00",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn statuses_read_back() {
        for status in [
            ConcertStatus::Open,
            ConcertStatus::Closed,
            ConcertStatus::Archived,
        ] {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("Open".parse::<ConcertStatus>(), Err(InvalidConcertStatus));
    }
}
