//! How long a failed job waits: longer each time, with chance, so that what failed together
//! doesn't come back together.

use std::time::Duration;

/// A hiccup is over by then.
const FIRST_MAX: Duration = Duration::from_secs(10);
/// Nobody waits longer than this for a mail once the mail server is back.
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// Also an unlucky draw leaves others a turn.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The pause after a failed attempt (the first is 1), drawn evenly up to its limit.
pub(super) fn pause(attempt: i32, random: u64) -> Duration {
    let limit = u64::try_from(limit(attempt).as_millis()).unwrap_or(u64::MAX);
    // The remainder favours small values by less than one in a trillion.
    Duration::from_millis(random % (limit + 1)).max(PAUSE_MIN)
}

/// Doubles with each attempt, up to an hour.
fn limit(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    FIRST_MAX.saturating_mul(factor).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_may_grow_up_to_an_hour() {
        let limits: Vec<u64> = (1..=11).map(|attempt| limit(attempt).as_secs()).collect();
        let expected = [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600];
        assert_eq!(limits, expected);
        for attempt in [i32::MIN, 0, 33, i32::MAX] {
            assert!((FIRST_MAX..=PAUSE_MAX).contains(&limit(attempt)));
        }
    }

    #[test]
    fn a_pause_is_drawn_from_all_of_its_range() {
        let draws: Vec<u64> = (0..10_000)
            .map(|draw| pause(5, u64::MAX / 10_000 * draw).as_secs())
            .collect();
        assert!(draws.iter().all(|pause| (1..=160).contains(pause)));
        for quarter in [1..40, 40..80, 80..120, 120..161] {
            assert!(draws.iter().any(|pause| quarter.contains(pause)));
        }
        assert_eq!(pause(1, 0), PAUSE_MIN);
    }
}
