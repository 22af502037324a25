//! Use cases that write run in a task of their own, so that a client that disconnects can't cut
//! one in two.

use std::time::Duration;

use store::{Acting, StoreError, Transaction};
use tracing::Instrument as _;

use crate::App;

/// Runs `work` to its end even if the caller's future is dropped meanwhile.
pub(crate) async fn uninterrupted<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(failure) => std::panic::resume_unwind(
            failure
                .try_into_panic()
                .unwrap_or_else(|_| Box::new("the runtime is shutting down")),
        ),
    }
}

/// What `work` gives within `limit`. If it takes longer it goes on by itself: a COMMIT that waits for a
/// standby can't be called back, and keeps its connection's place in the pool until it is answered.
pub(crate) async fn within<T: Send + 'static>(
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut work = Box::pin(work);
    if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
        return Some(done);
    }
    tokio::spawn(work);
    None
}

/// A transaction in which `by` acts.
pub(crate) async fn begin(app: &App, by: &Acting) -> Result<Transaction, StoreError> {
    Transaction::begin(app.writer(), by).await
}

/// The same for what locks accounts, and asks whether `by` still may behind those locks.
pub(crate) async fn begin_unconfirmed(app: &App, by: &Acting) -> Result<Transaction, StoreError> {
    Transaction::begin_unconfirmed(app.writer(), by).await
}

/// Commits what was done, or undoes it when it was refused.
pub(crate) async fn end<T, E: From<StoreError>>(
    transaction: Transaction,
    outcome: Result<T, E>,
) -> Result<T, E> {
    if outcome.is_ok() {
        transaction.commit().await?;
    } else {
        transaction.rollback().await;
    }
    outcome
}
