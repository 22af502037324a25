//! What was measured, and what stands for several measurements.

use std::fmt;

/// One case in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Processor time of the server, in microseconds for each answer; 0 where there is no server.
    pub(crate) server_us: f64,
    /// Buyers that one transaction admitted, on average; 0 where none admits several.
    pub(crate) per_batch: f64,
    /// Answers of another kind than the case is about, such as "overloaded".
    pub(crate) others: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            per_second,
            p50_ms,
            p99_ms,
            per_batch,
            others,
            ..
        } = self;
        write!(
            f,
            "{per_second:.0}/s, p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms"
        )?;
        if *per_batch > 0.0 {
            write!(f, ", {per_batch:.0} a batch")?;
        }
        if *others > 0 {
            write!(f, ", {others} other answers")?;
        }
        Ok(())
    }
}

/// The same case in all rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<Figures>);

impl Rounds {
    pub(crate) fn push(&mut self, figures: Figures) {
        self.0.push(figures);
    }

    pub(crate) fn median(&self) -> Figures {
        let of = |read: fn(&Figures) -> f64| median(self.0.iter().map(read).collect());
        Figures {
            per_second: of(|figures| figures.per_second),
            p50_ms: of(|figures| figures.p50_ms),
            p99_ms: of(|figures| figures.p99_ms),
            server_us: of(|figures| figures.server_us),
            per_batch: of(|figures| figures.per_batch),
            others: self.0.iter().map(|figures| figures.others).sum(),
        }
    }

    /// The slowest and the fastest round.
    pub(crate) fn range(&self) -> (f64, f64) {
        let rates = self.0.iter().map(|figures| figures.per_second);
        (
            rates.clone().fold(f64::INFINITY, f64::min),
            rates.fold(0.0, f64::max),
        )
    }
}

/// The middle one, or the mean of the two in the middle; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length.is_multiple_of(2) => f64::midpoint(values[half - 1], values[half]),
        _ => values[half],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_round_does_not_move_the_median() {
        let mut rounds = Rounds::default();
        for per_second in [1_000.0, 1_010.0, 7.0] {
            rounds.push(Figures {
                per_second,
                others: 1,
                ..Figures::default()
            });
        }
        let median = rounds.median();
        assert!((median.per_second - 1_000.0).abs() < 0.01);
        assert_eq!(median.others, 3);
        assert_eq!(rounds.range(), (7.0, 1_010.0));
    }

    #[test]
    fn an_even_number_has_its_middle_between_two() {
        assert!((super::median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
        assert!(super::median(Vec::new()).abs() < f64::EPSILON);
    }
}
