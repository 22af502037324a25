//! Waiting, always with a limit, so that a test that hangs says for what.

use std::time::{Duration, Instant};

/// Long enough for a very busy machine; what has not happened by then does not happen.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// The future's output, within [`LIMIT`].
pub(crate) async fn within_limit<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("waited {LIMIT:?} in vain: {what}"))
}

/// Asks again and again until the answer is yes; returns how long that took.
pub(crate) async fn eventually(
    what: &str,
    limit: Duration,
    mut is_so: impl AsyncFnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
