//! Tells other processes what changed here, a few times a second and never inside a sale: each
//! NOTIFY takes a lock of the whole database at its commit.

use std::sync::Arc;
use std::time::Duration;

use domain::id::ConcertId;
use store::{StoreError, stock};

use super::Hub;

/// A note of a sold-out concert lasts 250 ms anyway; announcing returns more often gains nothing.
const PAUSE: Duration = Duration::from_millis(200);
/// PostgreSQL takes payloads of less than 8,000 bytes; a number is at most 12 long.
const CONCERTS_IN_ONE: usize = 500;

pub(super) async fn run(hub: Arc<Hub>) {
    loop {
        hub.to_announce.notified().await;
        let changed: Vec<_> = hub.state().unannounced.drain().collect();
        for part in changed.chunks(CONCERTS_IN_ONE) {
            if let Err(error) = announce(&hub, part).await {
                tracing::debug!(%error, "changed stock was not announced");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn announce(hub: &Hub, changed: &[(ConcertId, bool)]) -> Result<(), StoreError> {
    let connection = hub.pool.get_to_write().await?;
    stock::announce(&connection, &write(hub.process, changed)).await
}

/// `<process> <concert> +<concert whose tickets came back> …`
fn write(process: u64, changed: &[(ConcertId, bool)]) -> String {
    use std::fmt::Write as _;
    let mut payload = format!("{process:016x}");
    for (concert, is_return) in changed {
        let sign = if *is_return { "+" } else { "" };
        let _ = write!(payload, " {sign}{concert}");
    }
    payload
}

/// Reads what [`write`] wrote: who, and what changed. Words that mean nothing here are skipped.
pub(super) fn read(payload: &str) -> Option<(u64, Vec<(ConcertId, bool)>)> {
    let mut words = payload.split(' ');
    let process = u64::from_str_radix(words.next()?, 16).ok()?;
    let changed = words.filter_map(|word| {
        let number = word.strip_prefix('+');
        let id = number.unwrap_or(word).parse().ok()?;
        Some((ConcertId::new(id)?, number.is_some()))
    });
    Some((process, changed.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let changed = [(1, false), (7, true), (i32::MAX, true)]
            .map(|(id, is_return)| (ConcertId::new(id).unwrap(), is_return));
        let payload = write(u64::MAX, &changed);
        assert_eq!(read(&payload), Some((u64::MAX, changed.to_vec())));
        assert_eq!(read("nonsense"), None);
        assert_eq!(read("1 x +1"), Some((1, vec![(changed[0].0, true)])));
    }
}
