//! Line charts as plain numbers: where ticks, lines and labels of an SVG stand.
//!
//! Absent on purpose: markup and colours, which are the template's.

use std::fmt::Write as _;

use super::summary::figure;

/// The drawing area in the SVG's own units; the rest of 720 × 260 is for labels.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 704.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 222.0;
/// More lines than these across a small chart only hide the data.
const TICKS_MAX: f64 = 5.0;
/// A table that is longer than this is read by nobody; the moments between are left out.
const ROWS_MAX: usize = 40;

/// One measured series: a value, or nothing, for each moment.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Measured so seldom that moments without a value mean nothing.
    pub(super) is_sparse: bool,
    pub(super) values: Vec<Option<f64>>,
}

/// What a chart is made from: moments, and series with a value for each.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) moments: Vec<f64>,
    pub(super) series: Vec<Series>,
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// A line ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    /// From 1, for the colour.
    pub(super) number: usize,
    /// The `d` of an SVG path.
    pub(super) path: String,
}

/// A chart ready to be drawn, with the same numbers as rows of a table.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// What there is to see, for those who can't.
    pub(super) summary: String,
    pub(super) x_ticks: Vec<Tick>,
    pub(super) y_ticks: Vec<Tick>,
    pub(super) lines: Vec<Line>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Measured {
    /// `None` when there are no two moments to draw a line between.
    pub(super) fn draw(self) -> Option<Chart> {
        let last = *self.moments.last()?;
        let values = || {
            self.series
                .iter()
                .flat_map(|series| &series.values)
                .flatten()
        };
        if self.moments.len() < 2 || last <= 0.0 || values().next().is_none() {
            return None;
        }
        let highest = values().copied().fold(0.0, f64::max);
        let (y_step, x_step) = (step(highest), step(last));
        let y_end = (highest / y_step).ceil().max(1.0) * y_step;
        let x = |moment: f64| LEFT + (RIGHT - LEFT) * moment / last;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / y_end;
        let lines = self.series.iter().enumerate().map(|(place, series)| Line {
            name: series.name,
            number: place + 1,
            path: path(&self.moments, series, x, y),
        });
        Some(Chart {
            title: self.title,
            unit: self.unit,
            summary: self.summary(last),
            x_ticks: ticks(last, x_step, x),
            y_ticks: ticks(y_end, y_step, y),
            lines: lines.collect(),
            rows: self.rows(),
        })
    }

    fn summary(&self, last: f64) -> String {
        let each = self.series.iter().map(|series| {
            let known = || series.values.iter().flatten().copied();
            let (low, high) = (
                known().fold(f64::MAX, f64::min),
                known().fold(0.0, f64::max),
            );
            let end = known().next_back().unwrap_or_default();
            format!(
                "{} from {} to {}, at the end {}",
                series.name,
                number(low.min(high)),
                number(high),
                number(end)
            )
        });
        let each = each.collect::<Vec<_>>().join("; ");
        format!(
            "{}, {} over {} s: {each}",
            self.title,
            self.unit,
            number(last)
        )
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let every = self.moments.len().div_ceil(ROWS_MAX).max(1);
        let last = self.moments.len() - 1;
        let shown = |place: &usize| place.is_multiple_of(every) || *place == last;
        let row = |place: usize| {
            let values = self.series.iter().map(|series| {
                let value = series.values.get(place).copied().flatten();
                value.map_or_else(|| "–".to_owned(), number)
            });
            let moment = self.moments.get(place).copied().unwrap_or_default();
            std::iter::once(format!("{moment:.2}"))
                .chain(values)
                .collect()
        };
        (0..=last).filter(shown).map(row).collect()
    }
}

/// A path through all values; where one is missing the line breaks, unless they are sparse.
fn path(
    moments: &[f64],
    series: &Series,
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) -> String {
    let mut path = String::new();
    let mut is_broken = true;
    for (moment, value) in moments.iter().zip(&series.values) {
        let Some(value) = value else {
            is_broken |= !series.is_sparse;
            continue;
        };
        let command = if is_broken { 'M' } else { 'L' };
        // Writing into a string doesn't fail.
        let _ = write!(path, "{command}{:.1} {:.1}", x(*moment), y(*value));
        is_broken = false;
    }
    path
}

/// A round distance (1, 2 or 5 times a power of ten) that gives few ticks.
fn step(highest: f64) -> f64 {
    let raw = highest.max(0.001) / TICKS_MAX;
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0];
    let fitting = round.iter().find(|round| **round * power >= raw);
    fitting.unwrap_or(&10.0) * power
}

fn ticks(end: f64, step: f64, place: impl Fn(f64) -> f64) -> Vec<Tick> {
    // Half a step is for what rounding has lost.
    let values = std::iter::successors(Some(0.0), |value| Some(value + step));
    values
        .take_while(|value| *value < end + step / 2.0)
        .filter(|value| *value <= end * 1.000_001)
        .map(|value| Tick {
            at: place(value),
            label: number(value),
        })
        .collect()
}

/// With as many decimals as its size makes worth reading.
pub(super) fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 1_000.0 => return figure(whole(value)),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    text.to_owned()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is measured here is positive and far below 2^52"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(values: &[Option<f64>]) -> Measured {
        Measured {
            title: "Tickets",
            unit: "tickets",
            moments: (0_u16..)
                .map(|n| f64::from(n) / 2.0)
                .take(values.len())
                .collect(),
            series: vec![Series {
                name: "sold",
                is_sparse: false,
                values: values.to_vec(),
            }],
        }
    }

    #[test]
    fn a_line_spans_the_area_and_breaks_where_nothing_was_measured() {
        let chart = measured(&[Some(0.0), Some(40.0), None, Some(100.0), Some(80.0)]);
        let chart = chart.draw().unwrap();
        assert_eq!(
            chart.lines[0].path,
            "M64.0 222.0L224.0 138.0M544.0 12.0L704.0 54.0"
        );
        let labels = |ticks: &[Tick]| ticks.iter().map(|t| t.label.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&chart.y_ticks), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(&chart.x_ticks), ["0", "0.5", "1", "1.5", "2"]);
        assert_eq!(chart.rows.len(), 5);
        assert_eq!(chart.rows[2], ["1.00", "–"]);
        assert!(chart.summary.contains("sold from 0 to 100, at the end 80"));
    }

    #[test]
    fn a_sparse_line_goes_on_over_what_is_missing() {
        let mut sparse = measured(&[Some(0.0), None, Some(100.0)]);
        sparse.series[0].is_sparse = true;
        let chart = sparse.draw().unwrap();
        assert_eq!(chart.lines[0].path, "M64.0 222.0L704.0 12.0");
    }

    #[test]
    fn too_little_to_draw_is_no_chart() {
        for values in [&[][..], &[Some(1.0)], &[None, None]] {
            assert!(measured(values).draw().is_none());
        }
        assert!(measured(&[Some(0.0), Some(0.0)]).draw().is_some());
    }

    #[test]
    fn long_runs_give_short_tables_that_end_with_the_last_moment() {
        let values: Vec<_> = (0..1_000).map(|n| Some(f64::from(n))).collect();
        let chart = measured(&values).draw().unwrap();
        assert!(chart.rows.len() <= ROWS_MAX + 1);
        assert_eq!(chart.rows.last().unwrap()[1], "999");
    }

    #[test]
    fn numbers_have_the_decimals_that_are_worth_reading() {
        for (value, text) in [
            (0.0, "0"),
            (0.126, "0.13"),
            (3.0, "3"),
            (12.34, "12.3"),
            (1200.4, "1,200"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
