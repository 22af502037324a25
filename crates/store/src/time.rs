//! The bridge between `TIMESTAMP` columns, which hold UTC, and instants.
//!
//! Only this module builds one from the other, so that no local time can slip in.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A column's value as an instant.
pub(crate) fn from_column(utc: DateTime) -> Timestamp {
    TimeZone::UTC.to_timestamp(utc).unwrap_or(Timestamp::MAX)
}

/// An instant as a column's value, in the microseconds that PostgreSQL keeps.
pub(crate) fn to_column(instant: Timestamp) -> DateTime {
    TimeZone::UTC.to_datetime(instant)
}
