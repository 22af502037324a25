//! A concert, what its status means for a buyer, and what staff may enter and change.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::id::ConcertId;
use crate::money::Money;
use crate::text::{Description, ImagePath, Line};
use crate::word::words;

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

impl Concert {
    /// Tickets that are sold or held.
    pub const fn taken(&self) -> i32 {
        self.total_tickets - self.available_tickets
    }

    /// Whether staff may give it another status. One that it has already is no change.
    pub fn check_status(&self, wanted: ConcertStatus, today: Date) -> Result<(), ConcertRefusal> {
        match (self.status, wanted) {
            (is, wanted) if is == wanted => Ok(()),
            (ConcertStatus::Archived, _) => Err(ConcertRefusal::Archived),
            (_, ConcertStatus::Open) if self.date < today => Err(ConcertRefusal::DayOver),
            _ => Ok(()),
        }
    }

    /// The same concert with an edit done to it, unless it is archived or fewer tickets are wanted
    /// than are sold or held.
    pub fn edited(self, edit: ConcertEdit) -> Result<Self, ConcertRefusal> {
        if self.status == ConcertStatus::Archived {
            return Err(ConcertRefusal::Archived);
        }
        let total_tickets = edit.total_tickets.map_or(self.total_tickets, Capacity::get);
        let available_tickets = total_tickets - self.taken();
        if available_tickets < 0 {
            return Err(ConcertRefusal::BelowTaken);
        }
        let text = |new: Option<Line>, old: String| new.map_or(old, |new| new.to_string());
        Ok(Self {
            name: text(edit.name, self.name),
            artist: text(edit.artist, self.artist),
            date: edit.date.unwrap_or(self.date),
            venue: text(edit.venue, self.venue),
            total_tickets,
            available_tickets,
            price: edit.price.unwrap_or(self.price),
            image_url: edit.image_url.applied(self.image_url, ImagePath::as_str),
            description: edit
                .description
                .applied(self.description, Description::as_str),
            ..self
        })
    }
}

/// What staff change of a concert; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConcertEdit {
    pub name: Option<Line>,
    pub artist: Option<Line>,
    pub date: Option<Date>,
    pub venue: Option<Line>,
    pub total_tickets: Option<Capacity>,
    pub price: Option<Money>,
    pub image_url: Replacement<ImagePath>,
    pub description: Replacement<Description>,
}

/// What becomes of something that need not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Replacement<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Replacement<T> {
    fn applied(self, old: Option<String>, text: impl FnOnce(&T) -> &str) -> Option<String> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(text(&new).to_owned()),
        }
    }
}

/// Why a concert can't change as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConcertRefusal {
    #[error("the concert is archived, which is final")]
    Archived,
    #[error("the concert's day is over")]
    DayOver,
    #[error("more tickets are sold or held")]
    BelowTaken,
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
    pub const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Archived];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Archived => "archived",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a concert's status: open, closed or archived")]
pub struct InvalidConcertStatus;

words! { InvalidConcertStatus: ConcertStatus }

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

    fn concert(status: ConcertStatus) -> Concert {
        Concert {
            id: ConcertId::new(1).unwrap(),
            name: "Night Ferry".into(),
            artist: "The Lanterns".into(),
            date: date(2026, 12, 12),
            venue: "Riverside Hall".into(),
            total_tickets: 100,
            available_tickets: 30,
            price: Money::ZERO,
            status,
            image_url: Some("/a.svg".into()),
            description: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn archived_is_final_and_a_day_that_is_over_is_not_opened() {
        use ConcertStatus::{Archived, Closed, Open};
        let (before, after) = (date(2026, 12, 12), date(2026, 12, 13));
        for wanted in [Open, Closed, Archived] {
            let refused = (wanted != Archived).then_some(ConcertRefusal::Archived);
            let archived = concert(Archived).check_status(wanted, before);
            assert_eq!(archived.err(), refused, "{wanted}");
            assert_eq!(concert(Open).check_status(wanted, after), Ok(()));
            assert_eq!(concert(Closed).check_status(wanted, before), Ok(()));
        }
        let late = concert(Closed).check_status(Open, after);
        assert_eq!(late, Err(ConcertRefusal::DayOver));
        let edited = concert(Archived).edited(ConcertEdit::default());
        assert_eq!(edited, Err(ConcertRefusal::Archived));
    }

    #[test]
    fn capacity_moves_what_is_available_and_never_below_what_is_taken() {
        let with = |tickets: i32| ConcertEdit {
            total_tickets: Capacity::new(tickets),
            ..ConcertEdit::default()
        };
        for (total, available) in [(70, Some(0)), (71, Some(1)), (500, Some(430)), (69, None)] {
            let edited = concert(ConcertStatus::Open).edited(with(total));
            let found = edited.ok().map(|edited| edited.available_tickets);
            assert_eq!(found, available, "{total}");
        }
    }

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let before = concert(ConcertStatus::Closed);
        let same = before.clone().edited(ConcertEdit::default());
        assert_eq!(same, Ok(before.clone()));
        let edit = ConcertEdit {
            name: Line::parse("Day Ferry").ok(),
            image_url: Replacement::Clear,
            description: Replacement::Set(Description::parse("Bring a coat.").unwrap()),
            ..ConcertEdit::default()
        };
        let expected = Concert {
            name: "Day Ferry".into(),
            image_url: None,
            description: Some("Bring a coat.".into()),
            ..before.clone()
        };
        assert_eq!(before.edited(edit), Ok(expected));
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
