//! Work that goes on for ever while the database is away: it tries less and less often, and says
//! so once at the beginning and once at the end.

use std::time::{Duration, Instant};

use store::StoreError;

const FIRST: Duration = Duration::from_secs(1);
/// So long after the database is back, everything works again.
const MAX: Duration = Duration::from_secs(5);

/// What is failing now, if anything.
#[derive(Debug)]
pub(super) struct Outage {
    what: &'static str,
    rest_max: Duration,
    /// When it began, and how long the last rest was.
    now: Option<(Instant, Duration)>,
}

impl Outage {
    /// `what` is a noun for the log, such as "the job worker".
    pub(super) fn none(what: &'static str) -> Self {
        Self::of_urgent(what, MAX)
    }

    /// The same for work that can't wait so long.
    pub(super) fn of_urgent(what: &'static str, rest_max: Duration) -> Self {
        Self {
            what,
            rest_max,
            now: None,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.now.is_some()
    }

    /// How long to rest after a failure.
    pub(super) fn failed(&mut self, error: &StoreError) -> Duration {
        let what = self.what;
        let (began, rest) = if let Some((began, rest)) = self.now {
            tracing::debug!(%error, "{what} still fails");
            (began, rest.saturating_mul(2).min(self.rest_max))
        } else {
            tracing::warn!(%error, "{what} fails and is tried again until it works");
            (Instant::now(), FIRST.min(self.rest_max))
        };
        self.now = Some((began, rest));
        rest
    }

    pub(super) fn worked(&mut self) {
        if let Some((began, _)) = self.now.take() {
            let seconds = began.elapsed().as_secs();
            tracing::info!(seconds, "{} works again", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_during_an_outage_and_start_small_in_the_next() {
        let mut outage = Outage::none("the test");
        let mut rests = || -> Vec<u64> {
            let error = StoreError::PoolExhausted;
            let rests = (0..5).map(|_| outage.failed(&error).as_secs()).collect();
            assert!(outage.is_on());
            outage.worked();
            assert!(!outage.is_on());
            rests
        };
        assert_eq!(rests(), [1, 2, 4, 5, 5]);
        assert_eq!(rests(), [1, 2, 4, 5, 5]);
    }
}
