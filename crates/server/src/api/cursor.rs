//! Cursors: a place in a list, opaque to clients.

use std::fmt::Display;
use std::str::FromStr;

use app::concerts::Position;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::concert::parse_day;
use jiff::Timestamp;

/// The cursor that continues after a concert.
pub fn write(position: Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}", position.date, position.id))
}

/// `None` for anything that [`write`] didn't make.
pub fn read(cursor: &str) -> Option<Position> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (date, id) = text.split_once('/')?;
    Some(Position {
        date: parse_day(date)?,
        id: id.parse().ok()?,
    })
}

/// The cursor that continues after a row's number.
pub fn write_number(number: i32) -> String {
    URL_SAFE_NO_PAD.encode(number.to_string())
}

/// `None` for anything that [`write_number`] didn't make.
pub fn read_number(cursor: &str) -> Option<i32> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.parse().ok()
}

/// The cursor that continues behind a row in the order of time.
pub fn write_moment(at: Timestamp, id: impl Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{id}", at.as_microsecond()))
}

/// `None` for anything that [`write_moment`] didn't make.
pub fn read_moment<T: FromStr>(cursor: &str) -> Option<(Timestamp, T)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (micros, id) = text.split_once('/')?;
    // Nothing of ours was made before 1970, and PostgreSQL's calendar ends where jiff's goes on.
    let micros = micros.parse().ok().filter(|micros| *micros >= 0)?;
    Some((Timestamp::from_microsecond(micros).ok()?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_does_not() {
        let position = Position {
            date: jiff::civil::date(2027, 1, 31),
            id: 7,
        };
        assert_eq!(read(&write(position)), Some(position));
        assert_eq!(read_number(&write_number(7)), Some(7));
        let at = Timestamp::from_microsecond(1_764_000_000_123_456).unwrap();
        assert_eq!(read_moment(&write_moment(at, 7)), Some((at, 7)));
        let before = write_moment(Timestamp::from_second(-1).unwrap(), 7);
        assert_eq!(read_moment::<i32>(&before), None);
        // The last one is a day that no calendar of PostgreSQL has: -009999-01-01.
        for text in [
            "",
            "x",
            "MjAyNy0wMS0zMQ",
            "////",
            "ก",
            "LTAwOTk5OS0wMS0wMS8x",
        ] {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(read_number(text), None, "{text}");
            assert_eq!(read_moment::<i32>(text), None, "{text}");
        }
    }
}
