//! How a sale stands, ready to print: its figures, and the curves of the last minutes with the same
//! numbers as a table. A page and its stream show the same.

use std::fmt::Write as _;

use app::on_sale::{Answer, Board, Second};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::i18n::number;

/// The size of a curve's plane, in its own unit.
pub(super) const WIDTH: u64 = 600;
pub(super) const HEIGHT: u64 = 120;
/// Seconds of one point of a curve.
const POINT: usize = 5;
/// Seconds of one row of the table.
const ROW: usize = 30;

/// Everything of the page that changes.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Each with its name on the page, in the page's order.
    figures: Vec<(&'static str, String)>,
    /// When stock and payments were read.
    pub(super) read_at: String,
    pub(super) is_current: bool,
    /// Corners of the curves, as `points` of SVG.
    pub(super) taken_curve: String,
    pub(super) rate_curve: String,
    /// The top of the plane of rates.
    pub(super) rate_top: String,
    /// The newest first: until when, what was taken then, how many were admitted in that time.
    pub(super) rows: Vec<[String; 3]>,
}

/// What all servers share: each figure's name and the key of its label, in the order of the page.
pub(super) const STOCK: [(&str, &str); 5] = [
    ("sold", "sl-sold"),
    ("held", "sl-held"),
    ("left", "sl-left"),
    ("total", "sl-total"),
    ("payments", "sl-payments"),
];
/// The same for what this server does.
pub(super) const SERVER: [(&str, &str); 6] = [
    ("waiting", "sl-waiting"),
    ("admitted", "sl-admitted"),
    ("sold-out", "sl-sold-out"),
    ("limit", "sl-limit"),
    ("overloaded", "sl-overloaded"),
    ("failed", "sl-failed"),
];

impl Shown {
    pub(super) fn of(board: &Board, zone: &TimeZone) -> Self {
        let rate = |answer| tenths(board.rate_tenths(answer));
        let waiting = i64::try_from(board.waiting).unwrap_or(i64::MAX);
        let stock = [
            board.sold(),
            board.sale.held,
            i64::from(board.sale.available_tickets),
            i64::from(board.sale.total_tickets),
            board.sale.payments_undecided,
        ];
        let names = STOCK.into_iter().chain(SERVER).map(|(name, _)| name);
        let server = [
            number(waiting),
            rate(Answer::Admitted),
            rate(Answer::SoldOut),
            rate(Answer::OverLimit),
            rate(Answer::Overloaded),
            rate(Answer::Failed),
        ];
        let (rate_curve, rate_top) = rate_curve(&board.seconds);
        Self {
            figures: names
                .zip(stock.map(number).into_iter().chain(server))
                .collect(),
            read_at: time(board.read_at, zone),
            is_current: board.is_current,
            taken_curve: taken_curve(board),
            rate_curve,
            rate_top,
            rows: rows(board, zone),
        }
    }

    /// The figure of a name.
    pub(super) fn figure(&self, name: &str) -> &str {
        let found = self.figures.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, figure)| figure)
    }

    pub(super) fn to_json(&self) -> Value {
        let figures: serde_json::Map<String, Value> = self
            .figures
            .iter()
            .map(|(name, figure)| ((*name).to_owned(), json!(figure)))
            .chain([
                ("read-at".to_owned(), json!(self.read_at)),
                ("rate-top".to_owned(), json!(self.rate_top)),
            ])
            .collect();
        json!({
            "figures": figures,
            "is_current": self.is_current,
            "curves": { "taken": self.taken_curve, "rate": self.rate_curve },
            "rows": self.rows,
        })
    }
}

/// Hours, minutes and seconds, which both languages write alike.
fn time(at: Timestamp, zone: &TimeZone) -> String {
    zone.to_datetime(at).strftime("%H:%M:%S").to_string()
}

/// `123` → `12.3`
fn tenths(tenths: u64) -> String {
    let whole = i64::try_from(tenths / 10).unwrap_or(i64::MAX);
    format!("{}.{}", number(whole), tenths % 10)
}

/// What was taken at the end of each point, from the first moment at which anybody knew it; the last
/// is what is taken now.
fn taken_curve(board: &Board) -> String {
    let total = u64::try_from(board.sale.total_tickets).unwrap_or(0);
    let mut known = None;
    let mut levels = Vec::new();
    for point in board.seconds.chunks(POINT) {
        known = point.iter().rev().find_map(|second| second.left).or(known);
        levels.push(known.map(|left| total.saturating_sub(left)));
    }
    if let Some(last) = levels.last_mut() {
        *last = Some(u64::try_from(board.taken()).unwrap_or(0));
    }
    corners(&levels, total)
}

/// What was admitted a second on average in each point, and the height of the plane.
fn rate_curve(seconds: &[Second]) -> (String, String) {
    let rates: Vec<u64> = seconds.chunks(POINT).map(admitted).collect();
    let top = rates.iter().copied().max().unwrap_or(0);
    let top = round_up(top.div_ceil(POINT as u64));
    let levels: Vec<_> = rates.into_iter().map(Some).collect();
    let shown = number(i64::try_from(top).unwrap_or(i64::MAX));
    (corners(&levels, top * POINT as u64), shown)
}

