//! Bar charts as plain numbers: where bars, lines and labels of an SVG stand.
//!
//! Widths are percents and heights pixels, so that a chart fits every window and its texts keep their
//! size. Markup and colours are the template's.

/// Of a chart by day: the highest bar, from its top at [`DAYS_TOP`] to the line on which all stand.
const DAYS_TOP: i64 = 24;
const DAYS_TALL: i64 = 152;
/// A chart with one bar below the other has so many at most; all numbers are in the table.
pub(super) const ROWS_MAX: usize = 12;
const ROW_TALL: usize = 60;
/// What fits into 328 pixels at the size of these texts.
const LABEL_CHARS_MAX: usize = 38;

/// A hundred percent in the unit of widths, so that a thousandth of a chart can be told.
const WHOLE: i64 = 10_000;

/// One bar for each day, as high as its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayChart {
    pub(super) bars: Vec<DayBar>,
    pub(super) ticks: Vec<Tick>,
    pub(super) base: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DayBar {
    /// In percents.
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: i64,
    pub(super) height: i64,
}

/// A line across, with the value that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) y: i64,
    pub(super) text_y: i64,
    pub(super) label: String,
}

impl DayChart {
    /// `None` where there is nothing but zeros.
    pub(super) fn new(values: &[i64], label: impl Fn(i64) -> String) -> Option<Self> {
        let highest = values
            .iter()
            .copied()
            .max()
            .filter(|highest| *highest > 0)?;
        let top = round_above(highest);
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
        let base = DAYS_TOP + DAYS_TALL;
        let y = |value: i64| base - scaled(value, top, DAYS_TALL);
        let bars = (0..).zip(values).filter(|(_, value)| **value > 0);
        let bars = bars.map(|(place, value)| {
            // What is there is seen, however little it is.
            let y = y(*value).min(base - 1);
            DayBar {
                x: percents(place * WHOLE / count),
                width: percents((WHOLE * 4 / (count * 5)).max(1)),
                y,
                height: base - y,
            }
        });
        let half = Some(top / 2).filter(|half| half * 2 == top);
        let ticks = [Some(top), half].into_iter().flatten();
        let ticks = ticks.map(|value| Tick {
            y: y(value),
            text_y: y(value) - 5,
            label: label(value),
        });
        Some(Self {
            bars: bars.collect(),
            ticks: ticks.collect(),
            base,
        })
    }
}

/// One bar below the other, each with its name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowChart {
    pub(super) rows: Vec<RowBar>,
    pub(super) height: usize,
    /// How many bars there is no room for.
    pub(super) left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowBar {
    pub(super) name_y: usize,
    pub(super) name: String,
    pub(super) value_y: usize,
    pub(super) value: String,
    pub(super) y: usize,
    /// In percents.
    pub(super) width: String,
}

/// What a bar says: a name, a value as people read it, and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) length: i64,
}

impl RowChart {
    /// `whole` is the length of a bar from side to side. `None` where there are no bars.
    pub(super) fn new(bars: Vec<Named>, whole: i64) -> Option<Self> {
        if bars.is_empty() || whole <= 0 {
            return None;
        }
        let all = bars.len();
        let bars = bars.into_iter().take(ROWS_MAX).enumerate();
        let rows: Vec<RowBar> = bars
            .map(|(place, bar)| {
                let top = place * ROW_TALL;
                RowBar {
                    name_y: top + 16,
                    name: shortened(bar.name),
                    value_y: top + 35,
                    value: bar.value,
                    y: top + 42,
                    width: percents(scaled(bar.length, whole, WHOLE)),
                }
            })
            .collect();
        Some(Self {
            height: rows.len() * ROW_TALL,
            left_out: all - rows.len(),
            rows,
        })
    }
}

fn shortened(name: String) -> String {
    if name.chars().count() <= LABEL_CHARS_MAX {
        return name;
    }
    let kept: String = name.chars().take(LABEL_CHARS_MAX - 1).collect();
    format!("{}…", kept.trim_end())
}

/// `value` of `whole` as a part of `length`.
fn scaled(value: i64, whole: i64, length: i64) -> i64 {
    let part = i128::from(value.clamp(0, whole)) * i128::from(length) / i128::from(whole);
    i64::try_from(part).unwrap_or(length)
}

/// `1250` → `12.50`.
fn percents(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The next of 1, 2, 4, 6, 8, 10, 20, 40 … that is no smaller.
fn round_above(value: i64) -> i64 {
    let mut unit: i64 = 1;
    loop {
        for step in [1, 2, 4, 6, 8] {
            let round = unit.saturating_mul(step);
            if round >= value {
                return round;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_by_day_stand_on_one_line_below_round_numbers() {
        let chart = DayChart::new(&[0, 5, 10, 1], |value| value.to_string()).unwrap();
        let bars: Vec<_> = chart
            .bars
            .iter()
            .map(|bar| (&*bar.x, &*bar.width, bar.y, bar.height))
            .collect();
        assert_eq!(
            bars,
            [
                ("25.00", "20.00", 100, 76),
                ("50.00", "20.00", 24, 152),
                ("75.00", "20.00", 161, 15),
            ]
        );
        let ticks: Vec<_> = chart
            .ticks
            .iter()
            .map(|tick| (tick.y, &*tick.label))
            .collect();
        assert_eq!(ticks, [(24, "10"), (100, "5")]);
        assert_eq!(DayChart::new(&[0, 0], |value| value.to_string()), None);
        let tiny = DayChart::new(&[1, 1_000_000], |value| value.to_string()).unwrap();
        assert_eq!(tiny.bars[0].height, 1);
    }

    #[test]
    fn rows_are_as_long_as_their_share_and_long_names_are_cut() {
        let bar = |name: &str, length: i64| Named {
            name: name.to_owned(),
            value: length.to_string(),
            length,
        };
        let bars = vec![bar("a", 1), bar(&"long ".repeat(20), 3), bar("c", 0)];
        let chart = RowChart::new(bars, 3).unwrap();
        let widths: Vec<_> = chart.rows.iter().map(|row| &*row.width).collect();
        assert_eq!(widths, ["33.33", "100.00", "0.00"]);
        assert!(chart.rows[1].name.ends_with('…'), "{:?}", chart.rows[1]);
        assert_eq!((chart.height, chart.rows[2].y), (180, 162));
        let many = vec![bar("x", 1); 40];
        let cut = RowChart::new(many, 1).unwrap();
        assert_eq!((cut.rows.len(), cut.left_out), (ROWS_MAX, 40 - ROWS_MAX));
        assert_eq!(RowChart::new(vec![bar("x", 0)], 0), None);
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, round) in [
            (1, 1),
            (3, 4),
            (5, 6),
            (9, 10),
            (11, 20),
            (81, 100),
            (4000, 4000),
        ] {
            assert_eq!(round_above(value), round, "{value}");
        }
        assert!(round_above(i64::MAX) == i64::MAX);
    }
}
