//! What a pool and its connections share: whether commits are let through, where the log was behind
//! the last one, and which connections are of an earlier time.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::StoreError;
use crate::replication::Position;
use crate::tally::Counting;

/// A lower position than the last one counts only after so long: two commits may tell theirs in
/// either order, but a primary that was restored to an earlier time begins lower for good.
const BACK_AFTER: Duration = Duration::from_mins(1);

/// Shared by a pool and its connections.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// No standby confirms, although one must.
    lacks_standby: AtomicBool,
    /// Looks at the primary in a row that got no answer.
    silent_looks: AtomicU32,
    /// Whether somebody wants to know positions; they cost a statement behind each COMMIT.
    are_followed: AtomicBool,
    last: Mutex<Option<(Position, Instant)>>,
    /// Connections of an earlier one are not lent any more.
    generation: AtomicU64,
    found_primary: AtomicBool,
    pub(crate) counting: Counting,
}

impl Shared {
    pub(crate) fn check_standby(&self) -> Result<(), StoreError> {
        if self.lacks_standby.load(Ordering::Acquire) {
            Err(StoreError::NoStandby)
        } else {
            Ok(())
        }
    }

    /// Looks in a row that the primary did not answer; the next that it does makes it none.
    pub(crate) fn silent_looks(&self) -> u32 {
        self.silent_looks.load(Ordering::Acquire)
    }

    pub(crate) fn note_look(&self, is_answered: bool) {
        if is_answered {
            self.silent_looks.store(0, Ordering::Release);
        } else {
            self.silent_looks.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether that is new.
    pub(crate) fn set_lacks_standby(&self, lacks: bool) -> bool {
        self.lacks_standby.swap(lacks, Ordering::AcqRel) != lacks
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn retire(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn found_primary(&self) -> bool {
        self.found_primary.load(Ordering::Acquire)
    }

    pub(crate) fn set_found_primary(&self, found: bool) {
        self.found_primary.store(found, Ordering::Release);
    }

    pub(crate) fn follow(&self) {
        self.are_followed.store(true, Ordering::Release);
    }

    pub(crate) fn are_followed(&self) -> bool {
        self.are_followed.load(Ordering::Acquire)
    }

    /// Behind the last commit of this process, or ahead of it; `None` before the first.
    pub(crate) fn last(&self) -> Option<Position> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|(position, _)| position)
    }

    /// The log was here behind a commit.
    pub(crate) fn passed(&self, position: Position) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_older = |(known, at): (Position, Instant)| {
            known < Position::MAX && position < known && at.elapsed() < BACK_AFTER
        };
        if !last.is_some_and(is_older) {
            *last = Some((position, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_commits_at_once_the_later_position_counts() {
        let shared = Shared::default();
        assert_eq!(shared.last(), None);
        for bytes in [20, 10] {
            shared.passed(Position::new(bytes));
        }
        assert_eq!(shared.last(), Some(Position::new(20)));
    }
}
