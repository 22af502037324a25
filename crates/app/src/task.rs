//! Use cases that write run in a task of their own, so that a client that disconnects can't cut
//! one in two.

use tracing::Instrument as _;

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
