//! Whether the stock of every concert adds up, some concerts at a look: all of them at once would keep
//! the database busy for seconds.

use std::collections::BTreeSet;

use store::{StoreError, Transaction, health};

/// One statement reads about so many tickets' reservations; a concert that has more is read alone.
const TAKEN_MAX: i64 = 20_000;
/// And so many concerts.
const CONCERTS_MAX: i64 = 500;
/// Stretches of a look.
const STRETCHES: usize = 4;

/// So many broken ones are known by name.
const BROKEN_MAX: usize = 100;
/// So many of them are looked at again each time.
const AGAIN_MAX: usize = 10;

/// A walk through all concerts that begins anew at its end.
#[derive(Debug, Default)]
pub(super) struct Round {
    after: i32,
    broken: BTreeSet<i32>,
}

impl Round {
    /// Walks on, and looks again at what was broken, so that it is known at once when it is mended.
    /// The concerts that are known to be broken.
    pub(super) async fn check_some(
        &mut self,
        transaction: &Transaction,
    ) -> Result<Vec<i32>, StoreError> {
        let again: Vec<i32> = self.broken.iter().copied().take(AGAIN_MAX).collect();
        for concert in again {
            self.check(transaction, (concert - 1, concert)).await?;
        }
        for _ in 0..STRETCHES {
            let next = health::list_taken(transaction, self.after, CONCERTS_MAX).await?;
            let Some(up_to) = end_of(&next) else {
                self.after = 0;
                break;
            };
            self.check(transaction, (self.after, up_to)).await?;
            self.after = up_to;
        }
        Ok(self.broken.iter().copied().collect())
    }

    async fn check(
        &mut self,
        transaction: &Transaction,
        (after, up_to): (i32, i32),
    ) -> Result<(), StoreError> {
        let limit = i64::try_from(BROKEN_MAX).unwrap_or(i64::MAX);
        let broken = health::list_broken(transaction, (after, up_to), limit).await?;
        self.broken
            .retain(|concert| *concert <= after || *concert > up_to);
        let room = BROKEN_MAX.saturating_sub(self.broken.len());
        self.broken.extend(broken.into_iter().take(room));
        Ok(())
    }
}

/// The last concert of a stretch; `None` where there are none.
fn end_of(next: &[(i32, i64)]) -> Option<i32> {
    let mut sum = 0;
    let fits = next.iter().take_while(|(_, taken)| {
        let is_first = sum == 0;
        sum += taken.max(&1);
        is_first || sum <= TAKEN_MAX
    });
    fits.last().map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_as_long_as_one_statement_may_read() {
        assert_eq!(end_of(&[]), None);
        assert_eq!(end_of(&[(1, 100), (2, 200), (9, 300)]), Some(9));
        assert_eq!(end_of(&[(1, 15_000), (2, 5_000), (9, 1)]), Some(2));
        assert_eq!(
            end_of(&[(4, 60_000), (5, 1)]),
            Some(4),
            "a stadium is read alone"
        );
        assert_eq!(end_of(&[(4, 1), (5, 60_000)]), Some(4));
    }
}
