//! A calendar file (iCalendar, RFC 5545) that puts a concert's day into a buyer's calendar.
//!
//! Absent on purpose: the holder's name, for calendars are shared, and a time of day, which a concert
//! doesn't have here.

use domain::id::ReservationId;
use domain::language::Language;
use icalendar::{Calendar, Component as _, Event, Property};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::words::words;

/// What the entry says.
#[derive(Clone, Copy, Debug)]
pub struct CalendarEntry<'a> {
    pub language: Language,
    pub concert: &'a str,
    pub artist: &'a str,
    pub venue: &'a str,
    pub date: Date,
    pub reservation_id: &'a ReservationId,
    /// The page of the reservation, whole.
    pub url: &'a str,
    /// The host of this installation, which keeps its entries apart from others'.
    pub host: &'a str,
    /// When the reservation last changed: of two files calendars keep what the later one says.
    pub changed_at: Timestamp,
}

/// The file, with one all-day event. Its `UID` is the reservation's alone, so that a second download
/// replaces the first one's entry.
pub fn calendar_file(entry: &CalendarEntry<'_>) -> String {
    let url = single_line(entry.url);
    let description = format!(
        "{}\n{} {}\n{url}",
        single_line(entry.artist),
        words(entry.language).reservation,
        entry.reservation_id
    );
    let stamp = entry.changed_at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut event = Event::new();
    event
        .uid(&format!(
            "{}@{}",
            entry.reservation_id,
            single_line(entry.host)
        ))
        .add_property("DTSTAMP", stamp.as_str())
        .add_property("LAST-MODIFIED", stamp.as_str())
        .append_property(day("DTSTART", entry.date))
        // Of a span of days the end is the first one that is free again (RFC 5545, 3.6.1).
        .append_property(day("DTEND", entry.date.tomorrow().unwrap_or(entry.date)))
        .append_property(in_language("SUMMARY", entry.concert, entry.language))
        .append_property(in_language("LOCATION", entry.venue, entry.language))
        .append_property(in_language("DESCRIPTION", &description, entry.language))
        .add_property("URL", url)
        // Whoever goes to a concert isn't busy all day.
        .add_property("TRANSP", "TRANSPARENT");
    let mut calendar = Calendar::empty();
    calendar
        .append_property(Property::new("VERSION", "2.0"))
        .append_property(Property::new("PRODID", "-//stagedoor//tickets//EN"))
        .append_property(Property::new("CALSCALE", "GREGORIAN"))
        .push(event.done());
    calendar.to_string()
}

fn day(key: &str, date: Date) -> Property {
    Property::new(key, date.strftime("%Y%m%d").to_string())
        .add_parameter("VALUE", "DATE")
        .done()
}

/// Text of a language. A line break that isn't ours must not become one of the file.
fn in_language(key: &str, text: &str, language: Language) -> Property {
    let text: String = text
        .chars()
        .map(|character| if character == '\r' { ' ' } else { character })
        .filter(|character| *character == '\n' || !character.is_control())
        .collect();
    Property::new(key, text)
        .add_parameter("LANGUAGE", language.as_str())
        .done()
}

/// A text in which nothing begins a new line of the file.
fn single_line(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const ID: &str = "RES1764000000123-0A1B2C3D";
    const URL: &str = "https://tickets.example.com/en/r/RES1764000000123-0A1B2C3D";

    fn entry(reservation_id: &ReservationId) -> CalendarEntry<'_> {
        CalendarEntry {
            language: Language::En,
            concert: "Night of Lights",
            artist: "Mali",
            venue: "Rajamangala",
            date: date(2026, 12, 31),
            reservation_id,
            url: URL,
            host: "tickets.example.com",
            changed_at: "2026-11-28T20:00:00Z".parse().unwrap(),
        }
    }

    /// The lines of the file as its reader sees them: unfolded.
    fn lines(file: &str) -> Vec<String> {
        assert!(file.ends_with("\r\n"));
        assert!(!file.replace("\r\n", "").contains(['\r', '\n']), "{file}");
        for line in file.split("\r\n") {
            assert!(line.len() <= 75, "{} bytes: {line}", line.len());
        }
        let unfolded = file.replace("\r\n ", "");
        unfolded
            .split_terminator("\r\n")
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_file_says_which_day_where_and_for_which_reservation() {
        let mut found = lines(&calendar_file(&entry(&ID.parse().unwrap())));
        found.sort();
        let mut wanted = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//stagedoor//tickets//EN",
            "CALSCALE:GREGORIAN",
            "BEGIN:VEVENT",
            "UID:RES1764000000123-0A1B2C3D@tickets.example.com",
            "DTSTAMP:20261128T200000Z",
            "LAST-MODIFIED:20261128T200000Z",
            "DTSTART;VALUE=DATE:20261231",
            "DTEND;VALUE=DATE:20270101",
            "SUMMARY;LANGUAGE=en:Night of Lights",
            "LOCATION;LANGUAGE=en:Rajamangala",
            "DESCRIPTION;LANGUAGE=en:Mali\\nReservation RES1764000000123-0A1B2C3D\\n\
             https://tickets.example.com/en/r/RES1764000000123-0A1B2C3D",
            "URL:https://tickets.example.com/en/r/RES1764000000123-0A1B2C3D",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
            "END:VCALENDAR",
        ];
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }

    #[test]
    fn texts_are_escaped_and_folded_between_letters() {
        let name = "ค่ำคืนแห่งแสงไฟ; รัก, ฝัน \\ และความหวัง ".repeat(6);
        let id = ID.parse().unwrap();
        let found = lines(&calendar_file(&CalendarEntry {
            language: Language::Th,
            concert: &name,
            ..entry(&id)
        }));
        let wanted = name
            .replace('\\', "\\\\")
            .replace(';', "\\;")
            .replace(',', "\\,");
        assert!(
            found.contains(&format!("SUMMARY;LANGUAGE=th:{wanted}")),
            "{found:#?}"
        );
        assert!(
            found
                .iter()
                .any(|line| line.contains("\\nหมายเลขการจอง RES1764000000123"))
        );
    }

    #[test]
    fn nothing_that_is_told_can_add_a_line() {
        let evil = "x\r\nATTENDEE:mailto:a@example.com\nBEGIN:VALARM\r\u{85}y";
        let id = ID.parse().unwrap();
        let plain = lines(&calendar_file(&entry(&id))).len();
        let found = lines(&calendar_file(&CalendarEntry {
            concert: evil,
            artist: evil,
            venue: evil,
            url: evil,
            host: evil,
            ..entry(&id)
        }));
        assert_eq!(found.len(), plain, "{found:#?}");
        assert!(!found.iter().any(|line| line.starts_with("ATTENDEE")));
    }
}
