//! The only source of time and randomness.
//!
//! INVARIANT: nothing else reads the wall clock or a random source (clippy's `disallowed_methods`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

/// Tells the time that decides expiry and is stored.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Takes the primary's time, as read at a new connection.
    fn observe(&self, primary: Timestamp);
}

/// Brings random bytes that nobody can guess.
pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// Time and randomness for the use cases. Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").finish_non_exhaustive()
    }
}

impl Ctx {
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random }
    }

    /// The primary's clock and the operating system's randomness.
    pub fn system() -> Self {
        Self::new(Arc::new(PrimaryClock::new()), Arc::new(SystemRandom))
    }

    /// The time, in the microseconds that PostgreSQL keeps, so that what is stored reads back.
    pub fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    pub fn observe(&self, primary: Timestamp) {
        self.clock.observe(primary);
    }

    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }

    /// A random (version 4) UUID.
    pub fn random_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random_bytes()).into_uuid()
    }
}

/// The primary's clock, carried on by this machine's monotonic one. Once the primary was heard it
/// never runs backwards.
#[derive(Debug)]
pub struct PrimaryClock {
    started: Instant,
    /// Microseconds since 1970 at `started`, by the primary's clock.
    anchor: AtomicI64,
    last: AtomicI64,
    /// Whether the primary has said what time it is.
    is_anchored: AtomicBool,
}

impl PrimaryClock {
    /// Until a connection exists this machine's own clock stands in.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn new() -> Self {
        let anchor = AtomicI64::new(Timestamp::now().as_microsecond());
        Self {
            started: Instant::now(),
            anchor,
            last: AtomicI64::new(0),
            is_anchored: AtomicBool::new(false),
        }
    }

    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Default for PrimaryClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for PrimaryClock {
    fn now(&self) -> Timestamp {
        let now = self
            .anchor
            .load(Ordering::Acquire)
            .saturating_add(self.elapsed());
        let last = self.last.fetch_max(now, Ordering::AcqRel);
        Timestamp::from_microsecond(now.max(last)).unwrap_or(Timestamp::MAX)
    }

    fn observe(&self, primary: Timestamp) {
        let anchor = primary.as_microsecond().saturating_sub(self.elapsed());
        self.anchor.store(anchor, Ordering::Release);
        // What this machine's own clock said before doesn't count, however far ahead it was.
        if !self.is_anchored.swap(true, Ordering::AcqRel) {
            self.last.store(0, Ordering::Release);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where randomness is read"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no token is safe; a supported system never fails here.
        getrandom::fill(bytes).expect("the operating system has no randomness");
    }
}

/// A clock that stands still until it is advanced, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_microsecond()))
    }

    pub fn advance(&self, by: std::time::Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_micros()).unwrap_or(i64::MAX),
            Ordering::AcqRel,
        );
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::Acquire)).unwrap_or(Timestamp::MAX)
    }

    fn observe(&self, _primary: Timestamp) {}
}

/// A reproducible sequence (`SplitMix64`), for tests.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::AcqRel).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_primarys_clock_is_followed_but_never_backwards() {
        let clock = PrimaryClock::new();
        clock.observe(clock.now());
        let ahead = clock.now() + Duration::from_hours(1);
        clock.observe(ahead);
        let seen = clock.now();
        assert!(seen >= ahead);
        clock.observe(ahead - Duration::from_hours(2));
        assert!(clock.now() >= seen);
    }

    #[test]
    fn a_machine_whose_clock_is_ahead_has_the_right_time_once_it_heard_the_primary() {
        let clock = PrimaryClock::new();
        let primary = clock.now() - Duration::from_hours(1);
        clock.observe(primary);
        let seen = clock.now();
        assert!(seen >= primary && seen < primary + Duration::from_mins(1));
    }

    #[test]
    fn a_machine_that_slept_has_the_right_time_once_it_heard_the_primary() {
        let clock = PrimaryClock::new();
        clock.observe(clock.now());
        let primary = clock.now() + Duration::from_hours(1);
        clock.observe(primary);
        assert!(clock.now() >= primary);
    }
}
