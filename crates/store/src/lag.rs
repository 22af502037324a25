//! How far a standby is behind, by where the primary's log was at which time.
//!
//! PostgreSQL's own figure on a standby, the age of the last transaction that it replayed, grows while
//! nothing is written, and stands still on a standby that lost its primary.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::replication::Position;

/// Looks that are remembered, one a second: a lag that is longer is shown as this one.
const REMEMBERED_MAX: usize = 120;

/// How far behind a standby is; zero when it has replayed all that the primary is known to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Since the primary was first seen with something that the standby still lacks.
    pub time: Duration,
    pub bytes: i64,
}

/// Where the primary's log was, and when.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    steps: VecDeque<(Instant, Position)>,
    /// When the primary last answered: while it doesn't, nobody falls further behind it.
    last: Option<Instant>,
}

impl Trail {
    pub(crate) fn push(&mut self, position: Position) {
        self.push_at(Instant::now(), position);
    }

    fn push_at(&mut self, now: Instant, position: Position) {
        match self.steps.back() {
            // Restored to an earlier time: what was before says nothing any more.
            Some((_, last)) if position < *last => self.steps.clear(),
            Some((_, last)) if position == *last => {
                self.last = Some(now);
                return;
            }
            _ => {}
        }
        self.steps.push_back((now, position));
        if self.steps.len() > REMEMBERED_MAX {
            self.steps.pop_front();
        }
        self.last = Some(now);
    }

    /// Where the log was when the primary last answered.
    pub(crate) fn end(&self) -> Position {
        self.steps.back().map(|(_, end)| *end).unwrap_or_default()
    }

    /// Of a standby that has replayed the log up to here.
    pub(crate) fn lag(&self, replayed: Position) -> Lag {
        let (Some((_, end)), Some(last)) = (self.steps.back(), self.last) else {
            return Lag::default();
        };
        let lacking = self.steps.iter().find(|(_, position)| *position > replayed);
        lacking.map_or_else(Lag::default, |(since, _)| Lag {
            time: last.duration_since(*since),
            bytes: end.bytes() - replayed.bytes(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(steps: &[(u64, i64)]) -> Trail {
        let begun = Instant::now();
        let mut trail = Trail::default();
        for (second, bytes) in steps {
            trail.push_at(begun + Duration::from_secs(*second), Position::new(*bytes));
        }
        trail
    }

    fn seconds_and_bytes(trail: &Trail, replayed: i64) -> (u64, i64) {
        let lag = trail.lag(Position::new(replayed));
        (lag.time.as_secs(), lag.bytes)
    }

    #[test]
    fn a_standby_is_behind_since_the_primary_had_what_it_lacks() {
        let trail = trail(&[(0, 100), (1, 200), (2, 300), (5, 300)]);
        assert_eq!(seconds_and_bytes(&trail, 300), (0, 0));
        assert_eq!(seconds_and_bytes(&trail, 250), (3, 50));
        assert_eq!(seconds_and_bytes(&trail, 100), (4, 200));
        assert_eq!(seconds_and_bytes(&trail, 50), (5, 250));
        assert_eq!(
            seconds_and_bytes(&trail, 400),
            (0, 0),
            "it is ahead of the last look"
        );
    }

    #[test]
    fn nothing_written_for_an_hour_makes_nobody_late() {
        let trail = trail(&[(0, 100), (3_600, 200)]);
        assert_eq!(seconds_and_bytes(&trail, 150), (0, 50));
    }

    #[test]
    fn while_the_primary_is_away_nobody_falls_behind_it() {
        let trail = trail(&[(0, 100), (1, 200)]);
        assert_eq!(seconds_and_bytes(&trail, 150), (0, 50));
        assert_eq!(seconds_and_bytes(&Trail::default(), 150), (0, 0));
    }

    #[test]
    fn a_primary_that_was_restored_to_an_earlier_time_begins_anew() {
        let trail = trail(&[(0, 900), (1, 950), (2, 100)]);
        assert_eq!(seconds_and_bytes(&trail, 100), (0, 0));
    }

    #[test]
    fn no_more_is_remembered_than_must_be() {
        let steps: Vec<_> = (0..1_000_u64).map(|n| (n, 100 + n.cast_signed())).collect();
        let trail = trail(&steps);
        assert_eq!(trail.steps.len(), REMEMBERED_MAX);
        assert_eq!(trail.lag(Position::new(0)).time.as_secs(), 119);
    }
}
