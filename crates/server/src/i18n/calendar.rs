//! Dates and times in words: English in the common era, Thai in the Buddhist era (543 years on).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Lang;

const BUDDHIST_ERA_YEARS: i16 = 543;

/// The names of days and months, Monday and January first.
struct Names {
    days: [&'static str; 7],
    days_short: [&'static str; 7],
    months: [&'static str; 12],
    months_short: [&'static str; 12],
}

static ENGLISH: Names = Names {
    days: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    days_short: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    months_short: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
};

static THAI: Names = Names {
    days: ["จันทร์", "อังคาร", "พุธ", "พฤหัสบดี", "ศุกร์", "เสาร์", "อาทิตย์"],
    days_short: ["จ.", "อ.", "พ.", "พฤ.", "ศ.", "ส.", "อา."],
    months: [
        "มกราคม",
        "กุมภาพันธ์",
        "มีนาคม",
        "เมษายน",
        "พฤษภาคม",
        "มิถุนายน",
        "กรกฎาคม",
        "สิงหาคม",
        "กันยายน",
        "ตุลาคม",
        "พฤศจิกายน",
        "ธันวาคม",
    ],
    months_short: [
        "ม.ค.",
        "ก.พ.",
        "มี.ค.",
        "เม.ย.",
        "พ.ค.",
        "มิ.ย.",
        "ก.ค.",
        "ส.ค.",
        "ก.ย.",
        "ต.ค.",
        "พ.ย.",
        "ธ.ค.",
    ],
};

impl Lang {
    /// `Sat 12 Dec 2026`, `ส. 12 ธ.ค. 2569`.
    pub fn date_short(self, date: Date) -> String {
        let names = self.names();
        let day = pick(&names.days_short, date.weekday().to_monday_zero_offset());
        let month = pick(&names.months_short, date.month() - 1);
        format!("{day} {} {month} {}", date.day(), self.year(date.year()))
    }

    /// `Saturday 12 December 2026`, `วันเสาร์ที่ 12 ธันวาคม 2569`.
    pub fn date_long(self, date: Date) -> String {
        let names = self.names();
        let day = pick(&names.days, date.weekday().to_monday_zero_offset());
        let month = pick(&names.months, date.month() - 1);
        let (number, year) = (date.day(), self.year(date.year()));
        match self {
            Self::En => format!("{day} {number} {month} {year}"),
            Self::Th => format!("วัน{day}ที่ {number} {month} {year}"),
        }
    }

    /// The month of a date: `December 2026`, `ธันวาคม 2569`.
    pub fn month(self, date: Date) -> String {
        format!(
            "{} {}",
            pick(&self.names().months, date.month() - 1),
            self.year(date.year())
        )
    }

    /// The time of day where the concerts are: `19:42`.
    pub fn time(self, at: Timestamp, zone: &TimeZone) -> String {
        let time = zone.to_datetime(at).time();
        format!("{:02}:{:02}", time.hour(), time.minute())
    }

    /// The same with seconds: `19:30:05`.
    pub fn time_exact(self, at: Timestamp, zone: &TimeZone) -> String {
        let seconds = zone.to_datetime(at).time().second();
        format!("{}:{seconds:02}", self.time(at, zone))
    }

    const fn names(self) -> &'static Names {
        match self {
            Self::En => &ENGLISH,
            Self::Th => &THAI,
        }
    }

    const fn year(self, year: i16) -> i16 {
        match self {
            Self::En => year,
            Self::Th => year.saturating_add(BUDDHIST_ERA_YEARS),
        }
    }
}

/// jiff's fields never leave the tables' range; an empty name would be the mildest way to be wrong.
fn pick<const N: usize>(names: &[&'static str; N], index: i8) -> &'static str {
    usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index))
        .copied()
        .unwrap_or_default()
}
