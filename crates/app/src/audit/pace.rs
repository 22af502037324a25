//! How quickly the audit log is sealed: beside a sale hardly at all, unless it falls behind.
//!
//! Sealing a row costs PostgreSQL some six microseconds, which in a rush nobody has to spare; and
//! until a row is sealed, a superuser can change it unnoticed. So the share of time that is taken
//! grows with the age of what waits.

use std::time::Duration;

/// With nothing left to seal: a row that is changed within it is not found out.
const SEAL_EVERY: Duration = Duration::from_secs(5);
/// Of one processor core, while what waits is young: too little for a sale to notice.
const SHARE_MIN: f64 = 0.03;
/// Most rushes are over by then, and what they wrote is sealed afterwards.
const YOUNG: Duration = Duration::from_secs(15);
/// From this age on nothing is spared: the promise of `docs/security.md`.
const AGE_MAX: Duration = Duration::from_mins(1);
/// So that whoever stops the process is heard, and other servers get a turn.
const REST_MIN: Duration = Duration::from_millis(10);

/// What one turn has sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub rows: usize,
    /// There may be more.
    pub is_full: bool,
    /// Of its oldest row.
    pub age: Duration,
    /// Time that the database and this process worked, or waited for their turn on a core.
    pub took: Duration,
    /// The newest seal that this process made before was gone.
    pub has_lost_head: bool,
}

impl Sealed {
    /// A turn that found nothing, or another server at work.
    pub(super) const NOTHING: Self = Self {
        rows: 0,
        is_full: false,
        age: Duration::ZERO,
        took: Duration::ZERO,
        has_lost_head: false,
    };

    /// How long to rest before the next turn.
    pub(crate) fn rest(&self) -> Duration {
        if !self.is_full {
            return SEAL_EVERY;
        }
        let rest = self.took.mul_f64(1.0 / share(self.age) - 1.0);
        rest.clamp(REST_MIN, SEAL_EVERY)
    }
}

/// The share of time for sealing: the least while all is young, and from there evenly up to all.
fn share(age: Duration) -> f64 {
    let late = age.saturating_sub(YOUNG).as_secs_f64();
    let lateness = (late / AGE_MAX.saturating_sub(YOUNG).as_secs_f64()).min(1.0);
    SHARE_MIN + (1.0 - SHARE_MIN) * lateness
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS_MAX: u64 = 4_000;

    /// The oldest age in a sale that writes so many rows a second for so long, where sealing each
    /// takes so many microseconds; and the share of a core that its sealing took meanwhile.
    fn simulate(rows_per_second: u64, seconds: u64, row_us: u64) -> (Duration, f64) {
        let (mut now, mut sealed) = (Duration::ZERO, 0);
        let (mut oldest, mut busy) = (Duration::ZERO, Duration::ZERO);
        let end = Duration::from_secs(seconds);
        while now < end {
            let written = u64::try_from(now.as_millis()).unwrap() * rows_per_second / 1_000;
            let rows = (written - sealed).min(ROWS_MAX);
            let began = Duration::from_millis(sealed * 1_000 / rows_per_second);
            let turn = Sealed {
                rows: usize::try_from(rows).unwrap(),
                is_full: rows == ROWS_MAX,
                age: now.saturating_sub(began),
                took: Duration::from_micros(rows * row_us),
                ..Sealed::NOTHING
            };
            oldest = oldest.max(turn.age);
            busy += turn.took;
            sealed += rows;
            now += turn.took + turn.rest();
        }
        (oldest, busy.as_secs_f64() / now.as_secs_f64())
    }

    #[test]
    fn a_short_rush_gives_sealing_three_percent_of_a_core() {
        let (_, share) = simulate(15_000, 14, 6);
        assert!(share < 0.035, "{share}");
    }

    #[test]
    fn however_long_a_rush_lasts_no_row_waits_for_more_than_a_minute() {
        for row_us in [3, 6, 12, 25, 50] {
            let (oldest, share) = simulate(15_000, 600, row_us);
            assert!(oldest <= AGE_MAX, "{row_us} us: {oldest:?}");
            // No more than keeping up costs.
            let needed = 15_000.0 * f64::from(u32::try_from(row_us).unwrap()) / 1e6;
            assert!(share < needed * 1.1, "{row_us} us: {share} of {needed}");
        }
    }

    #[test]
    fn a_quiet_system_is_sealed_every_five_seconds() {
        assert_eq!(Sealed::NOTHING.rest(), SEAL_EVERY);
        let late = Sealed {
            rows: 4_000,
            is_full: true,
            age: Duration::from_hours(1),
            took: Duration::from_millis(25),
            ..Sealed::NOTHING
        };
        assert_eq!(late.rest(), REST_MIN);
    }
}
