//! How long a newcomer would wait in a lane, so that what can't be served in time is refused at
//! once instead of after its wait.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::receipts::Digest;

use super::BATCH_MAX;

/// Whoever would wait longer is refused. A batch or two more than expected still leave the answer
/// within what a request may take.
const EXPECTED_MAX: Duration = Duration::from_millis(750);
/// More than a row costs; what is assumed of the part of a batch that was not there to measure.
const ROW_MAX: Duration = Duration::from_micros(40);

/// What is known of one lane's queue and speed.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Requests without an answer.
    waiting: AtomicUsize,
    /// Smoothed time that a full batch takes, in microseconds.
    full_batch_us: AtomicU64,
    /// Keys of the requests without an answer.
    keys: Mutex<HashSet<Digest>>,
}

/// A place in a lane's queue, kept until the answer.
#[derive(Debug)]
pub(super) struct Place {
    pace: Arc<Pace>,
    /// The key that this request was the first to bring.
    key: Option<Digest>,
}

impl Pace {
    /// A place in the queue, unless it is too long; and whether a request with the same key is
    /// already under way here.
    pub(super) fn enter(self: &Arc<Self>, key: Option<Digest>) -> Option<(Place, bool)> {
        let ahead = self.waiting.fetch_add(1, Ordering::AcqRel);
        let mut place = Place {
            pace: Arc::clone(self),
            key: None,
        };
        if self.expected(ahead) > EXPECTED_MAX {
            return None;
        }
        let is_new = key.is_some_and(|key| self.keys().insert(key));
        if is_new {
            place.key = key;
        }
        Some((place, key.is_some() && !is_new))
    }

    /// Requests without an answer.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Learns from a batch of `size` requests that took `took`.
    pub(super) fn learn(&self, size: usize, took: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (size, missing) = (size.max(1) as u64, BATCH_MAX.saturating_sub(size) as u64);
        let took = micros(took);
        let row = (took / size).min(micros(ROW_MAX));
        let full = took.saturating_add(row * missing);
        let before = self.full_batch_us.load(Ordering::Relaxed);
        // One slow batch, a checkpoint say, counts a quarter; several count fully.
        let smoothed = if before == 0 {
            full
        } else {
            before - before / 4 + full / 4
        };
        self.full_batch_us.store(smoothed, Ordering::Relaxed);
    }

    /// How long somebody waits who has `ahead` requests before him.
    fn expected(&self, ahead: usize) -> Duration {
        let batches = (ahead / BATCH_MAX) as u64;
        let full = self.full_batch_us.load(Ordering::Relaxed);
        Duration::from_micros(full.saturating_mul(batches))
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pace.waiting.fetch_sub(1, Ordering::AcqRel);
        if let Some(key) = &self.key {
            self.pace.keys().remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crowd(pace: &Arc<Pace>, size: usize) -> Vec<Place> {
        let places = (0..size).map_while(|_| pace.enter(None));
        places.map(|(place, _)| place).collect()
    }

    #[test]
    fn a_quick_lane_takes_everybody_even_when_it_was_only_seen_at_rest() {
        let pace = Arc::new(Pace::default());
        for _ in 0..100 {
            pace.learn(1, Duration::from_millis(2));
        }
        assert_eq!(crowd(&pace, 16_000).len(), 16_000);
    }

    #[test]
    fn a_slow_lane_takes_what_it_can_serve_within_a_second() {
        let pace = Arc::new(Pace::default());
        for _ in 0..20 {
            pace.learn(512, Duration::from_millis(500));
        }
        let inside = crowd(&pace, 16_000);
        assert!((1024..=1536).contains(&inside.len()), "{}", inside.len());
        drop(inside);
        assert_eq!(pace.waiting(), 0);
        assert!(pace.enter(None).is_some());
    }

    #[test]
    fn a_second_request_with_a_key_under_way_is_known_as_such() {
        let pace = Arc::new(Pace::default());
        let first = pace.enter(Some([1; 16])).unwrap();
        let second = pace.enter(Some([1; 16])).unwrap();
        assert_eq!((first.1, second.1), (false, true));
        drop(second);
        assert!(pace.enter(Some([1; 16])).unwrap().1);
        drop(first);
        assert!(!pace.enter(Some([1; 16])).unwrap().1);
    }
}
