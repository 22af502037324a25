//! Reading the query of a list: every parameter that is wrong is named, not just the first.

use std::collections::BTreeSet;

use domain::concert::parse_day;
use domain::text::TextError;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::http::fields::{FieldErrors, FieldReason};
use crate::http::problem::Problem;

/// Longer search texts find nothing that shorter ones don't.
const SEARCH_MAX: usize = 100;
/// The beginning of the year 1 in every time zone, before which PostgreSQL's calendar is another.
const EARLIEST: Date = Date::constant(1, 1, 2);

/// A cursor that no page of ours gave.
pub const WRONG_CURSOR: FieldReason = FieldReason::Invalid {
    wanted: "the `next_cursor` of an earlier page",
};

/// Gives each parameter with a value to `read`; none may be repeated. Stops where no more errors are
/// told.
pub fn read(
    query: &str,
    mut read: impl FnMut(&str, &str) -> Result<(), FieldReason>,
) -> Result<(), Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let mut errors = FieldErrors::default();
    let mut seen = BTreeSet::new();
    for (name, value) in pairs {
        let outcome = if !seen.insert(name.clone()) {
            Err(FieldReason::Repeated)
        } else if value.is_empty() {
            Ok(())
        } else {
            read(&name, &value)
        };
        if let Err(reason) = outcome {
            errors.push(&name, reason);
        }
        if errors.is_full() {
            break;
        }
    }
    let errors = errors.into_vec();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::validation(errors))
    }
}

/// How many items a page shall have, from 1 to `max`.
pub fn limit(value: &str, max: u16) -> Result<u16, FieldReason> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=max).contains(limit))
        .ok_or(FieldReason::OutOfRange {
            min: 1,
            max: i64::from(max),
        })
}

/// A text that is searched for; one of nothing but blanks is none.
pub fn search_text(value: &str) -> Result<Option<String>, FieldReason> {
    if value.chars().count() > SEARCH_MAX {
        return Err(FieldReason::Text(TextError::TooLong { max: SEARCH_MAX }));
    }
    searchable(value)
}

/// PostgreSQL's texts can't hold the character U+0000, so it can't be searched for.
pub fn searchable(value: &str) -> Result<Option<String>, FieldReason> {
    if value.contains('\0') {
        return Err(FieldReason::Text(TextError::ControlCharacter));
    }
    Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty()))
}

pub fn day(value: &str) -> Result<Date, FieldReason> {
    parse_day(value).ok_or(FieldReason::Invalid {
        wanted: "a day like 2027-01-31",
    })
}

/// A text that is one of those that `parse` knows.
pub fn choice<T>(
    value: &str,
    wanted: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, FieldReason> {
    parse(value).ok_or(FieldReason::Invalid { wanted })
}

/// Where a stretch of time begins: a day's beginning where the concerts are, or an instant.
pub fn beginning(value: &str, zone: &TimeZone) -> Result<Timestamp, FieldReason> {
    instant(value, zone, Some)
}

/// The instant before which a stretch of time ends: a day's end, so that it belongs to it, or an
/// instant, which doesn't.
pub fn end(value: &str, zone: &TimeZone) -> Result<Timestamp, FieldReason> {
    instant(value, zone, |day| day.checked_add(1.day()).ok())
}

fn instant(
    value: &str,
    zone: &TimeZone,
    edge: impl FnOnce(Date) -> Option<Date>,
) -> Result<Timestamp, FieldReason> {
    const WANTED: FieldReason = FieldReason::Invalid {
        wanted: "a day like 2027-01-31 or an instant like 2027-01-31T12:00:00Z",
    };
    let instant = match parse_day(value) {
        // The last day that there is has no end.
        Some(day) => edge(day).map_or(Ok(Timestamp::MAX), |day| {
            day.to_zoned(zone.clone()).map(|begin| begin.timestamp())
        }),
        None => value.parse(),
    };
    let earliest = EARLIEST.to_zoned(TimeZone::UTC).map(|day| day.timestamp());
    match (instant, earliest) {
        // Nothing of ours is as old: whatever lies before has the same answer.
        (Ok(instant), Ok(earliest)) if !value.starts_with('-') => Ok(instant.max(earliest)),
        _ => Err(WANTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_where_the_concerts_are_and_end_with_their_last_moment() {
        let zone = TimeZone::get("Asia/Bangkok").unwrap();
        let begin = beginning("2026-11-22", &zone).unwrap();
        assert_eq!(begin.to_string(), "2026-11-21T17:00:00Z");
        let end_of_day = end("2026-11-22", &zone).unwrap();
        assert_eq!(end_of_day.to_string(), "2026-11-22T17:00:00Z");
        for edge in [beginning, end] {
            let instant = edge("2026-11-22T05:00:00+07:00", &zone).unwrap();
            assert_eq!(instant.to_string(), "2026-11-21T22:00:00Z");
            for wrong in [
                "",
                "yesterday",
                "2026-11-31",
                "-000044-03-15T12:00:00Z",
                "12:00",
            ] {
                assert!(edge(wrong, &zone).is_err(), "{wrong}");
            }
        }
        assert_eq!(end("9999-12-31", &zone), Ok(Timestamp::MAX));
        for first in ["0001-01-01", "0001-01-01T00:00:00Z"] {
            let begin = beginning(first, &zone).unwrap();
            assert_eq!(begin.to_string(), "0001-01-02T00:00:00Z");
        }
    }
}
