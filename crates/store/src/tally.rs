//! What a pool and its connections counted since the process began, for the figures of health. The same
//! is in the metrics; from those nobody can read it back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sums of one pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections that were asked for, and the time until they were had or given up.
    pub asked: u64,
    pub waited: Duration,
    /// Connections that failed or were not had.
    pub errors: u64,
    pub statements: u64,
    pub took: Duration,
    /// Statements over [`crate::connection::SLOW_QUERY`].
    pub slow: u64,
}

impl Tally {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            waited: self.waited + other.waited,
            errors: self.errors + other.errors,
            statements: self.statements + other.statements,
            took: self.took + other.took,
            slow: self.slow + other.slow,
        }
    }
}

/// A statement by its name and how long it took.
pub type Slowest = (&'static str, Duration);

/// The sums while they grow.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    asked: AtomicU64,
    waited_nanos: AtomicU64,
    errors: AtomicU64,
    statements: AtomicU64,
    took_nanos: AtomicU64,
    slow: AtomicU64,
    slowest: Mutex<Option<Slowest>>,
    up_since: Mutex<Option<Instant>>,
    /// No connection could be made since something was last answered.
    is_down: AtomicBool,
}

impl Counting {
    pub(crate) fn note_wait(&self, waited: Duration) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        add(&self.waited_nanos, waited);
    }

    pub(crate) fn note_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was made, or could not be.
    pub(crate) fn note_connect(&self, is_made: bool) {
        let mut since = self.up_since.lock().unwrap_or_else(PoisonError::into_inner);
        match (is_made, *since) {
            (true, None) => *since = Some(Instant::now()),
            (true, Some(_)) => {}
            (false, _) => *since = None,
        }
        self.is_down.store(!is_made, Ordering::Release);
    }

    /// Something was answered, on a connection that was there already.
    pub(crate) fn note_answer(&self) {
        if self.is_down.load(Ordering::Acquire) {
            self.note_connect(true);
        }
    }

    pub(crate) fn note_statement(&self, name: &'static str, took: Duration, is_slow: bool) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        add(&self.took_nanos, took);
        if is_slow {
            self.slow.fetch_add(1, Ordering::Relaxed);
            let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
            if slowest.is_none_or(|(_, most)| most < took) {
                *slowest = Some((name, took));
            }
        }
    }

    pub(crate) fn sums(&self) -> Tally {
        let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Tally {
            asked: read(&self.asked),
            waited: Duration::from_nanos(read(&self.waited_nanos)),
            errors: read(&self.errors),
            statements: read(&self.statements),
            took: Duration::from_nanos(read(&self.took_nanos)),
            slow: read(&self.slow),
        }
    }

    /// The slowest of all slow statements since somebody asked last.
    pub(crate) fn take_slowest(&self) -> Option<Slowest> {
        let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        slowest.take()
    }

    /// For how long connections could be made without a break.
    pub(crate) fn up_for(&self) -> Duration {
        let since = self.up_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

fn add(nanos: &AtomicU64, time: Duration) {
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    nanos.fetch_add(time, Ordering::Relaxed);
}
