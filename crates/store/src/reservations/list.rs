//! Reservations as staff list and search them, newest first.
//!
//! Row-level security keeps a search for a part of a text from every index. [`search`] has one of its
//! own for parts that are long enough; for others [`list`] reads rows until it has found enough, and how
//! many it may read is the caller's to say.

use domain::id::{ConcertId, ReservationId};
use domain::reservation::{Reservation, ReservationStatus};
use domain::text::EmailAddress;
use jiff::Timestamp;

use super::read_row;
use crate::client::Params;
use crate::connection::Connection;
use crate::error::StoreError;
use crate::generated::queries::reservations as statements;
use crate::text;
use crate::time::{from_column, to_column};

/// Which reservations; what is `None` doesn't narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub id: Option<ReservationId>,
    pub concert_id: Option<ConcertId>,
    pub email: Option<EmailAddress>,
    /// As it reads now: a hold that ran out is expired.
    pub status: Option<ReservationStatus>,
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
}

/// A place in the order of their making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub created_at: Timestamp,
    pub id: String,
}

/// A stretch of that order; what is `None` is its beginning or its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where the page before ended; not included.
    pub behind: Option<Position>,
    /// The last one to be looked at.
    pub end: Option<Position>,
}

/// Up to `limit` reservations within a stretch, newest first, at `now`; those with `part` in name or
/// e-mail address, or at the beginning of their id.
pub async fn list(
    connection: &Connection,
    (filter, part): (&Filter, Option<&str>),
    stretch: &Stretch,
    (now, limit): (Timestamp, i64),
) -> Result<Vec<Reservation>, StoreError> {
    let (behind, end) = (stretch.behind.as_ref(), stretch.end.as_ref());
    let parameters = statements::ListParams {
        of_id: filter.id.as_ref().map(ReservationId::as_str),
        of_concert: filter.concert_id.map(ConcertId::get),
        of_email: filter.email.as_ref().map(EmailAddress::as_str),
        of_status: filter.status.map(ReservationStatus::as_str),
        from_at: filter.from.map(to_column),
        to_at: filter.to.map(to_column),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        end_at: end.map(|place| to_column(place.created_at)),
        end_id: end.map(|place| place.id.as_str()),
        prefix: part.map(text::prefix_pattern),
        part: part.map(text::contains_pattern),
        now: to_column(now),
        limit,
    };
    let rows = statements::list()
        .params(connection, &parameters)
        .all()
        .await?;
    rows.into_iter().map(read_row).collect()
}

/// Letters or digits in a row that the index of the search needs: it knows texts by three at a time.
const INDEXED_FROM: usize = 3;

/// Whether [`search`] finds a part: a shorter one is in no index.
pub fn is_indexed(part: &str) -> bool {
    let mut words = part.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.chars().count() >= INDEXED_FROM)
}

/// Up to `limit` of all reservations with `part` in name or e-mail address, or at the beginning of their
/// id, newest first, behind `behind`; of a part that [`is_indexed`], for staff.
pub async fn search(
    connection: &Connection,
    (filter, part): (&Filter, &str),
    behind: Option<&Position>,
    (now, limit): (Timestamp, i32),
) -> Result<Vec<Reservation>, StoreError> {
    let range = id_range(part);
    let (from_id, until_id) = range.unzip();
    let parameters = statements::SearchParams {
        part: text::contains_pattern(part),
        of_prefix: from_id.as_ref().map(|_| text::prefix_pattern(part)),
        from_id,
        until_id,
        of_concert: filter.concert_id.map(ConcertId::get),
        of_email: filter.email.as_ref().map(EmailAddress::as_str),
        of_status: filter.status.map(ReservationStatus::as_str),
        from_at: filter.from.map(to_column),
        to_at: filter.to.map(to_column),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        now: to_column(now),
        rows_max: limit,
    };
    let ids = statements::search()
        .params(connection, &parameters)
        .all()
        .await?;
    let rows = statements::list_by_ids()
        .bind(connection, &ids)
        .all()
        .await?;
    let found = rows.into_iter().map(read_row);
    let mut found = found.collect::<Result<Vec<Reservation>, StoreError>>()?;
    let place = |one: &Reservation| (one.created_at, one.id.to_string());
    found.sort_by_key(|one| std::cmp::Reverse(place(one)));
    Ok(found)
}

/// Where the ids are that begin with `part`, which must go as far as their time; the end isn't
/// included. Digits have one order in every language, which letters and hyphens have not.
fn id_range(part: &str) -> Option<(String, String)> {
    let name = part.to_ascii_uppercase();
    let rest = name.strip_prefix("RES")?;
    let digits = rest.split_once('-').map_or(rest, |(digits, _)| digits);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_plain.then(|| digits.parse().ok())??;
    let next = (number + 1).to_string();
    let until = if next.len() > digits.len() {
        "S".to_owned()
    } else {
        format!("RES{next:0>width$}", width = digits.len())
    };
    Some((format!("RES{digits}"), until))
}

/// The place of the last of `rows` reservations behind `behind`; `None` when there are fewer.
pub async fn find_search_end(
    connection: &Connection,
    filter: &Filter,
    behind: Option<&Position>,
    (now, rows): (Timestamp, i64),
) -> Result<Option<Position>, StoreError> {
    let parameters = statements::FindSearchEndParams {
        of_id: filter.id.as_ref().map(ReservationId::as_str),
        of_concert: filter.concert_id.map(ConcertId::get),
        of_email: filter.email.as_ref().map(EmailAddress::as_str),
        of_status: filter.status.map(ReservationStatus::as_str),
        from_at: filter.from.map(to_column),
        to_at: filter.to.map(to_column),
        before_at: behind.map(|place| to_column(place.created_at)),
        before_id: behind.map(|place| place.id.as_str()),
        now: to_column(now),
        rows_before: rows - 1,
    };
    let found = statements::find_search_end()
        .params(connection, &parameters)
        .opt()
        .await?;
    Ok(found.map(|row| Position {
        created_at: from_column(row.created_at),
        id: row.id,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_a_stretch_of_them() {
        let range = |part: &str| id_range(part);
        let stretch = |from: &str, until: &str| Some((from.to_owned(), until.to_owned()));
        assert_eq!(range("RES17640"), stretch("RES17640", "RES17641"));
        assert_eq!(range("res1769"), stretch("RES1769", "RES1770"));
        assert_eq!(range("RES007"), stretch("RES007", "RES008"));
        assert_eq!(range("RES99"), stretch("RES99", "S"));
        let whole = "RES1764000000123-AB";
        assert_eq!(
            range(whole),
            stretch("RES1764000000123", "RES1764000000124")
        );
        for none in [
            "",
            "RES",
            "RES-1",
            "RESx",
            "Theresa",
            "RES+1",
            "RES99999999999999999999",
        ] {
            assert_eq!(range(none), None, "{none}");
        }
    }

    #[test]
    fn a_part_needs_three_letters_or_digits_in_a_row() {
        for part in ["som", "a som", "สมช", "1764", "o'har"] {
            assert!(is_indexed(part), "{part}");
        }
        for part in ["", "so", "s-o-m", "a b c", "@..", "%%%"] {
            assert!(!is_indexed(part), "{part}");
        }
    }
}