fn admitted(seconds: &[Second]) -> u64 {
    seconds.iter().map(|one| one.count(Answer::Admitted)).sum()
}

/// To 1, 2 or 5 with zeros, so that the plane seldom changes its height.
fn round_up(top: u64) -> u64 {
    let mut unit = 1;
    loop {
        for step in [1, 2, 5] {
            if unit * step >= top {
                return unit * step;
            }
        }
        unit *= 10;
    }
}

fn corners(levels: &[Option<u64>], top: u64) -> String {
    let (steps, top) = (levels.len().saturating_sub(1).max(1) as u64, top.max(1));
    let mut corners = String::new();
    for (index, level) in levels.iter().enumerate() {
        let Some(level) = level else { continue };
        let (x, y) = (
            index as u64 * WIDTH / steps,
            HEIGHT - level.min(&top) * HEIGHT / top,
        );
        let joint = if corners.is_empty() { "" } else { " " };
        let _ = write!(corners, "{joint}{x},{y}");
    }
    corners
}

fn rows(board: &Board, zone: &TimeZone) -> Vec<[String; 3]> {
    let total = i64::from(board.sale.total_tickets);
    let parts = board.seconds.chunks(ROW);
    let count = parts.len();
    let mut known = None;
    let mut rows: Vec<_> = parts
        .enumerate()
        .map(|(index, part)| {
            known = part.iter().rev().find_map(|second| second.left).or(known);
            let ago = i64::try_from((count - 1 - index) * ROW).unwrap_or(0);
            let until = board.at - SignedDuration::from_secs(ago);
            let left = known.and_then(|left| i64::try_from(left).ok());
            let admitted = i64::try_from(admitted(part)).unwrap_or(i64::MAX);
            [
                time(until, zone),
                left.map_or_else(|| "–".to_owned(), |left| number(total - left)),
                number(admitted),
            ]
        })
        .collect();
    if let Some(last) = rows.last_mut() {
        last[1] = number(board.taken());
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use app::on_sale::SECONDS;
    use store::stock::Sale;

    use super::*;

    fn board() -> Board {
        let mut seconds = vec![Second::default(); usize::try_from(SECONDS).unwrap()];
        seconds[200].left = Some(900);
        seconds[200].answers[Answer::Admitted as usize] = 100;
        seconds[299].answers[Answer::Admitted as usize] = 4;
        Board {
            sale: Sale {
                total_tickets: 1_000,
                available_tickets: 500,
                held: 300,
                payments_undecided: 7,
            },
            read_at: "2027-01-31T12:00:01Z".parse().unwrap(),
            is_current: true,
            at: "2027-01-31T12:00:02Z".parse().unwrap(),
            waiting: 1_234,
            seconds,
        }
    }

    #[test]
    fn every_figure_has_its_name_and_people_can_read_it() {
        let shown = Shown::of(&board(), &TimeZone::get("Asia/Bangkok").unwrap());
        let figures = STOCK.iter().chain(&SERVER);
        let figures = figures.map(|(name, _)| shown.figure(name));
        let wanted = [
            "200", "300", "500", "1,000", "7", "1,234", "0.8", "0.0", "0.0", "0.0", "0.0",
        ];
        assert_eq!(figures.collect::<Vec<_>>(), wanted);
        assert_eq!(shown.read_at, "19:00:01");
        let json = shown.to_json();
        assert_eq!(json["figures"]["sold"], "200");
        assert_eq!(json["figures"]["rate-top"], "20");
        assert_eq!(json["curves"]["taken"], shown.taken_curve.as_str());
    }

    #[test]
    fn curves_stay_in_their_plane_and_begin_where_something_was_known() {
        let shown = Shown::of(&board(), &TimeZone::UTC);
        // Point 40 of 60 is the first at which anybody had looked.
        assert!(
            shown.taken_curve.starts_with("406,108 "),
            "{}",
            shown.taken_curve
        );
        assert!(
            shown.taken_curve.ends_with(" 600,60"),
            "{}",
            shown.taken_curve
        );
        assert_eq!(shown.rate_curve.split(' ').count(), 60);
        // A hundred in five seconds are twenty a second, which is the top.
        assert!(shown.rate_curve.contains(" 406,0 "), "{}", shown.rate_curve);
        assert!(
            shown.rate_curve.starts_with("0,120 "),
            "{}",
            shown.rate_curve
        );
    }

    #[test]
    fn the_table_has_the_same_numbers() {
        let rows = Shown::of(&board(), &TimeZone::UTC).rows;
        assert_eq!(rows.len(), 10);
        assert_eq!(rows[0], ["12:00:02", "500", "4"]);
        assert_eq!(rows[3], ["11:58:32", "100", "100"]);
        assert_eq!(rows[9], ["11:55:32", "–", "0"]);
    }

    #[test]
    fn the_height_is_a_round_number() {
        let rounded = [0, 1, 2, 3, 7, 11, 480, 501].map(round_up);
        assert_eq!(rounded, [1, 1, 2, 5, 10, 20, 500, 1_000]);
    }
}
