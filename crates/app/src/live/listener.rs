//! Hears what other processes announce, on a connection of its own, while somebody here sells or
//! watches.

use std::sync::Arc;
use std::time::Duration;

use store::stock::Listener;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{Hub, announcer};

/// How often the connection is asked whether it still hears anything.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// An answer that takes longer is none.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Between two attempts to listen.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(hub: Arc<Hub>) {
    loop {
        if !hub.wants_to_hear() {
            hub.to_hear.notified().await;
            continue;
        }
        match Listener::open(&hub.pool).await {
            Ok(listener) => listen(&hub, listener).await,
            Err(error) => tracing::debug!(%error, "not listening to other processes"),
        }
        sleep(PAUSE).await;
    }
}

/// Until the connection ends or nobody wants to hear any more.
async fn listen(hub: &Hub, mut listener: Listener) {
    // Whatever happened while nobody listened is looked at again.
    hub.mark_all();
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            heard = listener.next() => heard,
            _ = heartbeat.tick() => {
                let alive = timeout(ALIVE_WITHIN, listener.is_alive()).await;
                if alive == Ok(true) && hub.wants_to_hear() {
                    continue;
                }
                return;
            }
        };
        let Some(payload) = heard else { return };
        if let Some((process, changed)) = announcer::read(&payload)
            && process != hub.process
        {
            for (concert, is_return) in changed {
                hub.heard_of(concert, is_return);
            }
        }
    }
}
