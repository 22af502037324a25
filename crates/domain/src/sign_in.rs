//! The limits of staff sign-in: how long a session lasts, and how long failures keep others out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A session that nobody used for so long has ended: a desk that somebody left.
pub const SESSION_IDLE_MAX: Duration = Duration::from_mins(30);
/// However busy, a session ends with the working day.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);

/// What failures are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// The name that was typed, whether such an account exists or not.
    Account,
    /// Where the attempts came from. Many people may share it, so that more are free.
    Address,
    /// The name at this address: all that counts where the account's owner signed in lately, so that
    /// neither others elsewhere nor a neighbour who guesses other names can shut them out.
    AccountThere,
}

/// The longest wait, for an account and for an address.
pub const LOCK_MAX: Duration = Duration::from_mins(15);
/// Failures that lie so far back count no more. Longer than the longest wait, or waiting it out
/// would pay.
pub const FAILURES_KEPT_FOR: Duration = Duration::from_hours(24);
/// From an address where its owner signed in so lately, neither others who guess at the account from
/// elsewhere nor others who guess from there at other accounts can lock them out.
pub const ADDRESS_KNOWN_FOR: Duration = Duration::from_hours(30 * 24);

impl Counted {
    /// Failures that cost no wait: people mistype.
    const fn free(self) -> u32 {
        match self {
            Self::Account | Self::AccountThere => 5,
            Self::Address => 10,
        }
    }

    /// How long nobody may try again after so many failures: nothing for the free ones, then 1 s,
    /// 2 s, 4 s and so on.
    pub fn lock(self, failures: u32) -> Duration {
        let beyond = failures.saturating_sub(self.free());
        match beyond.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                Duration::from_secs(1u64.checked_shl(doublings).unwrap_or(u64::MAX)).min(LOCK_MAX)
            }
        }
    }
}

/// Failures so far and until when they lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    pub last_failed_at: Option<Timestamp>,
    pub locked_until: Option<Timestamp>,
}

impl Failures {
    /// How long nobody may try; `None` when they may.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let left = self.locked_until?.duration_since(now);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// With one failure more. An attempt counts as failed from its beginning, so that many at once
    /// don't all find the door open.
    #[must_use]
    pub fn and_one(self, counted: Counted, now: Timestamp) -> Self {
        let kept = self
            .last_failed_at
            .is_some_and(|last| now.duration_since(last) < kept_for());
        let count = if kept {
            self.count.saturating_add(1)
        } else {
            1
        };
        let lock = counted.lock(count);
        Self {
            count,
            last_failed_at: Some(now),
            locked_until: (!lock.is_zero()).then(|| now + lock),
        }
    }

    /// Takes an attempt back that didn't fail, given what it found and what it left: all is as it was
    /// before. Where another one was counted since, only the number is one less: its lock stays.
    #[must_use]
    pub fn without(self, found: Self, left: Self) -> Self {
        if self == left {
            return found;
        }
        Self {
            count: self.count.saturating_sub(1),
            ..self
        }
    }
}

fn kept_for() -> SignedDuration {
    SignedDuration::try_from(FAILURES_KEPT_FOR).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failures_are_free_then_the_wait_doubles_up_to_its_limit() {
        let seconds = |counted: Counted| {
            let locks = (1..=40).map(|failures| counted.lock(failures).as_secs());
            locks.collect::<Vec<_>>()
        };
        let of_account = seconds(Counted::Account);
        assert_eq!(of_account[..5], [0; 5]);
        assert_eq!(
            of_account[5..16],
            [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]
        );
        assert!(of_account[16..].iter().all(|wait| *wait == 900));
        assert_eq!(seconds(Counted::AccountThere), of_account);
        let of_address = seconds(Counted::Address);
        assert_eq!(of_address[..10], [0; 10]);
        assert_eq!(of_address[10..13], [1, 2, 4]);
        assert_eq!(Counted::Account.lock(u32::MAX), LOCK_MAX);
    }

    #[test]
    fn a_lock_ends_and_old_failures_are_forgotten() {
        let start: Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
        let mut failures = Failures::default();
        for _ in 0..7 {
            failures = failures.and_one(Counted::Account, start);
        }
        assert_eq!(failures.wait(start), Some(Duration::from_secs(2)));
        assert_eq!(failures.wait(start + Duration::from_secs(2)), None);
        let day = start + FAILURES_KEPT_FOR;
        let soon = failures.and_one(Counted::Account, day - Duration::from_secs(1));
        assert_eq!(soon.count, 8);
        assert_eq!(failures.and_one(Counted::Account, day).count, 1);
    }

    #[test]
    fn an_attempt_that_did_not_fail_is_taken_back_alone() {
        let start: Timestamp = "2026-11-22T05:00:00Z".parse().unwrap();
        let hour = |hours| start + Duration::from_hours(hours);
        let mut found = Failures::default();
        for _ in 0..7 {
            found = found.and_one(Counted::Account, start);
        }
        // Neither its lock ends by that, nor does it begin to age anew.
        let left = found.and_one(Counted::Account, hour(1));
        assert_eq!(left.without(found, left), found);
        assert_eq!(found.and_one(Counted::Account, hour(24)).count, 1);
        let other = left.and_one(Counted::Account, hour(2));
        let back = other.without(found, left);
        assert_eq!((back.count, back.wait(hour(2))), (8, other.wait(hour(2))));
        let none = Failures::default();
        let deleted = none.without(found, left);
        assert_eq!((deleted.count, deleted.locked_until), (0, None));
    }
}
