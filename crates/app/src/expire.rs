//! Giving back what unpaid holds kept: a hold that ran out is swept, and its tickets are on sale.
//!
//! Not here: reading as expired, which happens at once (`domain::reservation`).

use std::collections::BTreeMap;
use std::time::Duration;

use domain::id::ConcertId;
use store::{StoreError, Transaction, concerts, reservations};

use crate::{App, task};

/// A new hold on another server is seen in time if it lasts longer than this.
const REST_MAX: Duration = Duration::from_secs(10);
/// Holds in one transaction: few enough that a sale never waits long behind it.
const BATCH_MAX: i64 = 500;

/// How long the sweeper may rest: until the next hold ends, and never longer than a hold lasts or
/// ten seconds, for other servers make holds too.
pub async fn rest(app: &App) -> Result<Duration, StoreError> {
    let connection = app.writer().get().await?;
    let longest = REST_MAX.min(app.settings().hold_ttl);
    let Some(end) = reservations::next_end(&connection).await? else {
        return Ok(longest);
    };
    let until = end.duration_since(app.ctx().now());
    Ok(Duration::try_from(until).unwrap_or_default().min(longest))
}

/// Expires overdue holds in one transaction; returns how many.
///
/// Of several servers one sweeps at a time; the others do nothing.
pub async fn sweep(app: &App) -> Result<usize, StoreError> {
    let app = app.clone();
    task::uninterrupted(async move {
        let transaction = Transaction::begin(app.writer()).await?;
        match sweep_in(&app, &transaction).await {
            Ok(expired @ 1..) => {
                transaction.commit().await?;
                metrics::counter!("stagedoor_reservations_total", "outcome" => "expired")
                    .increment(expired as u64);
                Ok(expired)
            }
            outcome => {
                transaction.rollback().await;
                outcome
            }
        }
    })
    .await
}

/// INVARIANT: concerts are locked before reservations, both in id order; guarded by
/// `whoever_waits_for_a_concert_has_locked_no_reservation`.
async fn sweep_in(app: &App, transaction: &Transaction) -> Result<usize, StoreError> {
    if !reservations::try_lock_sweep(transaction).await? {
        return Ok(0);
    }
    let now = app.ctx().now();
    let overdue = reservations::list_overdue(transaction, now, BATCH_MAX).await?;
    if overdue.is_empty() {
        return Ok(0);
    }
    let (ids, mut concerts_of): (Vec<String>, Vec<ConcertId>) = overdue.into_iter().unzip();
    concerts_of.sort_unstable();
    concerts_of.dedup();
    for concert in &concerts_of {
        concerts::lock_stock(transaction, *concert).await?;
    }
    let locked = reservations::lock_overdue(transaction, &ids, now).await?;
    let mut returned: BTreeMap<ConcertId, i32> = BTreeMap::new();
    for hold in &locked {
        *returned.entry(hold.concert_id).or_default() += hold.quantity;
    }
    reservations::expire(transaction, &locked, now).await?;
    for (concert, tickets) in returned {
        concerts::return_tickets(transaction, concert, tickets, now).await?;
    }
    Ok(locked.len())
}
