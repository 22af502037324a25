//! Looks at what is watched and may have changed, and tells those who watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::id::ConcertId;
use store::stock::{self, Availability};
use store::{Pool, StoreError};
use tokio::time::{sleep, timeout};

use super::{Hub, State};

/// Nobody is told more often than once a second.
const PAUSE: Duration = Duration::from_secs(1);
/// Everything that is watched is looked at so often even if nobody says that it changed: plain SQL
/// announces nothing, and a message may be lost.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);
/// Concerts in one statement.
const CONCERTS_IN_ONE: usize = 1_000;

pub(super) async fn run(hub: Arc<Hub>) {
    loop {
        let is_told = timeout(LOOK_ANYWAY, hub.to_read.notified()).await.is_ok();
        let wanted = take_wanted(&mut hub.state(), !is_told);
        for part in wanted.chunks(CONCERTS_IN_ONE) {
            match look(&hub.pool, part).await {
                Ok(found) => tell(&mut hub.state(), part, &found),
                Err(error) => {
                    tracing::debug!(%error, "what is watched was not looked at");
                    hub.mark_all();
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// What is to be looked at; what nobody watches any more is forgotten.
fn take_wanted(state: &mut State, all: bool) -> Vec<ConcertId> {
    state
        .watched
        .retain(|_, watched| watched.sender.receiver_count() > 0);
    let mut wanted = Vec::new();
    for (id, watched) in &mut state.watched {
        if std::mem::take(&mut watched.may_have_changed) || all {
            wanted.push(*id);
        }
    }
    wanted
}

async fn look(
    pool: &Pool,
    concerts: &[ConcertId],
) -> Result<Vec<(ConcertId, Availability)>, StoreError> {
    let connection = pool.get().await?;
    stock::list_availability(&connection, concerts).await
}

/// Those who watch a concert that is gone see the end of its sender.
fn tell(state: &mut State, asked: &[ConcertId], found: &[(ConcertId, Availability)]) {
    let found: HashMap<_, _> = found.iter().copied().collect();
    for concert in asked {
        let Some(now) = found.get(concert) else {
            state.watched.remove(concert);
            continue;
        };
        if let Some(watched) = state.watched.get(concert) {
            watched.sender.send_if_modified(|shown| {
                let is_other = shown != now;
                *shown = *now;
                is_other
            });
        }
    }
}
