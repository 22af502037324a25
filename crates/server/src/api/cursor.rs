//! Cursors: a place in a list, opaque to clients.

use app::concerts::Position;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::concert::parse_day;

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
        }
    }
}
