//! What was counted and timed while a crowd was at work.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Two digits: a figure is right to one percent, in some 20 KB a histogram.
const DIGITS: u8 = 2;
/// Longer waits are counted as this one; no buyer waits so long for one answer.
const LONGEST_US: u64 = 120_000_000;

/// Times in microseconds.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    #[expect(
        clippy::expect_used,
        reason = "the bounds are constants that the library takes"
    )]
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).expect("good bounds"))
    }
}

impl Times {
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US);
        self.0.saturating_record(micros);
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time in milliseconds that this share, 0 to 1, didn't exceed; 0 when nothing was timed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        millis(self.0.value_at_quantile(share))
    }

    pub fn max_ms(&self) -> f64 {
        millis(self.0.max())
    }

    pub fn add(&mut self, other: &Self) {
        // Both have the same bounds, so that this can't fail.
        let _ = self.0.add(&other.0);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most LONGEST_US, which a float holds exactly"
)]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// How many of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Buyers with a reservation (201).
    pub admitted: u64,
    /// Buyers with a final refusal.
    pub refused: u64,
    /// The refusals by their problem code.
    pub refused_by: BTreeMap<String, u64>,
    /// Buyers who hung up for good.
    pub abandoned: u64,
    /// Buyers whose patience ended before there was a final answer.
    pub unanswered: u64,
    /// Buyers whose outcome was unknown at first (a broken connection, no answer, a failure) and who
    /// got a final answer by asking again with the same key.
    pub unknown_resolved: u64,
    /// Answers 503 `overloaded` or 429: come again later.
    pub overloaded: u64,
    /// Answers that were marked as the replay of an earlier one.
    pub replayed: u64,
    /// Requests sent again on purpose by buyers who repeat.
    pub repeated: u64,
    /// Requests that left, retries and repeats included.
    pub requests: u64,
    /// Connections that broke or could not be had.
    pub broken_connections: u64,
}

impl Counts {
    /// Buyers who know what became of them.
    pub fn answered(&self) -> u64 {
        self.admitted + self.refused
    }
}

/// A moment of the run: counts since its beginning, times since the moment before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    pub at: Duration,
    pub admitted: u64,
    pub refused: u64,
    pub overloaded: u64,
    pub tickets: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub page_p99_ms: f64,
}

/// Everything that grows while the crowd is at work.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// Tickets of all admitted buyers.
    pub(super) tickets: u64,
    /// From a buyer's first click to the final answer, for each request and its retries together.
    pub(super) admitted: Times,
    pub(super) refused: Times,
    /// From a buyer's first click until the buyer knows.
    pub(super) waits: Times,
    /// Of visits that were answered; others are counted alone.
    pub(super) pages: Times,
    pub(super) page_failures: u64,
    pub(super) last_admitted_at: Duration,
    recent: Times,
    recent_pages: Times,
    pub(super) samples: Vec<Sample>,
}

impl Tally {
    pub(super) fn time_admitted(&mut self, time: Duration) {
        self.admitted.record(time);
        self.recent.record(time);
    }

    pub(super) fn time_refused(&mut self, time: Duration) {
        self.refused.record(time);
        self.recent.record(time);
    }

    pub(super) fn time_page(&mut self, time: Duration) {
        self.pages.record(time);
        self.recent_pages.record(time);
    }

    pub(super) fn count_refusal(&mut self, code: &str) {
        self.counts.refused += 1;
        match self.counts.refused_by.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.counts.refused_by.insert(code.to_owned(), 1);
            }
        }
    }

    /// Closes the time since the last sample.
    pub(super) fn sample(&mut self, at: Duration) {
        self.samples.push(Sample {
            at,
            admitted: self.counts.admitted,
            refused: self.counts.refused,
            overloaded: self.counts.overloaded,
            tickets: self.tickets,
            p50_ms: self.recent.quantile_ms(0.5),
            p99_ms: self.recent.quantile_ms(0.99),
            max_ms: self.recent.max_ms(),
            page_p99_ms: self.recent_pages.quantile_ms(0.99),
        });
        self.recent.clear();
        self.recent_pages.clear();
    }
}
