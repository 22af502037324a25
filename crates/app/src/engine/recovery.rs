//! The truth about a commit that did not answer.
//!
//! A plain lookup answers wrongly both ways: the commit may still be under way, or visible and not
//! yet replicated. Whoever gets the lock on the same concert rows comes after it, one way or the
//! other, and whose own commit is clean has seen what lasts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ConcertId;
use store::StoreError;
use store::admission::{Desk, Existing};
use tokio::sync::mpsc;

use super::batch::{Changes, Decided};
use super::{Shared, WAIT_MAX, Waiting};
use crate::reserve::ReserveError;

/// Until then a request can be told the truth in time; after it, its retry will be.
const RESOLVE_WITHIN: Duration = Duration::from_millis(2500);
const PAUSE: Duration = Duration::from_millis(50);

/// Finds out whether a batch was committed, and answers its requests; what didn't happen is tried
/// again by way of `queue` while there is time.
pub(super) async fn resolve(
    shared: Arc<Shared>,
    queue: mpsc::WeakSender<Waiting>,
    waiting: Vec<Waiting>,
    decided: Decided,
) {
    let started = Instant::now();
    let requests = waiting.len();
    let found = loop {
        match look(&shared, &decided.changes).await {
            Ok(existing) => break Some(existing),
            Err(error) if started.elapsed() < RESOLVE_WITHIN => {
                tracing::debug!(%error, "the outcome of a commit is still unknown");
                tokio::time::sleep(PAUSE).await;
            }
            Err(_) => break None,
        }
    };
    tracing::warn!(
        requests,
        ?found,
        "a commit did not answer; its outcome was looked up"
    );
    match found {
        Some(Existing::All) => {
            for (concert, _) in &decided.changes.taken {
                shared.live.changed(*concert);
            }
            for (waiting, outcome) in waiting.into_iter().zip(decided.into_outcomes()) {
                waiting.answer(outcome);
            }
        }
        Some(Existing::None) => try_again(&queue, waiting),
        Some(Existing::Some) | None => {
            let late = "the database did not say in time";
            answer_all(waiting, || StoreError::OutcomeUnknown(late.to_owned()));
        }
    }
}

fn try_again(queue: &mpsc::WeakSender<Waiting>, waiting: Vec<Waiting>) {
    let gone = || StoreError::Unavailable("the connection broke before the commit".to_owned());
    let (in_time, late): (Vec<_>, Vec<_>) = waiting
        .into_iter()
        .partition(|waiting| waiting.since.elapsed() < WAIT_MAX);
    answer_all(late, gone);
    let Some(queue) = queue.upgrade() else {
        return answer_all(in_time, gone);
    };
    for waiting in in_time {
        if let Err(refused) = queue.try_send(waiting) {
            answer_all(vec![refused.into_inner()], gone);
        }
    }
}

fn answer_all(waiting: Vec<Waiting>, error: impl Fn() -> StoreError) {
    for waiting in waiting {
        waiting.answer(Err(ReserveError::Store(error())));
    }
}

async fn look(shared: &Shared, changes: &Changes) -> Result<Existing, StoreError> {
    let attempt = async {
        let desk = Desk::open(&shared.pool).await?;
        let concerts: Vec<ConcertId> = changes.taken.iter().map(|(id, _)| *id).collect();
        let ids: Vec<&str> = changes
            .admissions
            .iter()
            .map(|new| new.reservation.id.as_str())
            .collect();
        desk.look_behind_lock(&concerts, &ids).await
    };
    let unanswered = || StoreError::Unavailable("the database did not answer in time".to_owned());
    tokio::time::timeout(RESOLVE_WITHIN, attempt)
        .await
        .unwrap_or_else(|_| Err(unanswered()))
}
